"""Generated rules of objectives: which tiers, windows and periods share one, and what is said of them in texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.rules.burn_rates import PAGE_PAIRS, TICK, scaled_pairs
from alerting.rules.model import CompiledRule, Rule, RuleSet
from alerting.rules.objectives import RatioSli, Sli
from alerting.rules.sources.objective_events import service_matchers
from tests.alerting_data import copied_root, fixture_catalog
from tests.objective_promtool import OBJECTIVES

TIERS = "rules/objectives/tiers.yaml"
SERVICES = "catalog/services.yaml"
OBJECTIVE = """
  {name}:
    description: Orders are answered.
    service: orders
    objective: 0.99
    {more}
    sli: {{ratio: {{total: http_requests_total, bad: 'http_requests_total{{code=~"5.."}}'}}}}
"""
WEEK = OBJECTIVE.format(name="by-the-week", more="period: 7d")
MONTH = OBJECTIVE.format(name="by-the-month", more="period: month\n    time_zone: UTC")
TICKET = "ticket: [{long: 1d, short: 2h, budget_percent: 10}]"
QUICK_TIER = """
  quick:
    description: Services that answer within half a second.
    period: 30d
    default:
      description: Requests within half a second.
      sli: {latency: {histogram: http_request_duration_seconds_bucket, seconds: 0.5}}
  alike:
    description: Services whose objectives are those of the standard tier.
    period: 30d
  unused:
    description: No service is of it.
    period: 7d
