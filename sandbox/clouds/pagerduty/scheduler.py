"""Runs calls at set times, by one thread, or step by step by a test."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.clock import Clock


@dataclass(order=True, slots=True)
class Appointment:
    """Something to be done at `due` (Unix seconds), unless it is cancelled before."""

    due: float
    order: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Have it not happen. It may be cancelled twice, and after it has happened."""
        self.cancelled = True


@dataclass(slots=True)
class Timers:
    """The pending timer of one incident."""

    escalate: Appointment | None = None
    unacknowledge: Appointment | None = None
    resolve: Appointment | None = None

    def cancel(self, *names: str) -> None:
        """Cancel the named ones."""
        for name in names:
            appointment: Appointment | None = getattr(self, name)
            if appointment is not None:
                appointment.cancel()
                setattr(self, name, None)


class Scheduler:
    """Appointments whose distance is in the story's seconds and whose time is the clock's."""

    def __init__(self, clock: Clock, now: Callable[[], float] = Clock.now) -> None:
        """Use `clock` for its scale and `now` for the time in Unix seconds."""
        self._clock = clock
        self.now = now
        self._appointments: list[Appointment] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def after(self, story_seconds: float, action: Callable[[], None]) -> Appointment:
        """Have `action` happen `story_seconds` from now. It runs in the scheduler's thread."""
        appointment = Appointment(self.now() + self._clock.real(story_seconds), next(self._order), action)
        with self._changed:
            heapq.heappush(self._appointments, appointment)
            self._changed.notify()
        return appointment

    def next_due(self) -> float | None:
        """Return when the next appointment is (Unix seconds), or None."""
        with self._changed:
            while self._appointments and self._appointments[0].cancelled:
                heapq.heappop(self._appointments)
            return self._appointments[0].due if self._appointments else None

    def run_due(self) -> None:
        """Do what is due by now, the earliest first."""
        while (due := self.next_due()) is not None and due <= self.now():
            with self._changed:
                appointment = heapq.heappop(self._appointments)
            appointment.action()

    def start(self) -> None:
        """Keep the appointments from a thread of this process."""
        self._thread = threading.Thread(target=self._keep, name="pagerduty-scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Keep no more appointments; return when the thread has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        while True:
            self.run_due()
            due = self.next_due()
            with self._changed:
                if self._stopping:
                    return
                if due == (self._appointments[0].due if self._appointments else None):
                    self._changed.wait(None if due is None else max(0.0, due - self.now()))
