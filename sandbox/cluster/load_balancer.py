"""A load balancer before the replicas of a service: a connection stays with the replica that took it.

That is what a network load balancer does, and what its clients count on: whoever asks a replica for its name asks the
same one for the rest over the same connection. Requests pass through the sandbox's guard, so that no page in a browser
reaches the replicas by this address.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
ANSWER_SECONDS = 30.0
MOST_CONNECTIONS = 1_000
"""How many connections are remembered: no client has an older one that is open."""
PASSED_ON = ("accept", "content-type", "content-encoding", "user-agent")
PASSED_BACK = ("content-type",)

_Connection = tuple[str, int]


class _LoadBalancer:
    """Passes requests on. A connection is a client's address and port."""

    def __init__(self, replicas: Callable[[], Sequence[str]]) -> None:
        self._replicas = replicas
        self._turns = count()
        self._taken: OrderedDict[_Connection, str] = OrderedDict()
        self.client: httpx.AsyncClient | None = None

    async def answer(self, request: Request) -> Response:
        connection = (request.client.host, request.client.port) if request.client is not None else ("", 0)
        replica = self._taken.get(connection)
        for each in [replica] if replica is not None else self._in_turn():
            try:
                response = await self._asked(each, request)
            except httpx.ConnectError:
                continue  # it has gone, or is starting
            except httpx.HTTPError as error:
                return PlainTextResponse(f"{each}: {error!r}\n", 502, headers={"Connection": "close"})
            self._take(connection, each)
            return response
        self._taken.pop(connection, None)
        return PlainTextResponse("no replica takes the connection\n", 503, headers={"Connection": "close"})

    def _in_turn(self) -> list[str]:
        """Return the replicas, beginning with another one each time."""
        replicas = list(self._replicas())
        first = next(self._turns) % len(replicas) if replicas else 0
        return [*replicas[first:], *replicas[:first]]

    def _take(self, connection: _Connection, replica: str) -> None:
        self._taken[connection] = replica
        while len(self._taken) > MOST_CONNECTIONS:
            self._taken.popitem(last=False)

    async def _asked(self, replica: str, request: Request) -> Response:
        if self.client is None:
            raise RuntimeError("the load balancer has not been started")
        path = request.scope["raw_path"].decode("latin-1")
        answer = await self.client.request(
            request.method,
            f"{replica}{path}{'?' if request.url.query else ''}{request.url.query}",
            content=await request.body(),
            headers={name: request.headers[name] for name in PASSED_ON if name in request.headers},
        )
        kept = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
        return Response(answer.content, answer.status_code, headers=kept)


def create_application(replicas: Callable[[], Sequence[str]]) -> Starlette:
    """Return the load balancer before what `replicas` returns: the base addresses of those that run now."""
    balancer = _LoadBalancer(replicas)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
            balancer.client = client
            yield

    return Starlette(routes=[Route("/{path:path}", balancer.answer, methods=METHODS)], lifespan=lifespan)
