"""Reads the engine's events during a run, and keeps what a person should read."""

from __future__ import annotations

import gc
import inspect
import logging
import re
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from pulumi import automation

_COUNTED = re.compile(r"^\d+ errors? occurred:\s*\* ")
"""How the engine begins a list of reasons, even of one."""
UNCHANGING = frozenset({"same", "read", "refresh"})
"""The engine's operations that make nothing other than it was."""
LEFT_ALONE = "Resource monitor has terminated, shutting down"
"""What Pulumi's SDK says in a program whose engine has gone. It follows from a reason and is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step that began, ended or failed. `operation` is the engine's word: create, update, same, delete, ...

    `inputs` are the resource's, as the engine shows them: secrets masked, what is not known yet left out.
    """

    operation: str
    type: str
    name: str
    urn: str
    stage: str
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a run. `changes` counts resources by operation; `changed` names what was not left the same.

    An entry of `changed` is the operation, the type, the name and, of an update, the properties that differ:
    `update kubernetes:core/v1:Secret alertmanager-config (stringData)`.
    """

    changes: Mapping[str, int]
    changed: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    warnings: tuple[str, ...] = ()


class Watch:
    """Reads the engine's events of one run."""

    def __init__(self, on_progress: Callable[[Progress], None]) -> None:
        self._on_progress = on_progress
        self._changes: dict[str, int] = {}
        self._changed: list[str] = []
        self._errors: dict[str, None] = {}
        self._warnings: dict[str, None] = {}

    def take(self, event: automation.EngineEvent) -> None:
        """Take note of one event."""
        if event.resource_pre_event is not None:
            self._step(event.resource_pre_event.metadata, "began")
        elif event.res_outputs_event is not None:
            self._step(event.res_outputs_event.metadata, "done")
        elif event.res_op_failed_event is not None:
            self._step(event.res_op_failed_event.metadata, "failed")
        elif event.summary_event is not None:
            self._changes = {str(operation): n for operation, n in event.summary_event.resource_changes.items()}
        elif event.diagnostic_event is not None and not event.diagnostic_event.ephemeral:
            self._diagnostic(event.diagnostic_event)

    def _step(self, metadata: automation.StepEventMetadata, stage: str) -> None:
        *_, types, name = metadata.urn.split("::", 3)
        progress = Progress(
            operation=str(metadata.op.value),
            type=types.rpartition("$")[2],
            name=name,
            urn=metadata.urn,
            stage=stage,
            inputs=_inputs(metadata),
        )
        if stage == "began" and progress.operation not in UNCHANGING:
            self._changed.append(_change(progress, metadata))
        self._on_progress(progress)

    def _diagnostic(self, event: automation.DiagnosticEvent) -> None:
        kinds = {"error": self._errors, "warning": self._warnings}
        if event.severity not in kinds:
            return
        # The program's own faults come with a trace, which is in the log of whoever wants it.
        message = event.message.partition("\nTraceback (most recent call last)")[0].strip()
        for preface in ("an unhandled error occurred: ", "python inline source runtime error: "):
            message = message.removeprefix(preface)
        message = _COUNTED.sub("", message).removesuffix("update failed").strip()
        if message in {"", "preview failed", "update failed", LEFT_ALONE}:
            return
        if event.urn:
            *_, types, name = event.urn.split("::", 3)
            message = f"{types.rpartition('$')[2]} {name}: {message}"
        kinds[event.severity][message] = None

    def result(self, outputs: Mapping[str, Any]) -> Result:
        """Return what the run came to."""
        return Result(
            changes=self._changes, changed=tuple(self._changed), outputs=outputs, warnings=tuple(self._warnings)
        )

    def explain(self, otherwise: str) -> str:
        """Return the reasons of a failure, one a line; `otherwise` if no event told any."""
        return "\n".join(self._errors) or otherwise.strip()


def _change(progress: Progress, metadata: automation.StepEventMetadata) -> str:
    properties = sorted(metadata.detailed_diff or metadata.diffs or [])
    of_what = f" ({', '.join(properties)})" if properties else ""
    return f"{progress.operation} {progress.type} {progress.name}{of_what}"


def _inputs(metadata: automation.StepEventMetadata) -> Mapping[str, Any]:
    state = metadata.new or metadata.old
    return {} if state is None else state.inputs or {}


def _is_about_a_gone_engine(record: logging.LogRecord) -> bool:
    return bool(record.exc_info) and isinstance(record.exc_info[1], grpc.RpcError)


@contextmanager
def quiet_program() -> Generator[None]:
    """Keep to itself what a program says because the engine has left it: it has told the reason, by its events."""

    def spoken(record: logging.LogRecord) -> bool:
        return not _is_about_a_gone_engine(record)

    def unraisable(fault: sys.UnraisableHookArgs) -> None:
        # A program's coroutine that was never finished complains that its loop is gone.
        if not inspect.iscoroutine(fault.object):
            before(fault)

    logger = logging.getLogger("grpc._server")
    logger.addFilter(spoken)
    before = sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        gc.collect()
        sys.unraisablehook = before
        logger.removeFilter(spoken)
