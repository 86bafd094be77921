"""Probes of a container: asked when due, without waiting, and counted as a kubelet counts."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

import httpx

from sandbox.clock import Clock
from sandbox.ports import LOOPBACK

SHORTEST_PERIOD_SECONDS = 0.5
HTTP_OK, HTTP_BAD = 200, 400
_CLIENT = httpx.Client(verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))  # noqa: S501 - a kubelet does not check the certificate either
"""Opens a connection for each probe, as a kubelet does. Making a client takes longer than most answers."""


class Probe:
    """One httpGet probe. `passes` is None until the answer to the first question is in."""

    def __init__(self, specification: dict[str, Any], port: int, clock: Clock, *, now: float) -> None:
        """Begin counting from `now`, in monotonic seconds. Delays and periods run on the sandbox's clock."""
        request = specification["httpGet"]
        scheme = request.get("scheme", "HTTP").lower()
        self._url = f"{scheme}://{LOOPBACK}:{port}{request.get('path', '/')}"
        self._timeout = float(specification.get("timeoutSeconds", 1))
        self._period = max(clock.real(specification.get("periodSeconds", 10)), SHORTEST_PERIOD_SECONDS)
        self._success_threshold: int = specification.get("successThreshold", 1)
        self._failure_threshold: int = specification.get("failureThreshold", 3)
        self._due = now + clock.real(specification.get("initialDelaySeconds", 0))
        self._successes = 0
        self._failures = 0
        self._asked: Future[str] | None = None
        self.passes: bool | None = None
        self.message = ""

    def step(self, executor: Executor, *, now: float) -> None:
        """Take an answer that has come, and ask again when it is time."""
        if self._asked is not None:
            if not self._asked.done():
                return
            self._count(self._asked.result())
            self._asked = None
            self._due = max(self._due + self._period, now)
        elif now >= self._due:
            self._asked = executor.submit(_ask, self._url, self._timeout)

    def _count(self, failure: str) -> None:
        if failure:
            self._failures, self._successes, self.message = self._failures + 1, 0, failure
            if self._failures >= self._failure_threshold:
                self.passes = False
        else:
            self._failures, self._successes, self.message = 0, self._successes + 1, ""
            if self._successes >= self._success_threshold:
                self.passes = True


def _ask(url: str, timeout: float) -> str:
    """Return what is wrong, or nothing."""
    try:
        code = _CLIENT.get(url, timeout=timeout).status_code
    except httpx.TransportError as error:
        return f"{url}: {error}"
    return "" if HTTP_OK <= code < HTTP_BAD else f"{url}: HTTP {code}"
