"""The figures of the functions, the simulation and the cost: they cover what is deployed, and their sums are right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatops.effects import Reply
from chatops.outbox import Outbox
from chatops.record import Record
from chatops.store import Put, put_record
from tests.alerting_data import ROOT
from tests.bench import __main__ as bench
from tests.bench import cost, functions, simulated
from tests.bench.cost import CountedWorld
from tests.chat_data import EPISODE, NOW

DOCS = ROOT / "docs" / "benchmarks.md"


def test_every_function_that_is_deployed_is_measured() -> None:
    handlers = {path.parent.name for path in (ROOT / "lambda").glob("*/handler.py")}

    assert set(functions.FUNCTIONS) == handlers


def test_every_figure_is_in_the_named_in_the_documentation() -> None:
    text = DOCS.read_text()

    assert [name for name in bench.NAMES if f"`{name}`" not in text] == []


@pytest.mark.own_catalog
def test_a_zip_holds_the_function_it_is_named_by(tmp_path: Path) -> None:
    zips = functions.built_zips(tmp_path)

    assert {function: f"{function}/handler.py".encode() in path.read_bytes() for function, path in zips.items()} == (
        dict.fromkeys(functions.FUNCTIONS, True)
    )


def test_the_simulations_rate_is_its_events_by_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "_simulated", lambda: simulated.Simulated(events=500, calls=900, seconds=2.0))

    figures = {figure.name: figure.value for figure in simulated.simulation_figures(lambda _: True)}

    assert figures == {"simulated_events_per_second": 250.0, "simulated_calls_per_second": 450.0}


def test_a_cost_is_the_sum_of_numbers_times_prices() -> None:
    assert cost.cost_of({"SNS publish": 2_000_000, "S3 put": 1000}) == pytest.approx(1.0 + 0.005)


def test_a_million_alerts_are_fewer_incidents_where_they_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "used_by_an_incident", lambda: {"SNS publish": 2.0})
    monkeypatch.setattr(cost, "idle_month", lambda: {"SNS publish": 4_000_000.0})

    figures = {figure.name: figure.value for figure in cost.cost_figures(lambda _: True)}

    assert figures == pytest.approx(
        {"cost_million_alerts": 1.0, "cost_million_alerts_grouped": 0.02, "cost_month_without_alerts": 2.0}
    )


def _writes(text: str) -> Iterator[Put]:
    record = Record(episode=EPISODE, outbox=Outbox().add([Reply(text)], NOW))
    yield put_record(record, 0)


def test_a_write_is_billed_by_the_kilobyte_with_the_index_and_a_read_by_four() -> None:
    world = CountedWorld()

    world.write(*_writes("x" * 4096))
    world.read(str(EPISODE.id))

    units = world.counts["DynamoDB write unit"]
    assert 4096 / 1024 + 1 < units < 4096 / 1024 + 5
    assert world.counts["DynamoDB read unit"] == 2


def test_an_incident_is_priced_in_all_that_it_uses() -> None:
    used = cost.used_by_an_incident()

    assert used.keys() == cost.PRICES.keys()
    assert all(number > 0 for number in used.values())
