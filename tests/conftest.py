"""Fixtures of all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from sandbox.garbage import search_rarely

# How long one example takes says more of the machine, and of what else runs on it, than of the code.
# EXAMPLES=100000: how many of them a property is tried with (`make attacks`).
EXAMPLES = int(os.environ.get("EXAMPLES", "100"))
settings.register_profile("orion", settings.default, deadline=None, max_examples=EXAMPLES)
settings.load_profile("orion")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave the half million objects of the imported libraries out of every search for garbage: they stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        search_rarely()
        gc.enable()
