"""Serves the built site of the runbooks, so that the links of alerts lead somewhere in a sandbox too."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.page_headers import page_headers

HEADERS = page_headers(
    # The generator's pages have scripts and styles in them; its search runs in a worker.
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Headers:
    """Adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._application = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self._application(scope, receive, sending)


def create_application(folder: Path) -> Starlette:
    """Return the application over the folder of a built site. Its pages load nothing from elsewhere."""
    files = Mount("/", StaticFiles(directory=folder, html=True))
    return Starlette(routes=[files], middleware=[Middleware(_Headers)])
