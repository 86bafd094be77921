"""Serves the stand-in for PagerDuty: `python -m sandbox.clouds.pagerduty --port N`."""

from __future__ import annotations

from functools import partial

from sandbox.clouds.pagerduty.application import create_application
from sandbox.clouds.serving import main
from sandbox.credentials import Credentials

main("PagerDuty", partial(create_application, token=Credentials.from_environment().pagerduty_token))
