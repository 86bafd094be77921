"""Composite objectives: events of several objectives by weight, held by promtool to counting of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.build import load_catalog
from tests.alerting_data import copied_root, problems
from tests.objective_counting import Traffic
from tests.objective_promtool import LABELLED, OBJECTIVES, assert_holds, expect, requests, run, written_rules

WRITTEN = """\
objectives:
  orders-accepted:
    description: Orders are not rejected.
    service: orders
    objective: 0.99
    sli: {ratio: {total: http_requests_total, good: 'http_requests_total{code="200"}'}}
  checkout:
    description: A customer's order is answered, and the position is shown.
    service: orders
    objective: 0.99
    composite:
      members:
        - {objective: requests, service: positions}
        - {objective: orders-accepted, weight: 3}
    labels: {plan: gold}
  everything:
    description: All of it.
    service: positions
    objective: 0.99
    composite: {members: [{objective: checkout}, {objective: requests, service: orders}]}
"""
TICKS = 40


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_rules(tmp_path_factory.mktemp("composites"), WRITTEN)


def test_events_are_those_of_all_members_by_weight(rules: Path) -> None:
    """Of a tick's 100 orders one fails, of its 10 positions two do: 10 and three times 100 events in all."""
    orders = Traffic(total=[100] * TICKS, bad=[1] * TICKS)
    positions = Traffic(total=[10] * TICKS, bad=[2] * TICKS)
    name = "orion:objective_{}:increase5m"
    assert_holds(
        run(
            rules,
            [*requests("orders", orders), *requests("positions", positions)],
            [
                expect(
                    f'{name.format(events)}{{objective="{objective}"}}',
                    TICKS - 1,
                    (LABELLED.format(name.format(events), service, objective), value),
                )
                for objective, service, events, value in (
                    ("checkout", "orders", "total", 10 * (10 + 3 * 100.0)),
                    ("checkout", "orders", "bad", 10 * (2 + 3 * 1.0)),
                    ("everything", "positions", "total", 10 * (10 + 3 * 100.0 + 100)),
                    ("everything", "positions", "bad", 10 * (2 + 3 * 1.0 + 1)),
                )
            ],
        )
    )


def test_a_member_without_series_adds_nothing_and_hides_nothing(rules: Path) -> None:
    """All orders fail, and nothing is known of positions: the composite pages, with its labels."""
    orders = Traffic(total=[100] * 60, bad=[100] * 60)
    labels = 'alertname="HighErrorBudgetBurn", alertstate="firing", severity="critical", team="trading", plan="gold"'
    assert_holds(
        run(
            rules,
            requests("orders", orders),
            [
                expect(
                    'ALERTS{alertname="HighErrorBudgetBurn", alertstate="firing", objective="checkout"}',
                    59,
                    (f'ALERTS{{{labels}, service="orders", objective="checkout"}}', 1.0),
                ),
                expect('orion:objective:no_series{objective="checkout"}', 59),
            ],
        )
    )


def test_a_tick_of_a_member_that_was_missed_is_not_counted_twice(rules: Path) -> None:
    """The member's recordings are there each other tick only."""
    label = '{service="positions", objective="requests"}'
    half = "10 _ " * (TICKS // 2)
    series = [
        {"series": f"orion:objective_total:increase30s{label}", "values": half},
        {"series": f"orion:objective_bad:increase30s{label}", "values": half.replace("10", "0")},
    ]
    total = LABELLED.format("orion:objective_total:increase5m", "orders", "checkout")
    assert_holds(run(rules, series, [expect(total, TICKS - 1, (total, 50.0))]))


FILE = OBJECTIVES
MEMBERS = "[{objective: checkout}, {objective: requests, service: orders}]"
REFUSED = [
    ("weight: 3", "weight: 0", "members.1.weight: found 0; allowed: more than 0"),
    ("{objective: orders-accepted, weight: 3}", "{objective: other}", 'members.1: found "other"; allowed: '),
    ("{objective: requests, service: positions}", "{objective: requests}", 'members.0: found "requests"; allowed: '),
    ("{objective: requests, service: positions}", "{objective: orders-accepted}", "orders-accepted is there twice"),
    (MEMBERS, "[{objective: checkout}]", "found 1 entries; allowed: 2 or more"),
    (
        "{objective: requests, service: positions}",
        "{objective: everything}",
        "cycle: checkout -> everything -> checkout",
    ),
    ("{objective: requests, service: positions}", "{objective: checkout}", "cycle: checkout -> checkout"),
    ("labels: {plan: gold}", "period: 28d", "has the period 30d; allowed: members with that of the composite, 28d"),
    ("labels: {plan: gold}", "group_by: [code]", "`group_by:` is allowed beside `sli:`"),
    ("    composite: {members", "    sli: {}\n    composite: {members", "one of `ratio:`, `latency:`"),
    (
        "sli: {ratio: {total: http_requests_total, good: 'http_requests_total{code=\"200\"}'}}",
        "runbook: HighErrorBudgetBurn",
        "one of `sli:` and `composite:` is allowed",
    ),
    (
        "sli: {ratio: {total: http_requests_total, good: 'http_requests_total{code=\"200\"}'}}",
        "sli: {slices: {length: 1m, target: 0.9, threshold: {gauge: db_pool_connections_used, above: 9}}}",
        "orders-accepted counts time slices, and positions requests events",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_a_composite_that_cannot_work_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in WRITTEN
    root = copied_root(tmp_path / "root")
    (root / FILE).write_text(WRITTEN.replace(old, new, 1))
    found = problems(root)

    assert any(message in problem for problem in found), found
    assert all(problem.startswith(f"{FILE}:") for problem in found), found


def test_a_composite_costs_what_another_objective_does(tmp_path: Path) -> None:
    def rules_of(name: str, text: str) -> int:
        root = copied_root(tmp_path / name)
        (root / FILE).write_text(text)
        return len(load_catalog(root).rules.rules)

    assert rules_of("with", WRITTEN) - rules_of("without", WRITTEN[: WRITTEN.index("  everything:")]) == 3
