"""Objectives: what is refused and how it is told, windows of other periods, the rules that are generated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from alerting.build import load_catalog, load_platform
from alerting.rules.burn_rates import PAGE_PAIRS, TICKET_PAIRS
from alerting.rules.objectives import ObjectivesFile, Tier, TiersFile, burn_windows
from alerting.rules.promql.selector import read_selector
from alerting.rules.runbook_site import runbook_site
from alerting.rules.sources.objective_events import bucket, tick_increase
from alerting.settings import Environment, Settings
from alerting.source.problems import CatalogError
from tests.alerting_data import DATA, ROOT, changed, copied_root, fixture_catalog, problems, settings

FILE = "rules/objectives/more.yaml"
OBJECTIVE = """\
objectives:
  orders-latency:
    description: Orders are answered within half a second.
    service: orders
    objective: 0.99
    sli: {latency: {histogram: http_request_duration_seconds_bucket, seconds: 0.5}}
"""
RATIO = "sli: {ratio: {total: http_requests_total, bad: 'http_requests_total{code=~\"5..\"}'}}"
SLI = "sli: {latency: {histogram: http_request_duration_seconds_bucket, seconds: 0.5}}"
WINDOWS = "\n    windows:\n      page: [{page}]\n      ticket: [{{long: 1d, short: 2h, budget_percent: 10}}]"
SCHEMA = ROOT / "docs" / "objectives.schema.json"


def written(folder: Path, text: str = OBJECTIVE) -> Path:
    root = copied_root(folder / "root")
    (root / FILE).write_text(text)
    return root


def page(pair: str) -> str:
    return f"objective: 0.99{WINDOWS.format(page=pair)}"


HISTOGRAM = "histogram: http_request_duration_seconds_bucket"


def slices(length: str, target: str) -> str:
    return f"sli: {{slices: {{length: {length}, target: {target}, {RATIO[6:-1]}}}}}"


REFUSED = [
    (
        "objective: 0.99",
        "objective: 1",
        5,
        "found 1; a share of more than 0 and less than 1, such as 0.999, is allowed",
    ),
    ("objective: 0.99", "objective: 99900", 5, "found 99900; a share of more than 0 and less than 1"),
    ("objective: 0.99", "objective: 0.9", 2, "can never fire for an objective of 0.9, since more than all events"),
    ("objective: 0.99", "objective: 0.99\n    period: 5", 6, "found 5; a duration such as 30s"),
    ("objective: 0.99", "objective: 0.99\n    period: 5x", 6, 'found "5x"; a duration such as 30s'),
    ("objective: 0.99", "objective: 0.99\n    period: 36h", 6, 'found "36h"; whole days, from 1d to 90d'),
    ("objective: 0.99", "objective: 0.99\n    period: month", 2, "`period: month` and `time_zone:` together"),
    ("objective: 0.99", "objective: 0.99\n    time_zone: UTC", 2, "`period: month` and `time_zone:` together"),
    (
        "objective: 0.99",
        "objective: 0.99\n    period: month\n    time_zone: Berlin",
        7,
        'found "Berlin"; an IANA name such as America/New_York is allowed',
    ),
    ("objective: 0.99", "objective: 0.99\n    runbook: Nothing", 6, "runbook Nothing has no runbook page. Write"),
    ("objective: 0.99", "objective: 0.99\n    target: 0.9", 6, "found an unknown field"),
    ("objective: 0.99", "objective: 0.99\n    tier: gold", 6, 'found "gold"; allowed: standard, critical'),
    ("service: orders", "service: order", 4, 'found "order"; allowed: orders, positions'),
    ("seconds: 0.5", "seconds: 0.3", 6, "found 0.3; allowed: 0.05, 0.1, 0.25, 0.5"),
    ("http_request_duration_seconds_bucket", "http_requests_total", 6, "counter; allowed: a histogram"),
    ("http_request_duration_seconds_bucket", "nothing_bucket", 6, "series nothing_bucket is neither scraped nor"),
    ("histogram: http_request_duration_seconds_bucket", "histogram: 'x[5m]'", 6, "a selector of one series, without"),
    (
        "histogram: http_request_duration_seconds_bucket",
        "histogram: 'x[$window]'",
        6,
        "a selector without a placeholder",
    ),
    (
        "histogram: http_request_duration_seconds_bucket",
        "histogram: 'rate(x[{{.window}}])'",
        6,
        "without a placeholder",
    ),
    (
        "histogram: http_request_duration_seconds_bucket",
        "histogram: 'rate(x[5m])'",
        6,
        "without range, offset or function",
    ),
    (
        "histogram: http_request_duration_seconds_bucket",
        "histogram: 'x offset 5m'",
        6,
        "without range, offset or function",
    ),
    (
        "histogram: http_request_duration_seconds_bucket",
        "histogram: 'http_request_duration_seconds_bucket{path=\"/\"}'",
        6,
        'found "path"; allowed: instance, job, le, service',
    ),
    (
        "objective: 0.99",
        "objective: 0.99\n    group_by: [region]",
        6,
        'found "region"; allowed: instance, job, service',
    ),
    ("objective: 0.99", "objective: 0.99\n    labels: {severity: info}", 6, 'label "severity" is given by the program'),
    ("objective: 0.99", "objective: 0.99\n    labels: {windows: x}", 6, 'label "windows" is given by the program'),
    ("objective: 0.99", "objective: 0.99\n    group_by: [le]", 6, 'label "le" is given by the program'),
    (
        "objective: 0.99",
        "objective: 0.99\n    group_by: [instance]\n    labels: {instance: a}",
        7,
        'label "instance" is',
    ),
    (SLI, "sli: {ratio: {bad: http_requests_total}}", 6, "found nothing"),
    (SLI, "sli: {ratio: {total: http_requests_total}}", 6, "one of `bad:` and `good:` is allowed"),
    (SLI, RATIO.replace("bad: 'http_requests", "bad: 'orders_rejected"), 6, "another selector of http_requests_total"),
    (SLI, "sli: {ratio: {total: http_requests_total, bad: http_requests_total}}", 6, "a part of `total:` is allowed"),
    (SLI, "sli: {threshold: {gauge: db_pool_connections_used}}", 6, "one of `above:` and `below:` is allowed"),
    (SLI, "sli: {}", 6, "one of `ratio:`, `latency:`, `threshold:` and `slices:` is allowed"),
    (SLI, slices("5m", f"0.9, {SLI[6:-1]}"), 6, "one of `ratio:`, `latency:` and `threshold:` is allowed"),
    (SLI, slices("45s", "0.9"), 6, "a `length:` of 1m to 1h, a multiple of 30s, is allowed"),
    (SLI, slices("5", "0.9"), 6, "found 5; a duration such as 30s"),
    (SLI, slices("5m", "90"), 6, "found 90; a share of more than 0"),
    (SLI, slices("30m", "0.9"), 6, "a slice of 30m is longer than the window"),
    (SLI, slices("30m", "0.9"), 6, "the window 1h has fewer than 5 slices"),
    (SLI, SLI.replace("0.5}", "0.5, native: true}"), 6, "is a histogram; allowed: a native histogram"),
    ("objective: 0.99", page("{long: 1h, short: 1h, budget_percent: 2}"), 7, "the short window is not below the long"),
    ("objective: 0.99", page("{long: 40d, short: 1h, budget_percent: 100}"), 7, "is longer than the period"),
    ("objective: 0.99", page("{long: 1h, short: 130s, budget_percent: 2}"), 7, "130s is no multiple of 30s"),
    ("objective: 0.99", page("{long: 1h, short: 5m, budget_percent: 0.1}"), 7, "allowed: a factor of 1 or more"),
    ("objective: 0.99", page("{long: 1h, short: 5m, budget_percent: 14}"), 7, "it can never fire for an objective of"),
    ("orders-latency:", "requests:", 2, "is the name of the services' own objective"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_an_objective_that_cannot_work_is_refused(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in OBJECTIVE
    found = problems(written(tmp_path, OBJECTIVE.replace(old, new)))

    assert any(problem.startswith(f"{FILE}:{line}: objectives.") and message in problem for problem in found), found
    assert all(problem.startswith(f"{FILE}:") for problem in found), found


def test_a_name_twice_in_two_files_is_refused(tmp_path: Path) -> None:
    root = written(tmp_path)
    (root / "rules/objectives/other.yaml").write_text(OBJECTIVE)

    (problem,) = problems(root)

    assert problem.startswith("rules/objectives/other.yaml:2: objectives.orders-latency: found twice, first in")


def test_anchors_that_explode_are_refused(tmp_path: Path) -> None:
    levels = "".join(f"  l{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 10)}]\n" for n in range(6))
    (problem,) = problems(written(tmp_path, f"objectives:\n  l0: &l0 [x]\n{levels}"))

    assert "aliases stand for more than" in problem


def scraping(seconds: int) -> Settings:
    stack = settings(Environment.DEV)
    monitoring = stack.monitoring.model_copy(update={"scrape_interval_seconds": seconds})
    return stack.model_copy(update={"monitoring": monitoring})


def test_a_window_needs_four_scrapes(tmp_path: Path) -> None:
    """With the windows of a week the shortest is 70 seconds, rounded to ticks."""
    root = written(tmp_path, OBJECTIVE.replace("objective: 0.99", "objective: 0.99\n    period: 7d"))

    with pytest.raises(CatalogError) as raised:
        load_platform(root, scraping(30))

    (problem,) = map(str, raised.value.problems)
    assert problem.startswith(
        f"{FILE}:2: objectives.orders-latency: its window 1m has fewer than 4 scrapes in stack dev"
    )
    assert load_platform(root, scraping(15)).rules


def test_a_period_that_is_longer_than_what_is_kept_is_refused(tmp_path: Path) -> None:
    root = written(tmp_path, OBJECTIVE.replace("objective: 0.99", "objective: 0.99\n    period: 60d"))

    with pytest.raises(CatalogError) as raised:
        load_platform(root, settings())

    (problem,) = map(str, raised.value.problems)
    assert problem.startswith(
        f"{FILE}:2: objectives.orders-latency: its period 60d is longer than what stack prod keeps"
    )


def test_a_month_needs_31_days_to_be_kept(tmp_path: Path) -> None:
    month = "objective: 0.99\n    period: month\n    time_zone: Europe/Berlin"
    root = written(tmp_path, OBJECTIVE.replace("objective: 0.99", month))

    with pytest.raises(CatalogError) as raised:
        load_platform(root, settings())

    (problem,) = map(str, raised.value.problems)
    assert "its period month, up to 31d2h, is longer than what stack prod keeps; allowed: 30d" in problem


def test_a_month_has_the_windows_of_thirty_days_and_a_name_of_its_own() -> None:
    month = burn_windows(Tier(description="Any", period="month", time_zone="Europe/Berlin"))

    assert (month.page, month.ticket) == (PAGE_PAIRS, TICKET_PAIRS)
    assert month.name() == "month Europe/Berlin"


def test_windows_scale_with_the_period_and_factors_stay() -> None:
    month, days28 = (burn_windows(Tier(description="Any", period=period)) for period in ("30d", "28d"))

    assert [(pair.long, pair.short) for pair in days28.pairs()] == [
        ("56m", "4m30s"),
        ("5h36m", "28m"),
        ("22h25m", "1h50m"),
        ("2d19h10m", "5h35m"),
    ]
    assert (month.page, month.ticket) == (PAGE_PAIRS, TICKET_PAIRS)
    assert [round(pair.factor, 9) for pair in days28.pairs()] == [14.4, 6, 3, 1]


def test_objectives_with_equal_windows_share_their_rules(tmp_path: Path) -> None:
    """Each costs a budget and two counts."""
    more = OBJECTIVE + OBJECTIVE.replace("objectives:\n", "").replace("orders-latency", "orders-slow")
    one, two = (
        len(load_catalog(written(tmp_path / str(number), text)).rules.rules)
        for number, text in ((1, OBJECTIVE), (2, more))
    )

    assert one - len(fixture_catalog().rules.rules) == two - one == 3


def test_objectives_with_other_windows_are_compared_by_rules_of_their_own(tmp_path: Path) -> None:
    """Events are counted under one name: an objective whose period changes keeps them."""
    root = written(tmp_path, OBJECTIVE.replace("objective: 0.99", "objective: 0.99\n    period: 28d"))
    recordings = load_catalog(root).rules.recordings

    assert len(recordings["orion:objective_bad:increase28d"]) == 1
    (left,) = recordings["orion:objective_stage:error_budget_remaining"]
    month, days28 = left.rule.expr.split("\nor ")
    assert "increase30d" in month
    assert "increase28d" in days28
    assert days28.endswith('and on (service, objective) orion:objective:error_budget{windows="28d"}')
    budget = recordings["orion:objective:error_budget"][-1].rule
    assert budget.labels["windows"] == "28d"


def test_windows_have_a_name_that_other_objectives_do_not_change() -> None:
    tier = fixture_tiers()["critical"]

    assert burn_windows(Tier(description="Any", period="28d")).name() == "28d"
    assert burn_windows(tier).name() == "30d page 1h/5m:2 6h/30m:5 ticket 1d/2h:5 3d/6h:10"


def fixture_tiers() -> Mapping[str, Tier]:
    objectives = fixture_catalog().objectives
    assert objectives is not None
    return objectives.tiers.tiers


def test_a_service_has_the_windows_of_its_tier() -> None:
    recordings = fixture_catalog().rules.recordings
    budgets = {one.rule.expr: one.rule.labels for one in recordings["orion:objective:error_budget"]}
    name = burn_windows(fixture_tiers()["critical"]).name()

    assert budgets == {
        'orion:service:error_budget{tier=""}': {"objective": "requests", "sli": "errors"},
        'orion:service:error_budget{tier="critical"}': {"objective": "requests", "sli": "errors", "windows": name},
    }
    (gateway,) = (
        one.rule for one in recordings["orion:service:error_budget"] if one.rule.labels["service"] == "gateway"
    )
    assert gateway.labels == {"service": "gateway", "team": "platform", "tier": "critical"}


def test_a_tier_may_count_something_else(tmp_path: Path) -> None:
    default = """
    default:
      description: Requests within half a second.
      sli: {latency: {histogram: http_request_duration_seconds_bucket, seconds: 0.5}}
    windows:"""
    root = changed(tmp_path / "root", "rules/objectives/tiers.yaml", "\n    windows:", default)
    recordings = load_catalog(root).rules.recordings
    (rule,) = recordings["orion:objective_bad:increase30s"]
    bad, slow = rule.rule.expr.split('orion:service:error_budget{tier=""}')

    assert "http_requests_total" in bad
    assert "http_request_duration" not in bad
    assert "http_requests_total" not in slow
    assert slow.endswith('and on (service) orion:service:error_budget{tier="critical"}')
    budgets = {each.rule.expr: each.rule.labels.get("sli") for each in recordings["orion:objective:error_budget"]}
    assert budgets == {
        'orion:service:error_budget{tier=""}': "errors",
        'orion:service:error_budget{tier="critical"}': None,
    }


def test_a_service_of_an_unknown_tier_is_refused(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "tier: critical", "tier: gold")

    (problem,) = problems(root)

    assert problem == (
        'catalog/services.yaml:23: services.gateway.tier: found "gold"; allowed: standard, critical. '
        "Name a tier of rules/objectives/tiers.yaml"
    )


def test_an_objective_counts_its_own_service_and_carries_its_labels(tmp_path: Path) -> None:
    text = OBJECTIVE.replace("objective: 0.99", "objective: 0.99\n    labels: {plan: gold}")
    rules = load_catalog(written(tmp_path, text)).rules
    total = rules.recordings["orion:objective_total:increase30s"][-1].rule
    budget = rules.recordings["orion:objective:error_budget"][-1].rule

    assert 'http_request_duration_seconds_bucket{service="orders", le="+Inf"}' in total.expr
    assert total.labels == {"service": "orders", "objective": "orders-latency"}
    assert budget.expr == "vector(0.01)"
    assert budget.labels == {"service": "orders", "objective": "orders-latency", "team": "trading", "plan": "gold"}
    assert "group_left (team, plan)" in rules.recordings["orion:objective:burning"][0].rule.expr


@pytest.mark.parametrize(("seconds", "pattern"), [(0.5, "0\\.5"), (1, "1(\\.0)?"), (10, "10(\\.0)?"), (0.25, "0\\.25")])
def test_a_bucket_is_found_however_its_limit_is_written(seconds: float, pattern: str) -> None:
    assert bucket(seconds) == pattern


def test_a_tick_is_the_difference_of_two_values_or_the_value_after_a_reset() -> None:
    now, before = "last_over_time(a[2m])", "last_over_time(a[2m] offset 30s)"

    assert tick_increase(read_selector("a")) == f"({now} - {before} >= 0) or ({now} < {before})"


def test_a_standard_tier_with_a_default_is_needed(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "rules/objectives/tiers.yaml", "  standard:", "  other:")

    assert any("a tier standard with `default:` is allowed" in problem for problem in problems(root))


def test_an_objective_may_have_a_page_of_its_own(tmp_path: Path) -> None:
    """The alert asks for it: no label more distinguishes it. Other objectives keep the alert's page."""
    root = written(tmp_path, OBJECTIVE.replace("objective: 0.99", "objective: 0.99\n    runbook: OrdersAreSlow"))
    page = (root / "runbooks/CriticalLatency.md").read_text()
    (root / "runbooks/OrdersAreSlow.md").write_text(page.replace("# CriticalLatency", "# OrdersAreSlow", 1))
    platform = load_platform(root, settings())
    rules = [rule for file in platform.rules for group in file.groups for rule in group["rules"]]
    (alert,) = (rule for rule in rules if rule.get("alert") == "HighErrorBudgetBurn")
    (panel,) = (
        panel
        for dashboard in platform.dashboards
        for panel in json.loads(dashboard.text)["panels"]
        if panel["title"] == "HighErrorBudgetBurn"
    )

    assert (
        '{{ . | first | label "runbook" }}{{ else }}HighErrorBudgetBurn{{ end }}' in alert["annotations"]["runbook_url"]
    )
    assert "runbook_page" not in alert["annotations"]
    assert "[Runbook](https://runbooks.orion.example.com/HighErrorBudgetBurn/#" in panel["description"]
    assert "OrdersAreSlow.md" in {one.path for one in runbook_site(load_catalog(root), settings()).pages}


def test_a_release_without_objectives_is_still_read(tmp_path: Path) -> None:
    """`orion orphans` compares with a commit whose rules/slo.yaml is a file like others."""
    root = copied_root(tmp_path / "root")
    for path in sorted((root / "rules/objectives").iterdir()):
        path.unlink()
    (root / "rules/objectives").rmdir()
    (root / "rules/slo.yaml").write_text((DATA / "rules/errors.yaml").read_text())

    assert not any("rules/slo.yaml:1: is the name of rules" in problem for problem in problems(root))


def test_the_published_schema_is_that_of_the_models() -> None:
    """Write it anew with `json.dumps(..., indent=2)` after reading the difference."""
    schema = TypeAdapter(TiersFile | ObjectivesFile).json_schema()

    assert json.loads(SCHEMA.read_text()) == schema
