"""Runs drills side by side and says how each went."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill, DrillFailed, DrillTarget, Hop
from sandbox.service import ServiceFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one drill. `failure` is None if it held; `seconds` are real ones."""

    name: str
    promise: str
    hops: Sequence[Hop]
    seconds: float
    failure: str | None


def run_chapter(chapter: Chapter, target: DrillTarget, on_result: Callable[[Result], None]) -> list[Result]:
    """Run a chapter's drills and return how each went, in their order. `on_result` is called as each ends."""
    with ThreadPoolExecutor(max_workers=len(chapter.sequences), thread_name_prefix="drill") as threads:
        running = [threads.submit(_run_sequence, target, sequence, on_result) for sequence in chapter.sequences]
        return [result for future in running for result in future.result()]


def _run_sequence(
    target: DrillTarget, sequence: Sequence[Callable[[Drill], None]], on_result: Callable[[Result], None]
) -> list[Result]:
    results: list[Result] = []
    for drill in sequence:
        result = _run_one(target, drill)
        on_result(result)
        results.append(result)
    return results


def _run_one(target: DrillTarget, steps: Callable[[Drill], None]) -> Result:
    drill = Drill(name=steps.__name__.replace("_", " "), target=target)
    failure = None
    try:
        steps(drill)
    except (DrillFailed, ServiceFailed, httpx.HTTPError) as problem:
        failure = f"{problem}{_undone(drill)}"
    return Result(
        name=drill.name,
        promise=inspect.getdoc(steps) or "",
        hops=tuple(drill.hops),
        seconds=time.time() - drill.started,
        failure=failure,
    )


def _undone(drill: Drill) -> str:
    """End what a drill that failed has begun, and return what could not be ended."""
    try:
        drill.undo()
    except (DrillFailed, ServiceFailed, httpx.HTTPError) as problem:
        return f"\nAfterwards: {problem}"
    return ""
