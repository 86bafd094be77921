"""Installs the providers where the engine looks for plugins: the embedded ones, and the real one for Kubernetes."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tools.paths import tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One provider: its name and version as the engine looks for them, and what runs it.

    That is a module of this project, or the program pulumi-resource-NAME of the tools where `module` is None.
    """

    name: str
    version: str
    module: str | None = None


def installed() -> tuple[Plugin, ...]:
    """Return the sandbox's providers, each in the version of its SDK package: the engine wants exactly that one."""
    modules = {"aws": "sandbox.providers.aws", "kubernetes": None, "pagerduty": "sandbox.providers.pagerduty"}
    return tuple(
        Plugin(name=name, version=version(f"pulumi-{name}"), module=module) for name, module in modules.items()
    )


def install(pulumi_home: Path, providers: Iterable[Plugin]) -> None:
    """Write an executable for each provider below `pulumi_home`. Raises `ToolMissing` if a program is not built."""
    for provider in providers:
        folder = pulumi_home / "plugins" / f"resource-{provider.name}-v{provider.version}"
        folder.mkdir(parents=True, exist_ok=True)
        executable = folder / f"pulumi-resource-{provider.name}"
        executable.write_text(
            _program_script(executable.name) if provider.module is None else _module_script(provider.module)
        )
        executable.chmod(0o755)


def _module_script(module: str) -> str:
    root = Path(__file__).resolve().parents[2]
    return (
        "#!/bin/sh\n"
        f"PYTHONPATH={shlex.quote(str(root))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        "export PYTHONPATH\n"
        f'exec {shlex.quote(sys.executable)} -P -m {shlex.quote(module)} "$@"\n'
    )


def _program_script(name: str) -> str:
    """Return a script that runs a provider which ends with the engine (Linux).

    Without that, a provider whose engine was killed goes on for up to five minutes.
    """
    setpriv = shutil.which("setpriv")
    ended_with_the_engine = f"{shlex.quote(setpriv)} --pdeathsig KILL -- " if setpriv else ""
    return f'#!/bin/sh\nexec {ended_with_the_engine}{shlex.quote(str(tool(name)))} "$@"\n'
