from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.ports import LOOPBACK
from sandbox.runs import NoSandbox, Run, end_stale_runs, running_sandbox
from sandbox.service import HttpService, ProcessService, ServiceFailed, record_process, wait_until_ready, with_children

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


async def _hello(_: Request) -> Response:
    return PlainTextResponse("hello")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEPER, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_an_http_service_answers_on_loopback_until_it_is_stopped() -> None:
    service = HttpService("greeter", Starlette(routes=[Route("/", _hello)]))
    service.start()
    wait_until_ready(service, timeout_seconds=10)

    assert service.address.startswith(f"http://{LOOPBACK}:")
    assert httpx.get(service.address).text == "hello"

    service.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(service.address)


def test_a_process_that_ends_by_itself_is_an_error_with_its_log(tmp_path: Path) -> None:
    service = ProcessService(
        "failing",
        [sys.executable, "-c", "print('no such flag'); raise SystemExit(3)"],
        directory=tmp_path,
        is_ready=lambda: False,
    )
    service.start()

    with pytest.raises(ServiceFailed, match=r"ended with code 3.*\n.*no such flag"):
        wait_until_ready(service, timeout_seconds=20)


def test_stopping_a_process_ends_its_children_too(tmp_path: Path) -> None:
    program = f"import subprocess, sys; subprocess.run({SLEEPER!r})"
    service = ProcessService("parent", [sys.executable, "-c", program], directory=tmp_path, is_ready=lambda: True)
    service.start()
    assert service.process is not None
    parent = psutil.Process(service.process.pid)
    children: list[psutil.Process] = []
    while not children:
        children = parent.children(recursive=True)

    service.stop()

    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert list(tmp_path.glob("*.pid")) == []


def test_a_killed_runs_processes_are_ended_and_a_living_runs_are_not(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    living = Run(tmp_path)
    living.publish({"prometheus": "http://127.0.0.1:1"})
    left = tmp_path / "run-left"
    left.mkdir()
    record_process(left / "sleeper.pid", sleeper.pid)

    ended = end_stale_runs(tmp_path)

    assert ended == ["sleeper"]
    assert sleeper.wait(10) != 0
    assert not left.exists()
    assert running_sandbox(tmp_path) == (living.directory, {"prometheus": "http://127.0.0.1:1"})
    with living:
        pass
    with pytest.raises(NoSandbox, match="make sandbox"):
        running_sandbox(tmp_path)


def test_a_process_that_ends_meanwhile_has_nothing_left_to_end(sleeper: subprocess.Popen[bytes]) -> None:
    process = psutil.Process(sleeper.pid)
    assert with_children(process) == [process]
    sleeper.kill()
    sleeper.wait()

    assert with_children(process) == []


def test_a_recycled_pid_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    left = tmp_path / "run-left"
    left.mkdir()
    (left / "other.pid").write_text(f'{{"pid": {sleeper.pid}, "created": 1.0}}')

    assert end_stale_runs(tmp_path) == []
    assert sleeper.poll() is None
