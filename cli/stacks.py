"""Reads the settings of a stack from its file, without the engine. Secrets stay where they are: unread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alerting.settings import Settings
from alerting.stack_settings import SettingsRefused, settings_from_file, stack_names

__all__ = ["StackUnreadable", "read_settings", "stack_names"]

StackUnreadable = SettingsRefused
"""A stack's file is not there or does not hold valid settings; the message names each problem."""


def read_settings(root: Path, stack: str, *, extra: Mapping[str, object] | None = None) -> Settings:
    """Return the settings in Pulumi.STACK.yaml. `extra` adds what is set only when the stack is run.

    Raises `StackUnreadable` with every problem.
    """
    return settings_from_file(root, stack, extra=extra)
