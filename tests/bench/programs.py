"""Provides the programs that are built for the benchmark alone, once a figure needs them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tools.build import build_all
from tools.paths import tool


def bench_program(name: str) -> Path:
    """Return the path of a program, built now if it is not in the cache yet; that takes minutes.

    Raises `BuildFailed` with the output of the build.
    """
    build_all(Console(highlight=False, soft_wrap=True), [name])
    return tool(name)
