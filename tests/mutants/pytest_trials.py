"""Runs tests of pytest in a process of their own, which sees a mutant of the fixture or of a module."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.alerting_data import ROOT

PASSED = 0
FAILED = 1


class TrialBroken(Exception):
    """pytest could not run the tests at all."""


class _FirstFailure:
    """Tells a pipe which test fails first."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._pipe, report.nodeid.encode())

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            os.write(self._pipe, f"{report.nodeid} cannot be imported".encode())


def first_failure(tests: Sequence[str], prepare: Callable[[], None], log: Path) -> str | None:
    """Return the first of the tests that fails in a process in which `prepare` was called, or None if all pass.

    What it prints is written to `log`. Raises `TrialBroken` if pytest ends in another way.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = FAILED + 1
        try:
            os.close(read)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            with log.open("wb") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            os.chdir(ROOT)
            prepare()
            code = int(
                pytest.main(["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests], [_FirstFailure(write)])
            )
        finally:
            sys.stdout.flush()
            os._exit(code)
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            failed = pipe.read()
    except BaseException:
        # Ctrl-C, or the end that a parent asks for: the child is in a process of its own, and hears of neither.
        os.kill(child, signal.SIGTERM)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if failed:
        return failed.strip()
    if code != PASSED:
        raise TrialBroken(f"pytest ended with {code}: {log.read_text(errors='replace')[-2000:]}")
    return None
