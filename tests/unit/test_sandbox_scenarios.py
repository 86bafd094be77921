"""Simulated scrapes: what a series file holds of counters, gaps and targets that are gone, and pods that change."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.journal import Journal
from sandbox.metrics.faults import Faults, fault
from sandbox.scenarios.cluster import REPLACED_EVERY_SECONDS, SimulatedCluster
from sandbox.scenarios.series_file import Recorder, Series

COUNTER: Series = ("requests_total", (("job", "a"),))
GAUGE: Series = ("temperature", (("job", "b"),))


def written(folder: Path, recorder: Recorder) -> dict[str, str]:
    """Return the values of each series, with three scrapes of counters before the first and one of others."""
    path = folder / "series.json"
    recorder.write(path, 3000.0, {"requests_total": 3, "": 1}, [(3000.0, 3060.0)])
    content = json.loads(path.read_text())
    assert (content["start"], content["interval"], content["down"]) == (3000.0 - 90, "30s", [[3000.0, 3060.0]])
    return {one["series"]: one["values"] for one in content["input_series"]}


def test_a_counter_goes_on_from_the_time_before_until_it_begins_anew(tmp_path: Path) -> None:
    recorder = Recorder()
    for value in (0.0, 5.0, 10.0, 1.0, 6.0):
        recorder.scrape("a", {COUNTER: value})
        recorder.tick()

    assert written(tmp_path, recorder)['requests_total{job="a"}'] == "0.0+5.0x2 15.0 20.0 25.0 1.0 6.0"


def test_a_target_that_is_gone_has_a_marker_and_a_scrape_that_is_missed_a_gap(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.scrape("b", {GAUGE: 20.0})
    recorder.tick()
    recorder.tick()
    recorder.scrape("b", {})
    recorder.tick()
    recorder.scrape("b", {})
    recorder.tick()
    recorder.scrape("b", {GAUGE: 20.0})

    assert written(tmp_path, recorder)['temperature{job="b"}'] == "_x2 20.0+0.0x0 20.0 _x1 stale _x1 20.0"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_rollout_replaces_every_pod_and_one_that_stops_halfway_does_not(tmp_path: Path) -> None:
    clock = Clock()
    cluster = SimulatedCluster(("orders", "gateway"), 4, Faults(Journal(tmp_path / "journal")), clock)
    cluster.roll_out("orders")
    cluster.roll_out("gateway", halfway=True)
    clock.now += 4 * REPLACED_EVERY_SECONDS

    orders, gateway = cluster.deployments()

    assert (orders.replicas_available, orders.replicas_updated, orders.revision) == (4, 4, "2")
    assert (gateway.replicas_available, gateway.replicas_updated, gateway.pods) == (4, 3, 5)
    assert [pod.ready for pod in cluster.pods() if pod.service == "gateway"].count(False) == 1


def test_a_pod_that_a_fault_breaks_is_not_available(tmp_path: Path) -> None:
    faults = Faults(Journal(tmp_path / "journal"))
    cluster = SimulatedCluster(("orders",), 4, faults, Clock())
    assert cluster.deployments()[0].replicas_available == 4

    faults.start(fault("pods crash", {"service": "orders", "pod": cluster.first_pod("orders")}))

    assert cluster.deployments()[0].replicas_available == 3


def test_a_node_that_is_drained_takes_one_pod_of_each_service(tmp_path: Path) -> None:
    clock = Clock()
    cluster = SimulatedCluster(("orders", "gateway"), 4, Faults(Journal(tmp_path / "journal")), clock)
    before = {pod.name for pod in cluster.pods()}

    cluster.drain_node()

    assert [one.replicas_available for one in cluster.deployments()] == [3, 3]
    assert len(before - {pod.name for pod in cluster.pods()}) == 2
