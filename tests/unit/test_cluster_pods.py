from __future__ import annotations

import copy
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.cluster.node_agent.processes import ContainerProcess, Ending
from sandbox.cluster.node_agent.supported_fields import unsupported
from sandbox.cluster.node_agent.volumes import swap
from tests.waiting import until

POD: dict[str, Any] = {
    "metadata": {
        "name": "alertmanager-main-0",
        "namespace": "monitoring",
        "labels": {"app.kubernetes.io/managed-by": "prometheus-operator"},
    },
    "spec": {
        "nodeName": "agent-us-east-1a",
        "restartPolicy": "Always",
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {
                "name": "alertmanager",
                "image": "quay.io/prometheus/alertmanager:v0.34.0",
                "env": [
                    {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}
                ],
                "readinessProbe": {"httpGet": {"path": "/-/ready", "port": "http-web", "scheme": "HTTP"}},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/alertmanager/config", "readOnly": True}],
            }
        ],
        "volumes": [
            {"name": "config", "secret": {"secretName": "x", "defaultMode": 420}},
            {"name": "tls", "projected": {"sources": [{"secret": {"name": "y"}}]}},
        ],
    },
}


def test_a_pod_as_the_operator_makes_it_is_carried_out() -> None:
    assert unsupported(POD) == []


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("spec", "hostNetwork"), True, "spec.hostNetwork"),
        (("spec", "restartPolicy"), "Never", "spec.restartPolicy: found Never"),
        (("spec", "volumes", 0, "nfs"), {"server": "x"}, "spec.volumes[0].nfs"),
        (("spec", "volumes", 0, "secret", "novel"), 1, "spec.volumes[0].secret.novel"),
        (("spec", "volumes", 1, "projected", "sources", 0, "clusterTrustBundle"), {}, "sources[0].clusterTrustBundle"),
        (("spec", "containers", 0, "lifecycle"), {"preStop": {}}, "spec.containers[0].lifecycle"),
        (("spec", "containers", 0, "image"), "quay.io/thanos/thanos:v1", "spec.containers[0].image"),
        (("spec", "containers", 0, "readinessProbe", "exec"), {"command": ["x"]}, "readinessProbe.exec"),
        (("spec", "containers", 0, "volumeMounts", 0, "subPathExpr"), "$(X)", "volumeMounts[0].subPathExpr"),
        (
            ("spec", "containers", 0, "env", 0, "valueFrom"),
            {"secretKeyRef": {}},
            "env[0].valueFrom: found secretKeyRef",
        ),
        (("metadata", "labels"), {}, "only the operator's pods"),
    ],
)
def test_anything_else_is_named(path: tuple[str | int, ...], value: object, said: str) -> None:
    pod: Any = copy.deepcopy(POD)
    place = pod
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    found = unsupported(pod)

    assert len(found) == 1
    assert said in found[0]


def test_a_volume_is_swapped_at_once_for_whoever_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    swap(folder, {"one": b"0", "two": b"0"})
    stop = threading.Event()
    torn: list[tuple[bytes, bytes]] = []

    def read() -> None:
        while not stop.is_set():
            data = folder / (folder / "..data").readlink()
            try:
                pair = ((data / "one").read_bytes(), (data / "two").read_bytes())
            except FileNotFoundError:
                continue  # the older version was removed; a real reader opens through the link again
            if pair[0] != pair[1]:
                torn.append(pair)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 200):
        swap(folder, {"one": b"%d" % number, "two": b"%d" % number})
    stop.set()
    reader.join()

    assert torn == []
    assert (folder / "one").read_bytes() == b"199"


def test_a_key_that_went_away_goes_away(tmp_path: Path) -> None:
    swap(tmp_path / "volume", {"one": b"1", "two": b"2", "a/b": b"3"})
    swap(tmp_path / "volume", {"two": b"2"})

    assert [entry.name for entry in sorted((tmp_path / "volume").iterdir()) if not entry.name.startswith("..")] == [
        "two"
    ]
    assert len([entry for entry in (tmp_path / "volume").iterdir() if entry.is_dir() and not entry.is_symlink()]) == 1


def ended(process: ContainerProcess, now: float) -> int:
    endings: list[Ending | None] = []

    def has_ended() -> bool:
        endings.append(process.ended(now=now))
        return endings[-1] is not None

    until("the process has ended", has_ended)
    assert endings[-1] is not None
    return endings[-1].code


def test_a_container_is_restarted_at_once_and_then_with_growing_waits(tmp_path: Path) -> None:
    process = ContainerProcess("p", log_path=tmp_path / "log", pid_path=tmp_path / "p.pid", clock=Clock(10))
    waits: list[float] = []
    now = 100.0
    for _ in range(8):
        assert process.may_start(now)
        process.start([sys.executable, "-c", "raise SystemExit(3)"], {}, folder=tmp_path, now=now)
        assert (tmp_path / "p.pid").exists()
        assert ended(process, now) == 3
        assert not (tmp_path / "p.pid").exists()
        waits.append(process.waits)
        if process.waits:
            assert not process.may_start(now + process.waits - 0.01)
        now += process.waits

    assert waits == [0, 1, 2, 4, 8, 16, 30, 30]
    assert process.restarts == 7

    process.start([sys.executable, "-c", "pass"], {}, folder=tmp_path, now=now)
    assert ended(process, now + 61) == 0
    assert process.waits == 0, "a container that ran for ten minutes of the story starts afresh"


def test_a_killed_container_ends_with_kubernetes_code(tmp_path: Path) -> None:
    process = ContainerProcess("p", log_path=tmp_path / "log", pid_path=tmp_path / "p.pid", clock=Clock(1))
    process.start([sys.executable, "-c", "import time; time.sleep(60)"], {}, folder=tmp_path, now=0)
    process.kill()

    assert ended(process, 1) == 137
