from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from sandbox import loopback
from sandbox.cluster import control_plane
from sandbox.cluster.control_plane import COMPONENTS, ControlPlane
from sandbox.cluster.kubectl import kubectl
from sandbox.cluster.workloads import SERVICES, Workloads
from sandbox.ports import free_ports, listening_socket
from sandbox.service import ServiceFailed, end_recorded_processes, wait_until_ready
from tests.cluster_harness import until

pytestmark = pytest.mark.integration


def processes_of(directory: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(directory) in " ".join(process.info["cmdline"] or [])
    ]


def test_two_clusters_at_once_are_two_and_leave_nothing(tmp_path: Path) -> None:
    planes = [ControlPlane(name, tmp_path / name) for name in ("one", "two")]
    try:
        for plane in planes:
            plane.start()
        for plane in planes:
            wait_until_ready(plane, timeout_seconds=90)
        kubectl(planes[0].kubeconfig, "create", "namespace", "only-one")

        with pytest.raises(ServiceFailed, match="not found"):
            kubectl(planes[1].kubeconfig, "get", "namespace", "only-one")
        assert (planes[0].pki / "ca.key").exists()
        etcd = yaml.safe_load((tmp_path / "one" / "kwokctl.yaml").read_text())["options"]["etcdPort"]
        # A page in a browser may send this to anybody; whoever etcd answers has every Secret of the cluster.
        asked = loopback.post(f"http://127.0.0.1:{etcd}/v3/kv/range", content='{"key": "L3JlZ2lzdHJ5Lw=="}')
        assert asked.status_code == 404
        listening = {
            connection.laddr.ip
            for process in processes_of(tmp_path)
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}

        processes_of(tmp_path / "one")[0].kill()
        until(lambda: any("has ended" in str(failure) for failure in failures(planes[0])))
    finally:
        for plane in planes:
            plane.stop()
            plane.stop()
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "one" / "kwok").exists()


@pytest.mark.parametrize("option", ["kubeSchedulerPort", "kwokControllerPort"])
def test_where_a_port_was_taken_meanwhile_the_cluster_is_made_anew(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kwokctl itself reports success where the scheduler or kwok could not begin: nothing would ever run."""
    taken = listening_socket()
    options = [one for options in COMPONENTS.values() for one in options]
    first = free_ports(len(options))
    first[options.index(option)] = int(taken.getsockname()[1])
    answers = [first]

    def ports(count: int) -> list[int]:
        return answers.pop() if answers else free_ports(count)

    monkeypatch.setattr(control_plane, "free_ports", ports)
    plane = ControlPlane("anew", tmp_path)
    try:
        plane.start()
        wait_until_ready(plane, timeout_seconds=120)
        assert len(processes_of(tmp_path)) >= len(COMPONENTS)
        assert answers == []
        assert str(taken.getsockname()[1]) not in (tmp_path / "kwokctl.yaml").read_text()
    finally:
        plane.stop()
        taken.close()


def failures(plane: ControlPlane) -> list[ServiceFailed]:
    try:
        plane.ready()
    except ServiceFailed as failed:
        return [failed]
    return []


STARTER = """
import os, pathlib, signal, time
from sandbox.cluster.control_plane import ControlPlane
plane = ControlPlane("killed", pathlib.Path(FOLDER))
plane.start()
while not (MOMENT):
    time.sleep(0.001)
os.kill(os.getpid(), signal.SIGKILL)
"""
NOW = "True"
READY = "plane.ready()"
HAS_STARTED = "(pathlib.Path(FOLDER) / 'kwok/clusters/killed/pids/{}.pid').exists()"


def killed_when(moment: str, folder: Path) -> None:
    """Have another process make a cluster and be killed at a moment."""
    program = STARTER.replace("MOMENT", moment).replace("FOLDER", repr(str(folder)))
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next run ends what a killed one left")
@pytest.mark.parametrize("moment", [NOW, HAS_STARTED.format("etcd"), HAS_STARTED.format("kube-apiserver"), READY])
def test_nothing_outlives_a_run_that_is_killed_while_it_starts(moment: str, tmp_path: Path) -> None:
    killed_when(moment, tmp_path / "plane")

    until(lambda: processes_of(tmp_path) == [])


def test_what_a_killed_run_and_its_keeper_left_is_ended_from_its_records(tmp_path: Path) -> None:
    killed_when(f"{READY} and plane._starter.kill() is None", tmp_path / "plane")

    assert len(processes_of(tmp_path)) >= len(COMPONENTS)
    assert set(COMPONENTS) <= set(end_recorded_processes(tmp_path))
    until(lambda: processes_of(tmp_path) == [])


def test_services_pods_are_ready_at_once_and_a_deleted_one_is_replaced(tmp_path: Path) -> None:
    plane = ControlPlane("workloads", tmp_path / "plane")
    try:
        plane.start()
        wait_until_ready(plane, timeout_seconds=90)
        workloads = Workloads(plane.kubeconfig, tmp_path)
        workloads.install()
        until(workloads.ready)
        before = workloads.pods()
        assert {pod.service for pod in before} == set(SERVICES)

        victim = next(pod for pod in before if pod.service == "orders")
        kubectl(plane.kubeconfig, "delete", "pod", victim.name, "--namespace=orion")
        until(lambda: workloads.ready() and victim.uid not in {pod.uid for pod in workloads.pods()})
    finally:
        plane.stop()
