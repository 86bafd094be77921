"""Compares Alertmanager, PagerDuty and the records, once a minute, and reports what nothing else has dealt with.

It finds groups that fire and incidents that are open without an episode, keeps the catalog's maintenance windows in
Alertmanager, and reports silences that match nothing and repairs that are stuck.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from chatops.catalog_silences import Window, keep_windows
from chatops.clients import Unavailable
from chatops.counts import Count
from chatops.episode import EpisodeId, Group
from chatops.events import Reconciled
from chatops.executor import Executor
from chatops.repair import Repair
from chatops.silence_report import report_stale_silences
from chatops.store import Conflict, find_episode
from orion_common.observer import Observer

STUCK_SECONDS = 600
"""How long a state of a repair may outlast its time: the sweep, which ends it, runs every minute."""


def reconcile(executor: Executor) -> None:
    """Compare Alertmanager and PagerDuty with the records. What fails is compared again the next time."""
    _try(lambda: _reconcile_alertmanager(executor))
    _try(lambda: _reconcile_pagerduty(executor))


def _reconcile_alertmanager(executor: Executor) -> None:
    asked_at = executor.now()
    for active in executor.clients.alertmanager.active_groups():
        event = Reconciled(asked_at=asked_at, firing=active.firing, firing_since=active.since, details=active.details)
        _receive(executor, active.group, event)


def _reconcile_pagerduty(executor: Executor) -> None:
    asked_at = executor.now()
    for group, opened_at in executor.clients.pagerduty.open_alerts():
        _receive(executor, group, Reconciled(asked_at=asked_at, incident_opened_at=opened_at))


def keep_silences(executor: Executor, windows: Sequence[Window], observer: Observer) -> None:
    """Bring Alertmanager's silences to the catalog's windows, and report silences that match nothing.

    Raises `Unavailable` or `Refused`: the next look does what is left.
    """
    now = executor.now()
    alertmanager = executor.clients.alertmanager
    listed = alertmanager.all_silences()
    keep_windows(alertmanager, windows, listed, now, observer.say)
    report_stale_silences(executor.store, listed, now, observer)


def report_stuck_repairs(executor: Executor, observer: Observer) -> None:
    """Report repairs whose state should have ended long ago: their records could not be written."""
    stuck = list(_stuck_repairs(executor))
    for id_, repair in stuck:
        observer.say(
            "repair is stuck", episode=str(id_), repair=repair.proposal.id, status=repair.status, due_at=repair.due_at
        )
    observer.count(Count.REPAIRS_STUCK, len(stuck))


def _stuck_repairs(executor: Executor) -> Iterator[tuple[EpisodeId, Repair]]:
    ended_by = executor.now() - STUCK_SECONDS
    for id_ in executor.store.due(ended_by):
        episode = find_episode(executor.store, id_)
        for repair in () if episode is None else episode.repairs:
            if repair.due_at is not None and repair.due_at <= ended_by:
                yield id_, repair


def _receive(executor: Executor, group: Group, event: Reconciled) -> None:
    _try(lambda: executor.receive(group, event))


def _try(action: Callable[[], None]) -> None:
    try:
        action()
    except (Conflict, Unavailable):
        return
