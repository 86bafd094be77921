"""Objectives as teams write them in rules/objectives/: tiers, objectives and what counts as a bad event.

docs/objectives.md is the format in words, docs/objectives.schema.json its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from alerting.rules.burn_rates import PAGE_PAIRS, PERIOD, STAGE, TICK, TICKET_PAIRS, WindowPair, scaled_pairs
from alerting.rules.composites import Composite
from alerting.rules.promql.selector import read_selector
from alerting.rules.series import (
    ALERTNAME,
    BUCKET_LIMIT,
    CORRECTION,
    JOB,
    METRIC_NAME,
    MONTH,
    OBJECTIVE,
    PAIR,
    RUNBOOK,
    SERVICE,
    SEVERITY,
    SLI,
    TEAM,
    TIER,
    TIME_ZONE,
    URGENCY,
    WINDOWS,
)
from alerting.source.clock_fields import TimeZone
from alerting.source.durations import DurationOverZero, milliseconds, with_a_unit
from alerting.source.fields import ClosedModel, LabelName, Name, each_once
from alerting.source.problems import Problem

FOLDER = "rules/objectives"
TIERS = f"{FOLDER}/tiers.yaml"
STANDARD = "standard"
"""The tier of a service of the catalog, or of an objective, that names none."""
OWN_OBJECTIVE = "requests"
"""The name of the objective that a service's `objective:` in the catalog stands for."""
MONTH_PERIOD = "month"
"""The period of an objective that begins anew with each calendar month, and whose windows are those of 30 days."""
MONTH_RANGE = "31d2h"
"""The range that a calendar month lies in: 31 days, an hour where summer time ends, and a late evaluation."""
LONGEST_DAYS = 90
"""The longest period of an objective: about what Prometheus is given a volume for."""
LONGEST_SLICE = "1h"
"""The longest time slice: longer ones say too late that something is wrong."""
RESERVED_LABELS = frozenset(
    {ALERTNAME, BUCKET_LIMIT, JOB, MONTH, OBJECTIVE, PAIR, RUNBOOK, SERVICE, SEVERITY, TEAM, TIER, TIME_ZONE, URGENCY}
    | {CORRECTION, SLI, WINDOWS, METRIC_NAME}
)
"""The labels that the program gives to what it generates."""
SHARE = "a share of more than 0 and less than 1, such as 0.999, is allowed: at 1 there is no budget to spend"


