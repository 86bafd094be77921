"""Has Python search for cyclic garbage less often: the sandbox's processes hold many objects and make little of it."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 20_000
"""How many objects are created between two searches. Python's default of 700 suits small programs."""


def search_rarely() -> None:
    """Leave the objects that exist now out of every search, and search less often. Call it after the imports."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
