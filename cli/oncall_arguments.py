"""The arguments of `orion oncall`: the moment, the team, the weeks ahead, and the time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from alerting.catalog import Catalog
from alerting.source.fields import YEARS
from alerting.source.time_zones import is_time_zone
from cli.known_names import QuestionUnclear, require_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The parsed arguments. `zone` is the reader's time zone, this machine's where it is None."""

    at: datetime
    zone: ZoneInfo | None
    team: str | None = None
    weeks: int = 2

    def read(self, moment: datetime, *, dated: bool = True) -> str:
        """Return a moment as the reader's clock shows it. Where its date is known, the day of the week will do."""
        return shown(moment.astimezone(self.zone), dated=dated)

    def teams(self, catalog: Catalog) -> list[str]:
        """Return the teams that are asked about: one, or all. Raises `QuestionUnclear` for one that is not there."""
        if self.team is None:
            return list(catalog.teams)
        require_known("--team", [self.team], catalog.teams)
        return [self.team]


def ask(at: str | None, zone: str | None, team: str | None, weeks: int) -> Question:
    """Return the question that options ask. A time without an offset is the reader's.

    Raises `QuestionUnclear`.
    """
    if zone is not None and not is_time_zone(zone):
        raise QuestionUnclear(f'--zone: found "{zone}"; allowed: an IANA name such as Europe/London')
    readers = ZoneInfo(zone) if zone else None
    return Question(at=_moment(at, readers), zone=readers, team=team, weeks=weeks)


def _moment(text: str | None, zone: ZoneInfo | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        example = "2026-12-24T18:00 or 2026-12-24T18:00+01:00"
        raise QuestionUnclear(f'--at: found "{text}"; allowed: a time such as {example}') from None
    if moment.year not in YEARS:
        raise QuestionUnclear(f'--at: found "{text}"; allowed: a year from {YEARS[0]} to {YEARS[-1]}')
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)  # a time with neither is this machine's


def shown(moment: datetime, *, dated: bool = True) -> str:
    """Return a moment as every table writes it: with its day, its time zone and, if it is `dated`, its date."""
    return f"{moment:%a %Y-%m-%d %H:%M %Z}" if dated else f"{moment:%a %H:%M %Z}"
