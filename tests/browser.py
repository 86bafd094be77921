"""A real browser for tests: Chromium without a window, driven over its debugging pipe. Nothing is downloaded.

    with Browser(find_browser()) as browser:
        page = browser.open("http://127.0.0.1:8000/")
        page.wait_for("document.querySelector('h1') !== null")

The pipe speaks the DevTools protocol: JSON texts, each ended by a zero byte, on file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import queue
import shutil
import signal
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.waiting import until

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_SECONDS = 60.0
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05
STOP_SECONDS = 10.0
FIRST_FREE_DESCRIPTOR = 10
READS, WRITES = 3, 4
"""The file descriptors on which a browser takes commands and answers them."""


class BrowserFailed(AssertionError):
    """The browser refused a command, did not answer, or never showed what was waited for."""


def find_browser() -> str | None:
    """Return the path of a browser on PATH, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name)) is not None), None)


class Browser:
    """One browser process with a profile of its own. Use as a context manager."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[Mapping[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Self:
        """Start the browser."""
        self._profile = Path(tempfile.mkdtemp(prefix="browser-"))
        theirs_in, ours_out = _pipe()
        ours_in, theirs_out = _pipe()
        arguments = [
            self._program,
            "--headless",
            "--no-sandbox",  # the user of a container may be root, for whom the browser has none
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={self._profile}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        log = os.open(self._profile / "browser.log", os.O_WRONLY | os.O_CREAT)
        self._pid = os.posix_spawn(
            self._program,
            arguments,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs_in, READS),
                (os.POSIX_SPAWN_DUP2, theirs_out, WRITES),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
        for descriptor in (theirs_in, theirs_out, log):
            os.close(descriptor)
        self._out = ours_out
        self._reader = threading.Thread(target=self._read, args=(ours_in,), name="browser", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._reader.join(STOP_SECONDS)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, address: str, *, width: int = 1400, height: int = 1000) -> Page:
        """Open a page and return it when it has loaded."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log"):
            page.command(f"{domain}.enable")
        page.resize(width, height)
        page.command("Page.navigate", url=address)
        page.wait_for(f"location.href.startsWith({json.dumps(address)}) && document.readyState === 'complete'")
        return page

    def command(self, method: str, session: str | None = None, **parameters: Any) -> Mapping[str, Any]:
        """Have the browser do something and return its answer. Raises `BrowserFailed`."""
        number = next(self._numbers)
        answers = self._answers[number] = queue.Queue()
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        try:
            answer = answers.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            log = (self._profile / "browser.log").read_text(errors="replace")[-2000:]
            raise BrowserFailed(f"{method}: no answer after {ANSWER_SECONDS:.0f} s; the browser said:\n{log}") from None
        finally:
            del self._answers[number]
        if "error" in answer:
            raise BrowserFailed(f"{method}: {answer['error']}")
        return answer["result"]

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as stream:
            unread = b""
            while data := os.read(stream.fileno(), 1 << 16):
                *messages, unread = (unread + data).split(b"\0")
                for text in messages:
                    self._take(json.loads(text))

    def _take(self, message: Mapping[str, Any]) -> None:
        if "id" in message:
            answers = self._answers.get(message["id"])
            if answers is not None:
                answers.put(message)
        elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
            page.hear(message["method"], message["params"])


class Page:
    """One page. `problems` are what its console and its scripts complained of."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.problems: list[str] = []

    def hear(self, event: str, parameters: Mapping[str, Any]) -> None:
        """Take an event of the browser into account."""
        match event:
            case "Runtime.exceptionThrown" | "Page.javascriptDialogOpening":
                self.problems.append(json.dumps(parameters))
            case "Log.entryAdded" if parameters["entry"]["level"] in {"warning", "error"}:
                self.problems.append(parameters["entry"]["text"])
            case "Runtime.consoleAPICalled" if parameters["type"] in {"warning", "error"}:
                self.problems.append(json.dumps(parameters["args"]))
            case _:
                return

    def command(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Have the browser do something with this page."""
        return self._browser.command(method, self._session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, awaited if it is a promise. Raises `BrowserFailed` if it throws."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserFailed(f"{expression}: {answer['exceptionDetails']['exception'].get('description')}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Return when an expression holds, and fail when time is up."""
        until(expression, lambda: self.evaluate(expression), seconds=WAIT_SECONDS)

    def resize(self, width: int, height: int) -> None:
        """Give the page another size, in pixels."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def prefer(self, scheme: str) -> None:
        """Have the reader prefer `dark` or `light`."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key, named as in a keyboard event."""
        typed = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.command("Input.dispatchKeyEvent", type="keyDown", **typed)
        self.command("Input.dispatchKeyEvent", type="keyUp", **typed)

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page, as PNG."""
        answer = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def accessible(self) -> list[Mapping[str, Any]]:
        """Return what a screen reader is given: role, name and properties of each part that is not passed over."""
        nodes = self.command("Accessibility.getFullAXTree")["nodes"]
        return [
            {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
            for node in nodes
            if not node.get("ignored")
        ]


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are not among the descriptors that the browser's are put on."""
    ends: list[int] = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_DESCRIPTOR))
        os.close(end)
    return ends[0], ends[1]
