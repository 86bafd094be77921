"""Faults of a stand-in on request: it refuses, loses answers, answers late or nonsense, or wants to be asked later.

PUT    /sandbox/faults [{"kind": "lost", "path": "/api/chat.postMessage", "times": 1}]
GET    /sandbox/faults
DELETE /sandbox/faults
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/sandbox/faults"
OWN = "/sandbox/"
"""What the sandbox itself asks is never faulty."""
NONSENSE = "<html><body>Bad gateway</body></html>"


class Fault(BaseModel):
    """A fault of the requests whose path begins with `path`, of the next `times` or of all.

    - `error`: answered with `status`; nothing happens.
    - `lost`: what was asked happens; the answer is a 504.
    - `limited`: answered with 429 and `Retry-After`; nothing happens.
    - `nonsense`: answered with 200 and what is no JSON; nothing happens.
    - `slow`: answered after `seconds`, real ones.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["error", "lost", "limited", "nonsense", "slow"]
    path: str = Field(min_length=1)
    times: int | None = Field(default=None, ge=1)
    status: int = Field(default=503, ge=400, le=599)
    retry_after: int = Field(default=1, ge=0)
    seconds: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _reaches_something(self) -> Fault:
        if self.path.startswith(OWN):
            message = f"path: {self.path} is the sandbox's own"
            raise ValueError(message)
        return self


_FAULTS = TypeAdapter(list[Fault])


class FaultInjection:
    """An ASGI application before another one, with the faults that it was asked for. The first that fits applies."""

    def __init__(self, application: ASGIApp) -> None:
        """Begin without faults."""
        self._application = application
        self._faults: Sequence[Fault] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the fault says, or pass the request on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        if scope["path"] == PATH:
            await (await self._control(Request(scope, receive)))(scope, receive, send)
            return
        fault = self._take(scope["path"])
        match fault.kind if fault else None:
            case "slow":
                await asyncio.sleep(fault.seconds if fault else 0)
                await self._application(scope, receive, send)
            case "lost":
                await self._application(scope, receive, _nowhere)
                await PlainTextResponse("", HTTPStatus.GATEWAY_TIMEOUT)(scope, receive, send)
            case None:
                await self._application(scope, receive, send)
            case _:
                await _answer(fault)(scope, receive, send)

    def _take(self, path: str) -> Fault | None:
        """Return the fault of a request, counted, or None."""
        if path.startswith(OWN):
            return None
        fault = next((each for each in self._faults if path.startswith(each.path)), None)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                self._faults = [each for each in self._faults if each is not fault]
        return fault

    async def _control(self, request: Request) -> Response:
        """Answer a request about the faults."""
        match request.method:
            case "PUT":
                try:
                    self._faults = _FAULTS.validate_json(await request.body())
                except ValidationError as error:
                    first = error.errors()[0]
                    place = ".".join(map(str, first["loc"])) or "body"
                    return JSONResponse({"error": f"{place}: {first['msg']}"}, HTTPStatus.BAD_REQUEST)
            case "DELETE":
                self._faults = ()
            case "GET":
                pass
            case _:
                return Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED)
        return JSONResponse({"faults": _FAULTS.dump_python(list(self._faults), mode="json")})


async def _nowhere(_: Message) -> None:
    """Drop a part of an answer."""


def _answer(fault: Fault | None) -> Response:
    """Return the answer to a request that does not reach the stand-in."""
    match fault:
        case Fault(kind="limited", retry_after=seconds):
            return PlainTextResponse("", HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": str(seconds)})
        case Fault(kind="error", status=status):
            return PlainTextResponse("", status)
        case _:
            return PlainTextResponse(NONSENSE, media_type="text/html")
