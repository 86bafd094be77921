"""A real Alertmanager with the rendered configuration, and a server that keeps everything that it posts."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from alerting.build import load_platform
from alerting.names import PAGERDUTY_KEYS_SECRET
from alerting.platform import AlertmanagerFiles
from alerting.settings import Endpoints, Environment
from sandbox.ports import LOOPBACK, free_port
from sandbox.service import ProcessService, wait_until_ready
from tests.alerting_data import DATA, settings, write_alertmanager
from tests.http_stub import POLL_SECONDS
from tools.paths import tool

EXTERNAL_URL = "https://alertmanager.orion.example.com"
SCALE = 60  # a wait of 30 s takes half a second
NEVER = "24h"
"""How long an Alertmanager waits that must tell nobody: longer than any test."""
DEADLINE_SECONDS = 20.0
SNS_ANSWER = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId>'
    b"</PublishResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PublishResponse>"
)


@dataclass
class Sink:
    """Everything that was posted, by its first path segment."""

    address: str = ""
    received: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, path: str, body: bytes) -> None:
        if path == "/sns":
            fields = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode()).items()}
            value: Any = {"fields": fields, "message": json.loads(fields["Message"])}
        else:
            value = json.loads(body)
        with self.changed:
            self.received.append((path, value))
            self.changed.notify_all()

    def wait(self, path: str, wanted: Callable[[Any], bool]) -> Any:
        """Return the first wanted thing that was posted to `path`."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with self.changed:
            while True:
                for where, value in self.received:
                    if where == path and wanted(value):
                        return value
                if not self.changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"nothing of the kind at {path}; received: {str(self.received)[:3000]}")


@contextmanager
def served_sink() -> Generator[Sink]:
    """Serve a sink."""
    result = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            result.add(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            body = SNS_ANSWER if self.path == "/sns" else b"ok"
            self.send_response(202 if self.path == "/v2/enqueue" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    result.address = f"http://{LOOPBACK}:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
    yield result
    server.shutdown()
    server.server_close()


@contextmanager
def running_alertmanager(
    sink: Sink, folder: Path, *, pagerduty: str | None = None, keys: Mapping[str, str] | None = None
) -> Generator[str]:
    """Run an Alertmanager that notifies the sink, and yield its address.

    `pagerduty` is another address for pages, `keys` are the routing keys for it by name.
    """
    endpoints = Endpoints(sns=f"{sink.address}/sns", pagerduty_events=f"{pagerduty or sink.address}/v2/enqueue")
    stack = settings(Environment.SANDBOX, time_scale=SCALE).model_copy(update={"endpoints": endpoints})
    configuration = write_alertmanager(load_platform(DATA, stack).alertmanager, folder)
    for webhook in (folder / "secrets" / "alertmanager-slack").iterdir():
        webhook.write_text(f"{sink.address}/slack/{webhook.name}\n")
    for name, key in (keys or {}).items():
        (folder / "secrets" / PAGERDUTY_KEYS_SECRET / name).write_text(key)
    with _served(configuration, folder) as address:
        yield address


@contextmanager
def silent_alertmanager(files: AlertmanagerFiles, folder: Path) -> Generator[str]:
    """Run an Alertmanager that says who would be told of its alerts and tells nobody, and yield its address."""
    with _served(write_alertmanager(files, folder), folder, f"--dispatch.start-delay={NEVER}") as address:
        yield address


@contextmanager
def _served(configuration: Path, folder: Path, *arguments: str) -> Generator[str]:
    address = f"http://{LOOPBACK}:{free_port()}"
    service = ProcessService(
        "alertmanager",
        [
            tool("alertmanager"),
            f"--config.file={configuration}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={address.removeprefix('http://')}",
            f"--web.external-url={EXTERNAL_URL}",
            "--web.route-prefix=/",
            "--cluster.listen-address=",
            *arguments,
        ],
        directory=folder,
        is_ready=lambda: _answers(address),
        environment=os.environ | {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
    )
    service.start()
    wait_until_ready(service, timeout_seconds=30)
    yield address
    service.stop()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready").is_success
    except httpx.TransportError:
        return False


def fire(address: str, *alerts: Mapping[str, str], ends: bool = False, **annotations: str) -> None:
    """Send alerts as Prometheus does, with an end of their own; without one they would end after resolve_timeout."""
    now = datetime.now(UTC)
    started, end = now.isoformat(), (now if ends else now + timedelta(hours=1)).isoformat()
    body = [{"labels": labels, "annotations": annotations, "startsAt": started, "endsAt": end} for labels in alerts]
    httpx.post(f"{address}/api/v2/alerts", json=body).raise_for_status()


def add_silence(address: str, labels: Mapping[str, str]) -> None:
    """Silence the alerts that have these labels; an empty value stands for alerts without the label."""
    now = datetime.now(UTC)
    silence = {
        "matchers": [
            {"name": label, "value": value, "isRegex": False, "isEqual": True} for label, value in labels.items()
        ],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "test",
    }
    httpx.post(f"{address}/api/v2/silences", json=silence).raise_for_status()


def silenced(link: str) -> str:
    """Return the filter that a silence link holds, as the page decodes it: a plus is a plus."""
    assert re.fullmatch(r"[!-~]+", link), link
    start, _, encoded = link.partition("?filter=")
    assert start == f"{EXTERNAL_URL}/#/silences/new"
    return urllib.parse.unquote(encoded)


def matched(filter_text: str) -> dict[str, str]:
    """Read a filter back as the API does: names, and values quoted as Go quotes them."""
    pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', filter_text)
    escapes = {"n": "\n", "t": "\t", "a": "\x07", '"': '"', "\\": "\\"}

    def unescaped(match: re.Match[str]) -> str:
        code = match.group(1)
        return escapes[code] if code in escapes else chr(int(code[1:], 16))

    return {name: re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)", unescaped, value) for name, value in pairs}
