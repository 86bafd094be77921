"""Fixtures of several integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.browser_package import NoBrowser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser; the tests of a machine that has none, and can get none, are skipped and say so."""
    try:
        with chromium() as running:
            yield running
    except NoBrowser as reason:
        pytest.skip(f"no chromium or google-chrome on PATH to show the pages in, and {reason}")
