"""Runs a stack's program against Pulumi's mocks: what it would register, without engine, account and cluster."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

from alerting.names import PROJECT
from alerting.platform import Platform
from alerting.settings.load import SECRET_KEYS, configured, read_stack_file
from cli.placeholders import network_setting, secrets_of
from cli.stack_config import read_settings
from sandbox.mocked_account import fit_account
from sandbox.mocked_program import Run, run_program


def registered(root: Path, stack: str, platform: Platform) -> Run:
    """Return what the program in `root` would register for a stack, in a preview of an account that is fit.

    Raises what the program raises.
    """
    document = read_stack_file(root, stack)
    own = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in configured(document).items()
        if key.startswith(f"{PROJECT}:")
    }
    instead = network_setting(platform.settings)
    values = {**own, **instead, **secrets_of(platform)}
    return run_program(
        lambda: runpy.run_path(str(root / "__main__.py"), run_name="__main__"),
        preview=True,
        stack=stack,
        config={key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()},
        secret_keys=SECRET_KEYS,
        answers=fit_account(read_settings(root, stack, extra=instead)),
    )