"""


def rules_of(
    folder: Path,
    objectives: str = "",
    *,
    tiers: str = "",
    each_tier: str = "",
    services: Mapping[str, str] | None = None,
) -> RuleSet:
    """Return the rules of the fixture with more objectives, more tiers, another period, or services of other tiers."""
    root = copied_root(folder / "root")
    if objectives:
        (root / OBJECTIVES).write_text(f"objectives:{objectives}")
    text = (root / TIERS).read_text() + tiers
    if each_tier:
        text = text.replace("    period: 30d\n", "")
        text = text.replace("\n    description: Services", f"\n    {each_tier}\n    description: Services")
    (root / TIERS).write_text(text)
    text = (root / SERVICES).read_text()
    for service, tier in (services or {}).items():
        assert f"\n  {service}:\n" in text
        text = text.replace(f"\n  {service}:\n", f"\n  {service}:\n    tier: {tier}\n")
    (root / SERVICES).write_text(text)
    return load_catalog(root).rules


def only(rules: RuleSet, record: str) -> Rule:
    (recording,) = rules.recordings[record]
    return recording.rule


def objective_rules(rules: RuleSet) -> list[CompiledRule]:
    return [rule for rule in rules.rules if rule.domain == "slo"]


def test_tiers_with_equal_windows_share_a_budget_and_those_that_count_alike_share_a_count(tmp_path: Path) -> None:
    """A tier that no service is of makes no rules."""
    rules = rules_of(tmp_path, tiers=QUICK_TIER, services={"positions": "quick", "market-data": "alike"})
    budgets = {one.rule.expr for one in rules.recordings["orion:objective:error_budget"]}
    answered, quick = only(rules, "orion:objective_total:increase30s").expr.split("\nor ")

    assert budgets == {
        f"orion:service:error_budget{{{tiers}}}" for tiers in ('tier=~"|alike"', 'tier="critical"', 'tier="quick"')
    }
    assert answered.endswith('and on (service) orion:service:error_budget{tier=~"|critical|alike"}')
    assert quick.endswith('and on (service) orion:service:error_budget{tier="quick"}')
    assert not any("7d" in one.rule.expr for one in objective_rules(rules))


def test_where_all_objectives_are_alike_none_is_selected() -> None:
    """Neither by what is counted nor by period: it would cost a join each."""
    rules = fixture_catalog().rules

    assert "error_budget" not in only(rules, "orion:objective_total:increase30s").expr
    for record in ("orion:objective:coverage", "orion:objective:exhausted_in_seconds"):
        assert "error_budget{" not in only(rules, record).expr
        assert "orion:objective:error_budget" not in only(rules, record).expr


def test_series_that_are_gone_or_idle_are_told_by_the_windows_of_the_standard_tier(tmp_path: Path) -> None:
    """Those of a week are shorter: what is told of one objective does not depend on others."""
    rules = rules_of(tmp_path, WEEK)

    assert (
        "unless on (service, objective) orion:objective_total:increase5m"
        in only(rules, "orion:objective:no_series").expr
    )
    assert only(rules, "orion:objective:no_traffic").expr == "orion:objective_total:increase1h == bool 0"


@pytest.mark.parametrize(("second", "held"), [("5m", None), ("3m", None), ("6m", "1m")])
def test_a_short_window_is_held_until_the_next_ones_is_clean_if_that_is_longer(
    tmp_path: Path, second: str, held: str | None
) -> None:
    page = f"page: [{{long: 1h, short: 5m, budget_percent: 2}}, {{long: 7h, short: {second}, budget_percent: 5}}]"
    rules = rules_of(tmp_path, OBJECTIVE.format(name="held", more=f"windows: {{{page}, {TICKET}}}"))
    (first,) = (
        one.rule.expr.split("\nor ")[-1]
        for one in rules.recordings["orion:objective:burning"]
        if one.rule.labels.get("pair") == "1h/5m"
    )

    assert ("max_over_time(orion:objective:burn_rate5m" in first) == (held is not None)
    assert held is None or f"max_over_time(orion:objective:burn_rate5m[{held}]) > 14.4" in first


def test_a_ticket_holds_no_window_and_lasts_as_long_as_its_first_pair_says(tmp_path: Path) -> None:
    """Its first pair is one of the page's, and its last is one of the standard tier's."""
    pairs = "{long: 1h, short: 5m, budget_percent: 2}, {long: 3d, short: 6h, budget_percent: 10}"
    page = "page: [{long: 1h, short: 5m, budget_percent: 2}, {long: 6h, short: 30m, budget_percent: 5}]"
    rules = rules_of(tmp_path, OBJECTIVE.format(name="same", more=f"windows: {{{page}, ticket: [{pairs}]}}"))
    same = {"pair": "1h/5m", "urgency": "ticket"}
    (ticket,) = (one.rule.expr for one in objective_rules(rules) if same.items() <= one.rule.labels.items())
    lasts = [
        one.rule.expr for one in objective_rules(rules) if (one.rule.record or "").endswith(":exhausted_in_seconds")
    ]

    assert "max_over_time" not in ticket
    assert any("burn_rate1h" in expr and "burn_rate1d" in expr for expr in lasts)
    assert not any("burn_rate3d" in expr for expr in lasts)


def test_a_window_that_would_scale_to_nothing_is_a_tick() -> None:
    assert [(pair.long, pair.short) for pair in scaled_pairs(PAGE_PAIRS, "1d", TICK)] == [("2m", "30s"), ("12m", "1m")]


def test_the_objectives_of_a_group_are_at_most_two_hundred(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "".join(OBJECTIVE.format(name=f"number-{at}", more="") for at in range(201)))
    objectives = {
        group.name: {one.rule.labels["objective"] for one in group.rules if "objective" in one.rule.labels}
        for source in rules.sources
        for group in source.groups
        if group.name.startswith("orion.slo.events.")
    }

    assert {name: len(some) for name, some in objectives.items()} == {
        "orion.slo.events.number-0": 200,
        "orion.slo.events.number-200": 1,
    }


def test_a_written_objective_carries_its_tier_unless_that_is_the_standard(tmp_path: Path) -> None:
    written = OBJECTIVE.format(name="answered", more="tier: critical") + WEEK
    budgets = [one.rule.labels for one in rules_of(tmp_path, written).recordings["orion:objective:error_budget"]]
    critical, week = (
        next(each for each in budgets if each["objective"] == name) for name in ("answered", "by-the-week")
    )

    assert critical["tier"] == "critical"
    assert "tier" not in week


@pytest.mark.parametrize(
    ("objectives", "tier", "said", "soon"),
    [
        ("", "", "Left of the last 30 days' budget", "within three days"),
        (WEEK, "", "Left of the period's budget", "within three days"),
        (MONTH, "", "Left of the period's budget", "within three days, or before its month ends"),
        ("", "period: month\n    time_zone: UTC", "Left of the month's budget", "or before its month ends"),
    ],
    ids=["30 days", "two periods", "days and a month", "months"],
)
def test_alerts_say_which_period_the_budget_is_of(
    tmp_path: Path, objectives: str, tier: str, said: str, soon: str
) -> None:
    alerts = rules_of(tmp_path, objectives, each_tier=tier).alerts

    for name in ("HighErrorBudgetBurn", "SlowErrorBudgetBurn"):
        assert said in alerts[name].rule.annotations["description"]
    summary = alerts["ErrorBudgetRunningOut"].rule.annotations["summary"]
    assert summary.endswith(f"will have spent its error budget {soon}" if soon.startswith("within") else soon)


def test_an_alert_asks_for_no_page_where_no_objective_has_one() -> None:
    assert not any("runbook_page" in one.rule.annotations for one in fixture_catalog().rules.alerts.values())


@pytest.mark.parametrize(
    ("total", "matchers"),
    [
        ("http_requests_total", {"service": "orders"}),
        ("kube_node_status_condition", {}),
        ("orion:recorded:requests", {}),
    ],
    ids=["names a service", "names none", "is recorded"],
)
def test_only_a_series_that_names_services_is_limited_to_one(total: str, matchers: Mapping[str, str]) -> None:
    sli = Sli(ratio=RatioSli(total=total, bad=f'{total}{{code="500"}}'))

    assert service_matchers(sli, "orders", fixture_catalog().series) == matchers
