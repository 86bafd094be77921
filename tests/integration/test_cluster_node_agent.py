from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator

import psutil
import pytest

from components.naming import ALERTMANAGER
from sandbox import loopback
from sandbox.cluster.kubectl import apply, kubectl
from sandbox.journal import Kind
from tests import cluster_harness
from tests.cluster_harness import NAMESPACE, Stage, until

pytestmark = pytest.mark.integration

FIRST = f"alertmanager-{ALERTMANAGER}-0"
SECOND = f"alertmanager-{ALERTMANAGER}-1"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The program's custom resources. What the chart makes of the same values is drilled in real time."""
    directory = tmp_path_factory.mktemp("stage")
    with cluster_harness.cluster(directory) as running:
        apply(running.kubeconfig, cluster_harness.prerequisites())
        cluster_harness.install_custom_resources(running.kubeconfig)
        until(lambda: running.ready_pods(5), timeout_seconds=90)
        yield running
    assert [
        one for one in psutil.process_iter(["cmdline"]) if str(directory) in " ".join(one.info["cmdline"] or [])
    ] == []
    # A thread that read on would take bytes of whatever has its connection's descriptor next.
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("mirror ")] == []


def json_of(url: str) -> dict[str, object]:
    answer: dict[str, object] = loopback.get(url).json()
    return answer


def peers(address: str) -> int:
    return len(loopback.get(f"{address}/api/v2/status").json()["cluster"]["peers"])


def test_three_alertmanagers_are_one_cluster(stage: Stage) -> None:
    assert len(stage.alertmanagers()) == 3
    until(lambda: all(peers(address) == 3 for address in stage.alertmanagers()))


def test_prometheus_sends_to_every_alertmanager(stage: Stage) -> None:
    until(lambda: all("Watchdog" in loopback.get(f"{one}/api/v2/alerts").text for one in stage.alertmanagers()))
    known = loopback.get(f"{stage.prometheus()}/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"]

    assert {one["url"].removesuffix("/api/v2/alerts") for one in known} == set(stage.alertmanagers())


def test_prometheus_scrapes_the_target_outside_and_the_alertmanagers(stage: Stage) -> None:
    def jobs() -> set[str]:
        targets = loopback.get(f"{stage.prometheus()}/api/v1/targets").json()["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets}

    until(lambda: {"orion", ALERTMANAGER} <= jobs())


def test_pods_run_on_the_agents_nodes_and_all_others_elsewhere(stage: Stage) -> None:
    pods = stage.workloads.pods(NAMESPACE)

    assert {pod.node for pod in pods if pod.service == "alertmanager"} == {f"agent-us-east-1{zone}" for zone in "abc"}
    for pod in pods:
        assert pod.node.startswith("agent-") == (pod.service in {"alertmanager", "prometheus"})


def test_the_identity_reaches_the_process(stage: Stage) -> None:
    process = psutil.Process(stage.agent.processes()[FIRST]["alertmanager"])

    assert process.environ()["AWS_REGION"] == "x"
    assert "VIRTUAL_ENV" not in process.environ()


def test_nothing_of_it_listens_but_on_loopback(stage: Stage) -> None:
    pids = [pid for containers in stage.agent.processes().values() for pid in containers.values()]
    addresses = {one.laddr.ip for pid in pids for one in psutil.Process(pid).net_connections() if not one.raddr}

    assert addresses == {"127.0.0.1"}


def test_a_changed_configuration_is_loaded_by_every_alertmanager_and_its_secret_stays(stage: Stage) -> None:
    uid = stage.get("secret", "alertmanager-config")["metadata"]["uid"]

    def waits(expected: str) -> bool:
        loaded = [loopback.get(f"{one}/api/v2/status").json()["config"]["original"] for one in stage.alertmanagers()]
        return all(f"group_wait: {expected}" in text for text in loaded)

    until(lambda: waits("1s") and stage.reloaders_watch())
    cluster_harness.change_configuration(stage, "7s")
    until(lambda: waits("7s"), timeout_seconds=20)

    assert stage.get("secret", "alertmanager-config")["metadata"]["uid"] == uid
    text = loopback.get(f"{stage.alertmanagers()[0]}/api/v2/status").json()["config"]["original"]
    assert "title: see /etc/alertmanager/secrets" in text, "text that only looks like a path is left alone"


def test_a_changed_rule_is_loaded(stage: Stage) -> None:
    patch = json.dumps([{"op": "replace", "path": "/spec/groups/0/rules/0/alert", "value": "Changed"}])
    arguments = ("patch", "prometheusrule", "rules", f"--namespace={NAMESPACE}", "--type=json", f"--patch={patch}")
    kubectl(stage.kubeconfig, *arguments)

    until(lambda: "Changed" in loopback.get(f"{stage.prometheus()}/api/v1/rules").text, timeout_seconds=20)


def test_a_killed_alertmanager_comes_back(stage: Stage) -> None:
    killed = stage.agent.processes()[SECOND]["alertmanager"]
    os.kill(killed, signal.SIGKILL)

    def restarts() -> int:
        return next(pod.restarts for pod in stage.workloads.pods(NAMESPACE) if pod.name == SECOND)

    until(lambda: stage.agent.processes()[SECOND].get("alertmanager", killed) != killed)
    until(lambda: restarts() == 1 and stage.ready_pods(5))
    until(lambda: all(peers(address) == 3 for address in stage.alertmanagers()))
    ended = stage.journal.find(Kind.PROCESS_ENDED, name=f"{SECOND}/alertmanager")
    assert [event.details["code"] for event in ended] == [128 + signal.SIGKILL]


def test_a_deleted_pod_is_followed_by_another_on_the_same_addresses(stage: Stage) -> None:
    before = stage.get("pod", FIRST)["metadata"]["uid"]
    old_process, old_addresses = stage.agent.processes()[FIRST]["alertmanager"], stage.agent.addresses()[FIRST]
    kubectl(stage.kubeconfig, "delete", "pod", FIRST, f"--namespace={NAMESPACE}")
    until(lambda: stage.ready_pods(5))

    assert stage.get("pod", FIRST)["metadata"]["uid"] != before
    assert not psutil.pid_exists(old_process)
    assert stage.agent.addresses()[FIRST] == old_addresses
    until(lambda: all(peers(address) == 3 for address in stage.alertmanagers()))


def test_what_the_agent_cannot_carry_out_is_named_in_an_event_and_in_the_pods_status(stage: Stage) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "foreign",
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "prometheus-operator"},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"name": "thanos", "image": "quay.io/thanos/thanos:v1"}],
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
        },
    }
    apply(stage.kubeconfig, [pod])

    def told() -> bool:
        found = kubectl(stage.kubeconfig, "get", "events", f"--namespace={NAMESPACE}", "--output=json")
        events = [one for one in json.loads(found)["items"] if one["reason"] == "UnsupportedByNodeAgent"]
        return any("thanos:v1" in one["message"] and "volumes[0].hostPath" in one["message"] for one in events)

    until(told)
    until(lambda: "containerStatuses" in stage.get("pod", "foreign")["status"])
    waiting = stage.get("pod", "foreign")["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    kubectl(stage.kubeconfig, "delete", "pod", "foreign", f"--namespace={NAMESPACE}")
