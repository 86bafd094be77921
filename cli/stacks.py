"""Reads the settings of a stack from its file, without the engine. Secrets stay where they are: unread."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from alerting.names import PROJECT
from alerting.settings import Settings


class StackUnreadable(ValueError):
    """A stack's file is not there or does not hold valid settings; the message names each problem."""


def stack_names(root: Path) -> list[str]:
    """Return the stacks that have a file."""
    return sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))


def read_settings(root: Path, stack: str, *, extra: dict[str, Any] | None = None) -> Settings:
    """Return the settings in Pulumi.STACK.yaml. `extra` adds what is set only when the stack is run.

    Raises `StackUnreadable` with every problem.
    """
    path = root / f"Pulumi.{stack}.yaml"
    if not path.exists():
        raise StackUnreadable(f"--stack: found {stack!r}; allowed: {', '.join(stack_names(root))}")
    try:
        document = cast("dict[str, Any]", yaml.safe_load(path.read_text()) or {})
    except yaml.YAMLError as problem:
        raise StackUnreadable(f"{path.name}: is no YAML: {problem}") from problem
    configured = cast("dict[str, Any]", document.get("config") or {})
    prefix = f"{PROJECT}:"
    values = {
        key.removeprefix(prefix): value
        for key, value in configured.items()
        if key.startswith(prefix) and key.removeprefix(prefix) in Settings.model_fields
    }
    try:
        return Settings.model_validate(values | (extra or {}))
    except ValidationError as problem:
        listed = "\n".join(
            f"{path.name}: {PROJECT}:{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
            for error in problem.errors()
        )
        raise StackUnreadable(listed) from problem
