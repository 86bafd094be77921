"""catalog/teams.yaml: teams with their people, rotations and escalations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from alerting.source.durations import Duration, milliseconds
from alerting.source.fields import ClosedModel, Email, Name, each_once, require_known_year

LEAST_ACKNOWLEDGED, MOST_ACKNOWLEDGED = 60, 86_400
"""How many seconds an acknowledgement lasts. PagerDuty says no limits, takes whole seconds, and turns it off by 0."""


def _a_day(value: object) -> date:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("a day such as 2026-01-05 is allowed")
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"a day such as 2026-01-05 is allowed, and this one is none: {error}") from None
    require_known_year(day.year)
    return day


def _a_time_of_day(value: object) -> time:
    # Unquoted, YAML reads 16:00 as the number 960.
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError('a time of day in quotes, such as "09:00", is allowed')
    return time.fromisoformat(value)


def _a_moment(value: object) -> object:
    if isinstance(value, str | datetime):
        return value
    raise ValueError("a time with its offset, such as 2026-02-10T09:00:00-05:00, is allowed")


def _in_a_known_year(moment: datetime) -> datetime:
    require_known_year(moment.year)
    return moment


Day = Annotated[date, BeforeValidator(_a_day)]
Moment = Annotated[AwareDatetime, BeforeValidator(_a_moment), AfterValidator(_in_a_known_year)]
TimeOfDay = Annotated[time, BeforeValidator(_a_time_of_day)]


class Turn(StrEnum):
    """The length of one person's turn. A person who takes two turns in a row is listed twice."""

    DAILY = "daily"
    WEEKLY = "weekly"


class RotationEntry(ClosedModel):
    """People who take turns, the first from `first_day` on.

    A turn begins at `handoff`, by the wall clock of the schedule's time zone. With `until`, the rotation is for the
    hours from `handoff` to `until` of every day only, and other rotations are for the rest: three of them follow the
    sun. `until` at or before `handoff` is the next day's. No shift begins after `last_day`.
    """

    turn: Turn
    first_day: Day
    last_day: Day | None = None
    handoff: TimeOfDay
    until: TimeOfDay | None = None
    people: tuple[Email, ...]


class OverrideEntry(ClosedModel):
    """One person in the place of others for a while: of everybody, or of `instead_of` in that person's hours."""

    person: Email
    instead_of: Email | None = None
    since: Moment
    until: Moment
    reason: str = Field(min_length=1)


class ScheduleEntry(ClosedModel):
    """One on-call schedule: at any moment one person at most. `time_zone` is an IANA name."""

    time_zone: str
    rotations: Mapping[Name, RotationEntry]
    overrides: tuple[OverrideEntry, ...] = ()


class LevelEntry(ClosedModel):
    """One level of an escalation: who is notified, and after how many minutes the next one is."""

    schedules: tuple[str, ...] = ()
    people: tuple[Email, ...] = ()
    timeout_minutes: int = Field(ge=1, le=1440)


class EscalationEntry(ClosedModel):
    """A team's escalation policy. After its levels come those of the team in `then`; all of it is repeated."""

    levels: tuple[LevelEntry, ...]
    then: str | None = None
    repeats: int = Field(ge=0, le=9)


def _an_acknowledgement(text: str) -> str:
    length = milliseconds(text)
    if length % 1000 or not LEAST_ACKNOWLEDGED <= length // 1000 <= MOST_ACKNOWLEDGED:
        raise ValueError("whole seconds from 1m to 1d are allowed: PagerDuty takes 0 for never")
    return text


AcknowledgementTimeout = Annotated[Duration, AfterValidator(_an_acknowledgement)]


class Team(ClosedModel):
    """A team with its people, rotations and escalation.

    `one_duty_at_a_time` forbids that one of its people is on call on two schedules at once, of whatever team. People
    whom a level names directly are reached at any time: they are on no schedule by that. `repair_mail` are the
    addresses that are told of repairs that failed or were not done, and of alerts that are handed over. Every team has
    one: the alert's label `team` says whom a repair is told to, and that may be any of them.
    """

    description: str = Field(min_length=1)
    people: Annotated[tuple[Email, ...], AfterValidator(each_once)] = Field(min_length=1)
    schedules: Mapping[Name, ScheduleEntry]
    escalation: EscalationEntry
    acknowledgement_timeout: AcknowledgementTimeout
    repair_mail: Annotated[tuple[Email, ...], AfterValidator(each_once)] = Field(min_length=1)
    one_duty_at_a_time: bool = False


class TeamsFile(ClosedModel):
    """catalog/teams.yaml. `operating_team` keeps this platform: what goes wrong with it pages that team."""

    operating_team: str
    teams: Mapping[Name, Team] = Field(min_length=1)
