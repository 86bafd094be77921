"""Fixtures of all tests."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes says more of the machine, and of what else runs on it, than of the code.
settings.register_profile("orion", settings.default, deadline=None)
settings.load_profile("orion")
