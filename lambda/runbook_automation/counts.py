"""The counters of repairs, and the counter of each end."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from runbook_automation.repair import Status


class Count(StrEnum):
    """The counters of the function. Each is a metric."""

    HANDLED = "MessagesHandled"
    SENT = "RepairsSent"
    PROPOSED = "RepairsProposed"
    APPROVED = "RepairsApproved"
    REJECTED = "RepairsRejected"
    EXPIRED = "RepairsExpired"
    DRY_RUN = "RepairsDryRun"
    REFUSED = "RepairsRefused"
    SUCCEEDED = "RepairsSucceeded"
    HANDED_OVER = "RepairsHandedOver"
    NOTHING_DONE = "RepairsNothingDone"
    GONE = "RepairsTargetGone"
    TOO_LATE = "RepairsTooLate"
    RESOLVED = "RepairsResolvedFirst"
    STOPPED = "RepairsStopped"
    STOPS = "StopsSet"
    LIFTS = "StopsLifted"
    DIAGNOSTICS = "DiagnosticsRequested"
    LIMITED = "RepairsLimited"
    FAILED = "RepairsFailed"
    NOT_TAKEN = "CommandsNotTaken"
    UNCERTAIN = "CommandsUncertain"
    DUPLICATE = "DuplicatesIgnored"
    REPEAT = "RepeatsIgnored"
    FETCHED = "AlertsFetched"
    LEFT_OUT = "AlertsLeftOut"
    NOTICE = "NoticesPublished"
    UNREADABLE = "MessagesUnreadable"
    NOT_OURS = "MessagesNotOurs"
    UNKNOWN_COMMAND = "CommandsUnknown"


_COUNTED: Mapping[Status, Count] = {
    Status.SUCCEEDED: Count.SUCCEEDED,
    Status.HANDED_OVER: Count.HANDED_OVER,
    Status.NOTHING_DONE: Count.NOTHING_DONE,
    Status.GONE: Count.GONE,
    Status.DRY_RUN: Count.DRY_RUN,
    Status.REFUSED: Count.REFUSED,
    Status.TOO_LATE: Count.TOO_LATE,
    Status.LEFT_OUT: Count.NOTICE,
    Status.STOPPED: Count.STOPPED,
    Status.LIMITED: Count.LIMITED,
    Status.REJECTED: Count.REJECTED,
    Status.EXPIRED: Count.EXPIRED,
}


def count_of(status: Status) -> Count:
    """Return the count of a repair that ended so."""
    return _COUNTED.get(status, Count.FAILED)
