"""The load balancer before Alertmanager: a connection stays with its replica, and no replica is left out."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.cluster.load_balancer import create_application
from sandbox.ports import LOOPBACK, free_port
from sandbox.service import HttpService, wait_until_ready


@dataclass(slots=True)
class _Balanced:
    """Replicas that say their name and what they were asked, and the load balancer before them."""

    addresses: dict[str, str] = field(default_factory=dict[str, str])
    port: int = 0

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)


def _ask(connection: http.client.HTTPConnection, method: str = "GET", path: str = "/", body: str = "") -> str:
    connection.request(method, path, body=body, headers={"Content-Type": "text/plain"})
    answer = connection.getresponse()
    return f"{answer.status} {answer.read().decode()}"


def _replica(name: str) -> HttpService:
    async def answer(request: Request) -> Response:
        asked = f"{request.method} {request.scope['raw_path'].decode()}?{request.url.query}"
        content = {"name": name, "asked": asked, "body": (await request.body()).decode()}
        return JSONResponse(content, 418 if request.method == "DELETE" else 200)

    return HttpService(name, Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "DELETE"])]))


@pytest.fixture
def balanced() -> Iterator[_Balanced]:
    balanced = _Balanced()
    replicas = [_replica(name) for name in ("a", "b", "c")]
    balancer = HttpService("balancer", create_application(lambda: list(balanced.addresses.values())))
    services = [*replicas, balancer]
    for service in services:
        service.start()
    for service in services:
        wait_until_ready(service, timeout_seconds=10)
    balanced.addresses = {service.name: service.address for service in replicas}
    balanced.port = int(balancer.address.rpartition(":")[2])
    yield balanced
    for service in reversed(services):
        service.stop()


def test_a_connection_stays_with_its_replica_and_connections_reach_all(balanced: _Balanced) -> None:
    connections = [balanced.connection() for _ in range(6)]
    first = [_ask(connection) for connection in connections]
    again = [_ask(connection) for connection in reversed(connections)]

    assert again == first[::-1]
    assert len(set(first)) == 3


def test_a_request_is_passed_on_as_it_is_and_its_answer_back(balanced: _Balanced) -> None:
    connection = balanced.connection()
    answer = _ask(connection, "POST", "/api/v2/a%2Fb?filter=x%3D1", "content")

    assert '"POST /api/v2/a%2Fb?filter=x%3D1"' in answer
    assert '"body":"content"' in answer
    assert _ask(connection, "DELETE").startswith("418 ")


def test_a_new_connection_passes_over_a_replica_that_is_gone(balanced: _Balanced) -> None:
    balanced.addresses["b"] = f"http://{LOOPBACK}:{free_port()}"

    answers = [_ask(balanced.connection()) for _ in range(6)]

    assert {answer[:3] for answer in answers} == {"200"}
    assert len({answer.partition('"asked"')[0] for answer in answers}) == 2


def test_a_connection_does_not_move_to_another_replica(balanced: _Balanced) -> None:
    gone = _replica("gone")
    gone.start()
    wait_until_ready(gone, timeout_seconds=10)
    balanced.addresses = {"gone": gone.address}
    connection = balanced.connection()
    assert "gone" in _ask(connection)
    balanced.addresses["a"] = gone.address
    gone.stop()

    assert _ask(connection).startswith(("502", "503"))


def test_without_replicas_nothing_answers(balanced: _Balanced) -> None:
    balanced.addresses.clear()

    assert _ask(balanced.connection()).startswith("503")


def test_no_page_elsewhere_reaches_the_replicas(balanced: _Balanced) -> None:
    connection = balanced.connection()
    connection.request("GET", "/", headers={"Origin": "http://evil.example"})

    assert connection.getresponse().status == 403
