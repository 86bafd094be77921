"""Reads which silences match nothing, as chat's function last saw them: one item of the state table.

`lambda/chatops/silence_report.py` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from alerting.errors import AlertingError


class SilencesUnreadable(AlertingError):
    """The item is none that this version reads. The message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleSilence:
    """A silence of Alertmanager that has matched nothing since a time, in UTC. `outlived`: it had matched alerts."""

    id: str
    since: datetime
    outlived: bool


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    matched: bool
    quiet_since: float | None
    reported: bool


class _Silences(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    silences: tuple[_Seen, ...]


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    form: Literal[1]
    value: _Silences


def read_stale_silences(text: str) -> tuple[StaleSilence, ...]:
    """Return the silences that were reported as stale and still match nothing, the longest quiet first.

    Raises `SilencesUnreadable`.
    """
    try:
        seen = _Item.model_validate_json(text).value.silences
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the item"
        raise SilencesUnreadable(f"the state table's item of silences: {place}: {problem['msg']}") from error
    stale = [
        StaleSilence(id=one.id, since=datetime.fromtimestamp(one.quiet_since, UTC), outlived=one.matched)
        for one in seen
        if one.reported and one.quiet_since is not None
    ]
    return tuple(sorted(stale, key=lambda silence: (silence.since, silence.id)))
