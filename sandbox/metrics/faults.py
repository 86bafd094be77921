"""The faults of the metrics source: which are on, where, and since when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from alerting.errors import AlertingError
from sandbox.journal import Journal, Kind
from sandbox.metrics.fault_kinds import FAULT_OF_ALERT, FAULTS, WITHOUT_A_FAULT, FaultKind


class UnknownFault(AlertingError):
    """There is no such fault, or not with such a label; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a kind, somewhere."""

    kind: str
    labels: frozenset[tuple[str, str]]

    def at(self, label: str) -> str | None:
        """Return the value of one of its labels."""
        return dict(self.labels).get(label)


def fault(kind: str, labels: Mapping[str, str]) -> Fault:
    """Return the fault of this kind at these labels.

    Raises `UnknownFault` for a kind or a label that there is not, and for one that is missing.
    """
    known = FAULTS.get(kind)
    if known is None:
        raise UnknownFault(f"fault: found {kind!r}; allowed: {_listed(FAULTS)}")
    missing = known.required - labels.keys()
    if missing:
        raise UnknownFault(f"fault {kind!r}: missing {_listed(missing)}. Add --label NAME=VALUE for each")
    strange = labels.keys() - known.required - known.optional
    if strange:
        allowed = _listed(known.required | known.optional)
        raise UnknownFault(f"fault {kind!r}: found label {_listed(strange)}; allowed: {allowed}")
    return Fault(kind, frozenset(labels.items()))


def fault_of_alert(alert: str) -> FaultKind:
    """Return the fault that sets an alert off. Raises `UnknownFault` if none does."""
    known = FAULT_OF_ALERT.get(alert)
    if known is not None:
        return known
    if alert in WITHOUT_A_FAULT:
        raise UnknownFault(f"ALERT: nothing here sets {alert} off: {WITHOUT_A_FAULT[alert]}")
    raise UnknownFault(f"ALERT: found {alert!r}; allowed: {_listed(FAULT_OF_ALERT)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


class Faults:
    """The faults that are on. Safe for many threads at once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._active: dict[Fault, int] = {}
        self._starts = 0  # so far
        self._lock = threading.Lock()

    def start(self, one: Fault) -> None:
        """Switch a fault on; nothing happens if it is on."""
        with self._lock:
            if one in self._active:
                return
            self._starts += 1
            self._active[one] = self._starts
        self._journal.append("metrics", Kind.FAULT_STARTED, {"fault": one.kind, **dict(one.labels)})

    def end(self, one: Fault) -> None:
        """Switch a fault off; nothing happens if it is off."""
        with self._lock:
            if one not in self._active:
                return
            del self._active[one]
        self._journal.append("metrics", Kind.FAULT_ENDED, {"fault": one.kind, **dict(one.labels)})

    def active(self, kind: str) -> list[Fault]:
        """Return the faults of a kind that are on."""
        with self._lock:
            return [one for one in self._active if one.kind == kind]

    def starts(self, kind: str) -> dict[Fault, int]:
        """Return the faults of a kind that are on, each with a number that no other start has."""
        with self._lock:
            return {one: number for one, number in self._active.items() if one.kind == kind}

    def all_active(self) -> list[Fault]:
        """Return every fault that is on."""
        with self._lock:
            return sorted(self._active, key=lambda one: (one.kind, sorted(one.labels)))

    def hits(self, kind: str, **labels: str) -> bool:
        """Say whether a fault of `kind` is on at these labels. A label that the fault does not have is no limit."""
        return any(all(one.at(name) in (None, value) for name, value in labels.items()) for one in self.active(kind))


class FaultAges:
    """The ages of faults, counted from when they were first asked for while on. `now` is a clock in seconds."""

    def __init__(self, faults: Faults, now: Callable[[], float]) -> None:
        self._faults = faults
        self._now = now
        self._since: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self._lock = threading.Lock()

    def seconds(self, kind: str, **labels: str) -> float | None:
        """Return for how long a fault of `kind` has been on at these labels, or None while none is."""
        key = kind, frozenset(labels.items())
        with self._lock:
            if not self._faults.hits(kind, **labels):
                self._since.pop(key, None)
                return None
            return self._now() - self._since.setdefault(key, self._now())
