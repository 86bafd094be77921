"""Counts a team's week of being on call, from the audit record and the catalog alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from alerting.catalog import Catalog
from alerting.errors import AlertingError
from alerting.oncall import shifts
from alerting.oncall.audit_record import ACKNOWLEDGED, PAGED, RESOLVED, AuditedEpisode
from alerting.oncall.event_orchestration import paged_for
from alerting.oncall.stale_silences import StaleSilence
from alerting.routing.routes import routes

NOISIEST = 3
LATER_DAYS = 2
"""How many days after the week are read too: what pages on Sunday evening may be resolved on Tuesday."""
_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


class WeekUnclear(AlertingError):
    """A week's name says nothing. The message says what was found and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """An ISO week, from Monday to Sunday by UTC."""

    name: str
    start: datetime

    @property
    def end(self) -> datetime:
        """Return the moment at which the week is over."""
        return self.start + timedelta(days=7)

    def days(self) -> list[str]:
        """Return the days whose part of the audit record tells of the week's pages."""
        return [f"{self.start + timedelta(days=day):%Y-%m-%d}" for day in range(7 + LATER_DAYS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftPages:
    """A person's turn on a schedule of the first level, and how often it was paged. Times are UTC."""

    schedule: str
    person: str
    start: datetime
    end: datetime
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyAlert:
    """An alert and how often it paged."""

    alert: str
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekReport:
    """A team's week. A page is an episode whose incident PagerDuty opened in that week.

    `outside_shifts` are pages while nobody was on a schedule of the first level. The share and the median are None
    where there is nothing to take them of: no page was answered for, or acknowledged.
    """

    team: str
    week: str
    pages: int
    shifts: tuple[ShiftPages, ...]
    outside_shifts: int
    needed_human: int
    needed_no_human: int
    not_answered: int
    needed_human_share: float | None
    resolved_before_acknowledged: int
    median_seconds_to_acknowledge: float | None
    noisiest: tuple[NoisyAlert, ...]
    stale_silences: tuple[StaleSilence, ...] | None = None
    """Everybody's silences that match nothing now, whatever the week. None where that is not known."""


def read_week(text: str) -> Week:
    """Return the week of a name such as `2026-W48`. Raises `WeekUnclear`."""
    match = _WEEK.fullmatch(text)
    year, week = (int(match[1]), int(match[2])) if match else (0, 0)
    try:
        start = datetime.fromisocalendar(year, week, 1).replace(tzinfo=UTC)
    except ValueError:
        raise WeekUnclear(f'--week: found "{text}"; allowed: a year and its ISO week, such as 2026-W48') from None
    return Week(name=text, start=start)


def week_report(catalog: Catalog, team: str, week: Week, episodes: Iterable[AuditedEpisode]) -> WeekReport:
    """Return the report of a team of the catalog, from the episodes of all teams."""
    pages = [
        (episode, paged_at)
        for episode in episodes
        if (paged_at := episode.first(PAGED)) is not None
        and week.start <= paged_at < week.end
        and team_of(catalog, episode) == team
    ]
    answers = Counter(episode.needed_human for episode, _ in pages)
    answered = answers[True] + answers[False]
    turns, outside = _turns(catalog, team, week, [paged_at for _, paged_at in pages])
    alerts = Counter(episode.alert for episode, _ in pages)
    ranked = sorted(alerts.items(), key=lambda item: (-item[1], item[0]))
    waits = [wait for episode, _ in pages if (wait := _seconds_to_acknowledge(episode)) is not None]
    return WeekReport(
        team=team,
        week=week.name,
        pages=len(pages),
        shifts=turns,
        outside_shifts=outside,
        needed_human=answers[True],
        needed_no_human=answers[False],
        not_answered=answers[None],
        needed_human_share=answers[True] / answered if answered else None,
        resolved_before_acknowledged=sum(_resolved_first(episode) for episode, _ in pages),
        median_seconds_to_acknowledge=median(waits) if waits else None,
        noisiest=tuple(NoisyAlert(alert=alert, pages=number) for alert, number in ranked[:NOISIEST]),
    )


def team_of(catalog: Catalog, episode: AuditedEpisode) -> str:
    """Return the team that an episode pages. The receiver names the route; one of no route any more says nothing."""
    paged_teams = {
        route.receiver_name: route.paged_team for top in routes(catalog) for route in (top, *top.with_children())
    }
    team = paged_teams.get(episode.newest.receiver)
    return catalog.owner(paged_for(catalog, team, episode.newest.service))


def _seconds_to_acknowledge(episode: AuditedEpisode) -> float | None:
    at = episode.first(ACKNOWLEDGED)
    return None if at is None else max(at.timestamp() - episode.opened_at, 0.0)


def _resolved_first(episode: AuditedEpisode) -> bool:
    resolved_at, acknowledged_at = episode.first(RESOLVED), episode.first(ACKNOWLEDGED)
    return resolved_at is not None and (acknowledged_at is None or resolved_at < acknowledged_at)


def _turns(catalog: Catalog, team: str, week: Week, pages: Sequence[datetime]) -> tuple[tuple[ShiftPages, ...], int]:
    """Return the turns of the week with their pages, and how many pages came when nobody had one."""
    entry = catalog.teams[team]
    named = {
        name: shifts.shifts(entry.schedules[name], week.start, week.end)
        for name in entry.escalation.levels[0].schedules
    }
    outside = sum(not any(shift.holds(at) for known in named.values() for shift in known) for at in pages)
    turns = [turn for name, known in named.items() for turn in _turns_of(name, known, pages)]
    return tuple(sorted(turns, key=lambda turn: (turn.schedule, turn.start, turn.person))), outside


def _turns_of(name: str, known: Sequence[shifts.Shift], pages: Sequence[datetime]) -> Iterator[ShiftPages]:
    """Yield the turns of a schedule. A turn may be hours of several days, between which somebody else is on call."""
    for turn in shifts.turns(known):
        own = [
            shift
            for shift in known
            if (shift.rotation, shift.person) == (turn.rotation, turn.person) and turn.start <= shift.start < turn.end
        ]
        paged = sum(any(shift.holds(at) for shift in own) for at in pages)
        yield ShiftPages(schedule=name, person=turn.person, start=turn.start, end=turn.end, pages=paged)
