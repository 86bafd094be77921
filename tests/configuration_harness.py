"""Stacks' configuration as the engine hands it over, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pytest
import yaml

from alerting.settings import Settings
from components.configuration import ConfigurationError, read_settings
from sandbox.mocked_program import PROJECT, run_program
from tests.alerting_data import ROOT

CHANNELS = ("#orion-alerts", "#orion-database-team")
SECRETS = {
    "pagerdutyToken": "token-value",
    "grafanaAdminPassword": "password-value",
    "slackWebhooks": json.dumps({channel: f"https://hooks.example.com/{channel[1:]}" for channel in CHANNELS}),
}


def stack_values(stack: str) -> dict[str, str]:
    """Return a stack's configuration as the engine hands it over: every value a text."""
    values = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {
        key.removeprefix(f"{PROJECT}:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if key.startswith(f"{PROJECT}:")
    }


def read(values: Mapping[str, str]) -> Settings:
    found: list[Settings] = []
    run_program(lambda: found.append(read_settings(pulumi.Config(PROJECT), "prod")), config=values)
    return found[0]


def refused(values: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        read(values)
    for problem in error.value.problems:
        assert problem in str(error.value)
    return error.value.problems
