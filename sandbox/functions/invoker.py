"""Runs functions whose callers wait for the answer: one invocation at a time in each process, which is kept warm."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from sandbox.functions.event_source import SOURCE, report_error
from sandbox.functions.process import FunctionFailed, FunctionProcess, current_process
from sandbox.journal import Journal, Kind

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

MOST_AT_ONCE = 10
STOP_SECONDS = 5.0

_Task = tuple[Callable[[FunctionProcess], Any], Future[Any]]


class TooManyInvocations(RuntimeError):
    """A function already has as many invocations under way as it may."""


class Invoker:
    """Invokes functions for any number of threads."""

    def __init__(
        self, *, process: Callable[[str], FunctionProcess], cloudwatch: CloudWatchClient, journal: Journal
    ) -> None:
        """`process` returns a new process of the function of a name, as it is deployed now."""
        self._process = process
        self._cloudwatch = cloudwatch
        self._journal = journal
        self._idle: defaultdict[str, list[_Worker]] = defaultdict(list)
        self._workers: defaultdict[str, list[_Worker]] = defaultdict(list)
        self._lock = threading.Lock()

    def invoke(self, function: str, event: Any, *, source: str) -> Any:
        """Return what the handler returns; the journal names `source` as where the event came from.

        Raises `FunctionFailed` or `TooManyInvocations`.
        """
        worker = self._taken(function)
        started = time.time()
        error: str | None = None
        try:
            return worker.run(lambda process: process.invoke(event))
        except FunctionFailed as failure:
            error = str(failure)
            report_error(self._cloudwatch, function)
            raise
        finally:
            self._release(function, worker)
            self._journal.append(
                SOURCE,
                Kind.FUNCTION_INVOKED,
                {"function": function, "source": source},
                failed=int(error is not None),
                seconds=round(time.time() - started, 3),
                **({} if error is None else {"error": error}),
            )

    def warm(self, function: str) -> None:
        """Start a process of a function, so that its first invocation need not. Raises `FunctionFailed`."""
        worker = self._taken(function)
        try:
            worker.run(FunctionProcess.start)
        finally:
            self._release(function, worker)

    def stop(self) -> None:
        """End every process once what it does is done."""
        with self._lock:
            workers = [worker for each in self._workers.values() for worker in each]
            self._workers.clear()
            self._idle.clear()
        for worker in workers:
            worker.stop()

    def _release(self, function: str, worker: _Worker) -> None:
        with self._lock:
            self._idle[function].append(worker)

    def _taken(self, function: str) -> _Worker:
        with self._lock:
            if self._idle[function]:
                return self._idle[function].pop()
            if len(self._workers[function]) >= MOST_AT_ONCE:
                raise TooManyInvocations(f"{function}: {MOST_AT_ONCE} invocations are under way; allowed: as many")
            worker = _Worker(function, lambda: self._process(function))
            self._workers[function].append(worker)
            return worker


class _Worker:
    """A thread with a process of its own: the kernel ends a process with the thread that started it."""

    def __init__(self, function: str, process: Callable[[], FunctionProcess]) -> None:
        self._process = process
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"invoke {function}", daemon=True)
        self._thread.start()

    def run(self, action: Callable[[FunctionProcess], Any]) -> Any:
        future: Future[Any] = Future()
        self._tasks.put((action, future))
        return future.result()

    def stop(self) -> None:
        self._tasks.put(None)
        self._thread.join(STOP_SECONDS)

    def _work(self) -> None:
        process: FunctionProcess | None = None
        while (task := self._tasks.get()) is not None:
            action, future = task
            try:
                process = current_process(process, self._process())
                future.set_result(action(process))
            except BaseException as problem:  # noqa: BLE001 - raised again in the thread that waits
                future.set_exception(problem)
        if process is not None:
            process.stop()
