"""Runs the command line in this process, on the fixture's data unless a test has set another folder."""

from __future__ import annotations

import os
from unittest import mock

import pytest

from cli import main as command
from tests.alerting_data import ROOT, program_folder


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code, what is printed, and what is printed as an error."""
    monkeypatch.setattr("sys.argv", ["orion", *arguments])
    if command.ROOT == ROOT:
        monkeypatch.setattr(command, "ROOT", program_folder())
    # The sandbox's commands clear this process' environment, which later tests are to find as it was.
    with mock.patch.dict(os.environ), pytest.raises(SystemExit) as ended:
        command.main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err
