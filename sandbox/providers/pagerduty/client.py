"""PagerDuty's REST API as the table uses it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Literal

import httpx
import tenacity

from sandbox.providers.provider_table import ProviderFailed
from sandbox.providers.provider_values import Properties

ADDRESS_VARIABLE = "ORION_PAGERDUTY_API_URL"
TIMEOUT_SECONDS = 30.0
PAGE = 100
TRIES = 20
RETRY_SECONDS = 1.0

Method = Literal["GET", "POST", "PUT", "DELETE"]


class _TooManyRequests(RuntimeError):
    """The API wants the request again later, after so many seconds."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


def _as_told(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after_seconds if isinstance(error, _TooManyRequests) else RETRY_SECONDS


class PagerDuty:
    """A connection, once the provider is configured. Safe for many threads at once."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def configure(self, settings: Properties) -> None:
        """Take the provider's settings. Raises `ProviderFailed` without a token or an address."""
        token = settings.get("token")
        if not token:
            raise ProviderFailed("pagerduty:token is not set: pulumi config set --secret pagerdutyToken ...")
        address = settings.get("apiUrlOverride") or os.environ.get(ADDRESS_VARIABLE)
        if not address:
            raise ProviderFailed(f"{ADDRESS_VARIABLE} is not set: the address of the stand-in for PagerDuty")
        with self._lock:
            self._client = httpx.Client(
                base_url=address,
                headers={
                    "Authorization": f"Token token={token}",
                    "Accept": "application/vnd.pagerduty+json;version=2",
                },
                timeout=TIMEOUT_SECONDS,
                trust_env=False,
            )

    def get(self, path: str, **query: str) -> dict[str, Any] | None:
        """Return what is there, or None. Raises `ProviderFailed`."""
        response = self._send("GET", path, params=query)
        return None if response.status_code == HTTPStatus.NOT_FOUND else _answer(response)

    def post(self, path: str, body: Properties) -> dict[str, Any]:
        """Make something. Raises `ProviderFailed`."""
        return _answer(self._send("POST", path, json=body))

    def put(self, path: str, body: Properties) -> dict[str, Any]:
        """Change something. Raises `ProviderFailed`."""
        return _answer(self._send("PUT", path, json=body))

    def delete(self, path: str) -> None:
        """Delete something; of what is gone, nothing. Raises `ProviderFailed`."""
        response = self._send("DELETE", path)
        if response.status_code not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
            _answer(response)

    def every(self, path: str, name: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield a list's items, page by page. Raises `ProviderFailed`."""
        offset = 0
        while True:
            page = self.get(path, limit=str(PAGE), offset=str(offset), **query) or {}
            yield from page.get(name, [])
            if not page.get("more"):
                return
            offset += PAGE

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(_TooManyRequests),
        wait=_as_told,
        stop=tenacity.stop_after_attempt(TRIES),
        reraise=True,
    )
    def _again(self, client: httpx.Client, method: Method, path: str, **parts: Any) -> httpx.Response:
        response = client.request(method, path, **parts)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            after = response.headers.get("retry-after", "")
            raise _TooManyRequests(
                f"{method} {path}: PagerDuty takes no more requests for now",
                float(after) if after.isdigit() else RETRY_SECONDS,
            )
        return response

    def _send(self, method: Method, path: str, **parts: Any) -> httpx.Response:
        client = self._client
        if client is None:
            raise ProviderFailed("the provider pagerduty is not configured")
        try:
            return self._again(client, method, path, **parts)
        except httpx.TransportError as error:
            raise ProviderFailed(f"{method} {client.base_url}{path}: {error}") from error
        except _TooManyRequests as error:
            raise ProviderFailed(str(error)) from error


def _answer(response: httpx.Response) -> dict[str, Any]:
    """Return an answer's JSON. Raises `ProviderFailed` with PagerDuty's own words for an error."""
    if response.is_success:
        return response.json()
    request = response.request
    said = response.text
    if response.headers.get("content-type", "").startswith("application/json"):
        error = response.json().get("error", {})
        said = f"{error.get('message')}: {error.get('errors')}" if error.get("errors") else str(error.get("message"))
    raise ProviderFailed(f"{request.method} {request.url.path}: {response.status_code} {said}")
