"""Client of Alertmanager's API: the alerts of a group.

NotFetched   they could not be had; the text says why
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from orion_common.envelope import Alert, Unreadable, read_api_alert, readable_alerts

ANSWER_SECONDS = 5.0
MAXIMUM_BYTES = 16 * 1024 * 1024
"""About ten thousand alerts; the function has 256 MB."""


class NotFetched(RuntimeError):
    """The alerts of a group could not be fetched."""


class _NoRedirects(HTTPRedirectHandler):
    """An answer that points elsewhere is none: only the configured address is asked."""

    def redirect_request(self, *_: Any, **__: Any) -> Request | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerApi:
    """One of the Alertmanagers, or what stands before them. `address` is None where the function can reach none."""

    address: str | None

    def firing(self, receiver: str, group_labels: Mapping[str, str]) -> tuple[tuple[Alert, ...], tuple[str, ...]]:
        """Return the alerts of a group that fire now and are not suppressed, and what is wrong with unreadable ones.

        A receiver belongs to one route, so that it names the group together with the group's labels.

        Raises `NotFetched`.
        """
        if self.address is None:
            raise NotFetched("no address of Alertmanager is configured (alertmanager_api)")
        query = {
            "receiver": f"^{re.escape(receiver)}$",
            "active": "true",
            "silenced": "false",
            "inhibited": "false",
        }
        groups = self._get(f"{self.address}/api/v2/alerts/groups?{urlencode(query)}")
        try:
            return _alerts(groups, group_labels)
        except Unreadable as error:
            raise NotFetched(f"Alertmanager's answer: {error}") from error

    @staticmethod
    def _get(url: str) -> Any:
        request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - http or https, by configuration
        try:
            with build_opener(_NoRedirects).open(request, timeout=ANSWER_SECONDS) as answer:
                content = answer.read(MAXIMUM_BYTES + 1)
        except (OSError, HTTPException) as error:  # urllib's own errors are OSErrors
            raise NotFetched(f"Alertmanager did not answer: {error}") from error
        if len(content) > MAXIMUM_BYTES:
            raise NotFetched(f"Alertmanager's answer is longer than {MAXIMUM_BYTES} bytes")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise NotFetched(f"Alertmanager's answer is not JSON: {error}") from error


def _alerts(groups: object, labels: Mapping[str, str]) -> tuple[tuple[Alert, ...], tuple[str, ...]]:
    if not isinstance(groups, list):
        raise Unreadable(f"found {type(groups).__name__}; allowed: a list of groups")
    readable: tuple[Alert, ...] = ()
    unreadable: tuple[str, ...] = ()
    for index, group in enumerate(groups):
        place = f"[{index}]"
        if not isinstance(group, dict) or not isinstance(group.get("alerts"), list):
            raise Unreadable(f"{place}: not a group of alerts")
        if group.get("labels") != labels:
            continue
        alerts, problems = readable_alerts(group["alerts"], f"{place}.alerts", read_api_alert)
        readable, unreadable = readable + alerts, unreadable + problems
    return readable, unreadable