def _share(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(SHARE)
    return value


def _selector(text: str) -> str:
    read_selector(text)
    return text


def _period(text: str) -> str:
    if text == MONTH_PERIOD:
        return text
    try:
        day, length = milliseconds("1d"), milliseconds(text)
    except ValueError as error:
        raise ValueError(f"{error}, or {MONTH_PERIOD}") from None
    if length % day or not 1 <= length // day <= LONGEST_DAYS:
        raise ValueError(
            f"whole days, from 1d to {LONGEST_DAYS}d, such as 7d, 28d or 30d, or {MONTH_PERIOD} are allowed"
        )
    return text


Period = Annotated[str, BeforeValidator(with_a_unit), AfterValidator(_period)]
"""Days, or the calendar month."""
Share = Annotated[float, AfterValidator(_share)]
Text = Annotated[str, Field(min_length=1)]
PageName = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")]
SelectorText = Annotated[str, Field(min_length=1), AfterValidator(_selector)]


class RatioSli(ClosedModel):
    """A share of events that a counter counts. `total` and `bad` or `good` are selectors of one metric."""

    total: SelectorText
    bad: SelectorText | None = None
    good: SelectorText | None = None

    @property
    def part(self) -> str:
        """The selector of the bad or of the good events: the one that is written."""
        return self.bad or self.good or ""

    @model_validator(mode="after")
    def _part_of_total(self) -> Self:
        require_one_of({"bad": self.bad, "good": self.good})
        total, part = read_selector(self.total), read_selector(self.part)
        if part.name != total.name:
            raise ValueError(
                f"a part of `total:` is allowed, another selector of {total.name}: half a pair counts nothing"
            )
        if part == total:
            raise ValueError("a part of `total:` is allowed, with a matcher that not every event has")
        return self


class LatencySli(ClosedModel):
    """The share of events that a histogram counts as slower than a limit in seconds.

    The limit is one of the buckets of a classic histogram. A `native` one has it interpolated within a bucket.
    """

    histogram: SelectorText
    seconds: float = Field(gt=0)
    native: bool = False


class GaugeSli(ClosedModel):
    """The share of the times, one each 30 seconds, at which a gauge is over or under a value."""

    gauge: SelectorText
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        require_one_of({"above": self.above, "below": self.below})
        return self


class SliceSli(ClosedModel):
    """The share of time slices that are bad: those in which less than `target` of what another kind counts is good.

    A slice begins at a multiple of `length` since 1970. One without an event is good.
    """

    length: DurationOverZero
    target: Share
    ratio: RatioSli | None = None
    latency: LatencySli | None = None
    threshold: GaugeSli | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        require_one_of({"ratio": self.ratio, "latency": self.latency, "threshold": self.threshold})
        length = milliseconds(self.length)
        if length % milliseconds(TICK) or not milliseconds("1m") <= length <= milliseconds(LONGEST_SLICE):
            raise ValueError(f"a `length:` of 1m to {LONGEST_SLICE}, a multiple of {TICK}, is allowed")
        return self


class Sli(ClosedModel):
    """The indicator of an objective: one kind of those that there are."""

    ratio: RatioSli | None = None
    latency: LatencySli | None = None
    threshold: GaugeSli | None = None
    slices: SliceSli | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        require_one_of(
            {"ratio": self.ratio, "latency": self.latency, "threshold": self.threshold, "slices": self.slices}
        )
        return self

    def counted(self) -> RatioSli | LatencySli | GaugeSli:
        """Return what is counted, of time slices within each of them."""
        inner = self.slices or self
        one = inner.ratio or inner.latency or inner.threshold
        if one is None:  # which the model refuses
            raise ValueError("an indicator without a kind")
        return one


def require_one_of(fields: Mapping[str, object]) -> None:
    """Do nothing if one of the fields is there, by their names, and the others are None.

    Raises `ValueError` with what is allowed otherwise.
    """
    if sum(one is not None for one in fields.values()) != 1:
        *first, last = (f"`{name}:`" for name in fields)
        raise ValueError(f"one of {', '.join(first)} and {last} is allowed")


class WindowEntry(ClosedModel):
    """A pair of windows. Its factor is `budget_percent` of the period's budget, spent within `long`."""

    long: DurationOverZero
    short: DurationOverZero
    budget_percent: float = Field(gt=0, le=100)


class Windows(ClosedModel):
    """Pairs of windows of a page and of a ticket, the fastest first."""

    page: tuple[WindowEntry, ...] = Field(min_length=1)
    ticket: tuple[WindowEntry, ...] = Field(min_length=1)


class DefaultObjective(ClosedModel):
    """The objective that `objective:` of a service in the catalog stands for: one rule counts it for all services."""

    description: Text
    sli: Sli


class Tier(ClosedModel):
    """An importance that objectives share: a period and windows, by default those of the SRE workbook.

    `default` is what `objective:` of its services counts; a tier without it takes that of the standard tier.
    """

    description: Text
    period: Period = PERIOD
    time_zone: TimeZone | None = None
    windows: Windows | None = None
    default: DefaultObjective | None = None

    @model_validator(mode="after")
    def _place_of_month(self) -> Self:
        _require_time_zone(self.period, self.time_zone)
        return self


class TiersFile(ClosedModel):
    """rules/objectives/tiers.yaml."""

    tiers: Mapping[Name, Tier] = Field(min_length=1)

    @model_validator(mode="after")
    def _own_objective(self) -> Self:
        if STANDARD not in self.tiers or self.tiers[STANDARD].default is None:
            raise ValueError(f"a tier {STANDARD} with `default:` is allowed, which services of no other tier have")
        return self

    def default(self, tier: str) -> DefaultObjective:
        """Return what the services of a tier count: its own default, else that of the standard tier."""
        found = self.tiers[tier].default or self.tiers[STANDARD].default
        if found is None:  # which the model refuses
            raise ValueError(f"tier {STANDARD} has no default")
        return found


class Objective(ClosedModel):
    """An objective of one service: which share of what it counts must be good over a period.

    It counts what `sli` says, or what other objectives count: `composite`. Without `period` and `windows` they are the
    tier's. `group_by` are labels of the indicator that have a budget each.
    `labels` are added to its alerts, which link to the page `runbook` of runbooks/ in place of their own.
    """

    description: Text
    service: str
    objective: Share
    tier: str = STANDARD
    period: Period | None = None
    time_zone: TimeZone | None = None
    windows: Windows | None = None
    sli: Sli | None = None
    composite: Composite | None = None
    group_by: Annotated[tuple[LabelName, ...], AfterValidator(each_once)] = ()
    labels: Mapping[LabelName, Text] = Field(default_factory=dict)
    runbook: PageName | None = None

    @model_validator(mode="after")
    def _place_of_month(self) -> Self:
        _require_time_zone(self.period, self.time_zone)
        return self

    @model_validator(mode="after")
    def _counts_one_thing(self) -> Self:
        require_one_of({"sli": self.sli, "composite": self.composite})
        if self.composite is not None and self.group_by:
            raise ValueError("`group_by:` is allowed beside `sli:`, and a composite has one budget")
        return self


def _require_time_zone(period: str | None, time_zone: str | None) -> None:
    if (period == MONTH_PERIOD) != (time_zone is not None):
        raise ValueError(f"`period: {MONTH_PERIOD}` and `time_zone:` together, such as Europe/Berlin, are allowed")


class ObjectivesFile(ClosedModel):
    """Any other file of rules/objectives/."""

    objectives: Mapping[Name, Objective] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """All objectives, as read: `tiers`, and `written` by file.

    `not_carried_over` is what files of other generators say and what has no meaning here.
    """

    tiers: TiersFile
    written: Mapping[str, ObjectivesFile]
    not_carried_over: tuple[Problem, ...] = ()

    def named(self) -> Iterator[tuple[str, str, Objective]]:
        """Yield the file, the name and the objective of each that is written out."""
        for file, content in self.written.items():
            for name, objective in content.objectives.items():
                yield file, name, objective

    def runbooks(self) -> frozenset[str]:
        """Return the pages that objectives name in place of their alerts' own."""
        return frozenset(objective.runbook for _, _, objective in self.named() if objective.runbook is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnWindows:
    """The period of an objective and its pairs of windows. Objectives with equal ones share their alerts' rules."""

    period: str
    page: tuple[WindowPair, ...]
    ticket: tuple[WindowPair, ...]
    time_zone: str | None = None

    @property
    def period_range(self) -> str:
        """The range of PromQL that a period lies in."""
        return MONTH_RANGE if self.period == MONTH_PERIOD else self.period

    def period_name(self) -> str:
        """Return the period, of a calendar month with its time zone."""
        return self.period if self.time_zone is None else f"{self.period} {self.time_zone}"

    def pairs(self) -> tuple[WindowPair, ...]:
        """Return all pairs, those of the page first."""
        return (*self.page, *self.ticket)

    def name(self) -> str:
        """Return a name that is the same for equal windows, and no other, whatever other objectives there are.

        It is the period, and the pairs with their percentage of the budget where they are not the workbook's.
        """
        period = self.period_name()
        if (self.page, self.ticket) == _workbook_pairs(self.period):
            return period
        page, ticket = (
            [f"{one.long}/{one.short}:{one.budget_share * 100:.10g}" for one in pairs]
            for pairs in (self.page, self.ticket)
        )
        return " ".join((period, "page", *page, "ticket", *ticket))


def burn_windows(tier: Tier, objective: Objective | None = None) -> BurnWindows:
    """Return the windows of an objective: its own, else its tier's, else the workbook's for its period."""
    period, time_zone = tier.period, tier.time_zone
    if objective is not None and objective.period is not None:
        period, time_zone = objective.period, objective.time_zone
    windows = (objective and objective.windows) or (tier.windows if period == tier.period else None)
    page, ticket = _workbook_pairs(period)
    if windows is not None:
        page, ticket = _pairs(windows.page, period), _pairs(windows.ticket, period)
    return BurnWindows(period=period, page=page, ticket=ticket, time_zone=time_zone)


def _days(period: str) -> str:
    return PERIOD if period == MONTH_PERIOD else period


@lru_cache(maxsize=128)
def _workbook_pairs(period: str) -> tuple[tuple[WindowPair, ...], tuple[WindowPair, ...]]:
    days = _days(period)
    return scaled_pairs(PAGE_PAIRS, days, TICK), scaled_pairs(TICKET_PAIRS, days, STAGE)


def _pairs(entries: tuple[WindowEntry, ...], period: str) -> tuple[WindowPair, ...]:
    return tuple(
        WindowPair(long=one.long, short=one.short, budget_share=one.budget_percent / 100, period=_days(period))
        for one in entries
    )
