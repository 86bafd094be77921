"""The sandbox's journal: one append-only file of what was seen, written by many processes and read by all.

A line is one JSON object: when, who saw it, what kind of thing it was, the ids that tie it to others, and details.
The timeline, the page and the drills' expectations are readers of it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

JOURNAL_VARIABLE = "ORION_SANDBOX_JOURNAL"
POLL_SECONDS = 0.05


class Kind(StrEnum):
    """The kinds of events. The comment names the ids that an event of the kind carries."""

    FAULT_STARTED = "fault started"  # fault, and its labels
    FAULT_ENDED = "fault ended"  # fault, and its labels
    ALERT_PENDING = "alert pending"  # alertname and the alert's labels
    ALERT_FIRING = "alert firing"  # alertname and the alert's labels
    ALERT_RESOLVED = "alert resolved"  # alertname and the alert's labels
    EVENT_RECEIVED = "event received"  # dedup_key, action: what PagerDuty's Events API accepted
    INCIDENT_TRIGGERED = "incident triggered"  # incident, service, dedup_key
    INCIDENT_ACKNOWLEDGED = "incident acknowledged"  # incident, service, dedup_key
    INCIDENT_RESOLVED = "incident resolved"  # incident, service, dedup_key
    PERSON_NOTIFIED = "person notified"  # incident, person, level
    MESSAGE_POSTED = "message posted"  # channel
    MESSAGE_UPDATED = "message updated"  # channel
    MESSAGE_DELETED = "message deleted"  # channel
    BUTTON_CLICKED = "button clicked"  # channel, action, person; written when the app has answered, or not in time
    WEBHOOK_DELIVERED = "webhook delivered"  # subscription, webhook, event; every attempt, with its status
    FUNCTION_INVOKED = "function invoked"  # function; written when the invocation has ended
    COMMAND_STARTED = "command started"  # command, document
    COMMAND_FINISHED = "command finished"  # command, document, status
    TOPIC_PUBLISHED = "topic published"  # topic
    ALARM_CHANGED = "alarm changed"  # alarm, state
    POD_CREATED = "pod created"  # namespace, pod, uid
    POD_READY = "pod ready"  # namespace, pod, uid
    POD_DELETED = "pod deleted"  # namespace, pod, uid
    PROCESS_STARTED = "process started"  # name
    PROCESS_ENDED = "process ended"  # name
    REQUEST_REFUSED = "request refused"  # source's own ids: what was sent and why it was refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that was seen. `time` is in Unix seconds."""

    time: float
    source: str
    kind: Kind
    ids: Mapping[str, str] = field(default_factory=dict[str, str])
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def matches(self, kind: Kind, ids: Mapping[str, str]) -> bool:
        """Say whether this is an event of `kind` that carries all of `ids`."""
        return self.kind is kind and all(self.ids.get(name) == value for name, value in ids.items())


class Journal:
    """Appends to and reads one journal file. Safe for many processes and threads at once."""

    def __init__(self, path: Path) -> None:
        """Use the file at `path`; it is made when it is not there."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=True)
        # Drills that wait read the journal many times a second: each line is parsed once for all of them.
        self._read_events: list[Event] = []
        self._read_to = 0
        self._reading = threading.Lock()

    @classmethod
    def from_environment(cls) -> Journal:
        """Return the journal that the process which started this one writes to.

        Raises `RuntimeError` if the variable that names it is not set.
        """
        path = os.environ.get(JOURNAL_VARIABLE)
        if path is None:
            message = f"{JOURNAL_VARIABLE} is not set: it names the sandbox's journal file"
            raise RuntimeError(message)
        return cls(Path(path))

    def append(self, source: str, kind: Kind, ids: Mapping[str, str] | None = None, **details: object) -> Event:
        """Write one event, now, and return it. `details` must be JSON."""
        event = Event(time=time.time(), source=source, kind=kind, ids=dict(ids or {}), details=details)
        record = {"time": event.time, "source": source, "kind": kind, "ids": event.ids, "details": details}
        line = json.dumps(record, separators=(",", ":")) + "\n"
        # One write on a descriptor opened for appending is never interleaved with another.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
        return event

    def events(self) -> list[Event]:
        """Return everything written so far, oldest first."""
        return list(self._all())

    def find(self, kind: Kind, *, since: float = 0.0, **ids: str) -> list[Event]:
        """Return the events of `kind` that carry all of `ids`, not older than `since` (Unix seconds)."""
        return [event for event in self.events() if event.time >= since and event.matches(kind, ids)]

    def events_from(self, offset: int) -> tuple[list[Event], int]:
        """Return what was written from `offset` on, oldest first, and the offset from which to ask the next time."""
        found: list[Event] = []
        for event, after in self._read(offset):
            found.append(event)
            offset = after
        return found, offset

    def wait_for(
        self,
        wanted: Callable[[Event], bool],
        *,
        timeout_seconds: float,
        since: float = 0.0,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Event | None:
        """Return the first event not older than `since` that is `wanted`, or None when time is up.

        `meanwhile` is called while nothing has come, and may end the waiting by raising.
        """
        deadline = time.monotonic() + timeout_seconds
        seen = 0
        while True:
            events = self._all()
            while seen < len(events):
                event = events[seen]
                seen += 1
                if event.time >= since and wanted(event):
                    return event
            if time.monotonic() >= deadline:
                return None
            meanwhile()
            time.sleep(POLL_SECONDS)

    def _all(self) -> list[Event]:
        """Return the list of everything written so far, which only grows and is not to be changed."""
        with self._reading:
            fresh, self._read_to = self.events_from(self._read_to)
            self._read_events += fresh
            return self._read_events

    def _read(self, offset: int) -> Iterator[tuple[Event, int]]:
        with self.path.open("rb") as lines:
            lines.seek(offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    return  # still being written
                offset += len(line)
                record = json.loads(line)
                record["kind"] = Kind(record["kind"])
                yield Event(**record), offset
