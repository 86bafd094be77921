"""`orion oncall --compare`: whether PagerDuty has on call whom the catalog says, in the weeks that are asked about.

PagerDuty does not say which shift of a rotation is the first that counts when the rotation is changed. So after an `up`
that made or changed a rotation, the two are held against each other.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.oncall import shifts
from cli.known_names import QuestionUnclear
from cli.oncall_arguments import Question

TOKEN_VARIABLE = "PAGERDUTY_TOKEN"  # noqa: S105 - a variable's name
ADDRESS_VARIABLE = "PAGERDUTY_API_URL"
ADDRESS = "https://api.pagerduty.com"
MOST_WEEKS = 12
"""PagerDuty tells of at most 90 days in one answer (REST API, `GET /oncalls`)."""
PAGE = 100
REQUEST_SECONDS = 30.0
RETRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A time in which a person is on call on a schedule."""

    start: datetime
    end: datetime
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A time in which a schedule has other people on call at PagerDuty than by the catalog."""

    schedule: str
    start: datetime
    end: datetime
    catalog: frozenset[str]
    pagerduty: frozenset[str]


def compare(root: Path, console: Console, question: Question) -> int:
    """Print where PagerDuty and the catalog differ, and return the exit code: 1 where they do.

    Raises `QuestionUnclear` without a token, for too many weeks or for an unknown team, and `httpx.HTTPError` if
    PagerDuty does not answer.
    """
    if question.weeks > MOST_WEEKS:
        raise QuestionUnclear(f"--weeks: found {question.weeks}; allowed with --compare: {MOST_WEEKS} at most")
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise QuestionUnclear(
            f"{TOKEN_VARIABLE}: not set; --compare asks PagerDuty with it. A read-only API key will do (PagerDuty, "
            "Integrations, API Access Keys)"
        )
    catalog = load_catalog(root)
    teams = question.teams(catalog)
    since, until = question.at, question.at + timedelta(weeks=question.weeks)
    with httpx.Client(
        base_url=os.environ.get(ADDRESS_VARIABLE, ADDRESS),
        headers={"Authorization": f"Token token={token}"},
        timeout=REQUEST_SECONDS,
        transport=httpx.HTTPTransport(retries=RETRIES),
    ) as client:
        duties = _duties(client, since, until)
    found = list(differences(catalog, teams, duties, since, until))
    for one in found:
        console.print(
            f"{one.schedule}: {question.read(one.start)} to {question.read(one.end)}: the catalog has "
            f"{_people(one.catalog)}, PagerDuty has {_people(one.pagerduty)}",
            markup=False,
        )
    if found:
        console.print(
            "If it is a change that is not deployed yet, deploy it; an override made in PagerDuty goes by itself; "
            "otherwise put it right in PagerDuty by an override until the next handoff."
        )
        return 1
    console.print(f"PagerDuty has on call whom the catalog says, until {question.read(until)}.")
    return 0


def differences(
    catalog: Catalog, teams: Iterable[str], duties: Mapping[str, Sequence[Duty]], since: datetime, until: datetime
) -> Iterator[Difference]:
    """Yield where the schedules of some teams have other people on call than `duties` by schedule say."""
    for name in teams:
        for schedule, entry in catalog.teams[name].schedules.items():
            planned = [
                Duty(start=shift.start, end=shift.end, person=shift.person)
                for shift in shifts.shifts(entry, since, until)
            ]
            yield from _differences(schedule, planned, duties.get(schedule, ()), since, until)


def _differences(
    schedule: str, planned: Sequence[Duty], actual: Sequence[Duty], since: datetime, until: datetime
) -> Iterator[Difference]:
    ends = {moment for duty in (*planned, *actual) for moment in (duty.start, duty.end) if since < moment < until}
    pieces = [
        Difference(
            schedule=schedule,
            start=start,
            end=end,
            catalog=_on_call(planned, start),
            pagerduty=_on_call(actual, start),
        )
        for start, end in itertools.pairwise([since, *sorted(ends), until])
    ]
    for (by_catalog, by_pagerduty), group in itertools.groupby(pieces, key=lambda one: (one.catalog, one.pagerduty)):
        same = list(group)
        if by_catalog != by_pagerduty:
            yield replace(same[0], end=same[-1].end)


def _on_call(duties: Sequence[Duty], at: datetime) -> frozenset[str]:
    return frozenset(duty.person.casefold() for duty in duties if duty.start <= at < duty.end)


def _duties(client: httpx.Client, since: datetime, until: datetime) -> dict[str, list[Duty]]:
    """Return who is on call at PagerDuty, by the schedule's name. Who is on call always has no schedule."""
    emails = {user["id"]: str(user["email"]) for user in _every(client, "users", {})}
    asked = {"since": since.isoformat(), "until": until.isoformat(), "time_zone": "UTC"}
    found: dict[str, list[Duty]] = {}
    for entry in _every(client, "oncalls", asked):
        if entry["schedule"] is None:
            continue
        duty = Duty(
            start=_moment(entry["start"]) or since,
            end=_moment(entry["end"]) or until,
            person=emails[entry["user"]["id"]],
        )
        found.setdefault(entry["schedule"]["summary"], []).append(duty)
    return found


def _every(client: httpx.Client, what: str, asked: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for offset in itertools.count(0, PAGE):
        answer = client.get(f"/{what}", params={**asked, "limit": PAGE, "offset": offset}).raise_for_status().json()
        yield from answer[what]
        if not answer["more"]:
            return


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None


def _people(people: frozenset[str]) -> str:
    return ", ".join(sorted(people)) or "nobody"
