"""However `make test` is asked to end, none of its steps goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.alerting_data import ROOT
from tests.steps import PYTHON, Step, run_steps
from tests.waiting import until

PATIENCE_SECONDS = 30.0
WAITING = "import signal; signal.pause()"
STEPS = """
import sys
from tests.steps import PYTHON, Step, run_steps
code = (PYTHON, "-c", *sys.argv[1:], "step")  # the arguments are only to be found by
sys.exit(run_steps([Step(name="beside", command=code, background=True), Step(name="before", command=code)]))
"""


def steps_of(mark: str) -> list[psutil.Process]:
    wanted = [WAITING, mark, "step"]
    return [one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[-3:] == wanted]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_running(how: signal.Signals, tmp_path: Path) -> None:
    mark = str(tmp_path)
    runner = subprocess.Popen(
        [sys.executable, "-c", STEPS, WAITING, mark],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        until("both steps run", lambda: len(steps_of(mark)) == 2)
        runner.send_signal(how)
        code = runner.wait(PATIENCE_SECONDS)
    finally:
        runner.kill()

    assert code == (-how if how is signal.SIGKILL else 130)
    until("both steps have ended", lambda: steps_of(mark) == [])


def test_a_step_in_the_background_takes_as_long_as_it_runs_and_not_until_it_is_waited_for(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.steps.LOGS", tmp_path / "logs")
    monkeypatch.setattr("tests.steps.ROOT", tmp_path)
    ended = tmp_path / "ended"
    wait = """
import pathlib, sys, time
ended = pathlib.Path(sys.argv[1])
while not ended.exists() or time.time() - ended.stat().st_mtime < 2:
    time.sleep(0.05)
"""
    code = run_steps(
        [
            Step(name="beside", command=(PYTHON, "-c", f"open({str(ended)!r}, 'w')"), background=True),
            Step(name="before", command=(PYTHON, "-c", wait, str(ended))),
        ]
    )

    took = {name: int(seconds) for name, seconds in re.findall(r"✓ (\w+) \((\d+) s\)", capfd.readouterr().out)}
    assert code == 0
    assert took["beside"] < took["before"]
