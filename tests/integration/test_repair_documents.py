"""The documents' scripts against a real API server, sent by AWS' own requests: what they do, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from alerting.names import MAINTENANCE_CONFIG_MAP, MAINTENANCE_NAMESPACE
from sandbox.cluster.kubectl import apply
from sandbox.cluster.workloads import NAMESPACE, SERVICE_LABEL
from sandbox.journal import Journal, Kind
from tests.integration.repair_harness import CLUSTER, GROUP, Stage, running_aws, running_cluster
from tests.waiting import until

pytestmark = pytest.mark.integration

ANY_UID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    return Journal(tmp_path_factory.mktemp("journal") / "journal.jsonl")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, journal: Journal) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("stage")
    with running_cluster(directory / "cluster") as plane, running_aws(plane, directory, journal) as address:
        stage = Stage(address, plane)
        stage.deploy_bastion()
        yield stage


def test_restart_run_twice_at_once_and_again_acts_once(stage: Stage) -> None:
    victim, other = stage.pods("gateway")
    parameters = {"namespace": NAMESPACE, "pod": victim.name, "uid": victim.uid}

    commands = [stage.send("orion-restart-pod", parameters) for _ in range(3)]
    answers = [stage.ended(command) for command in commands]
    answers.append(stage.run("orion-restart-pod", **parameters))

    outputs = [answer["StandardOutputContent"] for answer in answers]
    assert {answer["Status"] for answer in answers} == {"Success"}, answers
    assert sum("replaced: pod" in output for output in outputs) >= 1
    assert outputs[-1].startswith("gone: ")
    until("two pods are ready", lambda: sum(pod.ready for pod in stage.pods("gateway")) == 2)
    after = {pod.uid for pod in stage.pods("gateway")}
    assert victim.uid not in after
    assert other.uid in after
    assert len(after) == 2


def test_restart_leaves_a_pod_without_an_owner_alone(stage: Stage) -> None:
    container = {"name": "main", "image": "registry.orion.example.com/alone:1"}
    metadata = {"name": "alone", "namespace": NAMESPACE}
    apply(
        stage.plane.kubeconfig,
        [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}],
    )
    uid = stage.kubectl("get", "pod", "alone", "--namespace", NAMESPACE, "--output=jsonpath={.metadata.uid}")

    answer = stage.run("orion-restart-pod", namespace=NAMESPACE, pod="alone", uid=uid)

    assert answer["Status"] == "Failed"
    assert "has no owner" in answer["StandardErrorContent"]
    assert stage.kubectl("get", "pod", "alone", "--namespace", NAMESPACE, "--output=name").strip() == "pod/alone"


def test_a_pod_of_a_job_is_left_alone(stage: Stage) -> None:
    container = {"name": "main", "image": "registry.orion.example.com/job:1"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    metadata = {"name": "migration", "namespace": NAMESPACE}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}
    apply(stage.plane.kubeconfig, [job])
    ask = ("get", "pods", "--namespace", NAMESPACE, "--selector=batch.kubernetes.io/job-name=migration")
    fields = "--output=jsonpath={.items[*].metadata.name} {.items[*].metadata.uid}"
    until("the job has a pod", lambda: stage.kubectl(*ask, "--output=name").strip() != "")
    pod, uid = stage.kubectl(*ask, fields).split()

    answer = stage.run("orion-restart-pod", namespace=NAMESPACE, pod=pod, uid=uid)

    assert "belongs to a Job" in answer["StandardErrorContent"]
    assert stage.kubectl(*ask, fields).split() == [pod, uid]


def test_a_disruption_budget_keeps_a_pod(stage: Stage) -> None:
    selector = {"matchLabels": {SERVICE_LABEL: "orders"}}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "orders", "namespace": NAMESPACE},
        "spec": {"minAvailable": 2, "selector": selector},
    }
    apply(stage.plane.kubeconfig, [budget])
    status = ("get", "pdb", "orders", "--namespace", NAMESPACE, "--output=jsonpath={.status.currentHealthy}")
    until("the budget counts two pods", lambda: stage.kubectl(*status) == "2")
    before = {pod.uid for pod in stage.pods("orders")}
    pod = stage.pods("orders")[0]

    answer = stage.run("orion-restart-pod", namespace=NAMESPACE, pod=pod.name, uid=pod.uid)

    assert answer["StandardErrorContent"].startswith("refused: ")
    assert "a PodDisruptionBudget does not let it go" in answer["StandardErrorContent"]
    assert {pod.uid for pod in stage.pods("orders")} == before
    stage.kubectl("delete", "pdb", "orders", "--namespace", NAMESPACE)


def test_the_only_ready_pod_of_three_is_left_alone(stage: Stage) -> None:
    """Two more replicas are wanted, for which no node has room: they are there, and never become ready."""
    resources = '{"spec":{"template":{"spec":{"nodeSelector":{"no-such":"node"}}}}}'
    stage.kubectl("patch", "deployment", "positions", "--namespace", NAMESPACE, "--patch", resources)
    stage.kubectl("scale", "deployment", "positions", "--namespace", NAMESPACE, "--replicas=3")
    until("pods wait for a node", lambda: sum(not pod.ready for pod in stage.pods("positions")) >= 1)
    ready = [pod for pod in stage.pods("positions") if pod.ready]

    answer = stage.run("orion-restart-pod", namespace=NAMESPACE, pod=ready[0].name, uid=ready[0].uid)

    assert answer["StandardErrorContent"].startswith("refused: ")
    assert "is not ready" in answer["StandardErrorContent"]
    assert ready[0].uid in {pod.uid for pod in stage.pods("positions")}
    stage.kubectl("rollout", "undo", "deployment/positions", "--namespace", NAMESPACE)


def test_several_pods_of_a_deployment_are_restarted_one_after_another(stage: Stage) -> None:
    service = "market-data"
    stage.kubectl("scale", "deployment", service, "--namespace", NAMESPACE, "--replicas=4")
    until("four pods are ready", lambda: sum(pod.ready for pod in stage.pods(service)) == 4)
    before = {pod.uid for pod in stage.pods(service)}

    commands = [
        stage.send("orion-restart-pod", {"namespace": NAMESPACE, "pod": pod.name, "uid": pod.uid})
        for pod in stage.pods(service)
    ]
    answers = [stage.ended(command) for command in commands]

    assert [answer["Status"] for answer in answers] == ["Success"] * 4, answers
    after = {pod.uid: pod.name for pod in stage.pods(service)}
    assert not before & set(after)
    replacements = [answer["StandardOutputContent"].rpartition(" with UID ")[2].split(",")[0] for answer in answers]
    assert set(replacements) == set(after), "each waited for a pod of its own"


def test_maintenance_holds_repairs_back(stage: Stage) -> None:
    pod = stage.pods("gateway")[0]
    declaration = ("configmap", MAINTENANCE_CONFIG_MAP, "--namespace", MAINTENANCE_NAMESPACE)
    stage.kubectl("create", *declaration, "--from-literal=why=drill")

    held = stage.run("orion-restart-pod", namespace=NAMESPACE, pod=pod.name, uid=pod.uid)
    looked = stage.run("orion-collect-diagnostics", namespace=NAMESPACE, pod=pod.name, uid=pod.uid)
    stage.kubectl("delete", *declaration)

    assert held["ResponseCode"] == 3
    assert held["StandardErrorContent"].startswith("refused: the cluster is under maintenance since ")
    assert looked["Status"] == "Success"
    assert pod.uid in {one.uid for one in stage.pods("gateway")}


@pytest.mark.parametrize("document", ["orion-restart-pod", "orion-collect-diagnostics"])
def test_a_pod_that_is_not_there_is_said_to_be_gone(stage: Stage, document: str) -> None:
    answer = stage.run(document, namespace=NAMESPACE, pod="never-was", uid=ANY_UID)

    assert answer["Status"] == "Success"
    said = f"gone: pod {NAMESPACE}/never-was with UID {ANY_UID} is not there any more"
    assert answer["StandardOutputContent"].startswith(said)


@pytest.mark.parametrize("document", ["orion-restart-pod", "orion-collect-diagnostics"])
def test_another_namespace_is_refused_by_the_script_itself(stage: Stage, document: str) -> None:
    answer = stage.run(document, namespace="kube-system", pod="x", uid=ANY_UID)

    assert answer["Status"] == "Failed"
    assert answer["ResponseCode"] == 3
    assert answer["StandardErrorContent"].startswith("refused: namespace kube-system")


@pytest.mark.parametrize(
    "value", ["; rm -rf /", "$(reboot)", "{{ pod }}", "a\nb", "a" * 10_000, "", "../x", "a/b", "A", "-a"]
)
@pytest.mark.parametrize("parameter", ["namespace", "pod", "uid"])
def test_hostile_values_run_nothing(stage: Stage, journal: Journal, parameter: str, value: str) -> None:
    started = len(journal.find(Kind.COMMAND_STARTED))
    parameters = {"namespace": NAMESPACE, "pod": "x", "uid": ANY_UID, parameter: value}

    with pytest.raises(ClientError, match="InvalidParameters"):
        stage.send("orion-restart-pod", parameters)

    assert len(journal.find(Kind.COMMAND_STARTED)) == started


def test_another_version_or_hash_than_the_deployed_one_is_refused(stage: Stage) -> None:
    deployed = stage.documents["restart_pod"]
    target = {"Targets": [{"Key": "tag:orion:role", "Values": ["bastion"]}], "DocumentName": "orion-restart-pod"}
    parameters = {"namespace": [NAMESPACE], "pod": ["never-was"], "uid": [ANY_UID]}

    def send(version: str, digest: str) -> None:
        pinned = {"DocumentVersion": version, "DocumentHash": digest, "DocumentHashType": "Sha256"}
        stage.ssm.send_command(**target, **pinned, Parameters=parameters)  # pyright: ignore[reportArgumentType]  dicts of these shapes

    send(deployed["version"], deployed["hash"])
    with pytest.raises(ClientError, match="InvalidDocument"):
        send(deployed["version"], "0" * 64)
    with pytest.raises(ClientError, match="InvalidDocumentVersion"):
        send("7", deployed["hash"])


def test_the_bastion_may_do_nothing_but_repairs(stage: Stage) -> None:
    script = {
        "secrets": "kubectl get secrets --namespace=orion",
        "others": "kubectl get pods --namespace=kube-system",
        "change": "kubectl scale deployment/orders --namespace=orion --replicas=0",
        "who": "kubectl auth whoami",
    }
    lines = [f"echo {name}: $({command} 2>&1 || true)" for name, command in script.items()]
    stage.ssm.create_document(
        Name="orion-may-it",
        DocumentType="Command",
        DocumentFormat="JSON",
        Content=json.dumps(
            {
                "schemaVersion": "2.2",
                "description": "Tries what it may not",
                "mainSteps": [{"action": "aws:runShellScript", "name": "try", "inputs": {"runCommand": lines}}],
            }
        ),
    )

    output = stage.run("orion-may-it")["StandardOutputContent"]

    said = dict(line.split(": ", 1) for line in output.splitlines())
    for name in ("secrets", "others", "change"):
        assert "(Forbidden)" in said[name], said[name]
    assert ":assumed-role/orion-bastion/i-" in said["who"]
    assert GROUP in said["who"]


def test_eks_answers_for_the_sandboxes_cluster(stage: Stage) -> None:
    cluster = stage.eks.describe_cluster(name=CLUSTER)["cluster"]
    assert cluster.get("accessConfig", {}).get("authenticationMode") == "API"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        stage.eks.describe_cluster(name="another")

    entry = stage.eks.describe_access_entry(clusterName=CLUSTER, principalArn=stage.role_arn)["accessEntry"]
    assert entry.get("kubernetesGroups") == [GROUP]
    with pytest.raises(ClientError, match="ResourceInUseException"):
        stage.eks.create_access_entry(clusterName=CLUSTER, principalArn=stage.role_arn)
    role = stage.role_arn.replace("orion-bastion", "another")
    with pytest.raises(ClientError, match="InvalidParameterException"):
        stage.eks.create_access_entry(clusterName=CLUSTER, principalArn=role, kubernetesGroups=["system:masters"])

    made = stage.eks.create_pod_identity_association(
        clusterName=CLUSTER, namespace="monitoring", serviceAccount="alertmanager", roleArn=stage.role_arn
    )["association"]
    identity = {"clusterName": CLUSTER, "associationId": made.get("associationId", "")}
    assert stage.eks.describe_pod_identity_association(**identity)["association"] == made
    assert len(stage.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"]) == 1
    stage.eks.delete_pod_identity_association(**identity)
    assert stage.eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"] == []
