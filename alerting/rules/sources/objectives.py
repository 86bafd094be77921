"""Generates the rules of all objectives: counted events, burn rates, what is left of the budget, alerts.

Only the events of an objective are rules of its own. Windows, burn rates and alerts are the same expressions for all
objectives, over their series: the number of rules grows with that of different windows, hardly with that of objectives.

Ticks of 30 seconds are summed for the windows of a page, every 30 seconds. They are summed to stages of five minutes,
and the stages to the windows of a ticket and to the period, every five minutes. Sums of exact counts are exact, and a
share of sums is weighed by traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from alerting.catalog import Service
from alerting.rules.burn_rates import STAGE, TICK
from alerting.rules.corrections import CorrectionEntry
from alerting.rules.model import Rule, RuleSource, ScrapedSeriesFile, SourceGroup, SourceRule
from alerting.rules.objectives import (
    MONTH_PERIOD,
    OWN_OBJECTIVE,
    STANDARD,
    TIERS,
    BurnWindows,
    Objective,
    Objectives,
    Sli,
    Tier,
    TiersFile,
    burn_windows,
)
from alerting.rules.series import (
    OBJECTIVE,
    OBJECTIVE_ERROR_BUDGET,
    RUNBOOK,
    SERVICE,
    SERVICE_ERROR_BUDGET,
    SLI,
    TEAM,
    TIER,
    TIME_ZONE,
    WINDOWS,
)
from alerting.rules.sources.objective_alerts import (
    budget_alerts,
    burn_alerts,
    running_out_alert,
    series_alert,
    with_objectives_page,
)
from alerting.rules.sources.objective_budgets import budget_rules, told_rules, told_tick_rules
from alerting.rules.sources.objective_composites import composite_rules
from alerting.rules.sources.objective_corrections import Correction, corrections_of
from alerting.rules.sources.objective_events import (
    counts_failed_requests,
    event_rules,
    service_matchers,
    shared_event_rules,
)
from alerting.rules.sources.objective_months import calendar_rules
from alerting.rules.sources.objective_windows import (
    ERRORS,
    WindowSets,
    error_rules,
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
    corrections: Mapping[str, CorrectionEntry],
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
    used = {service.tier for service in services.values()} | {STANDARD}
    own = {name: tier for name, tier in tiers.items() if name in used}
    every = WindowSets.of(
        burn_windows(tiers[STANDARD]), (*map(burn_windows, own.values()), *(each.windows for each in written))
    )
    labels = sorted({label for each in written for label in each.objective.labels})
    left_out = corrections_of(corrections, objective_windows(objectives, services))
    pages = bool(objectives.runbooks())
    groups = tuple(_shared_groups(objectives.tiers, own, every, labels, left_out, has_pages=pages))
    yield RuleSource(domain=DOMAIN, document=documents[TIERS], groups=groups, generated=True)
    for file, of_file in groupby(written, key=lambda each: each.file):
        groups = tuple(_event_groups(list(of_file), every, scraped))
        yield RuleSource(domain=DOMAIN, document=documents[file], groups=groups, generated=True)


def objective_windows(objectives: Objectives, services: Mapping[str, Service]) -> Mapping[tuple[str, str], BurnWindows]:
    """Return the windows of each objective, by service and name."""
    tiers = objectives.tiers.tiers
    own = {
        (name, OWN_OBJECTIVE): burn_windows(tiers[service.tier])
        for name, service in services.items()
        if service.tier in tiers
    }
    return own | {
        (one.service, name): burn_windows(tiers[one.tier], one)
        for _, name, one in objectives.named()
        if one.service in services and one.tier in tiers
    }


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

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its events."""
        return {SERVICE: self.objective.service, OBJECTIVE: self.name}


def _shared_groups(
    file: TiersFile,
    own: Mapping[str, Tier],
    every: WindowSets,
    labels: list[str],
    corrections: Sequence[Correction],
    *,
    has_pages: bool,
) -> Iterator[SourceGroup]:
    path: FieldPath = ("tiers", STANDARD)
    alerts = (
        *burn_alerts(_period_in_texts(every)),
        *budget_alerts(),
        running_out_alert(every),
        series_alert(),
    )
    ticks = [
        *_own_events(file, own),
        *tick_rules(every, labels),
        *told_tick_rules(),
        *error_rules(every),
        no_series_rule(every),
        *(with_objectives_page(alert) if has_pages else alert for alert in alerts),
    ]
    if zones := every.time_zones():
        yield _group("orion.slo.calendar", path, TICK, [(one, path) for one in calendar_rules(zones)])
    # No alert is here: Alertmanager's start counts on alerts that are sent again with every evaluation.
    stages = [*stage_rules(every, corrections), *budget_rules(every), *told_rules(every, labels)]
    yield _group("orion.slo.objectives", path, TICK, [(one, path) for one in _own_budgets(file, own, every)])
    yield _group("orion.slo.alerts", path, TICK, [(one, path) for one in ticks])
    yield _group("orion.slo.budget", path, STAGE, [(one, path) for one in stages])


