"""A drill fails when what must be seen is not, and when what must not be seen is."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from rich.console import Console

from alerting.settings import Environment
from cli.main import STORY_SCALE
from components.monitoring_values import MonitoringSpec, alertmanager_resource
from sandbox.clock import Clock
from sandbox.drills import drill as drill_module
from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill, DrillFailed
from sandbox.drills.full_disk import FULL_DISK
from sandbox.drills.repairs import PODS, fewest_ready
from sandbox.drills.restart import RESTART
from sandbox.drills.runner import run_chapter
from sandbox.drills.silence import SILENCE, START_DELAY_SECONDS
from sandbox.drills.story import STORY, STORY_IN_REAL_TIME
from sandbox.drills.timeline import Timeline, describe, print_results
from sandbox.journal import Event, Journal, Kind
from sandbox.service import ServiceFailed
from tests import component_data


class DrillTarget:
    """A sandbox in which nothing happens but what a test writes into the journal."""

    def __init__(self, directory: Path) -> None:
        self.journal = Journal(directory / "journal")
        self.clock = Clock(20)
        self.ended: str | None = None

    def start_fault(self, kind: str, labels: Mapping[str, str]) -> None:
        self.journal.append("metrics", Kind.FAULT_STARTED, {"fault": kind, **labels})

    def end_fault(self, kind: str, labels: Mapping[str, str]) -> None:
        self.journal.append("metrics", Kind.FAULT_ENDED, {"fault": kind, **labels})

    def scale_deployment(self, name: str, replicas: int) -> None:
        pytest.fail(f"no drill of these tests does that: {(name, replicas)!r}")

    def roll_out(self, name: str) -> None:
        pytest.fail(f"no drill of these tests does that: {name!r}")

    def rolled_out(self, name: str) -> str:
        pytest.fail(f"no drill of these tests does that: {name!r}")

    def ready_pods(self, service: str) -> list[str]:
        return [f"{service}-0"]

    def check(self) -> None:
        if self.ended is not None:
            raise ServiceFailed(self.ended)

    def on_call(self, service: str) -> list[str]:
        return [f"{service}@example.com"]

    def alertmanagers_answering(self) -> int:
        return 3

    def alertmanagers_ready(self) -> int:
        return 3

    def first_to_notify(self) -> str:
        return "alertmanager-0"

    def alertmanagers(self) -> list[str]:
        return ["alertmanager-0"]

    def prometheuses(self) -> list[str]:
        return ["prometheus-0"]

    def held_down(self, *pods: str) -> AbstractContextManager[float]:
        pytest.fail(f"no drill of these tests does that: {pods!r}")

    def restarts_held(self, service: str) -> AbstractContextManager[None]:
        pytest.fail(f"no drill of these tests does that: {service!r}")

    def orion(self, *arguments: str) -> None:
        pytest.fail(f"no drill of these tests does that: {arguments!r}")

    def full_disk(self, prometheus: str) -> AbstractContextManager[float]:
        pytest.fail(f"no drill of these tests does that: {prometheus!r}")

    def publish_alerts(self, message: str, *, times: int, publishers: int) -> None:
        pytest.fail(f"no drill of these tests does that: {(message, times, publishers)!r}")

    def unread_repair_messages(self) -> int:
        return 0

    def click(self, person: str, channel: str, ts: str, button: str) -> None:
        pytest.fail(f"no drill of these tests does that: {(person, channel, ts, button)!r}")

    def slack_user(self, person: str) -> str:
        pytest.fail(f"no drill of these tests does that: {person!r}")

    def maintenance_window(
        self, name: str, match: Mapping[str, Sequence[str]], until: int
    ) -> AbstractContextManager[None]:
        pytest.fail(f"no drill of these tests does that: {(name, match, until)!r}")

    def acknowledge(self, person: str, incident: str) -> None:
        pytest.fail(f"no drill of these tests does that: {(person, incident)!r}")

    def silences(self) -> list[Mapping[str, str]]:
        return []


@pytest.fixture
def target(tmp_path: Path) -> DrillTarget:
    return DrillTarget(tmp_path)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill_module, "MACHINE_SECONDS", 0.2)


def test_an_event_that_comes_later_is_waited_for_and_timed(target: DrillTarget) -> None:
    drill = Drill(name="d", target=target)
    cause = drill.start_fault("requests fail", service="orders")
    threading.Timer(0.05, lambda: target.journal.append("p", Kind.ALERT_FIRING, {"alertname": "A"})).start()

    seen = drill.expect("fires", Kind.ALERT_FIRING, ids={"alertname": "A"}, after=cause)

    assert drill.hops[-1].what == "fires"
    assert drill.hops[-1].seconds == seen.time - cause.time
    assert drill.hops[-1].since == "fault started"


def test_what_was_before_the_cause_does_not_count(target: DrillTarget) -> None:
    target.journal.append("p", Kind.ALERT_FIRING, {"alertname": "A"})
    drill = Drill(name="d", target=target)
    cause = drill.start_fault("requests fail", service="orders")
    target.journal.append("p", Kind.ALERT_FIRING, {"alertname": "B"})

    with pytest.raises(DrillFailed, match=r"(?s)no 'alert firing' with .*'A'.*'B'"):
        drill.expect("fires", Kind.ALERT_FIRING, ids={"alertname": "A"}, after=cause)


def test_one_too_many_fails(target: DrillTarget) -> None:
    drill = Drill(name="d", target=target)
    for _ in range(2):
        target.journal.append("slack", Kind.MESSAGE_POSTED, {"channel": "#a"}, title="x")

    drill.require_exactly("messages", 2, Kind.MESSAGE_POSTED)
    with pytest.raises(DrillFailed, match="expected exactly 1, saw 2"):
        drill.require_exactly("messages", 1, Kind.MESSAGE_POSTED, ids={"channel": "#a"})
    with pytest.raises(DrillFailed, match="expected 3, saw 2"):
        drill.expect_count("messages", 3, Kind.MESSAGE_POSTED)


def test_limits_and_states_are_held(target: DrillTarget) -> None:
    drill = Drill(name="d", target=target)

    early = Event(time=100.0, source="p", kind=Kind.ALERT_FIRING)
    late = Event(time=161.0, source="p", kind=Kind.PERSON_NOTIFIED)
    with pytest.raises(DrillFailed, match=r"took 61\.0 s, allowed 60 s"):
        drill.require_within("page", early, late, limit_seconds=60)
    drill.require_within("page", early, late, limit_seconds=61)
    assert (drill.hops[-1].seconds, drill.hops[-1].since) == (61.0, "alert firing")
    with pytest.raises(DrillFailed, match="expected 'critical', found 'warning'"):
        drill.require("severity", "warning", "critical")
    with pytest.raises(DrillFailed, match="never: not so"):
        drill.wait_until("never", lambda: False)


def _good(drill: Drill) -> None:
    """Holds."""
    drill.start_fault("requests fail", service="orders")


def _bad(drill: Drill) -> None:
    """Does not hold."""
    drill.expect("something", Kind.POD_READY)


def test_a_failed_drill_is_told_and_the_others_run(target: DrillTarget) -> None:
    told: list[str] = []
    sequences: tuple[tuple[Callable[[Drill], None], ...], ...] = ((_bad, _good), (_good,))

    results = run_chapter(Chapter(sequences=sequences), target, lambda result: told.append(result.name))

    assert [result.failure is None for result in results] == [False, True, True]
    assert sorted(told) == [" bad", " good", " good"]
    output = io.StringIO()
    print_results(Console(file=output, width=200), results, 20)
    assert "FAILED" in output.getvalue()
    assert "no 'pod ready'" in output.getvalue()


def _fails(drill: Drill) -> None:
    """Fails with a fault that is on, one that was ended, and repairs that are stopped."""
    drill.start_fault("requests are slow", service="orders")
    drill.start_fault("requests fail", service="orders")
    drill.end_fault("requests fail", service="orders")
    drill.stop_repairs("--service", "orders")
    drill.expect("something", Kind.POD_READY)


def test_a_failed_drill_ends_what_it_has_begun(target: DrillTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the fault is on in later drills, which fail too."""
    asked: list[tuple[str, ...]] = []

    def orion(*arguments: str) -> None:
        asked.append(arguments)

    monkeypatch.setattr(target, "orion", orion)
    monkeypatch.setattr(drill_module, "MACHINE_SECONDS", 0.1)

    (result,) = run_chapter(Chapter(sequences=((_fails,),)), target, lambda _: None)

    assert result.failure is not None
    ended = [event.ids["fault"] for event in target.journal.events() if event.kind is Kind.FAULT_ENDED]
    assert ended == ["requests fail", "requests are slow"]
    scope = ("--stack", "sandbox", "--service", "orders")
    assert asked == [("repairs", "stop", *scope, "--why", "a drill"), ("repairs", "start", *scope)]


