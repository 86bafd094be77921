"""Durations as Prometheus and Alertmanager write them, such as `90s`, `1h30m` or `7d`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_MILLISECONDS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
# Prometheus takes each unit at most once, the largest first.
_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_UNITS = ("y", "w", "d", "h", "m", "s", "ms")


def milliseconds(text: str) -> int:
    """Return how long a duration is, in milliseconds.

    Raises `ValueError` if it is not one.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError("a duration such as 30s, 5m, 1h30m or 7d is allowed")
    return sum(int(amount) * _MILLISECONDS[unit] for amount, unit in zip(match.groups(), _UNITS, strict=True) if amount)


def written(duration_milliseconds: int) -> str:
    """Return a duration as text: hours, minutes, seconds and milliseconds, those that it has."""
    parts: list[str] = []
    rest = duration_milliseconds
    for unit in ("h", "m", "s", "ms"):
        amount, rest = divmod(rest, _MILLISECONDS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def _checked(text: str) -> str:
    milliseconds(text)
    return text


Duration = Annotated[str, AfterValidator(_checked)]
"""The text of a duration."""
