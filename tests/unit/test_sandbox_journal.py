from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from sandbox.clock import Clock
from sandbox.journal import Journal, Kind

WRITERS, EVENTS = 4, 200


def _write(path: Path, writer: int) -> None:
    journal = Journal(path)
    for number in range(EVENTS):
        journal.append(f"writer {writer}", Kind.MESSAGE_POSTED, {"channel": str(number)}, text="x" * 500)


def test_many_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    processes = [multiprocessing.Process(target=_write, args=(path, writer)) for writer in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    events = Journal(path).events()

    assert len(events) == WRITERS * EVENTS
    for writer in range(WRITERS):
        own = [event.ids["channel"] for event in events if event.source == f"writer {writer}"]
        assert own == [str(number) for number in range(EVENTS)]


def test_an_event_is_found_by_kind_ids_and_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    first = journal.append("one", Kind.POD_READY, {"pod": "a", "uid": "1"})
    second = journal.append("one", Kind.POD_READY, {"pod": "a", "uid": "2"})
    journal.append("one", Kind.POD_DELETED, {"pod": "a", "uid": "1"})

    assert journal.find(Kind.POD_READY, pod="a") == [first, second]
    assert journal.find(Kind.POD_READY, pod="a", since=second.time) == [second]
    assert journal.find(Kind.POD_READY, pod="b") == []


def test_waiting_sees_what_is_written_meanwhile(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    writer = threading.Timer(0.1, lambda: journal.append("late", Kind.POD_READY, {"pod": "b"}))
    writer.start()

    found = journal.wait_for(lambda event: event.ids.get("pod") == "b", timeout_seconds=10)
    missed = journal.wait_for(lambda event: event.ids.get("pod") == "c", timeout_seconds=0.1)

    assert found is not None
    assert found.source == "late"
    assert missed is None


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append("whole", Kind.POD_READY, {"pod": "a"})
    with journal.path.open("ab") as file:
        file.write(b'{"time": 1, "source": "half')

    assert [event.source for event in journal.events()] == ["whole"]


def test_the_clock_scales_durations() -> None:
    clock = Clock(20)

    assert clock.real(300) == 15
    assert clock.story(15) == 300
    with pytest.raises(ValueError, match=r"found 0\.5; allowed: 1"):
        Clock(0.5)
