"""Durations as Prometheus and Alertmanager write them, such as `90s`, `1h30m` or `7d`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

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
_MOST_CHARACTERS = 100
LONGEST_MILLISECONDS = (2**63 - 1) // 1_000_000
"""Both programs are written in Go, which counts nanoseconds in 63 bits: 292 years."""
SUCH_AS = "a duration such as 30s, 5m, 1h30m or 7d is allowed"
TOO_LONG = "a duration of less than 292 years is allowed"
_UNITS = ("y", "w", "d", "h", "m", "s", "ms")


@lru_cache(maxsize=1024)  # a catalog has few durations, and says each of them thousands of times
def milliseconds(text: str) -> int:
    """Return how long a duration is, in milliseconds.

    Raises `ValueError` if it is not one, or longer than Prometheus and Alertmanager can count.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(SUCH_AS)
    if len(text) <= _MOST_CHARACTERS:
        amounts = zip(match.groups(), _UNITS, strict=True)
        total = sum(int(amount) * _MILLISECONDS[unit] for amount, unit in amounts if amount)
        if total <= LONGEST_MILLISECONDS:
            return total
    raise ValueError(TOO_LONG)


def written(duration_milliseconds: int) -> str:
    """Return a duration as text: hours, minutes, seconds and milliseconds, those that it has."""
    parts: list[str] = []
    rest = duration_milliseconds
    for unit in ("h", "m", "s", "ms"):
        amount, rest = divmod(rest, _MILLISECONDS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def written_long(duration_milliseconds: int) -> str:
    """Return a duration as text with days, as a name of a window: `3d`, `1d4h` or `4m30s`."""
    days, rest = divmod(duration_milliseconds, _MILLISECONDS["d"])
    return (f"{days}d" if days else "") + (written(rest) if rest or not days else "")


def scaled_duration(text: str, scale: float) -> str:
    """Return a duration divided by `scale`, to a millisecond, never shortened to nothing. 1 changes nothing."""
    return text if scale == 1 else divided(milliseconds(text), scale)


def divided(duration_milliseconds: float, scale: float) -> str:
    """Return the text of a duration divided by `scale`, as `scaled_duration` does."""
    return written(scaled_milliseconds(duration_milliseconds, scale))


def scaled_milliseconds(duration_milliseconds: float, scale: float) -> int:
    """Return a duration divided by `scale`: whole milliseconds, at least one, and 0 for 0."""
    return max(1, round(duration_milliseconds / scale)) if duration_milliseconds else 0


def _checked(text: str) -> str:
    milliseconds(text)
    return text


def with_a_unit(value: object) -> object:
    """Return a value. Raises `ValueError` for a number, which lacks a unit."""
    # YAML reads 10 as a number: what it lacks is a unit, and not quotes.
    if isinstance(value, int | float):
        raise ValueError(SUCH_AS)  # noqa: TRY004 - pydantic makes a problem of a ValueError alone
    return value


def _over_zero(text: str) -> str:
    if milliseconds(text) == 0:
        raise ValueError("a duration over 0 is allowed")
    return text


Duration = Annotated[str, BeforeValidator(with_a_unit), AfterValidator(_checked)]
"""The text of a duration."""
DurationOverZero = Annotated[Duration, AfterValidator(_over_zero)]
"""The text of a duration that is not nothing."""
