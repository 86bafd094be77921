"""A program's small disk is a real file system that can be full, is nobody else's, and ends with the program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox.cluster.node_agent import small_disk
from sandbox.cluster.node_agent.small_disk import (
    STORAGE_ARGUMENT,
    fill,
    on_small_disk,
    small_disk_of,
    why_no_small_disk,
)
from tests.waiting import until

pytestmark = pytest.mark.integration
WRITES = 'set -e; for file; do folder=${file#*=}; done; read line; dd if=/dev/zero of="$folder/more"'


@pytest.fixture(autouse=True)
def possible() -> None:
    missing = why_no_small_disk()
    if missing is not None:
        pytest.skip(missing)


def test_a_full_small_disk_refuses_its_program_and_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()
    link = tmp_path / "data"
    link.symlink_to(folder)  # as a pod's folder leads to its volume
    command = on_small_disk(["sh", "-c", WRITES, "program", f"{STORAGE_ARGUMENT}{link}"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until("it has its disk", lambda: small_disk_of(process.pid) is not None)
        disk = small_disk_of(process.pid)
        assert disk is not None
        filler = fill(disk)

        assert 0 < filler.stat().st_size <= small_disk.SIZE_BYTES
        (folder / "of-others").write_text("there is room")
        assert "No space left on device" in process.communicate("go\n")[1]
    assert [path.name for path in folder.iterdir()] == ["of-others"]


def test_nothing_but_a_small_disk_is_ever_filled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allowed: a disk of 16777216"):
        fill(tmp_path)
    assert list(tmp_path.iterdir()) == []
