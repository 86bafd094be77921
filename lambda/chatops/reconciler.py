"""Finds what no notification or webhook has told: groups that fire and incidents that are open without an episode."""

from __future__ import annotations

from collections.abc import Callable

from chatops.clients import Unavailable
from chatops.episode import Group
from chatops.events import Reconciled
from chatops.executor import Executor
from chatops.store import Conflict


def reconcile(executor: Executor) -> None:
    """Compare Alertmanager and PagerDuty with the records. What fails is compared again the next time."""
    _try(lambda: _reconcile_alertmanager(executor))
    _try(lambda: _reconcile_pagerduty(executor))


def _reconcile_alertmanager(executor: Executor) -> None:
    asked_at = executor.now()
    for group, firing in executor.clients.alertmanager.active_groups():
        _receive(executor, group, Reconciled(asked_at=asked_at, firing=firing))


def _reconcile_pagerduty(executor: Executor) -> None:
    asked_at = executor.now()
    for group, opened_at in executor.clients.pagerduty.open_alerts():
        _receive(executor, group, Reconciled(asked_at=asked_at, incident_opened_at=opened_at))


def _receive(executor: Executor, group: Group, event: Reconciled) -> None:
    _try(lambda: executor.receive(group, event))


def _try(action: Callable[[], None]) -> None:
    try:
        action()
    except (Conflict, Unavailable):
        return