def test_what_could_not_be_ended_is_told_with_the_failure(target: DrillTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(kind: str, labels: Mapping[str, str]) -> None:
        raise DrillFailed(f"{kind} of {labels['service']} does not end")

    asked: list[str] = []

    def orion(*arguments: str) -> None:
        asked.append(arguments[1])

    monkeypatch.setattr(target, "end_fault", refused)
    monkeypatch.setattr(target, "orion", orion)
    monkeypatch.setattr(drill_module, "MACHINE_SECONDS", 0.1)

    def fails(drill: Drill) -> None:
        drill.stop_repairs()
        drill.start_fault("requests fail", service="orders")
        drill.expect("something", Kind.POD_READY)

    (result,) = run_chapter(Chapter(sequences=((fails,),)), target, lambda _: None)

    assert result.failure is not None
    assert result.failure.endswith("Afterwards: requests fail of orders does not end")
    assert asked == ["stop", "start"], "what was begun before is ended all the same"


def test_what_waits_hears_at_once_that_something_has_ended(target: DrillTarget) -> None:
    """Else every drill would wait for its whole patience, and blame what it waits for."""
    target.ended = "node-agent: ended by itself with KeyError: 'x'"
    told: list[str | None] = []

    run_chapter(Chapter(sequences=((_bad,),)), target, lambda result: told.append(result.failure))

    assert told == [target.ended]


def names(*chapters: Chapter) -> list[str]:
    return [drill.__name__ for chapter in chapters for sequence in chapter.sequences for drill in sequence]


def test_the_storys_three_test_cases_and_every_other_drill_are_in_it() -> None:
    drills = names(STORY, RESTART, FULL_DISK, SILENCE)

    assert {"critical_alert", "grouped_alerts", "automatic_repair"} <= set(drills)
    assert len(drills) == len(set(drills)) == 10
    assert sorted(names(STORY_IN_REAL_TIME)) == sorted(names(STORY))


def test_the_timeline_tells_many_of_a_kind_as_one_and_escapes_what_it_tells(target: DrillTarget) -> None:
    output = io.StringIO()
    timeline = Timeline(target.journal, Console(file=output, width=200))
    timeline.start()
    for number in range(25):
        ids = {"alertname": "PodNotReady", "service": "orders", "pod": f"orders-{number}"}
        target.journal.append("prometheus", Kind.ALERT_FIRING, ids)
    ids = {"channel": "#orion-alerts"}
    target.journal.append("slack", Kind.MESSAGE_POSTED, ids, title="[FIRING:25] [/red] x", thread=None)
    target.journal.append("slack", Kind.MESSAGE_POSTED, ids, title="Resolved", thread="1.0")
    timeline.stop()

    lines = output.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[2].endswith("#orion-alerts, in a thread: Resolved")
    assert "(and 24 more)" in lines[0]
    assert "[FIRING:25] [/red] x" in lines[1]


def test_what_only_machines_want_is_not_told(target: DrillTarget) -> None:
    assert describe(target.journal.append("aws", Kind.FUNCTION_INVOKED, {"function": "f"})) is None
    assert describe(target.journal.append("aws", Kind.TOPIC_PUBLISHED, {"topic": "orion-alerts"})) is None


def test_drills_wait_as_long_as_a_restarted_alertmanager_sends_nothing() -> None:
    stack = component_data.settings(Environment.SANDBOX).model_copy(update={"time_scale": STORY_SCALE})
    spec = MonitoringSpec(settings=stack, secrets=(), config_maps=())

    assert alertmanager_resource(spec)["minReadySeconds"] == START_DELAY_SECONDS


def _pods_of_a_storm(target: DrillTarget, *events: tuple[Kind, str]) -> Drill:
    drill = Drill(name="thirty pods", target=target)
    command = {"command": "1", "document": "orion-restart-pod"}
    target.journal.append("aws", Kind.COMMAND_STARTED, command, parameters={"pod": "orders-0"})
    for kind, pod in events:
        target.journal.append("kubernetes", kind, {"namespace": "orion", "pod": pod, "uid": pod})
    return drill


def test_a_pod_and_its_successor_seen_in_one_look_leave_no_pod_missing(tmp_path: Path) -> None:
    drill = _pods_of_a_storm(DrillTarget(tmp_path), (Kind.POD_READY, "orders-30"), (Kind.POD_DELETED, "orders-0"))

    assert fewest_ready(drill, "orders") == PODS


def test_two_pods_gone_at_once_are_counted(tmp_path: Path) -> None:
    events = ((Kind.POD_DELETED, "orders-0"), (Kind.POD_DELETED, "orders-1"), (Kind.POD_READY, "orders-30"))

    assert fewest_ready(_pods_of_a_storm(DrillTarget(tmp_path), *events), "orders") == PODS - 2
