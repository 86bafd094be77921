"""Looks at Alertmanager: each replica's alerts of a group, and the conclusions that are allowed.

`resolved` is no proof: a partly silenced group resolves while its silenced alert goes on, and a restarted replica has
lost its alerts until Prometheus sends them again. An episode ends after a look that proves that nothing fires.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """The answer of one replica. `firing` holds silenced and inhibited alerts of the group too."""

    up_seconds: float
    watchdog: bool
    firing: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The answers of the replicas that answered a question asked at a time."""

    asked_at: float
    replicas: tuple[Replica, ...]

    @property
    def firing(self) -> frozenset[str]:
        """Return the fingerprints that fire in any replica."""
        return frozenset[str]().union(*(replica.firing for replica in self.replicas))


def is_complete(look: Look, replicas: int, settled_seconds: float) -> bool:
    """Return whether an alert that no replica of a look has does not fire.

    Each replica must have answered, have run long enough (`settled_seconds`) to have every alert, and have `Watchdog`,
    which proves that Prometheus reaches it.
    """
    return len(look.replicas) >= replicas and all(
        replica.watchdog and replica.up_seconds >= settled_seconds for replica in look.replicas
    )
