"""Refuses what a web page sends to a server on this machine. Every server of the sandbox is behind it.

A browser lets any page send requests to 127.0.0.1, and a page whose own name is made to resolve to 127.0.0.1 (DNS
rebinding) reads the answers too. Such requests carry another `Host`, an `Origin` that is not the server's own, or a
`Sec-Fetch-Site` that says so. Programs send none of these.

One thing of another page is let through: the link to a whole page that a person clicked on a page of this machine. A
script can neither cause that without a click nor read the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.ports import LOOPBACK

OWN_NAMES = (LOOPBACK, "localhost")
"""The names that a server on this machine is called by."""
OWN_SITES = frozenset({"same-origin", "none"})
"""What a browser says of a page of the server itself, and of an address that a person typed."""


OF_THIS_MACHINE = "same-site"
"""What a browser says of a page of another server on this machine."""
CLICKED_LINK = {b"sec-fetch-mode": b"navigate", b"sec-fetch-dest": b"document", b"sec-fetch-user": b"?1"}
"""What a browser sends, besides, when a person follows a link to a page of its own, not within another."""


def refusal(
    port: int, *, hosts: Sequence[str], origins: Sequence[str], sites: Sequence[str], clicked: bool = False
) -> str | None:
    """Return why a request to the server on `port` is refused, or None if it is not.

    `hosts`, `origins` and `sites` are the values of the headers Host, Origin and Sec-Fetch-Site, as often as sent.
    `clicked` says that the request is for a page that a person follows a link to.
    """
    own = [f"{name}:{port}" for name in OWN_NAMES]
    if len(hosts) != 1 or hosts[0].lower() not in own:
        return f"Host: found {', '.join(hosts) or 'none'}; allowed: {', '.join(own)}"
    allowed = [f"http://{name}" for name in own]
    for origin in origins:
        if origin.lower() not in allowed:
            return f"Origin: found {origin}; allowed: none, or {', '.join(allowed)}"
    for site in sites:
        if site.lower() not in OWN_SITES and not (clicked and site.lower() == OF_THIS_MACHINE):
            return f"Sec-Fetch-Site: found {site}; allowed: {', '.join(sorted(OWN_SITES))}"
    return None


class AsgiGuard:
    """An ASGI application before another one."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 403, or pass on. What is neither HTTP nor the server's own start and end is refused too."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        headers: list[tuple[bytes, bytes]] = scope.get("headers", [])

        def values(name: bytes) -> list[str]:
            return [value.decode("latin-1") for header, value in headers if header.lower() == name]

        sent = {name.lower(): value for name, value in headers}
        reason = refusal(
            int(scope["server"][1]),
            hosts=values(b"host"),
            origins=values(b"origin"),
            sites=values(b"sec-fetch-site"),
            clicked=scope.get("method") == "GET" and sent.items() >= CLICKED_LINK.items(),
        )
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif reason is None:
            await self._application(scope, receive, send)
        else:
            await PlainTextResponse(f"{reason}\n", HTTPStatus.FORBIDDEN)(scope, receive, send)


class WsgiGuard:
    """A WSGI application before another one."""

    def __init__(self, application: WSGIApplication, port: int) -> None:
        self._application = application
        self._port = port

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse with 403, or pass on."""

        def values(name: str) -> list[str]:
            return [str(environ[name])] if name in environ else []

        reason = refusal(
            self._port,
            hosts=values("HTTP_HOST"),
            origins=values("HTTP_ORIGIN"),
            sites=values("HTTP_SEC_FETCH_SITE"),
        )
        if reason is None:
            return self._application(environ, start_response)
        status = HTTPStatus.FORBIDDEN
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{reason}\n".encode()]
