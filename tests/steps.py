"""Runs the steps of `make test`: each a process with its output in a file, shown when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.status import Status  # rich imports it late otherwise, where an interrupt may become another error

from sandbox.interrupts import ended_as_interrupted
from sandbox.service import dying_with_its_starter, end_process_group

ROOT = Path(__file__).parent.parent
LOGS = ROOT / "build" / "test"
PYTHON = sys.executable
SHOWN_LINES = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command. A step in the `background` starts first and is waited for last, while the others run."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    background: bool = False


@dataclass(slots=True)
class _Running:
    step: Step
    started: float
    log: Path
    process: subprocess.Popen[bytes]
    seconds: Future[float]
    """How long it took, known when it ends and not when it is waited for: another may take longer."""

    def watch(self) -> None:
        self.process.wait()
        self.seconds.set_result(time.monotonic() - self.started)


def run_steps(steps: Sequence[Step]) -> int:
    """Run every step, even after one failed, and return the exit code. However it ends, what runs ends with it."""
    with ended_as_interrupted():
        return _run(steps)


def _run(steps: Sequence[Step]) -> int:
    console = Console(highlight=False, soft_wrap=True)
    background: list[_Running] = []
    failed: list[str] = []
    try:
        for step in (one for one in steps if one.background):
            background.append(_start(step))
            console.print(f"[dim]…[/] {step.name}: runs beside the other steps")
        for step in (one for one in steps if not one.background):
            _finish(_start(step), console, failed)
        while background:
            _finish(background[0], console, failed)
            background.pop(0)
    except KeyboardInterrupt:
        console.print("interrupted: ending what runs")
        return 130
    finally:
        for running in background:
            end_process_group(running.process)
    if failed:
        console.print(f"[bold red]failed:[/] {', '.join(failed)}")
        return 1
    console.print("[bold green]all checks passed[/]")
    return 0


def _start(step: Step) -> _Running:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{step.name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            dying_with_its_starter(step.command),
            cwd=ROOT,
            env=os.environ | dict(step.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = _Running(step, time.monotonic(), log, process, Future())
    threading.Thread(target=running.watch, name=step.name, daemon=True).start()
    return running


def _finish(running: _Running, console: Console, failed: list[str]) -> None:
    name = running.step.name
    try:
        with Status(f"{name} …", console=console):
            seconds = running.seconds.result()
    except KeyboardInterrupt:
        end_process_group(running.process)
        raise
    code = running.process.returncode
    if code == 0:
        console.print(f"[green]✓[/] {name} ({seconds:.0f} s)")
        for line in _worth_saying(running.log):
            console.print(f"    {line}", markup=False)
        return
    failed.append(name)
    console.print(f"[red]✗[/] {name} ({seconds:.0f} s), code {code}; the end of {running.log.relative_to(ROOT)}:")
    console.print("\n".join(running.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]), markup=False)


def _worth_saying(log: Path) -> list[str]:
    """Return what a step that passed has left out, and which chart it took: it depends on the machine and its cache."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if line.startswith(("SKIPPED", "unchanged:", "chart:"))]
