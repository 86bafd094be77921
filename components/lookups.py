"""Look-ups of what exists already, and how one that fails is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")
_PREFACES = re.compile(r"^invoke of \S+ failed: |invocation of \S+ returned an error: ")
"""What engine and SDK put before a look-up's own words."""


class Unreadable(Exception):
    """A look-up failed. The message is AWS' own."""


def read(look_up: Callable[[], _Found]) -> _Found:
    """Return what a look-up finds. Raises `Unreadable` if it fails."""
    try:
        return look_up()
    except Exception as error:  # Pulumi's SDK raises nothing narrower for a look-up that fails
        raise Unreadable(_PREFACES.sub("", str(error)).strip().removesuffix("()").strip()) from error
