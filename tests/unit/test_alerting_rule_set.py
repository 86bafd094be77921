"""Rules of every source are one set: an expression is parsed once, a generated rule is checked like a written one."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import promql_parser
import pytest

from alerting import checks
from alerting.build import build_platform
from alerting.catalog import Catalog, Page
from alerting.loader import read_catalog
from alerting.rules.burn_rates import LEAST_OBJECTIVE, PAIRS
from alerting.rules.checks.pages import PAGE_HEADINGS
from alerting.rules.compile import compile_rules
from alerting.rules.model import Rule, RuleSource, SourceGroup, SourceRule
from alerting.rules.objectives import burn_windows
from cli.check import untested_alerts
from tests.alerting_data import DATA, fixture_catalog, settings

ALERT = "GeneratedLatency"
DOMAIN = "generated"
LABELS = {"severity": "warning", "service": "orders", "team": "trading"}
TEXTS = {"summary": "Slow", "description": "Slower than its objective"}
SERVICES = "catalog/services.yaml"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return fixture_catalog()


def with_alert(
    catalog: Catalog,
    *,
    labels: Mapping[str, str] = LABELS,
    texts: Mapping[str, str] = TEXTS,
    expression: str = "orion:http_latency:p95 > 1 and on (service) orion:http_failures:increase30m > 4.5",
    page: bool = True,
) -> Catalog:
    """Return a catalog with a source that generates one alert from the service `orders`."""
    rule = Rule(alert=ALERT, expr=expression, labels=labels, annotations=texts)
    group = SourceGroup(
        name="orion.generated", path=("services",), rules=(SourceRule(rule=rule, path=("services", "orders")),)
    )
    source = RuleSource(domain=DOMAIN, document=catalog.documents[SERVICES], groups=(group,), generated=True)
    sections = {heading: f"`{heading}`" for heading in PAGE_HEADINGS}
    pages = {ALERT: Page(title=ALERT, sections=sections, text="")} if page else {}
    return dataclasses.replace(
        catalog,
        rules=compile_rules((*catalog.rules.sources, source), catalog.series),
        pages={**catalog.pages, **pages},
    )


def told(catalog: Catalog) -> list[str]:
    return [str(problem) for problem in checks.problems(catalog)]


def without(values: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}


def test_a_generated_alert_that_lacks_nothing_is_deployed_with_its_dashboard(catalog: Catalog) -> None:
    complete = with_alert(catalog)

    assert told(complete) == []
    platform = build_platform(complete, settings())
    (file,) = [file for file in platform.rules if file.name == f"orion-{DOMAIN}"]
    (rule,) = file.groups[0]["rules"]
    assert f"/d/orion-{DOMAIN}?" in rule["annotations"]["dashboard_url"]
    (board,) = [board for board in platform.dashboards if board.name == f"orion-{DOMAIN}"]
    assert ALERT in board.text


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"labels": without(LABELS, "severity")}, f"alert {ALERT} has no severity"),
        ({"labels": without(LABELS, "team")}, f"alert {ALERT} has no label team"),
        ({"labels": {**LABELS, "team": "nobody"}}, 'found "nobody"; allowed: '),
        ({"labels": {**LABELS, "service": "nothing"}}, 'found "nothing"; allowed: '),
        ({"labels": {**LABELS, "severity": "loud"}}, 'found "loud"; allowed: critical'),
        ({"texts": without(TEXTS, "summary")}, f"alert {ALERT} has no summary"),
        ({"page": False}, f"alert {ALERT} has no runbook page. Write runbooks/{ALERT}.md"),
        ({"expression": "orion:nowhere > 1"}, "series orion:nowhere is neither scraped nor"),
        ({"expression": "orion:http_latency:p95 >"}, "is not PromQL: "),
        ({"expression": "orion:http_errors:rate5m > 0.1"}, "reads a share of events"),
    ],
)
def test_a_generated_alert_is_refused_as_a_written_one_where_it_comes_from(
    catalog: Catalog, broken: dict[str, Any], message: str
) -> None:
    problems = told(with_alert(catalog, **broken))

    assert any(message in problem for problem in problems), problems
    line = catalog.documents[SERVICES].place(("services", "orders")).line
    assert all(problem.startswith(f"{SERVICES}:{line}: services.orders: ") for problem in problems)


def test_a_generated_alert_that_pages_needs_a_route_that_pages(catalog: Catalog) -> None:
    routing = catalog.routing
    quiet = {name: receiver.model_copy(update={"page": None}) for name, receiver in routing.receivers.items()}
    paging = with_alert(catalog, labels={**LABELS, "severity": "critical"})
    unpaged = dataclasses.replace(paging, routing=routing.model_copy(update={"receivers": quiet}))

    assert told(paging) == []
    assert any("a critical alert of orders pages nobody" in problem for problem in told(unpaged))


def test_a_generated_alert_without_a_test_is_named(catalog: Catalog) -> None:
    assert untested_alerts(DATA, with_alert(catalog)) == [ALERT]


def test_a_generated_alert_is_among_those_that_references_may_name(catalog: Catalog) -> None:
    named = with_alert(catalog)

    assert named.rules.alert_labels[ALERT].names() == ["alertname", "service", "severity", "team"]
    assert named.rules.alerts[ALERT].generated


def test_the_labels_of_generated_series_are_inferred(catalog: Catalog) -> None:
    series = catalog.rules.series
    expected = {
        "orion:service:owner": {"service", "team"},
        "orion:service:error_budget": {"service", "team"},
        "orion:service:expected": {"namespace", "service", "team"},
        "orion:series:missing": {"exporter", "series"},
        "orion:market:open": set[str](),
    }

    assert {name: set(series[name]) for name in expected} == expected
    assert series["orion:series:part_missing"] >= {"exporter", "series", "part"}


@pytest.mark.parametrize(
    ("before", "carried"),
    [
        ("orion:test:own", {"service", "team"}),
        ("sum without (team) (orion:test:own)", {"service"}),
        ("sum by (pod) (orion:test:own)", set[str]()),
    ],
)
def test_what_reads_itself_carries_the_labels_that_it_never_loses(
    catalog: Catalog, before: str, carried: set[str]
) -> None:
    recording = Rule(record="orion:test:own", expr=f"orion:service:owner or 0 * last_over_time({before}[10m:])")
    group = SourceGroup(name="orion.test", path=("services",), rules=(SourceRule(rule=recording, path=("services",)),))
    source = RuleSource(domain=DOMAIN, document=catalog.documents[SERVICES], groups=(group,), generated=True)

    series = compile_rules((*catalog.rules.sources, source), catalog.series).series

    assert series["orion:test:own"] == carried


def test_no_expression_is_parsed_more_often_than_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: Counter[str] = Counter()
    parse = promql_parser.parse

    def counting(text: str) -> Any:
        parsed[text] += 1
        return parse(text)

    monkeypatch.setattr(promql_parser, "parse", counting)
    catalog = read_catalog(DATA)
    assert checks.problems(catalog) == []
    build_platform(catalog, settings())
    written = Counter(rule.expression.text for rule in catalog.rules.rules)
    written += Counter(
        query.expression.text for rule in catalog.rules.rules for query in rule.queries if query.expression is not None
    )

    assert len(written) > 100
    assert {text: times for text, times in parsed.items() if text in written and times != written[text]} == {}


def test_burn_factors_of_the_rules_follow_from_windows_and_budgets(catalog: Catalog) -> None:
    pattern = re.compile(r"burn_rate(\w+)(?:\[\w+\]\))? > ([\d.]+)")
    compared = {
        (window, float(factor))
        for series in ("orion:objective:burning", "orion:objective_stage:burning")
        for recording in catalog.rules.recordings[series]
        for window, factor in pattern.findall(recording.rule.expr)
    }

    assert catalog.objectives is not None
    critical = burn_windows(catalog.objectives.tiers.tiers["critical"])
    pairs = (*PAIRS, *critical.pairs())
    assert compared == {(window, round(pair.factor, 9)) for pair in pairs for window in (pair.long, pair.short)}


def test_the_least_objective_is_the_least_that_the_fastest_burn_can_reach() -> None:
    assert (1 - LEAST_OBJECTIVE) * max(pair.factor for pair in PAIRS) < 1
    assert (1 - (LEAST_OBJECTIVE - 0.0001)) * max(pair.factor for pair in PAIRS) > 1
