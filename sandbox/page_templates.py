"""Compiles the templates of the sandbox's pages."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@cache
def page_templates(folder: Path) -> Environment:
    """Return the templates of a folder: each is compiled once in a process.

    They may use the filters `clock` and `iso` for Unix seconds, `day` for an ISO time, `age` for a length in seconds.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"age": _age, "clock": _clock, "day": _day, "iso": _iso}
    return environment


def _age(seconds: float) -> str:
    """Return a length of time in the largest unit of which there are two."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _clock(seconds: float) -> str:
    """Return a time of day as this machine's clock has it; whoever reads the page sits at it."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")


def _day(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%a %d %b %H:%M")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
