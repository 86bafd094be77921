"""Describes the drift that a previewed refresh of the engine shows, as the text of a GitHub issue.

Names of resources and of properties are printed, and no values: whoever may read the repository may read the issue.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from alerting.errors import AlertingError

MOST_RESOURCES = 40
"""GitHub takes 65,536 characters in an issue, which two stacks share."""
MOST_PROPERTIES = 5
MOST_CHARACTERS = 80
COMMAND = "pulumi refresh --preview-only --json"
REMOVED = "delete"
NOT_CHANGED = frozenset({"refresh", "same", "read"})


class NotARefresh(AlertingError):
    """A file does not hold the result of a previewed refresh; the message says what it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One resource that differs from the stack's state. `properties` is empty for a resource that was removed."""

    type: str
    name: str
    removed: bool
    properties: tuple[str, ...] = ()


def read_drift(path: Path) -> tuple[Drift, ...]:
    """Return the resources that a previewed refresh found removed or changed.

    Where only outputs differ, such as a status or a count, nobody has changed what the program sets: that is no drift.
    Raises `NotARefresh`.
    """
    try:
        document = json.loads(path.read_text())
        steps = cast("list[dict[str, Any]]", document["steps"])
    except OSError as error:
        raise NotARefresh(f"{path}: {error.strerror}; write it with `{COMMAND} > {path}`") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotARefresh(
            f"{path}: found no JSON with `steps`; allowed: the output of `{COMMAND}`, "
            "which ends without it when the refresh fails"
        ) from error
    changed = [step for step in steps if step["op"] not in NOT_CHANGED]
    return tuple(drift for step in changed if (drift := _drift(step)) is not None)


def _drift(step: Mapping[str, Any]) -> Drift | None:
    *_, types, name = str(step["urn"]).split("::", 3)
    kind = types.rpartition("$")[2]
    if step["op"] == REMOVED:
        return Drift(type=kind, name=name, removed=True)
    detailed = cast("dict[str, Any]", step.get("detailedDiff") or {})
    reasons = cast("list[str]", step.get("diffReasons") or [])
    # A reason is a whole property; of one that has a detailed path, the path says more.
    covered = {re.split(r"[.[]", path, maxsplit=1)[0] for path in detailed}
    properties = (*detailed, *(reason for reason in reasons if reason not in covered))
    return Drift(type=kind, name=name, removed=False, properties=properties) if properties else None


def drift_text(stack: str, drifts: tuple[Drift, ...]) -> str:
    """Return the Markdown section of a stack, empty if nothing has drifted."""
    if not drifts:
        return ""
    lines = [f"### {stack}: {len(drifts)} drifted", "", "| resource | type | what differs |", "|---|---|---|"]
    lines += [
        f"| {_code(drift.name)} | {_code(drift.type)} | {'removed' if drift.removed else _listed(drift.properties)} |"
        for drift in drifts[:MOST_RESOURCES]
    ]
    if len(drifts) > MOST_RESOURCES:
        lines += ["", f"{len(drifts) - MOST_RESOURCES} more are not listed."]
    return "\n".join([*lines, "", ""])


def _listed(properties: tuple[str, ...]) -> str:
    shown = ", ".join(map(_code, properties[:MOST_PROPERTIES]))
    more = len(properties) - MOST_PROPERTIES
    return f"{shown} and {more} more" if more > 0 else shown


def _code(text: str) -> str:
    """Return a name as code in a table's cell. Whoever chose it, it ends no cell and mentions nobody."""
    plain = "".join(character if character.isprintable() and character not in "`|" else "?" for character in text)
    return f"`{plain[:MOST_CHARACTERS]}`"
