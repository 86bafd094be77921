"""Serves the stand-in for Slack: `python -m sandbox.clouds.slack --port N`."""

from __future__ import annotations

from functools import partial

from sandbox.clouds.serving import main
from sandbox.clouds.slack.application import create_application
from sandbox.credentials import Credentials

main("Slack", partial(create_application, credentials=Credentials.from_environment()))
