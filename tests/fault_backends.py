"""Back ends of the fault tests: a PagerDuty in this process, transports without a network, and their faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

from urllib3.exceptions import ReadTimeoutError

from tests.chat_harness import KEY
from tests.http_stub import Asked, Reply

EMAILS = {"UANN": "ann@example.com", "UBOB": "bob@example.com"}
"""PagerDuty's users."""


class Service(StrEnum):
    """Services that chat calls."""

    SLACK = "Slack"
    PAGERDUTY = "PagerDuty"
    ALERTMANAGER = "Alertmanager"
    DYNAMODB = "DynamoDB"
    SQS = "SQS"
    S3 = "S3"


class Fault(StrEnum):
    """Faults of a service. `LOST`: it does what it is asked, and its answer is lost."""

    TIME_OUT = "time-out"
    LIMITED = "429 or throttling"
    SERVER_ERROR = "5xx"
    NOT_JSON = "not JSON"
    OTHER_SHAPE = "another shape"
    LOST = "answer lost"


@dataclass
class HttpAnswer:
    """An answer as urllib3 and `http.client` have it."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def read(self, amount: int) -> bytes:
        return self.content[:amount]

    def release_conn(self) -> None:
        """Do nothing: there is no connection."""


@dataclass
class PagerDuty:
    """An account with one incident, assigned to Ann."""

    now: Callable[[], float]
    status: str = ""
    opened_at: float = 0.0
    log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    notes: list[str] = field(default_factory=list[str])

    def open(self) -> None:
        self.status, self.opened_at = "triggered", self.now()

    def _incident(self) -> dict[str, Any]:
        by = [{"acknowledger": {"id": entry["agent"]["id"], "type": "user_reference"}} for entry in self.log]
        assigned = [{"assignee": {"id": "UANN", "type": "user_reference"}}] if self.status != "resolved" else []
        return {
            "id": "P1",
            "status": self.status,
            "incident_key": KEY,
            "created_at": time_text(self.opened_at),
            "acknowledgements": by if self.status == "acknowledged" else [],
            "assignments": assigned,
        }

    def answer(self, request: Asked) -> Reply:
        """Answer a request of the REST API."""
        alert = {"id": "A1", "alert_key": KEY, "status": "triggered", "created_at": time_text(self.opened_at)}
        match request.method, request.path.removeprefix("/incidents/P1"):
            case "GET", "/incidents":
                return Reply({"incidents": [self._incident()] if self.status else [], "more": False})
            case "GET", "":
                return Reply({"incident": self._incident()})
            case "PUT", "" if request.arguments["incident"]["status"] == "acknowledged":
                person = next(id_ for id_, email in EMAILS.items() if email == request.headers["From"])
                self.log.append(
                    {"type": "acknowledge_log_entry", "agent": {"id": person}, "created_at": time_text(self.now())}
                )
                self.status = "acknowledged"
                return Reply({})
            case "GET", "/alerts":
                state = "resolved" if self.status == "resolved" else "triggered"
                return Reply({"alerts": [alert | {"status": state}], "more": False})
            case "PUT", "/alerts/A1":
                self.status = "resolved"
                return Reply({})
            case "GET", "/log_entries":
                return Reply({"log_entries": self.log, "more": False})
            case _:
                return self._noted(request)

    def _noted(self, request: Asked) -> Reply:
        """Answer a request about notes, or about users."""
        users = [{"id": id_, "email": email} for id_, email in EMAILS.items()]
        match request.method, request.path.removeprefix("/incidents/P1"):
            case "POST", "/notes":
                self.notes.append(request.arguments["note"]["content"])
                return Reply({})
            case "GET", "/notes":
                return Reply({"notes": [{"content": note} for note in self.notes]})
            case "GET", "/users":
                return Reply({"users": users, "more": False})
            case "GET", path if path.startswith("/users/"):
                return Reply({"user": next(user for user in users if path == f"/users/{user['id']}")})
            case _:
                return Reply({}, 404)


class Answers(Protocol):
    """Answers requests to a service over HTTP."""

    def http(self, service: Service, request: Asked) -> HttpAnswer | None:
        """Return the answer, or None where there is none in time."""
        ...


@dataclass
class Pool:
    """A pool of connections of urllib3, without any."""

    world: Answers
    service: Service

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, **_: object
    ) -> HttpAnswer:
        answer = self.world.http(self.service, asked(method, url, headers, body))
        if answer is None:
            raise ReadTimeoutError(cast("Any", None), url, "timed out")
        return answer


@dataclass
class Connection:
    """A connection of `http.client` to one of the Alertmanagers, without any."""

    world: Answers
    number: int = 0
    auto_open: int = 1
    request_: Asked | None = None

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        self.request_ = asked(method, path, headers, body, self.number)

    def getresponse(self) -> HttpAnswer:
        assert self.request_ is not None
        answer = self.world.http(Service.ALERTMANAGER, self.request_)
        if answer is None:
            raise TimeoutError("timed out")
        return answer

    def close(self) -> None:
        """Do nothing."""


def asked(method: str, url: str, headers: Mapping[str, str], body: bytes | None, connection: int = 0) -> Asked:
    """Return a request as the stubs over HTTP see it."""
    parts = urlsplit(url)
    is_json = headers.get("Content-Type", "").startswith("application/json") and body
    text = (body or b"").decode() or parts.query
    arguments = json.loads(body or b"") if is_json else dict(parse_qsl(text, keep_blank_values=True))
    return Asked(method=method, path=parts.path, headers=headers, arguments=arguments, connection=connection)


def time_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