def _own_budgets(file: TiersFile, own: Mapping[str, Tier], every: WindowSets) -> Iterator[Rule]:
    """Yield the budgets of the services' own objectives: a rule for the tiers with equal windows and events."""
    alike: dict[tuple[BurnWindows, bool], list[str]] = {}
    for name, tier in own.items():
        of_errors = counts_failed_requests(file.default(name).sli)
        alike.setdefault((burn_windows(tier), of_errors), []).append(name)
    for (windows, of_errors), names in alike.items():
        labels = {OBJECTIVE: OWN_OBJECTIVE} | _sli_labels(of_errors=of_errors) | _window_labels(every, windows)
        yield rule(OBJECTIVE_ERROR_BUDGET, _budgets_of(names, own), labels)


def _sli_labels(*, of_errors: bool) -> dict[str, str]:
    """Return the label of a budget that all failed requests of a service are counted against."""
    return {SLI: ERRORS} if of_errors else {}


def _window_labels(every: WindowSets, windows: BurnWindows) -> dict[str, str]:
    """Return the labels of a budget that say what it is compared in."""
    labels = {WINDOWS: label} if (label := every.label(windows)) else {}
    return labels if windows.time_zone is None else labels | {TIME_ZONE: windows.time_zone}


def _own_events(file: TiersFile, own: Mapping[str, Tier]) -> Iterator[Rule]:
    """Yield the counted events of the services' own objectives: of each service what its tier counts."""
    by_sli: dict[Sli, list[str]] = {}
    for name in own:
        by_sli.setdefault(file.default(name).sli, []).append(name)
    labels = {OBJECTIVE: OWN_OBJECTIVE}
    alternatives: dict[str, list[str]] = {}
    for sli, names in by_sli.items():
        for record, expression in event_rules(sli, (SERVICE,), {}, labels):
            limited = f"({expression})\nand on ({SERVICE}) {_budgets_of(names, own)}"
            alternatives.setdefault(record, []).append(expression if len(by_sli) == 1 else limited)
    for record, expressions in alternatives.items():
        yield rule(record, "\nor ".join(expressions), labels)


def _budgets_of(names: Sequence[str], own: Mapping[str, Tier]) -> str:
    """Return a selector of the budgets of the services of some tiers. Those of the standard tier name none."""
    if len(names) == len(own):
        return SERVICE_ERROR_BUDGET
    values = "|".join("" if name == STANDARD else name for name in names)
    return f'{SERVICE_ERROR_BUDGET}{{{TIER}{"=~" if len(names) > 1 else "="}"{values}"}}'


def _period_in_texts(every: WindowSets) -> str:
    first, *others = every.periods()
    if not others and first == MONTH_PERIOD:
        return "the month's"
    return "the period's" if others else f"the last {milliseconds(first) // milliseconds('1d')} days'"


def _event_groups(written: list[_Written], every: WindowSets, scraped: ScrapedSeriesFile) -> Iterator[SourceGroup]:
    path: FieldPath = ("objectives",)
    for start in range(0, len(written), OBJECTIVES_OF_A_GROUP):
        some = written[start : start + OBJECTIVES_OF_A_GROUP]
        rules = [(_budget_rule(each, every), (*path, each.name)) for each in some]
        alike: dict[Sli | str, list[_Written]] = {}
        for each in some:
            alike.setdefault(_counted_alike(each, scraped), []).append(each)
        for counted, same in alike.items():
            if isinstance(counted, str) or len(same) == 1:
                events = _written_events(same[0], scraped)
            else:
                events = _shared_events(counted, same)
            rules += [(one, (*path, same[0].name)) for one in events]
        yield _group(f"orion.slo.events.{some[0].name}", path, TICK, rules)


def _counted_alike(each: _Written, scraped: ScrapedSeriesFile) -> Sli | str:
    """Return what is equal for objectives that differ in their service only, else the name of the objective."""
    sli = each.objective.sli
    if sli is None or sli.slices is not None or each.objective.group_by:
        return each.name
    return sli if service_matchers(sli, each.objective.service, scraped) else each.name


def _shared_events(sli: Sli, same: Sequence[_Written]) -> Iterator[Rule]:
    """Yield the events of objectives with one indicator: counted once for all their services, then for each of them."""
    services = dict.fromkeys(each.objective.service for each in same)
    return shared_event_rules(sli, list(services), [each.name for each in same])


def _budget_rule(each: _Written, every: WindowSets) -> Rule:
    objective = each.objective
    tier = {} if objective.tier == STANDARD else {TIER: objective.tier}
    windows = _window_labels(every, each.windows)
    page = {} if objective.runbook is None else {RUNBOOK: objective.runbook}
    sli = _sli_labels(of_errors=counts_failed_requests(objective.sli, objective.service))
    labels = {**each.labels, TEAM: each.team, **tier, **windows, **page, **sli, **objective.labels}
    return rule(OBJECTIVE_ERROR_BUDGET, f"vector({1 - objective.objective:.10g})", labels)


def _written_events(each: _Written, scraped: ScrapedSeriesFile) -> Iterator[Rule]:
    objective = each.objective
    if objective.composite is not None:
        yield from composite_rules(objective.composite, each.labels)
    if objective.sli is None:
        return
    of_service = service_matchers(objective.sli, objective.service, scraped)
    counted = event_rules(objective.sli, (SERVICE, *objective.group_by), of_service, each.labels)
    for record, expression in counted:
        yield rule(record, expression, each.labels)


def _group(name: str, path: FieldPath, interval: str, rules: Sequence[tuple[Rule, FieldPath]]) -> SourceGroup:
    return SourceGroup(
        name=name,
        path=path,
        interval=interval,
        rules=tuple(SourceRule(rule=one, path=place) for one, place in rules),
    )
