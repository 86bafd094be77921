"""Installs the embedded providers where the engine looks for plugins, as executables that run this Python."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One provider: its name and version as the engine looks for them, and the module that runs it."""

    name: str
    version: str
    module: str


def embedded() -> tuple[Plugin, ...]:
    """Return the sandbox's providers, each in the version of its SDK package: the engine wants exactly that one."""
    return tuple(
        Plugin(name=name, version=version(f"pulumi-{name}"), module=f"sandbox.providers.{name}")
        for name in ("aws", "kubernetes", "pagerduty")
    )


def install(pulumi_home: Path, providers: Iterable[Plugin]) -> None:
    """Write an executable for each provider below `pulumi_home`."""
    root = Path(__file__).resolve().parents[2]
    for provider in providers:
        folder = pulumi_home / "plugins" / f"resource-{provider.name}-v{provider.version}"
        folder.mkdir(parents=True, exist_ok=True)
        executable = folder / f"pulumi-resource-{provider.name}"
        executable.write_text(
            "#!/bin/sh\n"
            f"PYTHONPATH={shlex.quote(str(root))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
            "export PYTHONPATH\n"
            f'exec {shlex.quote(sys.executable)} -P -m {shlex.quote(provider.module)} "$@"\n'
        )
        executable.chmod(0o755)
