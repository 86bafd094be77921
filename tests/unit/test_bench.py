"""The benchmark measures what it says: catalogs of the right size, storms of the right shape, entries of one form."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alerting.build import load_platform
from alerting.platform import Platform
from alerting.stored_objects import object_sizes
from cli.stack_config import read_settings
from sandbox.metrics.fault_kinds import FAULT_OF_ALERT
from tests.alerting_data import DATA, ROOT
from tests.bench import __main__ as bench
from tests.bench import catalog, growth, storm
from tests.bench.catalog import write_catalog
from tests.bench.figures import Figure
from tests.bench.hops import WAYS
from tests.bench.kubernetes_program import manifests
from tests.bench.storm import storm_alerts


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the fixture measured: what is asserted here are its numbers of services and groups."""
    for module in (catalog, storm):
        monkeypatch.setattr(module, "ROOT", DATA)


def platform_of(folder: Path, alerts: int) -> Platform:
    write_catalog(folder, alerts)
    return load_platform(folder, read_settings(ROOT, "prod"))


def test_a_generated_catalog_is_valid_and_of_the_size_that_was_asked_for(tmp_path: Path) -> None:
    own = load_platform(DATA, read_settings(ROOT, "prod"))

    made = platform_of(tmp_path, 270)

    def alerts(platform: Platform) -> int:
        return sum("alert" in rule for file in platform.rules for group in file.groups for rule in group["rules"])

    assert alerts(made) - alerts(own) == 270
    assert len(made.on_call.services) - len(own.on_call.services) == 27 + 2  # and a service of each team
    assert len(made.on_call.escalation_policies) - len(own.on_call.escalation_policies) == 2


def test_the_storm_has_forty_groups_of_twenty_five() -> None:
    alerts = storm_alerts()

    assert len({tuple(labels.items()) for labels in alerts}) == 1000
    groups = Counter((labels["alertname"], labels["service"], labels["severity"]) for labels in alerts)
    assert len(groups) == 40
    assert set(groups.values()) == {25}


def test_every_way_begins_with_a_fault_that_sets_its_alert_off() -> None:
    for way in WAYS.values():
        assert FAULT_OF_ALERT[way.alert].name == way.fault


def test_the_objects_that_are_applied_are_those_of_the_program(tmp_path: Path) -> None:
    platform = platform_of(tmp_path, 30)

    objects = manifests(tmp_path, "elsewhere")

    named = {(one["kind"], one["metadata"]["name"]) for one in objects}
    assert named >= {(kind, name) for kind, name, _, _ in object_sizes(platform)}
    assert objects[0]["kind"] == "Namespace"
    assert {one["metadata"].get("namespace", "elsewhere") for one in objects} == {"elsewhere"}
    assert all(one["apiVersion"] for one in objects)


def test_growth_is_measured_against_ten_times_a_tenth_of_the_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(alerts: int) -> growth.Preview:
        return growth.Preview(seconds=float(alerts) ** 2, memory=alerts * growth.MEBIBYTE)

    monkeypatch.setattr(growth, "_of_size", measured)

    [seconds, memory] = growth.growth(lambda _: True, alerts=1000)

    assert (seconds.name, seconds.ratio) == ("preview_100000", 10.0)
    assert (memory.name, memory.ratio, memory.value) == ("preview_100000_memory", 1.0, 1000)


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bench, "RESULT", tmp_path / "bench.json")
    return bench.RESULT


def measuring(*figures: Figure, then: type[BaseException] | None = None) -> Callable[..., Iterator[Figure]]:
    def measured(_: object) -> Iterator[Figure]:
        yield from figures
        if then is not None:
            raise then

    return measured


def test_what_was_measured_is_written_even_if_it_is_stopped(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure(name="preview_10", value=1.5, unit="s", peer="p", peer_value=0.5)
    monkeypatch.setattr(bench, "_measured", measuring(figure, then=KeyboardInterrupt))

    assert bench.main([]) == 130

    entry = {"name": "preview_10", "value": 1.5, "unit": "s", "peer": "p", "peer_value": 0.5, "ratio": 3.0}
    assert json.loads(result.read_text()) == [entry]


def test_without_a_peer_there_is_no_ratio(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_measured", measuring(Figure(name="storm_1000_lost", value=0, unit="groups")))

    assert bench.main(["storm"]) == 0

    [entry] = json.loads(result.read_text())
    assert (entry["peer"], entry["peer_value"], entry["ratio"]) == (None, None, None)


def test_a_name_of_no_figure_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["previw"]) == 2
    assert "ONLY: found 'previw'; allowed: how one of these begins: preview_10," in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", ["preview_10", "preview_100", "function_import", "storm_1000"]),
        ("preview", ["preview_10", "preview_100"]),
        ("preview_10", ["preview_10"]),
        ("storm", ["storm_1000"]),
    ],
)
def test_part_of_it_can_be_measured(
    asked: str, expected: list[str], result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(wanted: Callable[[str], bool]) -> Iterator[Figure]:
        names = ("preview_10", "preview_100", "function_import", "storm_1000")
        yield from (Figure(name=name, value=1, unit="s") for name in names if wanted(name))

    monkeypatch.setattr(bench, "_measured", measured)

    bench.main([asked])

    assert [entry["name"] for entry in json.loads(result.read_text())] == expected
