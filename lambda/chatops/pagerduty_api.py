"""PagerDuty's REST API: requests, and PagerDuty's refusals as the errors of `chatops.clients`.

A wrong token is `Unavailable`, not `Refused`: people mend it, and nothing is lost until they have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from chatops.clients import Refused, Unavailable
from chatops.http_json import Answer, JsonHttp, as_object, listed

PAGERDUTY_API = "https://api.pagerduty.com"
NOT_FOUND = 404
MENDABLE = frozenset({401, 402, 403, 408})
"""Statuses of a wrong or limited token, a plan that lacks something, and a request that took too long."""
FIRST_ERROR = 300
PAGE_SIZE = 100
MOST_PAGES = 20

Query = Mapping[str, str | Sequence[str]]


class NotFound(Refused):
    """PagerDuty has nothing of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyApi:
    """The account. `sender` is the email of the PagerDuty user in whose name the platform itself acts."""

    token: str = field(repr=False)
    sender: str
    address: str = PAGERDUTY_API
    http: JsonHttp = field(default_factory=lambda: JsonHttp(service="PagerDuty"))

    def get(self, path: str, query: Query | None = None) -> Mapping[str, Any]:
        """Return an object. Raises `NotFound` and the errors of `chatops.clients`."""
        address = f"{self.address}{path}"
        return self._content("GET", f"{address}?{urlencode(query, doseq=True)}" if query else address)

    def pages(self, path: str, query: Query, items: str) -> Iterator[Mapping[str, Any]]:
        """Yield the items of every page. Raises `Unavailable` where there are too many to read."""
        for page in range(MOST_PAGES):
            answer = self.get(path, {**query, "limit": str(PAGE_SIZE), "offset": str(page * PAGE_SIZE)})
            yield from listed(answer, items, f"PagerDuty {path}")
            if not answer.get("more"):
                return
        raise Unavailable(f"PagerDuty {path}: more than {MOST_PAGES} pages")

    def put(self, path: str, content: Mapping[str, Any], sender: str | None = None) -> Mapping[str, Any]:
        """Change an object in the name of a person, or of the platform."""
        return self._content("PUT", f"{self.address}{path}", content, sender)

    def post(self, path: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make an object in the name of the platform."""
        return self._content("POST", f"{self.address}{path}", content)

    def _content(
        self, method: str, url: str, content: Mapping[str, Any] | None = None, sender: str | None = None
    ) -> Mapping[str, Any]:
        headers = {
            "Authorization": f"Token token={self.token}",
            "Accept": "application/vnd.pagerduty+json;version=2",
            "Content-Type": "application/json",
            "From": sender or self.sender,
        }
        body = None if content is None else json.dumps(content).encode()
        answer = self.http.request(method, url, headers, body)
        if answer.status >= FIRST_ERROR:
            raise _refusal(method, url.removeprefix(self.address).partition("?")[0], answer)
        return as_object(answer.content)


def _refusal(method: str, path: str, answer: Answer) -> Exception:
    error = as_object(as_object(answer.content).get("error")) or as_object(answer.content)
    said = "; ".join(str(part) for part in (error.get("message"), error.get("errors")) if part)
    text = f"PagerDuty {method} {path}: {answer.status} {said}"[:500].rstrip()
    if answer.status == NOT_FOUND:
        return NotFound(text)
    return Unavailable(text) if answer.status in MENDABLE else Refused(text)
