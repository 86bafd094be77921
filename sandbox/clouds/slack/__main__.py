"""Serves the stand-in for Slack: `python -m sandbox.clouds.slack --port N`."""

from __future__ import annotations

from sandbox.clouds.serving import main
from sandbox.clouds.slack.application import create_application

main("Slack", create_application)
