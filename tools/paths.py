"""Finds the external binaries that were built into the cache folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

TOOLS_VARIABLE = "ORION_TOOLS"
CACHE_VARIABLE = "ORION_CACHE"


class ToolMissing(RuntimeError):
    """A binary is needed and not there; the message says how to get it."""


def cache_folder() -> Path:
    """Return the folder that every checkout shares: $ORION_CACHE, else `orion-alerting` in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().resolve()
    user_cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(user_cache).expanduser().resolve() / "orion-alerting"


def tools_folder() -> Path:
    """Return the folder of the binaries: $ORION_TOOLS, else the one in the cache folder that these pins lead to."""
    chosen = os.environ.get(TOOLS_VARIABLE)
    return Path(chosen).expanduser().resolve() if chosen else cache_folder() / f"bin-{_pins()}"


def _pins() -> str:
    """Return a hash of every recipe, pin and Go file of ours: checkouts that differ in one share no folder."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    pins, sources = sorted((here / "go").glob("*/go.sum")), sorted((here / "go").glob("*/*/*.go"))
    for path in [here / "recipes.py", here / "requirements-helm.txt", *pins, *sources]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def tool(name: str) -> Path:
    """Return the path of a binary.

    Raises `ToolMissing` if it has not been built.
    """
    path = tools_folder() / name
    if not path.exists():
        message = (
            f"{name}: not found in {path.parent}. Run `make tools`, which builds or finds every tool that is needed"
        )
        raise ToolMissing(message)
    return path
