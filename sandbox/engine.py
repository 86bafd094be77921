"""The real Pulumi engine, with its state, its secrets' key and its plugins in one folder, and no network.

It runs a project's `__main__.py` as it is, in this process, as the Automation API does with inline programs.
"""

from __future__ import annotations

import os
import runpy
import secrets
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import yaml
from pulumi import automation

from alerting.errors import AlertingError
from sandbox.engine_events import Progress, Result, Watch, quiet_program
from sandbox.process_environment import kept_variables
from sandbox.providers.plugins import Plugin, install, installed
from sandbox.pulumi_command import PulumiCommand
from sandbox.pulumi_stack import quick_stack
from tools.paths import tools_folder

__all__ = ["DeploymentFailed", "Engine", "Interrupted", "Progress", "Result"]


class DeploymentFailed(AlertingError):
    """The engine refused or could not do something; each line names a resource and the reason."""


class Interrupted(AlertingError):
    """A run was stopped by `Engine.interrupt`. What was done is in the state; the next run goes on from there."""


def _ignore(_: Progress) -> None:
    return None


class Engine:
    """Deploys one stack of one project. Only one engine may use a `directory` at a time; the caller sees to it."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        *,
        project: Path,
        stack: str = "sandbox",
        on_progress: Callable[[Progress], None] = _ignore,
        providers: Sequence[Plugin] = (),
    ) -> None:
        """Use `directory` for everything that is kept, `project` for Pulumi.yaml, the stack's file and `__main__.py`.

        `environment` is what the providers get besides PATH, proxies and the project's own variables; nothing else of
        this process' environment reaches them, so that no real account can be meant. `providers` are the
        installed ones when none are given.
        """
        self.directory = directory.resolve()
        self.project = project.resolve()
        self.stack_name = stack
        self._on_progress = on_progress
        self._work = self.directory / "work"
        self._home = self.directory / "pulumi"
        self._backend = self.directory / "state"
        for folder in (self._work, self._home, self._backend, self.directory / "home"):
            folder.mkdir(parents=True, exist_ok=True)
        install(self._home, providers or installed())
        self.environment: Mapping[str, str] = self._environment(environment)
        self._command = PulumiCommand(self.environment)
        self._project_name = self._copy_project()
        self._stack = quick_stack(stack, self._run_program, work=self._work, home=self._home, command=self._command)

    def configure(self, config: Mapping[str, Any], secret: Mapping[str, Any] | None = None) -> None:
        """Set configuration: nested plain data, and nested secrets. Keys without a namespace are the project's.

        What is None is removed from what the stack's file says.
        """
        path = self._work / f"Pulumi.{self.stack_name}.yaml"
        settings = cast("dict[str, Any]", yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
        merged = settings.setdefault("config", {})
        for key, value in config.items():
            name = self._key(key)
            merged[name] = _merged(merged.get(name), value)
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
        values = {
            name: automation.ConfigValue(value=text, secret=True)
            for key, value in (secret or {}).items()
            for name, text in _flat(self._key(key), value)
        }
        if values:
            self._stack.set_all_config(values, path=True)

    def preview(self) -> Result:
        """Say what `up` would do. Raises `DeploymentFailed`, `Interrupted`."""
        with self._watched() as watched:
            self._stack.preview(on_event=watched.take, color="never")
        return watched.result({})

    def up(self) -> Result:
        """Make everything so. Raises `DeploymentFailed`, `Interrupted`."""
        self._clear_pending()
        with self._watched() as watched:
            done = self._stack.up(on_event=watched.take, color="never")
        return watched.result(_plain(done.outputs))

    def destroy(self) -> Result:
        """Remove everything. Raises `DeploymentFailed`, `Interrupted`."""
        self._clear_pending()
        with self._watched() as watched:
            self._stack.destroy(on_event=watched.take, color="never")
        return watched.result({})

    def refresh(self) -> Result:
        """Read into the state what is really there. Raises `DeploymentFailed`, `Interrupted`."""
        with self._watched() as watched:
            self._stack.refresh(on_event=watched.take, color="never", clear_pending_creates=True)
        return watched.result({})

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, secret ones in plain text."""
        return _plain(self._stack.outputs())

    def state(self) -> Mapping[str, Any]:
        """Return the state as it is kept, with secrets encrypted."""
        return cast("Mapping[str, Any]", self._stack.export_stack().deployment or {})

    def interrupt(self) -> None:
        """Have a run that is under way in another thread stop as Ctrl-C does."""
        self._command.interrupt()

    def _key(self, key: str) -> str:
        return key if ":" in key else f"{self._project_name}:{key}"

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        return {
            **kept_variables(os.environ),
            "HOME": str(self.directory / "home"),
            "ORION_TOOLS": str(tools_folder()),
            **given,
            "PULUMI_HOME": str(self._home),
            "PULUMI_BACKEND_URL": f"file://{self._backend}",
            "PULUMI_CONFIG_PASSPHRASE": self._passphrase(),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        }

    def _passphrase(self) -> str:
        path = self.directory / "passphrase"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        return path.read_text()

    def _copy_project(self) -> str:
        """Copy the project's files, so that what the engine writes stays here, and return the project's name.

        The copy of the stack's file keeps the salt that an earlier run wrote, or its secrets could not be read.
        """
        shutil.copy(self.project / "Pulumi.yaml", self._work)
        name = f"Pulumi.{self.stack_name}.yaml"
        original, copy = self.project / name, self._work / name
        settings = cast("dict[str, Any]", yaml.safe_load(original.read_text()) or {}) if original.exists() else {}
        # Another machine's secrets cannot be read here, and are not meant to be.
        for key in ("encryptionsalt", "encryptedkey", "secretsprovider"):
            settings.pop(key, None)
        if copy.exists():
            salt = (yaml.safe_load(copy.read_text()) or {}).get("encryptionsalt")
            if salt:
                settings["encryptionsalt"] = salt
        copy.write_text(yaml.safe_dump(_readable_here(settings), sort_keys=False))
        return str(yaml.safe_load((self.project / "Pulumi.yaml").read_text())["name"])

    def _run_program(self) -> None:
        if str(self.project) not in sys.path:
            sys.path.insert(0, str(self.project))
        runpy.run_path(str(self.project / "__main__.py"), run_name="__main__")

    def _clear_pending(self) -> None:
        """Deal with what a killed run left: its lock, and operations of which it never heard the end."""
        self._unlock()
        kept = self._backend / ".pulumi" / "stacks" / self._project_name / f"{self.stack_name}.json"
        # Asking the engine for its state takes half a second; the file says at once whether that is worth it.
        if kept.exists() and '"pending_operations"' in kept.read_text() and self.state().get("pending_operations"):
            self.refresh()

    def _unlock(self) -> None:
        if any(self._backend.glob(".pulumi/locks/**/*.json")):
            self._stack.cancel()

    @contextmanager
    def _watched(self) -> Generator[Watch]:
        self._unlock()
        self._command.interrupted.clear()
        watch = Watch(self._on_progress)
        try:
            with quiet_program():
                yield watch
        except automation.CommandError as error:
            if self._command.interrupted.is_set():
                raise Interrupted("stopped; what was done is kept, and the next run goes on") from None
            raise DeploymentFailed(watch.explain(str(error))) from None


def _readable_here(value: Any) -> Any:
    """Return a stack's file without what another machine encrypted: `{secure: ...}`, at any depth."""
    match value:
        case dict():
            table = cast("dict[str, Any]", value)
            return {key: _readable_here(one) for key, one in table.items() if not _is_encrypted(one)}
        case list():
            return [_readable_here(one) for one in cast("list[Any]", value) if not _is_encrypted(one)]
        case _:
            return value


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) == {"secure"}


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, Mapping):
        merged = {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
        return {key: value for key, value in merged.items() if value is not None}
    return _unwrapped(new)


def _unwrapped(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _unwrapped(item) for key, item in value.items()}
        case list() | tuple():
            return [_unwrapped(item) for item in value]
        case _:
            return value


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(f'{key}["{name}"]', item)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _flat(f"{key}[{index}]", item)
    else:
        yield key, str(value)


def _plain(outputs: Mapping[str, automation.OutputValue]) -> dict[str, Any]:
    return {name: output.value for name, output in outputs.items()}
