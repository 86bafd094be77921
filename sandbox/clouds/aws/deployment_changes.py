"""Counts the requests that may change what the functions' runtime runs, so that it reads again only after one."""

from __future__ import annotations

import threading

from sandbox.clouds.aws.protocol import Request

_READS_OF_EVENTS = ("Describe", "List", "PutEvents", "Test")
_READS_OF_QUEUES = ("Get", "List")


def changes_deployment(request: Request) -> bool:
    """Return whether a request may change a function, an event source mapping, a queue or a schedule.

    Messages and invocations change none of them. A request whose operation is unknown counts as a change.
    """
    operation = request.target.rpartition(".")[2]
    match request.service:
        case "lambda":
            return request.method != "GET" and request.path[-1:] != ("invocations",)
        case "events":
            return not operation.startswith(_READS_OF_EVENTS)
        case "sqs":
            return not operation.startswith(_READS_OF_QUEUES) and "Message" not in operation
        case _:
            return False


class DeploymentChanges:
    """A count that grows after each change. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    @property
    def count(self) -> int:
        """The number of changes that have been carried out."""
        with self._lock:
            return self._count

    def note(self, request: Request) -> None:
        """Count a request that was carried out, or refused, if it may have changed what is deployed."""
        if changes_deployment(request):
            with self._lock:
                self._count += 1
