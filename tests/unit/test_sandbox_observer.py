"""The observers journal each change once, at the clock's pace, and go on when the watched program is back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.clouds.aws.server import alarms_seconds
from sandbox.cluster import api_client
from sandbox.journal import Journal, Kind
from sandbox.observer import PodObserver, poll_seconds
from sandbox.service import HttpService
from tests.waiting import until

STATUSES = (503, 500, 200)
"""What an API server that is starting again answers, one after the other."""


def pod(version: int, *, ready: bool) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    metadata = {"namespace": "orion", "name": "orders-1", "uid": "u", "resourceVersion": str(version)}
    return {"metadata": metadata, "status": {"conditions": conditions}}


class ApiServer:
    """Lists no pods, after it was away for a moment, and sends whatever is put into `changes` to its watch."""

    def __init__(self) -> None:
        self.changes: Queue[tuple[str, dict[str, Any]]] = Queue()
        self.lists = 0
        self._ended = False
        self.service = HttpService(
            "api server", Starlette(routes=[Route("/api/v1/namespaces/orion/pods", self._answer)])
        )

    def stop(self) -> None:
        self._ended = True
        self.service.stop()

    async def _answer(self, request: Request) -> Response:
        if "watch" in request.query_params:
            return StreamingResponse(self._changes())
        status = STATUSES[min(self.lists, len(STATUSES) - 1)]
        self.lists += 1
        found = {"kind": "PodList", "items": []} if status == STATUSES[-1] else {"kind": "Status", "message": "later"}
        return JSONResponse({"apiVersion": "v1", "metadata": {"resourceVersion": "1"}, **found}, status)

    async def _changes(self) -> AsyncIterator[str]:
        while not self._ended:
            try:
                kind, item = self.changes.get_nowait()
            except Empty:
                await anyio.sleep(0.01)
            else:
                yield json.dumps({"type": kind, "object": item}) + "\n"


@pytest.fixture
def api_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    server = ApiServer()

    def plain_client(_: Path) -> httpx.Client:
        return httpx.Client(base_url=server.service.address, trust_env=False)

    monkeypatch.setattr(api_client, "http_client", plain_client)
    server.service.start()
    yield server
    server.stop()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def observer(api_server: ApiServer, journal: Journal, tmp_path: Path) -> Iterator[PodObserver]:
    assert api_server.lists == 0
    observer = PodObserver(tmp_path / "kubeconfig", "orion", journal)
    observer.start()
    try:
        until("the observer has seen the pods", observer.ready, seconds=10)
        yield observer
    finally:
        observer.stop()


@pytest.mark.usefixtures("observer")
def test_an_api_server_that_refuses_for_a_moment_is_asked_again(api_server: ApiServer) -> None:
    assert api_server.lists == len(STATUSES)


@pytest.mark.usefixtures("observer")
def test_a_pods_creation_readiness_and_end_are_journaled_once_each_and_without_another_list(
    api_server: ApiServer, journal: Journal
) -> None:
    ending = pod(4, ready=True)
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    for change in (
        ("ADDED", pod(2, ready=False)),
        ("MODIFIED", pod(3, ready=True)),
        ("MODIFIED", pod(3, ready=True)),
        ("MODIFIED", ending),
        ("DELETED", ending),
    ):
        api_server.changes.put(change)
    until("the pod's end is journaled", lambda: journal.find(Kind.POD_DELETED, pod="orders-1"))

    assert [event.kind for event in journal.events()] == [Kind.POD_CREATED, Kind.POD_READY, Kind.POD_DELETED]
    assert api_server.lists == len(STATUSES)


@pytest.mark.parametrize(
    ("scale", "alerts", "alarms"), [(1, 0.5, 5.0), (10, 0.2, 1.5), (20, 0.1, 0.75), (60, 0.1, 0.5)]
)
def test_polls_keep_the_clocks_pace_within_bounds(scale: float, alerts: float, alarms: float) -> None:
    assert poll_seconds(Clock(scale)) == pytest.approx(alerts)
    assert alarms_seconds(Clock(scale)) == pytest.approx(alarms)
