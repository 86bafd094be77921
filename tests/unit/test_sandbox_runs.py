"""A run leaves nothing behind but what a person has to look at, and sees no account of theirs."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from pathlib import Path

import pytest

from sandbox.process_environment import forget_accounts
from sandbox.runs import NoSandbox, Run, end_stale_runs, running_sandbox


def _folders(root: Path) -> list[Path]:
    return sorted(root.glob("run-*"))


def _fail(run: Run) -> None:
    (run.directory / "journal.jsonl").write_text("what happened\n")
    run.publish({"prometheus": "http://127.0.0.1:1"})
    assert running_sandbox(run.directory.parent)[0] == run.directory
    raise OSError("no more")


def _failed_run(root: Path) -> Path:
    run = Run(root)
    with pytest.raises(OSError, match="no more"), run:
        _fail(run)
    return run.directory


def test_a_run_that_ends_well_or_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    with Run(tmp_path):
        assert len(_folders(tmp_path)) == 1
    with pytest.raises(KeyboardInterrupt), Run(tmp_path):
        raise KeyboardInterrupt

    assert _folders(tmp_path) == []


def test_a_folder_into_which_something_still_writes_is_removed_once_it_has_ended(tmp_path: Path) -> None:
    files = 400
    with Run(tmp_path) as run:
        for number in range(files):
            (run.directory / f"early-{number}").touch()
        writer = threading.Thread(target=_write_while_removed, args=(run.directory, files))
        writer.start()
    writer.join()

    assert _folders(tmp_path) == []


def _write_while_removed(folder: Path, files: int) -> None:
    """Wait until the folder is being removed, and write into it some hundred times more."""
    while len(list(folder.glob("early-*"))) == files:
        pass
    for number in range(files):
        with contextlib.suppress(OSError):
            (folder / f"late-{number}").touch()


def test_the_last_run_that_failed_is_kept_until_another_one_is(tmp_path: Path) -> None:
    first = _failed_run(tmp_path)
    end_stale_runs(tmp_path)
    assert (first / "journal.jsonl").read_text() == "what happened\n"

    second = _failed_run(tmp_path)
    assert _folders(tmp_path) == [second]


def test_a_failed_run_is_not_taken_for_one_that_is_up(tmp_path: Path) -> None:
    _failed_run(tmp_path)

    with pytest.raises(NoSandbox, match="make sandbox"):
        running_sandbox(tmp_path)


def test_of_two_runs_a_command_is_for_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that a drill of one run orders was carried out by the other."""
    with Run(tmp_path) as older, Run(tmp_path) as newer:
        older.publish({"aws": "http://127.0.0.1:1"})
        newer.publish({"aws": "http://127.0.0.1:2"})
        monkeypatch.setenv("ORION_RUN", older.directory.name)

        assert running_sandbox(tmp_path) == (older.directory, {"aws": "http://127.0.0.1:1"})


def test_what_the_sandbox_starts_sees_no_account_and_reaches_loopback_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    given = {"PATH": "/bin", "HOME": "/h", "HTTPS_PROXY": "http://proxy", "NO_PROXY": "internal", "ORION_CHART": "none"}
    accounts = {"AWS_PROFILE": "prod", "AWS_SECRET_ACCESS_KEY": "x", "KUBECONFIG": "/k", "PULUMI_ACCESS_TOKEN": "t"}
    for name, value in {**given, **accounts}.items():
        monkeypatch.setenv(name, value)

    forget_accounts()

    direct = {"NO_PROXY": "internal,127.0.0.1,localhost", "no_proxy": "internal,127.0.0.1,localhost"}
    assert dict(os.environ) == {**given, **direct}


def test_what_is_removed_while_a_killed_run_is_cleared_stops_nothing(tmp_path: Path) -> None:
    """Programs that the kernel ends with their run may still remove what is theirs."""
    killed = tmp_path / "run-killed"
    kept = killed / "kept"
    kept.mkdir(parents=True)
    cleared = threading.Event()

    def remove_and_make() -> None:
        while not cleared.is_set():
            (killed / "state" / "locks" / "a" / "b").mkdir(parents=True, exist_ok=True)
            shutil.rmtree(killed / "state")

    remover = threading.Thread(target=remove_and_make)
    remover.start()
    try:
        for _ in range(500):
            assert end_stale_runs(tmp_path) == []
    finally:
        cleared.set()
        remover.join()
