"""Instant queries of a Prometheus over HTTP, for commands that read what it has recorded."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx

from alerting.errors import AlertingError
from alerting.rules.budget_report import Sample

REQUEST_SECONDS = 30.0
RETRIES = 3


class PrometheusUnusable(AlertingError):
    """The Prometheus gave no answer that can be used. The message says what to do, and holds no password."""


class PrometheusClient:
    """A Prometheus at an address."""

    def __init__(self, client: httpx.Client, address: str) -> None:
        """Ask by an HTTP client."""
        self._client = client
        self._address = address

    def samples(self, query: str) -> list[Sample]:
        """Return the answer to an instant query.

        Raises `PrometheusUnusable`, or `httpx.HTTPError` without an answer.
        """
        answer = self._client.get(f"{self._address.rstrip('/')}/api/v1/query", params={"query": query})
        try:
            content: Any = answer.json()
            if answer.is_success and content["status"] == "success":
                found = content["data"]["result"]
                return [Sample(labels=one["metric"], value=float(one["value"][1])) for one in found]
            told = str(content["error"])
        except (ValueError, KeyError, TypeError, IndexError):
            told = "no answer of a Prometheus"
        message = f"{redacted(self._address)}: answered {answer.status_code}: {told}"
        raise PrometheusUnusable(f"{message}. Name the URL of a Prometheus, with its path prefix if it has one")


@contextmanager
def prometheus(address: str) -> Generator[PrometheusClient]:
    """Yield a Prometheus. Raises `PrometheusUnusable` where it gives no answer."""
    try:
        with httpx.Client(timeout=REQUEST_SECONDS, transport=httpx.HTTPTransport(retries=RETRIES)) as client:
            yield PrometheusClient(client, address)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        advice = "Name the URL of a Prometheus that can be reached from here, with its path prefix if it has one"
        raise PrometheusUnusable(f"{redacted(address)}: no answer ({type(error).__name__}). {advice}") from None


def redacted(address: str) -> str:
    """Return an address without the user and the password in it."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return "the address"
    return str(url.copy_with(username=None, password=None))
