"""An objective that changes keeps what was counted of it, and one that is renamed begins anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.source.durations import milliseconds
from tests.alerting_data import copied_root
from tests.objective_counting import TICKS_OF_A_STAGE, ticks
from tests.objective_promtool import LABELLED, OBJECTIVES, assert_holds, expect, run, written_rules

BEFORE = """\
objectives:
  orders-answered:
    description: Orders are answered.
    service: orders
    objective: 0.99
    sli: {ratio: {total: http_requests_total, bad: 'http_requests_total{code="500"}'}}
"""
WINDOWS = "{page: [{long: 1h, short: 5m, budget_percent: 3}], ticket: [{long: 1d, short: 2h, budget_percent: 10}]}"
CHANGES = {
    "target": ("objective: 0.99", "objective: 0.95"),
    "period": ("objective: 0.99", "objective: 0.99\n    period: 28d"),
    "windows": ("objective: 0.99", f"objective: 0.99\n    windows: {WINDOWS}"),
    "tier": ("objective: 0.99", "objective: 0.99\n    tier: critical"),
    "labels and text": ("description: Orders are answered.", "description: Other words.\n    labels: {plan: gold}"),
}
DAYS = 20
PER_STAGE = 1000


def counting(folder: Path, text: str) -> list[tuple[object, ...]]:
    """Return the rules that count the events of the objective and sum them up to stages."""
    root = copied_root(folder / "root")
    (root / OBJECTIVES).write_text(text)
    recordings = load_catalog(root).rules.recordings
    names = [f"orion:objective_{events}:{each}" for events in ("bad", "total") for each in ("increase30s", "stage5m")]
    return [(name, one.rule.expr, dict(one.rule.labels)) for name in names for one in recordings[name]]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_counted_does_not_depend_on_what_it_is_held_to(tmp_path: Path, change: str) -> None:
    assert CHANGES[change][0] in BEFORE
    after = BEFORE.replace(*CHANGES[change])

    assert counting(tmp_path / "after", after) == counting(tmp_path / "before", BEFORE)


def stages(samples: Sequence[int], name: str) -> dict[str, str]:
    """Return a series that earlier rules have recorded each five minutes."""
    spread = " ".join(f"{sample} _x{TICKS_OF_A_STAGE - 1}" for sample in samples)
    return {"series": LABELLED.format(name, "orders", "orders-answered"), "values": spread}


@pytest.mark.parametrize("change", ["target", "period", "windows"])
def test_a_changed_objective_is_held_to_all_that_was_counted(tmp_path: Path, change: str) -> None:
    """Twenty days of events that the rules of before have recorded, and the rules of afterwards."""
    count = DAYS * 24 * 12
    bad = [PER_STAGE // 200 if stage % 2 else 0 for stage in range(count + 1)]
    series = [
        stages([PER_STAGE] * (count + 1), "orion:objective_total:stage5m"),
        stages(bad, "orion:objective_bad:stage5m"),
        stages([1] * (count + 1), "orion:objective_total:covered5m"),
    ]
    period, budget = ("28d" if change == "period" else "30d"), (0.05 if change == "target" else 0.01)
    known = count + 1
    left = 1 - sum(bad) / (known * PER_STAGE) * known / (milliseconds(period) // milliseconds("5m")) / budget
    remaining = LABELLED.format("orion:service:error_budget_remaining", "orders", "orders-answered")
    rules = written_rules(tmp_path, BEFORE.replace(*CHANGES[change]))

    assert_holds(
        run(
            rules,
            series,
            [expect(f"count(abs({remaining} - {left!r}) < 1e-9)", ticks(f"{DAYS}d"), ("{}", 1.0))],
            evaluation="12h",
        )
    )


def test_an_objective_of_another_name_begins_anew(tmp_path: Path) -> None:
    """Its series are others: of what was counted under the old name, nothing is in its budget."""
    count = 24 * 12
    rules = written_rules(tmp_path, BEFORE.replace("orders-answered", "orders-served"))
    series = [
        stages([PER_STAGE] * (count + 1), "orion:objective_total:stage5m"),
        stages([0] * (count + 1), "orion:objective_bad:stage5m"),
        stages([1] * (count + 1), "orion:objective_total:covered5m"),
    ]

    assert_holds(
        run(
            rules,
            series,
            [expect('orion:service:error_budget_remaining{objective=~"orders-.+"}', ticks("1d"))],
            evaluation="12h",
        )
    )
