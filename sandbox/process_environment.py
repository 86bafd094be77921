"""Filters a person's environment variables for the sandbox's processes: enough to run, and no credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping

KEPT_VARIABLES = frozenset({"PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"})
KEPT_PREFIXES = ("ORION_",)
KEPT_SUFFIXES = ("_PROXY", "_proxy")
KEPT_BY_A_TERMINAL = frozenset({"HOME", "XDG_CACHE_HOME", "TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI"})
_LOOPBACK = "127.0.0.1,localhost"


def kept_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a process of the sandbox may see of an environment; loopback is reached without a proxy."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES) or name.endswith(KEPT_SUFFIXES)
    }
    direct = ",".join(filter(None, [environment.get("NO_PROXY") or environment.get("no_proxy"), _LOOPBACK]))
    return {**kept, "NO_PROXY": direct, "no_proxy": direct}


def forget_accounts() -> None:
    """Take from this process' environment, hence from whatever it starts, all that the sandbox need not see."""
    terminal = {name: value for name, value in os.environ.items() if name in KEPT_BY_A_TERMINAL}
    kept = {**terminal, **kept_variables(os.environ)}
    os.environ.clear()
    os.environ.update(kept)
