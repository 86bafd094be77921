"""Alertmanager's answers as the function reads them: each wrong one is one clear error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from orion_common import alertmanager as module
from orion_common.alertmanager import AlertmanagerApi, NotFetched
from sandbox.ports import LOOPBACK, free_port
from tests.http_stub import POLL_SECONDS
from tests.lambda_events import LABELS

GROUP = {"alertname": "HighMemoryUsage", "service": "positions"}
"""A group's labels."""


@dataclass
class _Answers:
    """An Alertmanager that answers as it is told."""

    address: str = ""
    status: int = 200
    body: bytes = b"[]"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[str] = field(default_factory=list[str])


@pytest.fixture
def answers() -> Iterator[_Answers]:
    result = _Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            result.asked.append(self.path)
            self.send_response(result.status)
            for name, value in result.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(result.body)))
            self.end_headers()
            self.wfile.write(result.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        result.address = f"http://{LOOPBACK}:{server.server_port}"
        Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        yield result
        server.shutdown()


def _group(**changes: Any) -> dict[str, Any]:
    alert = {
        "annotations": {"replicas": "2"},
        "labels": LABELS | {"pod": "positions-2"},
        "fingerprint": "00000000000000ff",
        "startsAt": "2026-11-24T10:46:02.819Z",
        "status": {"state": "active"},
    }
    return {"labels": GROUP, "receiver": {"name": "warning"}, "alerts": [alert | changes]}


def test_the_groups_receiver_is_asked_for_as_it_is_written(answers: _Answers) -> None:
    answers.body = json.dumps([_group()]).encode()

    (alert,), _ = AlertmanagerApi(address=answers.address).firing("a.b|c&silenced=true", GROUP)

    assert (alert.fingerprint, alert.firing, alert.labels["pod"]) == ("00000000000000ff", True, "positions-2")
    assert alert.annotations == {"replicas": "2"}
    assert answers.asked == [
        "/api/v2/alerts/groups?receiver=%5Ea%5C.b%5C%7Cc%5C%26silenced%3Dtrue%24&active=true&silenced=false&inhibited=false"
    ]


def test_another_group_and_what_is_suppressed_are_left_alone(answers: _Answers) -> None:
    other = _group() | {"labels": {"alertname": "HighMemoryUsage", "service": "orders"}}
    answers.body = json.dumps([other, _group(status={"state": "suppressed"})]).encode()

    assert AlertmanagerApi(address=answers.address).firing("warning", GROUP) == ((), ())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "active"}, "status: found str"),
        ({"fingerprint": "x"}, "allowed: 16 hexadecimal digits"),
        ({"startsAt": "yesterday"}, "allowed: a time"),
    ],
)
def test_an_alert_that_cannot_be_read_hides_no_other(answers: _Answers, changes: dict[str, Any], reason: str) -> None:
    group = _group()
    group["alerts"] += _group(**changes)["alerts"]
    answers.body = json.dumps([group]).encode()

    (alert,), (problem,) = AlertmanagerApi(address=answers.address).firing("warning", GROUP)

    assert alert.fingerprint == "00000000000000ff"
    assert reason in problem


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (500, b"", "did not answer: HTTP Error 500"),
        (200, b"<html>", "is not JSON"),
        (200, b"[" * 100_000, "is not JSON"),
        (200, b"{}", "allowed: a list of groups"),
        (200, b"[{}]", "not a group of alerts"),
        (200, b" " * 2_000, "longer than 1000 bytes"),
    ],
)
def test_a_wrong_answer_is_a_refusal_that_says_why(
    monkeypatch: pytest.MonkeyPatch, answers: _Answers, status: int, body: bytes, reason: str
) -> None:
    if b"  " in body:
        monkeypatch.setattr(module, "MAXIMUM_BYTES", 1000)
    answers.status, answers.body = status, body

    with pytest.raises(NotFetched, match=reason):
        AlertmanagerApi(address=answers.address).firing("warning", GROUP)


def test_an_answer_that_points_elsewhere_is_not_followed(answers: _Answers) -> None:
    answers.status, answers.headers = 302, {"Location": f"{answers.address}/elsewhere"}

    with pytest.raises(NotFetched, match="HTTP Error 302"):
        AlertmanagerApi(address=answers.address).firing("warning", GROUP)

    assert len(answers.asked) == 1


def test_nobody_there_and_no_address_are_refusals() -> None:
    with pytest.raises(NotFetched, match="did not answer"):
        AlertmanagerApi(address=f"http://{LOOPBACK}:{free_port()}").firing("warning", GROUP)
    with pytest.raises(NotFetched, match="alertmanager_api"):
        AlertmanagerApi(address=None).firing("warning", GROUP)
