"""The real engine's previewed refresh is what the nightly workflow reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli.drift import Drift, drift_text, read_drift
from sandbox.engine import Engine
from tests.integration.file_harness import SECRET, Files
from tools.paths import tool

pytestmark = pytest.mark.integration


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def previewed(engine: Engine, answer: Path) -> tuple[Drift, ...]:
    """Run the workflow's command in the engine's work folder."""
    command = [str(tool("pulumi")), "refresh", "--stack", "sandbox", "--preview-only", "--json", "--non-interactive"]
    folder, environment = engine.directory / "work", dict(engine.environment)
    answer.write_text(subprocess.run(command, cwd=folder, env=environment, check=True, stdout=-1, text=True).stdout)
    return read_drift(answer)


def test_what_changed_behind_the_programs_back_is_named_and_the_state_stays(files: Files, tmp_path: Path) -> None:
    files.program("""
        File("changed", name="a.txt", text="hello")
        File("secret", name="b.txt", text=config.require_secret("token"))
        File("removed", name="c.txt", text="there")
        File("kept", name="d.txt", text="kept")
    """)
    engine = files.engine()
    engine.configure({}, secret={"token": SECRET})
    engine.up()
    answer = tmp_path / "refresh.json"
    before = previewed(engine, answer)
    state = engine.state()["resources"]
    for name, text in (("a.txt", "by hand"), ("b.txt", "another-horse")):
        (files.folder / name).write_text(text)
    (files.folder / "c.txt").unlink()
    # The same text in another file: only an output, its number on the disk, differs.
    (files.folder / "d.txt").rename(tmp_path / "old")
    (files.folder / "d.txt").write_text("kept")

    # A deployment that is under way does not stop it, nor does it stop one: it takes no lock.
    lock = engine.directory / "state" / ".pulumi" / "locks" / "organization" / "demo" / "sandbox" / "other.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text('{"pid": 1, "username": "ada", "hostname": "elsewhere", "timestamp": "2026-01-01T00:00:00Z"}')
    drifts = previewed(engine, answer)
    locks = list(lock.parent.iterdir())
    lock.unlink()

    kind = "files:index:File"
    assert before == ()
    assert sorted(drifts, key=lambda drift: drift.name) == [
        Drift(type=kind, name="changed", removed=False, properties=("text",)),
        Drift(type=kind, name="removed", removed=True),
        Drift(type=kind, name="secret", removed=False, properties=("text",)),
    ]
    assert locks == [lock]
    assert engine.state()["resources"] == state
    assert SECRET not in answer.read_text()
    assert "horse" not in drift_text("sandbox", drifts)
