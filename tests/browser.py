"""A real browser for tests: Chromium without a window, driven by Playwright. Playwright downloads none of its own.

with chromium() as browser:
    page, problems = open_page(browser, "http://127.0.0.1:8000/")
    wait_for(page, "document.querySelector('h1') !== null")
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, sync_playwright

from tests.browser_package import packaged_browser
from tests.waiting import until

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT_SECONDS = 30.0


@contextmanager
def chromium() -> Generator[Browser]:
    """Run the browser on PATH, or the packaged one. Raises `NoBrowser` if there is neither."""
    program = next((path for name in PROGRAMS if (path := shutil.which(name)) is not None), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program or packaged_browser(),
            args=["--disable-gpu"],
            chromium_sandbox=False,  # the user of a container may be root, for whom Chromium has none
        )
        try:
            yield browser
        finally:
            browser.close()


class PageProblems:
    """Warnings and errors of a page's console and scripts, and the dialogs that they open."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.found.append(str(error)))
        page.on("dialog", self._dismiss)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"warning", "error"}:
            self.found.append(message.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.found.append(dialog.message)
        dialog.dismiss()


def open_page(browser: Browser, address: str, *, width: int = 1400, scripts: bool = True) -> tuple[Page, PageProblems]:
    """Open an address in a window of its own and return the page when it has loaded, with what it complains of."""
    context = browser.new_context(viewport={"width": width, "height": 1000}, java_script_enabled=scripts)
    page = context.new_page()
    problems = PageProblems(page)
    page.goto(address, wait_until="load")
    return page, problems


def wait_for(page: Page, expression: str) -> None:
    """Return when a JavaScript expression holds. Raises `AssertionError` when it does not in time.

    Playwright's own `wait_for_function` evaluates text inside the page, which its content security policy forbids.
    """

    def holds() -> bool:
        try:
            return bool(page.evaluate(expression))
        except Error as problem:
            if "navigation" in problem.message:
                return False  # the page refreshed itself meanwhile
            raise

    until(expression, holds, seconds=WAIT_SECONDS)


def accessible_parts(page: Page) -> list[Mapping[str, Any]]:
    """Return what a screen reader is given: role and name of each part that is not passed over."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return [
        {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
        for node in nodes
        if not node.get("ignored")
    ]
