"""The whole program run with mocks, from another folder as the engine does, and once for all tests that read it."""

from __future__ import annotations

import contextlib
import json
import runpy
import tempfile
from collections.abc import Mapping
from functools import cache

import yaml

from alerting.settings.load import settings_from_file
from sandbox.mocked_account import fit_account
from sandbox.mocked_program import PROJECT, Run, run_program
from tests.alerting_data import ROOT, program_folder

CHANNELS = ("#orion-alerts", "#orion-alerts-info", "#orion-database-team")
SECRETS = {
    "pagerdutyToken": "SECRET-token",
    "grafanaAdminPassword": "SECRET-password",
    "slackWebhooks": json.dumps({channel: f"https://hooks.example.com/SECRET-{channel[1:]}" for channel in CHANNELS}),
}
CHAT_SECRETS = {
    "slackBotToken": "SECRET-bot",
    "slackSigningSecrets": '["SECRET-signing"]',
    "pagerdutyChatToken": "SECRET-chat",
}


def deployed(stack: str, *, preview: bool = False, secrets: Mapping[str, str] = SECRETS, **changed: str) -> Run:
    """Return what the program registers with a stack's configuration, these secrets and these changed settings."""
    config = {**_configuration(stack), **secrets, **changed}
    return _deployed(stack, preview, tuple(sorted(config.items())), tuple(sorted(secrets)))


@cache
def _deployed(
    stack: str,
    preview: bool,  # noqa: FBT001 - called above
    config: tuple[tuple[str, str], ...],
    secret_keys: tuple[str, ...],
) -> Run:
    with tempfile.TemporaryDirectory() as elsewhere, contextlib.chdir(elsewhere):
        return run_program(
            lambda: runpy.run_path(str(program_folder() / "__main__.py"), run_name="__main__"),
            preview=preview,
            stack=stack,
            config=dict(config),
            secret_keys=secret_keys,
            answers=fit_account(settings_from_file(ROOT, stack)),
        )


@cache
def _configuration(stack: str) -> Mapping[str, str]:
    values = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {
        key.removeprefix(f"{PROJECT}:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if key.startswith(f"{PROJECT}:")
    }
