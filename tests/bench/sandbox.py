"""The figures of a whole sandbox: how long until it is up, until a person is paged, until a pod is replaced; a storm.

The sandbox runs twenty times faster than the story, as `make sandbox` does: only waits that are configured shrink, and
what is measured is what the programs themselves take on top.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from alerting.build import load_catalog
from cli.chart import NONE, choose_chart
from sandbox.clock import Clock
from sandbox.cluster.control_plane import ControlPlane
from sandbox.runs import Run, end_stale_runs
from sandbox.seed_data import SeedData
from sandbox.service import wait_until_ready
from sandbox.stack import Plan, Sandbox
from tests.bench.catalog import ROOT
from tests.bench.chat_hops import CHAT_FIGURES, chat_hops
from tests.bench.figures import Figure
from tests.bench.hops import PAGE, REPAIR, hops
from tests.bench.limits_storm import LIMITS_FIGURES, limits_storm
from tests.bench.storm import STORM, storm

UP = "sandbox_up"
SANDBOX_FIGURES = (UP, PAGE, REPAIR, *CHAT_FIGURES, STORM)
SCALE = 20.0
CONTROL_PLANE_SECONDS = 120.0


def real_time_figures(wanted: Callable[[str], bool], tell: Callable[[str], None]) -> Iterator[Figure]:
    """Bring a sandbox up that is not scaled, for the figure at the limits of Slack and PagerDuty."""
    if not any(map(wanted, LIMITS_FIGURES)):
        return
    runs = ROOT / "build" / "sandbox"
    end_stale_runs(runs)
    with Run(runs) as run, Sandbox.started(_plan(1.0), run, tell, lambda _: None) as sandbox:
        sandbox.deploy()
        yield from limits_storm(sandbox, tell)


def sandbox_figures(wanted: Callable[[str], bool], tell: Callable[[str], None]) -> Iterator[Figure]:
    """Bring one sandbox up for all the figures that are wanted, and take it down."""
    if not any(map(wanted, SANDBOX_FIGURES)):
        return
    peer = _control_plane_alone() if wanted(UP) else None
    runs = ROOT / "build" / "sandbox"
    end_stale_runs(runs)
    began = time.perf_counter()
    with Run(runs) as run, Sandbox.started(_plan(SCALE), run, tell, lambda _: None) as sandbox:
        sandbox.deploy()
        if peer is not None:
            up = time.perf_counter() - began
            yield Figure(name=UP, value=up, unit="s", peer="kwokctl create cluster", peer_value=peer)
        for name in (PAGE, REPAIR):
            if wanted(name):
                yield from hops(name, sandbox, tell)
        if any(map(wanted, CHAT_FIGURES)):
            yield from chat_hops(sandbox, wanted, tell)
        if wanted(STORM):
            yield from storm(sandbox, tell)


def _control_plane_alone() -> float:
    """Return the seconds that the bare control plane takes."""
    with TemporaryDirectory(prefix="orion-bench-") as directory:
        plane = ControlPlane("orion-bench", Path(directory))
        began = time.perf_counter()
        try:
            plane.start()
            wait_until_ready(plane, timeout_seconds=CONTROL_PLANE_SECONDS)
            return time.perf_counter() - began
        finally:
            plane.stop()


def _plan(scale: float) -> Plan:
    catalog = load_catalog(ROOT)
    people = sorted({person for team in catalog.teams.values() for person in team.people})
    chart, _ = choose_chart(ROOT, NONE)
    seed_data = SeedData(people=people, channels=sorted(catalog.routing.channels))
    return Plan(project=ROOT, seed_data=seed_data, clock=Clock(scale), chart=chart)
