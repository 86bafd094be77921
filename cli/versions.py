"""Holds the programs that rules and configuration are tested with to the versions that are deployed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from alerting.versions import TESTED_WITH
from tools.paths import tool

VERSION_SECONDS = 20
_VERSION = re.compile(r"version (\d+\.\d+\.\d+\S*)")


def differing_versions() -> Iterator[str]:
    """Yield a message for each program whose version is not the deployed one."""
    for program, (deployed, version) in TESTED_WITH.items():
        found = _version_of(program)
        if found != version:
            yield (
                f"{program}: found version {found}, but {deployed} {version} is deployed; allowed: the same. Take "
                f"{program} off PATH and run `make tools`, or change alerting/versions.py (docs/deploying.md, 9)"
            )


def _version_of(program: str) -> str:
    """Return the version that a program reports, or what it said instead."""
    path = tool(program)
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as problem:
        return f"unknown ({problem})"
    said = done.stdout + done.stderr
    match = _VERSION.search(said)
    return match[1] if match else f"unknown ({said.splitlines()[0] if said else 'it says nothing'})"
