"""HTTP requests with a JSON answer, and what became of them as the errors of `chatops.clients`.

urllib3 comes with boto3, so that the functions' runtime has it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from chatops.clients import RateLimited, Unavailable

TIMEOUT = Timeout(connect=2, read=5)
MAXIMUM_BYTES = 16 * 1024 * 1024
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
DEFAULT_RETRY_SECONDS = 30.0
"""The wait after a 429 that does not say how long."""
LONGEST_RETRY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is neither a rate limit nor a server's error. `content` is its JSON, or None without a body."""

    status: int
    content: Any


def _pool() -> PoolManager:
    return PoolManager(num_pools=4, maxsize=2, timeout=TIMEOUT, retries=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonHttp:
    """Sends requests to the API of one service, which errors call `service`. No redirect is followed."""

    service: str
    pool: PoolManager = field(default_factory=_pool)

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send a request. Raises `RateLimited` for 429, and `Unavailable` for a 5xx or no readable answer."""
        try:
            answer = self.pool.request(
                method, url, headers=dict(headers), body=body, redirect=False, preload_content=False
            )
            try:
                content = answer.read(MAXIMUM_BYTES + 1)
            finally:
                answer.release_conn()
        except (HTTPError, OSError) as error:
            raise Unavailable(f"{self.service} did not answer: {type(error).__name__}: {error}") from error
        if answer.status == TOO_MANY_REQUESTS:
            raise RateLimited(retry_seconds(answer.headers.get("Retry-After")))
        if answer.status >= SERVER_ERROR:
            raise Unavailable(f"{self.service} answered {answer.status}")
        if len(content) > MAXIMUM_BYTES:
            raise Unavailable(f"{self.service}'s answer is longer than {MAXIMUM_BYTES} bytes")
        return Answer(status=answer.status, content=self._json(content))

    def _json(self, content: bytes) -> Any:
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"{self.service}'s answer is not JSON: {error}") from error


def retry_seconds(text: str | None) -> float:
    """Return how long a `Retry-After` asks to wait."""
    try:
        seconds = float(text or "")
    except ValueError:
        return DEFAULT_RETRY_SECONDS
    if not math.isfinite(seconds) or seconds < 0:
        return DEFAULT_RETRY_SECONDS
    return min(seconds, LONGEST_RETRY_SECONDS)


def as_object(content: object) -> Mapping[str, Any]:
    """Return the JSON object of an answer, or an empty one for anything else."""
    return content if isinstance(content, dict) else {}


def listed(content: object, name: str, whose: str) -> list[Mapping[str, Any]]:
    """Return the JSON objects of a list that an answer has. Raises `Unavailable`: without it, nothing is known."""
    items = as_object(content).get(name)
    if not isinstance(items, list):
        raise Unavailable(f"{whose}: the answer has no list {name}")
    return objects(items)


def text_in(content: Mapping[str, Any], name: str, whose: str) -> str:
    """Return a text that an answer has. Raises `Unavailable`."""
    text = content.get(name)
    if not isinstance(text, str) or not text:
        raise Unavailable(f"{whose}: the answer has no text {name}")
    return text


def objects(content: object) -> list[Mapping[str, Any]]:
    """Return the JSON objects of a list in an answer."""
    return [item for item in content if isinstance(item, dict)] if isinstance(content, list) else []
