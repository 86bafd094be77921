"""Slack's Web API: calls, and Slack's errors as those of `chatops.clients`.

A wrong token, a missing scope or a channel without the app is `Unavailable`, not `Refused`: people mend these, and no
message is lost until they have.

InvalidMessage   Slack refuses the blocks or the text of a message; plain or shorter ones may do
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from chatops.clients import Gone, RateLimited, Refused, Unavailable
from chatops.http_json import DEFAULT_RETRY_SECONDS, JsonHttp, as_object, listed

SLACK_API = "https://slack.com/api"
RATE_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
GONE = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message", "cant_update_message"})
INVALID_MESSAGE = frozenset(
    {
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_attachments",
        "attachment_payload_limit_exceeded",
        "msg_blocks_too_long",
        "msg_too_long",
        "too_many_attachments",
        "no_text",
        "invalid_metadata_format",
        "metadata_too_large",
        "metadata_must_be_sent_from_app",
    }
)
REFUSED = frozenset(
    {"user_not_in_channel", "user_not_found", "users_not_found", "user_not_visible", "edit_window_closed"}
)
PAGE_SIZE = 200
MOST_PAGES = 50


class InvalidMessage(Refused):
    """Slack refuses the content of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackApi:
    """The Web API with the app's bot token."""

    token: str = field(repr=False)
    address: str = SLACK_API
    http: JsonHttp = field(default_factory=lambda: JsonHttp(service="Slack"))

    def write(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a method that takes JSON. Raises the errors of `chatops.clients`, and `InvalidMessage`."""
        return self._call(method, "application/json; charset=utf-8", json.dumps(arguments).encode())

    def read(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a method that takes a form: those that read take no JSON."""
        texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in arguments.items()}
        return self._call(method, "application/x-www-form-urlencoded", urlencode(texts).encode())

    def pages(self, method: str, arguments: Mapping[str, Any], items: str) -> Iterator[Mapping[str, Any]]:
        """Yield the items of every page. Raises `Unavailable` where there are too many to read."""
        cursor = ""
        for _ in range(MOST_PAGES):
            answer = self.read(method, {**arguments, "limit": PAGE_SIZE, **({"cursor": cursor} if cursor else {})})
            yield from listed(answer, items, f"Slack {method}")
            cursor = str(as_object(answer.get("response_metadata")).get("next_cursor") or "")
            if not cursor:
                return
        raise Unavailable(f"Slack {method}: more than {MOST_PAGES} pages")

    def _call(self, method: str, content_type: str, body: bytes) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        answer = self.http.request("POST", f"{self.address}/{method}", headers, body)
        content = as_object(answer.content)
        if content.get("ok") is True:
            return content
        error = str(content.get("error") or f"status {answer.status}")
        raise _error(method, error, content)


def _error(method: str, error: str, content: Mapping[str, Any]) -> Exception:
    messages = as_object(content.get("response_metadata")).get("messages")
    text = f"Slack {method}: {error}" + (f": {messages}"[:500] if messages else "")
    if error in RATE_LIMITED:
        return RateLimited(DEFAULT_RETRY_SECONDS)
    if error in GONE:
        return Gone(text)
    if error in INVALID_MESSAGE:
        return InvalidMessage(text)
    if error in REFUSED:
        return Refused(text)
    return Unavailable(text)
