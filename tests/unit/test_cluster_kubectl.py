"""kubectl's errors are passed on, and one without a message is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.cluster import kubectl as module
from sandbox.cluster.kubectl import kubectl
from sandbox.service import ServiceFailed


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORION_TOOLS", str(tmp_path))
    path = tmp_path / "kubectl"
    path.touch(mode=0o755)
    return path


def test_its_own_words_are_told_when_it_fails(program: Path) -> None:
    program.write_text('#!/bin/sh\necho "error: no such resource" >&2; exit 1\n')

    with pytest.raises(ServiceFailed, match=r"^kubectl get pods: error: no such resource$"):
        kubectl(program.parent / "kubeconfig", "get", "pods")


def test_one_that_hangs_fails_as_one_that_is_refused(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)

    with pytest.raises(ServiceFailed, match=r"^kubectl get pods: no answer after 0.2 s$"):
        kubectl(program.parent / "kubeconfig", "get", "pods")
