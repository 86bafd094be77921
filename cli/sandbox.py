"""`orion sandbox` and `orion drill`: the sandbox as a person at a terminal sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx
from rich.console import Console
from rich.markup import escape
from rich.status import Status  # rich imports it late otherwise, where an interrupt may become another error
from rich.table import Column, Table

from alerting.build import build_platform, load_catalog
from alerting.platform import Dashboard
from cli.chart import choose_chart
from cli.dashboard_queries import dashboard_problems
from cli.site import build_site
from cli.stack_config import read_settings
from sandbox.clock import Clock
from sandbox.cluster.node_agent.small_disk import why_no_small_disk
from sandbox.drills.approvals import APPROVALS
from sandbox.drills.chapter import Chapter
from sandbox.drills.chat import CHAT
from sandbox.drills.full_disk import FULL_DISK
from sandbox.drills.repairs import LIMITS
from sandbox.drills.restart import RESTART
from sandbox.drills.rollouts import ROLLOUTS
from sandbox.drills.runner import Result, run_chapter
from sandbox.drills.silence import SILENCE
from sandbox.drills.story import STORY, STORY_IN_REAL_TIME
from sandbox.drills.target import RunningTarget
from sandbox.drills.timeline import Timeline, print_results
from sandbox.drills.windows import WINDOWS
from sandbox.engine import Progress
from sandbox.garbage import search_rarely
from sandbox.interrupts import INTERRUPTED, ended_as_interrupted
from sandbox.journal import Journal
from sandbox.listening import listeners_elsewhere
from sandbox.metrics.faults import UnknownFault, fault, fault_of_alert
from sandbox.process_environment import forget_accounts
from sandbox.runs import RUNS, Run, end_stale_runs, running_sandbox
from sandbox.seed_data import SeedData
from sandbox.stack import Plan, Sandbox

REQUEST_SECONDS = 5.0
REFUSED = 400


def run_sandbox(root: Path, console: Console, *, scale: float, once: bool, chart: str | None) -> int:
    """Bring the sandbox up, run the drills, and stay up until Ctrl-C unless `once`. Return the exit code."""
    forget_accounts()
    search_rarely()
    with ended_as_interrupted():
        try:
            return _run(root, console, scale=scale, once=once, chart=chart)
        except KeyboardInterrupt:
            console.print("stopped; nothing is left running")
            return INTERRUPTED


def _run(root: Path, console: Console, *, scale: float, once: bool, chart: str | None) -> int:
    began = time.monotonic()
    catalog = load_catalog(root)
    people = sorted({person for team in catalog.teams.values() for person in team.people})
    seed_data = SeedData(people=people, channels=sorted(catalog.routing.channels))
    setting, notice = choose_chart(root, chart)
    left = end_stale_runs(root / RUNS)
    if left:
        console.print(f"ended what a killed run had left: {', '.join(left)}")
    console.print(_pace(scale))
    console.print(notice)
    with Steps(console, began) as progress, Run(root / RUNS) as run, ExitStack() as running:
        progress.tell("building the runbooks' site")
        site = run.directory / "site"
        settings = read_settings(root, "sandbox")
        build_site(catalog, settings, site)
        plan = Plan(project=root, seed_data=seed_data, clock=Clock(scale), chart=setting, site=site)
        sandbox = running.enter_context(Sandbox.started(plan, run, progress.tell, progress.tell_progress))
        audit = Audit(sandbox, console) if once else None
        if audit is not None:
            audit.preview()
        started = time.monotonic()
        deployed = sandbox.deploy()
        resources = sum(deployed.changes.values())
        progress.end()
        console.print(
            f"[bold green]ready[/]: {resources} resources, {time.monotonic() - started:.0f} s from up to ready, "
            f"{time.monotonic() - began:.0f} s in all"
        )
        console.print("\nThe drills run side by side; what follows is what everybody sees.\n")
        results = _drill(STORY if scale > 1 else STORY_IN_REAL_TIME, sandbox, console, scale)
        if scale > 1:
            beside = (*CHAT.sequences, *APPROVALS.sequences, *WINDOWS.sequences)
            results += _drill(Chapter(sequences=beside), sandbox, console, scale)
            results += _drill(ROLLOUTS, sandbox, console, scale)
            results += _drill(LIMITS, sandbox, console, scale)
        if audit is not None:
            audit.dashboards(build_platform(catalog, settings).dashboards)
            results += _silence(sandbox, console, scale)
        failed = [result for result in results if result.failure is not None]
        if failed:
            run.keep()
            console.print(
                f"[red]{len(failed)} of {len(results)} drills failed[/]; logs and the journal stay in {run.directory}"
            )
        if audit is not None:
            held = audit.close()
            _name_failures(console, failed)  # once more and last, where the end of a long log is all that is shown
            return 0 if held and not failed else 1
        _say_what_to_try(console, sandbox)
        while True:
            time.sleep(1)


def _name_failures(console: Console, failed: list[Result]) -> None:
    for result in failed:
        console.print(f"[red]drill failed:[/] {result.name}: {escape(result.failure or '')}")


def _silence(sandbox: Sandbox, console: Console, scale: float) -> list[Result]:
    if scale == 1:
        console.print("The dead man's switch takes half an hour in the story's own time: it is drilled at scale only.")
        return []
    results = _drill(RESTART, sandbox, console, scale)
    console.print("\nNow alerting itself falls silent: only the dead man's switch can page.\n")
    missing = why_no_small_disk()
    if missing is None:
        results += _drill(FULL_DISK, sandbox, console, scale)
    else:
        console.print(f"[yellow]![/] The full disk is not drilled: {escape(missing)}")
    return results + _drill(SILENCE, sandbox, console, scale)


def _drill(chapter: Chapter, sandbox: Sandbox, console: Console, scale: float) -> list[Result]:
    timeline = Timeline(sandbox.journal, console)
    timeline.start()

    def told(result: Result) -> None:
        outcome = "[green]held[/]" if result.failure is None else "[bold red]FAILED[/]"
        console.print(f"           [bold]drill: {result.name}[/] {outcome} after {result.seconds:.1f} s")

    try:
        results = run_chapter(chapter, RunningTarget(sandbox), told)
    finally:
        timeline.stop()
    console.print()
    print_results(console, results, scale)
    return results


class Audit:
    """Checks besides the drills: a preview creates nothing, a second up changes nothing, destroy leaves nothing.

    What there is, is asked of the back ends, and not of the engine's state.
    """

    def __init__(self, sandbox: Sandbox, console: Console) -> None:
        self._sandbox = sandbox
        self._console = console
        self._before = sandbox.inventory()
        self._broken = False

    def _hold(self, what: str, found: str) -> None:
        self._console.print(f"{what} {found or 'nothing'}", markup=False)
        self._broken |= bool(found)

    def _more(self) -> str:
        return ", ".join(sorted(self._sandbox.inventory() - self._before))

    def preview(self) -> None:
        """Preview before anything is there."""
        said = self._sandbox.preview()
        self._hold(f"preview says {sum(said.changes.values())} resources and makes", self._more())

    def dashboards(self, dashboards: Sequence[Dashboard]) -> None:
        """Ask Prometheus all that the dashboards ask."""
        problems = "; ".join(dashboard_problems(dashboards, self._sandbox.prometheus()))
        self._hold(
            f"of the queries of {len(dashboards)} dashboards Prometheus refuses, or shows nothing for:", problems
        )

    def close(self) -> bool:
        """Look at what listens, bring up again what is up, take it all down, and say whether everything held."""
        elsewhere = listeners_elsewhere(self._sandbox.run.directory)
        listening = ", ".join(f"{one.program} on {one.address}:{one.port}" for one in elsewhere)
        self._hold("listening elsewhere than on loopback:", listening)
        self._hold("a second up changes", ", ".join(self._sandbox.deploy_again().changed))
        gone = self._sandbox.destroy()
        self._hold(f"destroy removes {gone.changes.get('delete', 0)} resources and leaves", self._more())
        return not self._broken


def _pace(scale: float) -> str:
    if scale == 1:
        return "time: the story's own; the longest wait is eleven minutes"
    return f"time: every wait, interval and window is {scale:g} times shorter than the story's (REALTIME=1 keeps them)"


def _say_what_to_try(console: Console, sandbox: Sandbox) -> None:
    table = Table(
        "",
        Column(overflow="fold"),  # a path that is cut short cannot be pasted
        title="What is up",
        title_justify="left",
        box=None,
        show_header=False,
        pad_edge=False,
    )
    for name, address in sandbox.addresses().items():
        table.add_row(name, address)
    console.print(table)
    console.print(f"\nOpen {sandbox.console.address} in a browser: what fires, who is told, what is repaired.")
    console.print(f"Open {sandbox.slack.address} for its threads: choose a person, and click.")
    if sandbox.runbooks is not None:
        console.print(f"Open {sandbox.runbooks.address} for the runbooks, where the links of alerts lead.")
    console.print("\nTry, in another terminal:")
    console.print("  .venv/bin/orion drill HighMemoryUsage --label service=orders")
    console.print("  .venv/bin/orion drill ServiceDown --label service=gateway")
    console.print("\nCtrl-C takes everything down.")


class Steps:
    """Tells the way up: on a terminal in one line that changes, elsewhere a line for each step but no resource.

    Use as a context manager: however it ends, the terminal has its cursor back.
    """

    def __init__(self, console: Console, began: float) -> None:
        """`began` is when the way up did, in monotonic seconds."""
        self._console = console
        self._began = began
        self._status = Status("starting", console=console)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def tell(self, step: str) -> None:
        """Tell one step."""
        if self._console.is_terminal:
            self._status.update(self._line(step))
        else:
            self._console.print(self._line(step))

    def tell_progress(self, progress: Progress) -> None:
        """Tell that the engine has done something to a resource."""
        if self._console.is_terminal and progress.stage == "done":
            self._status.update(self._line(f"{progress.operation} {progress.type.split(':')[-1]} {progress.name}"))

    def _line(self, step: str) -> str:
        return f"{time.monotonic() - self._began:5.1f} s  {step}"

    def end(self) -> None:
        """Leave the line to others."""
        self._status.stop()


def drill_by_hand(root: Path, console: Console, alert: str, labels: Sequence[str]) -> int:
    """Set one alert off in the running sandbox, tell what follows until Ctrl-C, and mend it. Return the exit code.

    Raises `NoSandbox` if none runs and `UnknownFault` if nothing sets this alert off, there.
    """
    forget_accounts()
    known = fault_of_alert(alert)
    wanted = fault(known.name, _labels(labels))
    _, addresses = running_sandbox(root / RUNS)
    body = {"fault": wanted.kind, "labels": dict(wanted.labels)}
    faults = f"{addresses['metrics']}/faults"
    timeline = Timeline(Journal(Path(addresses["journal"])), console)
    timeline.start()
    try:
        with ended_as_interrupted():
            _start(faults, body)
            console.print(f"{known.effect}; {alert} sees it. Ctrl-C mends it.")
            threading.Event().wait()
    except KeyboardInterrupt:
        httpx.request("DELETE", faults, json=body, timeout=REQUEST_SECONDS).raise_for_status()
    finally:
        timeline.stop()
    return 0


def _start(faults: str, body: Mapping[str, object]) -> None:
    """Switch a fault on. Raises `UnknownFault` if it is nowhere that there is."""
    answer = httpx.post(faults, json=body, timeout=REQUEST_SECONDS)
    if answer.status_code == REFUSED:
        raise UnknownFault(answer.json()["error"])
    answer.raise_for_status()


def _labels(given: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator or not name or not value:
            raise UnknownFault(f"--label: found {one!r}; allowed: NAME=VALUE")
        labels[name] = value
    return labels
