"""Reads the settings of a stack from its file, without the engine. Secrets stay where they are: unread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from alerting.settings import Settings
from alerting.settings.load import SettingsRefused, settings_from_file, stack_names
from alerting.source.problems import listed

__all__ = ["NOT_PAGED", "StackUnreadable", "read_settings", "setting", "stack_names"]

NOT_PAGED = "nothing is made there, since orion-alerting:paging is off"
"""What is said of PagerDuty for a stack that pages nobody."""
StackUnreadable = SettingsRefused
"""A stack's file is not there or does not hold valid settings; the message names each problem."""


def read_settings(root: Path, stack: str, *, extra: Mapping[str, object] | None = None) -> Settings:
    """Return the settings in Pulumi.STACK.yaml. `extra` adds what is set only when the stack is run.

    Raises `StackUnreadable` with every problem.
    """
    return settings_from_file(root, stack, extra=extra)


def setting(settings: Settings, key: str, stack: str) -> str:
    """Return one setting as text; a list's values each on a line.

    Raises `StackUnreadable` if there is no such setting, or it has parts.
    """
    value: object = settings.model_dump(mode="json")
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            allowed = listed(cast("dict[str, object]", value)) if isinstance(value, dict) else "nothing below it"
            raise StackUnreadable(stack, [f"{key}: there is no such setting; allowed in place of {part!r}: {allowed}"])
        value = cast("dict[str, object]", value)[part]
    if isinstance(value, dict):
        raise StackUnreadable(stack, [f"{key}: has parts; name one: {listed(cast('dict[str, object]', value))}"])
    return "\n".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
