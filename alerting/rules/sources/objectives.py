"""Generates the rules of all objectives: counted events, burn rates, what is left of the budget, alerts.

Only the events of an objective are rules of its own. Windows, burn rates and alerts are the same expressions for all
objectives with equal windows, over their series: the number of rules hardly grows with the number of objectives.

Ticks of 30 seconds are summed for the windows of a page, every 30 seconds. They are summed to stages of five minutes,
and the stages to the windows of a ticket and to the period, every five minutes. Sums of exact counts are exact, and a
share of sums is weighed by traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from alerting.catalog import Service
from alerting.rules.burn_rates import STAGE, TICK
from alerting.rules.model import Rule, RuleSource, ScrapedSeriesFile, SourceGroup, SourceRule
from alerting.rules.objectives import (
    OWN_OBJECTIVE,
    STANDARD,
    TIERS,
    BurnWindows,
    Objective,
    Objectives,
    Sli,
    Tier,
    burn_windows,
)
from alerting.rules.series import OBJECTIVE, OBJECTIVE_ERROR_BUDGET, SERVICE, SERVICE_ERROR_BUDGET, TEAM
from alerting.rules.sources.objective_alerts import (
    budget_alerts,
    burn_alerts,
    running_out_alert,
    series_alert,
)
from alerting.rules.sources.objective_events import event_expressions, sli_selector
from alerting.rules.sources.objective_windows import (
    ObjectiveSeries,
    no_series_rule,
    rule,
    stage_rules,
    tick_rules,
)
from alerting.source.durations import milliseconds
from alerting.source.yaml_source import Document, FieldPath

DOMAIN = "slo"
OBJECTIVES_OF_A_GROUP = 200
"""A group is deployed in one object, and evaluated in one go."""


def objectives_sources(
    documents: Mapping[str, Document],
    objectives: Objectives,
    services: Mapping[str, Service],
    scraped: ScrapedSeriesFile,
) -> Iterator[RuleSource]:
    """Yield the rules that all objectives share, then the counted events of those that each file writes out.

    An objective of a service or a tier that is not there has no rules: the checks report it.
    """
    tiers = objectives.tiers.tiers
    written = [
        _Written(file=file, name=name, objective=one, team=services[one.service].team, tier=tiers[one.tier])
        for file, name, one in objectives.named()
        if one.service in services and one.tier in tiers
    ]
    series = _series(burn_windows(tiers[STANDARD]), written)
    labels = sorted({label for each in written for label in each.objective.labels})
    groups = tuple(_shared_groups(tiers[STANDARD], tuple(series.values()), labels))
    yield RuleSource(domain=DOMAIN, document=documents[TIERS], groups=groups, generated=True)
    for file in objectives.written:
        groups = tuple(_event_groups([each for each in written if each.file == file], series, scraped))
        if groups:
            yield RuleSource(domain=DOMAIN, document=documents[file], groups=groups, generated=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """An objective that is written out, with its service's team and its tier."""

    file: str
    name: str
    objective: Objective
    team: str
    tier: Tier

    @property
    def windows(self) -> BurnWindows:
        return burn_windows(self.tier, self.objective)


def _series(standard: BurnWindows, written: list[_Written]) -> dict[BurnWindows, ObjectiveSeries]:
    """Return the names of series by windows. The standard ones come first, and have no suffix."""
    found = {standard: ObjectiveSeries(windows=standard, suffix="")}
    for each in written:
        suffix = f"_{each.windows.period}_{len(found)}"
        found.setdefault(each.windows, ObjectiveSeries(windows=each.windows, suffix=suffix))
    return found


def _shared_groups(standard: Tier, every: tuple[ObjectiveSeries, ...], labels: list[str]) -> Iterator[SourceGroup]:
    path: FieldPath = ("tiers", STANDARD)
    period = _period_in_texts(every)
    bad_events = tuple(series.bad(f"increase{series.windows.period}") for series in every)
    own = [rule(OBJECTIVE_ERROR_BUDGET, SERVICE_ERROR_BUDGET, {OBJECTIVE: OWN_OBJECTIVE})]
    if standard.default is not None:
        own += _events(standard.default.sli, (SERVICE,), {}, every[0], {OBJECTIVE: OWN_OBJECTIVE})
    ticks = [
        *own,
        *(one for series in every for one in tick_rules(series, labels)),
        no_series_rule(every),
        *burn_alerts(period),
        *budget_alerts(labels, bad_events),
        running_out_alert(labels, bad_events),
        series_alert(),
    ]
    # No alert is here: Alertmanager's start counts on alerts that are sent again with every evaluation.
    stages = [one for series in every for one in stage_rules(series)]
    yield _group("orion.slo.alerts", path, TICK, [(one, path) for one in ticks])
    yield _group("orion.slo.budget", path, STAGE, [(one, path) for one in stages])


def _period_in_texts(every: tuple[ObjectiveSeries, ...]) -> str:
    periods = {series.windows.period for series in every}
    if len(periods) > 1:
        return "the period's"
    return f"the last {milliseconds(periods.pop()) // milliseconds('1d')} days'"


def _event_groups(
    written: list[_Written], series: Mapping[BurnWindows, ObjectiveSeries], scraped: ScrapedSeriesFile
) -> Iterator[SourceGroup]:
    for start in range(0, len(written), OBJECTIVES_OF_A_GROUP):
        some = written[start : start + OBJECTIVES_OF_A_GROUP]
        rules = [
            (one, ("objectives", each.name))
            for each in some
            for one in _written_rules(each, series[each.windows], scraped)
        ]
        yield _group(f"orion.slo.events.{some[0].name}", ("objectives",), TICK, rules)


def _written_rules(each: _Written, series: ObjectiveSeries, scraped: ScrapedSeriesFile) -> Iterator[Rule]:
    objective = each.objective
    labels = {SERVICE: objective.service, OBJECTIVE: each.name}
    budget = f"vector({1 - objective.objective:.10g})"
    yield rule(OBJECTIVE_ERROR_BUDGET, budget, labels | {TEAM: each.team} | dict(objective.labels))
    known = scraped.series.get(sli_selector(objective.sli).name)
    of_service = {SERVICE: objective.service} if known is not None and SERVICE in known.labels else {}
    yield from _events(objective.sli, (SERVICE, *objective.group_by), of_service, series, labels)


def _events(
    sli: Sli, by: tuple[str, ...], matchers: Mapping[str, str], series: ObjectiveSeries, labels: Mapping[str, str]
) -> list[Rule]:
    events = event_expressions(sli, by, matchers)
    name = f"increase{TICK}"
    return [
        rule(series.total(name), events.total, labels),
        rule(series.bad(name), f"{events.bad}\nor {events.present}", labels),
    ]


def _group(name: str, path: FieldPath, interval: str, rules: Sequence[tuple[Rule, FieldPath]]) -> SourceGroup:
    return SourceGroup(
        name=name,
        path=path,
        interval=interval,
        rules=tuple(SourceRule(rule=one, path=place) for one, place in rules),
    )
