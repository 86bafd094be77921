"""No page in a browser can use a server of the sandbox: each refuses what is not meant for it."""

from __future__ import annotations

import ast
import http.client
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clouds.aws.server import AwsServer
from sandbox.credentials import Credentials
from sandbox.journal import Journal
from sandbox.service import HttpService, wait_until_ready
from tests.alerting_data import ROOT
from tests.browser_requests import CLICKED, BrowserRequest, foreign_requests, send, taken
from tests.http_stub import POLL_SECONDS

SERVING = {
    "sandbox/clouds/aws/server.py": "WsgiGuard",
    "sandbox/clouds/serving.py": "AsgiGuard",
    "sandbox/service.py": "AsgiGuard",
}
"""The only files that open an HTTP server, and what they put before it."""
SERVERS = re.compile(
    r"\b(uvicorn\.(run|Server)|make_server|ThreadedMotoServer|HTTPServer|run_simple|start_server|start_http_server)\b"
)


async def _answer(_: Request) -> Response:
    return PlainTextResponse("hello")


@pytest.fixture(scope="module")
def served() -> Iterator[int]:
    """The port of an application that would answer everything."""
    methods = ["GET", "POST", "OPTIONS"]
    service = HttpService("greeter", Starlette(routes=[Route("/{path:path}", _answer, methods=methods)]))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    yield int(service.address.rsplit(":", 1)[1])
    service.stop()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the stand-in for AWS."""
    journal = Journal(tmp_path_factory.mktemp("aws") / "journal.jsonl")
    server = AwsServer(journal=journal, credentials=Credentials.new())
    server.start()
    yield int(server.address.rsplit(":", 1)[1])
    server.stop()


@pytest.mark.parametrize("what", foreign_requests(0))
@pytest.mark.parametrize("server", ["served", "aws"])
def test_what_a_page_elsewhere_sends_is_refused(server: str, what: str, request: pytest.FixtureRequest) -> None:
    port: int = request.getfixturevalue(server)
    status, headers = send(port, foreign_requests(port)[what])

    assert status == 403
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:PORT", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://localhost:PORT"},
        {"Sec-Fetch-Site": "none"},
        CLICKED,
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT"])
def test_programs_and_the_servers_own_pages_are_answered(served: int, host: str, headers: dict[str, str]) -> None:
    sent = {name: value.replace("PORT", str(served)) for name, value in headers.items()}
    request = BrowserRequest(host=host.replace("PORT", str(served)), headers=sent)

    assert send(served, request)[0] == 200


def test_a_request_with_two_hosts_or_none_is_refused(served: int, aws: int) -> None:
    for port in (served, aws):
        for hosts in ([], [f"127.0.0.1:{port}", "evil.example"]):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.putrequest("GET", "/", skip_host=True)
            for host in hosts:
                connection.putheader("Host", host)
            connection.endheaders()

            assert connection.getresponse().status in {400, 403}
            connection.close()


def test_what_tries_the_servers_finds_one_that_answers_everybody(served: int) -> None:
    """The means of these tests and of the running sandbox's sees an open server: one that refuses nothing at all."""

    class Open(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        do_POST = do_OPTIONS = do_GET  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - http.server's names
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Open)
    Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
    try:
        assert set(taken(server.server_port)) == set(foreign_requests(0))
    finally:
        server.shutdown()
        server.server_close()
    assert taken(served) == {}


def test_every_server_of_the_sandbox_is_behind_the_guard() -> None:
    opened: dict[str, str] = {}
    for path in sorted((ROOT / "sandbox").rglob("*.py")):
        text = path.read_text()
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        if any(SERVERS.search(call) for call in calls):
            name = str(path.relative_to(ROOT))
            opened[name] = next((guard for guard in ("AsgiGuard", "WsgiGuard") if guard in calls), "nothing")

    assert opened == SERVING
