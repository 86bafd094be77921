"""However `make test` is asked to end, none of its steps goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.alerting_data import ROOT
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
