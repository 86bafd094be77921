"""An observer goes on when the watched program is back after a moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.cluster import api_client
from sandbox.journal import Journal
from sandbox.observer import PodObserver
from sandbox.service import HttpService
from tests.waiting import until

STATUSES = (503, 500, 200)
"""What an API server that is starting again answers, one after the other."""


@pytest.fixture
def api_server() -> Iterator[HttpService]:
    statuses = iter(STATUSES)

    async def pods(_: Request) -> Response:
        status = next(statuses, 200)
        found = {"kind": "PodList", "items": []} if status == STATUSES[-1] else {"kind": "Status", "message": "later"}
        return JSONResponse({"apiVersion": "v1", "metadata": {}, **found}, status)

    service = HttpService("api server", Starlette(routes=[Route("/api/v1/namespaces/orion/pods", pods)]))
    service.start()
    yield service
    service.stop()


def test_an_api_server_that_refuses_for_a_moment_is_asked_again(
    api_server: HttpService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plain_client(_: Path) -> httpx.Client:
        return httpx.Client(base_url=api_server.address, trust_env=False)

    monkeypatch.setattr(api_client, "http_client", plain_client)
    observer = PodObserver(tmp_path / "kubeconfig", "orion", Journal(tmp_path / "journal.jsonl"))
    observer.start()
    try:
        until("the observer has seen the pods", observer.ready, seconds=10)
    finally:
        observer.stop()
