"""A small HTTP server whose answers a test decides on, and which keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.ports import LOOPBACK

POLL_SECONDS = 0.02
"""How often a server of this process looks whether it is to end: Python's half a second is waited for in each test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. `arguments` are those of its JSON or form, or else of its query."""

    method: str
    path: str
    headers: Mapping[str, str]
    arguments: Mapping[str, Any]
    connection: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. A `content` of bytes is sent as it is, everything else as JSON."""

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class HttpStub:
    """The server: `answer` returns the reply to a request, or None to close the connection without one."""

    answer: Callable[[Asked], Reply | None]
    address: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    connections: int = 0

    def paths(self) -> list[str]:
        """Return what was asked, in order."""
        return [f"{request.method} {request.path}" for request in self.asked]


@contextmanager
def http_stub(answer: Callable[[Asked], Reply | None]) -> Generator[HttpStub]:
    """Yield a server on a port of its own. It keeps connections open, as the services do."""
    stub = HttpStub(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two packets: the second would wait 40 ms for the first to be confirmed.
        disable_nagle_algorithm = True
        connection_number = 0

        def setup(self) -> None:
            super().setup()
            stub.connections += 1
            self.connection_number = stub.connections

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            request = Asked(
                method=self.command,
                path=parts.path,
                headers=dict(self.headers.items()),
                arguments=_arguments(body, self.headers.get("Content-Type", ""), parts.query),
                connection=self.connection_number,
            )
            stub.asked.append(request)
            reply = stub.answer(request)
            if reply is None:
                self.close_connection = True
                return
            content = reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names are the library's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.daemon_threads = True
        stub.address = f"http://{LOOPBACK}:{server.server_port}"
        Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        try:
            yield stub
        finally:
            server.shutdown()


def _arguments(body: bytes, content_type: str, query: str) -> Mapping[str, Any]:
    if content_type.startswith("application/json") and body:
        return json.loads(body)
    return dict(parse_qsl(body.decode() if body else query, keep_blank_values=True))
