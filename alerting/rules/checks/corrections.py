"""A correction has an owner and an end, is about an objective that is there, and leaves no event out twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations

from alerting.catalog import Catalog
from alerting.rules.corrections import APART, CORRECTIONS, CorrectionEntry, affected
from alerting.rules.objectives import MONTH_PERIOD
from alerting.rules.sources.objectives import objective_windows
from alerting.source.durations import milliseconds
from alerting.source.problems import Place, Problem, listed, not_allowed, shown
from alerting.source.yaml_source import Document

SHORTEST_MONTH = "28d"
ROOM = timedelta(minutes=15)
"""By how much a correction has to be shorter than the period: what is left out are whole stages of five minutes."""


def correction_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with catalog/corrections.yaml. One that is over is left to `ended_corrections`."""
    if catalog.objectives is None:
        return
    windows = objective_windows(catalog.objectives, catalog.services)
    for name, entry in catalog.corrections.items():
        document = catalog.documents[CORRECTIONS]
        if entry.owner not in catalog.teams:
            place = document.place(("corrections", name, "owner"))
            yield not_allowed(place, entry.owner, catalog.teams, "Name a team of catalog/teams.yaml")
        found = list(affected(entry, windows))
        if not found:
            yield _unknown(document, name, entry, list(windows))
        else:
            shortest = min((_least(each.period) for each in found), key=milliseconds)
            yield from _length_problems(entry, document.place(("corrections", name, "until")), shortest)
    yield from _overlap_problems(catalog, list(windows))


def _least(period: str) -> str:
    """Return the shortest that a period is."""
    return SHORTEST_MONTH if period == MONTH_PERIOD else period


def _unknown(document: Document, name: str, entry: CorrectionEntry, known: Collection[tuple[str, str]]) -> Problem:
    services, names = ({one[position] for one in known} for position in (0, 1))
    if entry.service is not None and entry.service not in services:
        place = document.place(("corrections", name, "service"))
        return not_allowed(place, entry.service, sorted(services), "Name a service of the catalog")
    if entry.service is not None:
        names = {objective for service, objective in known if service == entry.service}
    place = document.place(("corrections", name, "objective"))
    return not_allowed(place, entry.objective, sorted(names), "Name an objective")


def _length_problems(entry: CorrectionEntry, place: Place, period: str) -> Iterator[Problem]:
    if entry.until <= entry.since:
        message = (
            f"found {shown(entry.until.isoformat())}; allowed: a time after `since`, which is "
            f"{entry.since.isoformat()}. Change one of them"
        )
        yield Problem(place, message)
    elif entry.until - entry.since + ROOM > timedelta(milliseconds=milliseconds(period)):
        message = (
            f"found {shown(entry.until.isoformat())}, so that all of the period of {period} may be left out; allowed: "
            "less than the period. Shorten it, or change the objective"
        )
        yield Problem(place, message)


def _overlap_problems(catalog: Catalog, objectives: list[tuple[str, str]]) -> Iterator[Problem]:
    for (first, one), (second, other) in combinations(catalog.corrections.items(), 2):
        both = [f"{each[0]} {each[1]}" for each in objectives if one.matches(*each) and other.matches(*each)]
        if both and one.overlaps(other):
            message = (
                f"leaves out some of what {first} leaves out of {listed(both)}; allowed: corrections of an objective "
                f"that are {APART.total_seconds() / 60:g} minutes apart. Make one of the two"
            )
            yield Problem(catalog.documents[CORRECTIONS].place(("corrections", second)), message)


def ended_corrections(catalog: Catalog, now: datetime) -> Iterator[Problem]:
    """Yield the corrections that lie in no period any more. Time alone makes no catalog wrong."""
    if catalog.objectives is None:
        return
    windows = objective_windows(catalog.objectives, catalog.services)
    for name, entry in catalog.corrections.items():
        longest = max((milliseconds(each.period_range) for each in affected(entry, windows)), default=0)
        if entry.last_stage + longest / 1000 < now.timestamp():
            message = "lies in no period of an objective any more, so that it does nothing. Remove it"
            yield Problem(catalog.documents[CORRECTIONS].place(("corrections", name)), message)


def correction_lines(catalog: Catalog, now: datetime) -> Iterator[str]:
    """Yield a line for each correction that lasts or is to come: its owner and its time."""
    for name, entry in catalog.corrections.items():
        if entry.until > now:
            since, until = (f"{each.astimezone(UTC):%Y-%m-%d %H:%M}" for each in (entry.since, entry.until))
            yield f"correction {name} of {entry.owner}: {since} to {until} UTC, {entry.reason}"
