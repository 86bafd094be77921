"""A stage for repairs: a real cluster, AWS with its front, the functions' runtime, and what is deployed there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from alerting.names import MAINTENANCE_NAMESPACE
from alerting.platform_repairs import ClusterRight
from alerting.repairs.compile import MAINTENANCE_RIGHT, repair_action
from alerting.repairs.ssm_documents import document_text
from components.function_package import FunctionPackage
from components.repair_sweep import build_sweep_package
from components.runbook_automation import build_repair_package
from sandbox import loopback
from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.kubectl import Manifest, apply, kubectl
from sandbox.cluster.workloads import NAMESPACE, PodSummary, Workloads
from sandbox.credentials import ACCOUNT_ID, REGION, Credentials
from sandbox.journal import JOURNAL_VARIABLE, Journal
from sandbox.ports import free_port
from sandbox.service import ProcessService, wait_until_ready
from tests.alerting_data import fixture_catalog
from tests.lambda_events import ROOT, create_documents, create_state_table, function_data, function_repairs
from tests.waiting import until

CLUSTER = "orion"
GROUP = "orion:repairs"
QUEUE = "orion-runbook-automation"
FUNCTION = "orion-runbook-automation"
SWEEP = "orion-repair-sweep"
TEAMS = ("database", "platform", "trading")
REPAIRS = {
    "HighMemoryUsage": "restart_pod",
    "PodCrashLooping": "collect_diagnostics",
    "KafkaConsumerLag": "scale_consumers",
    "HighErrorRate": "rollback_deployment",
    "AuroraHighCPU": "hand_to_database_team",
}
ENDED = {"Success", "Failed", "TimedOut", "Cancelled"}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@contextmanager
def running_cluster(directory: Path) -> Generator[ControlPlane]:
    """A cluster with the services, and the rights that the program gives the bastion's group."""
    plane = ControlPlane("repair", directory)
    plane.start()
    try:
        wait_until_ready(plane, timeout_seconds=90)
        workloads = Workloads(plane.kubeconfig, directory / "workloads")
        workloads.install()
        apply(plane.kubeconfig, [*rights("Role"), *rights("ClusterRole"), *rights_to_maintenance()])
        until("the services are ready", lambda: plane.ready() and workloads.ready())
        yield plane
    finally:
        plane.stop()


CREDENTIALS = Credentials.new()


def claimed_item(id_: str) -> dict[str, Any]:
    """Return the record of an overdue repair as a function leaves it that dies before it sends anything."""
    return {
        "id": {"S": id_},
        "open": {"S": "repair"},
        "due_at": {"N": "1"},
        "started_at": {"N": "1"},
        "timeout_seconds": {"N": "180"},
        "alert": {"S": "HighMemoryUsage"},
        "action": {"S": "restart_pod"},
        "team": {"S": "platform"},
        "labels": {"M": {}},
        "parameters": {"M": {}},
        "status": {"S": "claimed"},
    }


def rights(kind: str) -> list[Manifest]:
    """The rights of the bastion's group, in the services' namespace or in the whole cluster."""
    wanted = function_repairs({})
    return _role(kind, NAMESPACE, wanted.rights if kind == "Role" else wanted.cluster_rights)


def _role(kind: str, namespace: str, rights: Sequence[ClusterRight]) -> list[Manifest]:
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": "orion-repairs", **({"namespace": namespace} if kind == "Role" else {})}
    rules = [
        {"apiGroups": [one.group], "resources": [one.resource], "verbs": list(one.verbs)}
        | ({"resourceNames": list(one.names)} if one.names else {})
        for one in rights
    ]
    return [
        {"apiVersion": f"{rbac}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": kind, "name": "orion-repairs"},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": GROUP}],
        },
    ]


def rights_to_maintenance() -> list[Manifest]:
    """The namespace in which maintenance is declared, and what the program lets the bastion's group read there."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MAINTENANCE_NAMESPACE}}
    return [namespace, *_role("Role", MAINTENANCE_NAMESPACE, [MAINTENANCE_RIGHT])]


@contextmanager
def running_aws(plane: ControlPlane, directory: Path, journal: Journal) -> Generator[str]:
    """AWS in a process of its own; yields its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = ProcessService(
        "aws",
        [
            *(sys.executable, "-m", "sandbox.clouds.aws", "--port", str(port), "--cluster-name", CLUSTER),
            *("--cluster-kubeconfig", plane.kubeconfig, "--pki", plane.pki),
        ],
        directory=directory,
        is_ready=lambda: _answers(f"{address}/sandbox/health"),
        address=address,
        environment={**os.environ, JOURNAL_VARIABLE: str(journal.path), **CREDENTIALS.environment()},
        working_directory=ROOT,
    )
    process.start()
    try:
        wait_until_ready(process, timeout_seconds=60)
        yield address
    finally:
        process.stop()


def _answers(address: str) -> bool:
    try:
        return loopback.get(address, timeout=1).is_success
    except httpx.TransportError:
        return False


class Stage:
    """The deployed objects, and the means to act on them and read them."""

    def __init__(self, address: str, plane: ControlPlane) -> None:
        self.address = address
        self.plane = plane
        session = CREDENTIALS.session()
        self.sns = session.client("sns", endpoint_url=address)
        self.sqs = session.client("sqs", endpoint_url=address)
        self.ssm = session.client("ssm", endpoint_url=address)
        self.eks = session.client("eks", endpoint_url=address)
        self.ec2 = session.client("ec2", endpoint_url=address)
        self.iam = session.client("iam", endpoint_url=address)
        self.s3 = session.client("s3", endpoint_url=address)
        self.events = session.client("events", endpoint_url=address)
        self.dynamodb = session.client("dynamodb", endpoint_url=address)
        self.functions = session.client("lambda", endpoint_url=address)
        self.role_arn = ""
        self.documents: dict[str, dict[str, str]] = {}

    def deploy_bastion(self) -> None:
        """The instance with its role, its access entry, and the documents."""
        self.role_arn = self.iam.create_role(RoleName="orion-bastion", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        self.iam.create_instance_profile(InstanceProfileName="orion-bastion")
        self.iam.add_role_to_instance_profile(InstanceProfileName="orion-bastion", RoleName="orion-bastion")
        tags = [{"Key": "Name", "Value": "orion-bastion"}, {"Key": "orion:role", "Value": "bastion"}]
        self.ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            IamInstanceProfile={"Name": "orion-bastion"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],  # pyright: ignore[reportArgumentType]  dicts of these shapes
        )
        self.eks.create_access_entry(clusterName=CLUSTER, principalArn=self.role_arn, kubernetesGroups=[GROUP])
        self.s3.create_bucket(Bucket="orion-diagnostics")
        self.documents = create_documents(self.ssm)

    def deploy_functions(self, folder: Path, *, mode: str = "on") -> None:
        """Topics, queues, rules, table and functions, as the components make them."""
        alerts = self.sns.create_topic(Name="orion-alerts")["TopicArn"]
        notifications = self.sns.create_topic(Name="orion-notifications")["TopicArn"]
        teams = {team: self.sns.create_topic(Name=f"orion-team-{team}")["TopicArn"] for team in TEAMS}
        create_state_table(self.dynamodb)
        self.s3.create_bucket(Bucket="orion-functions")
        self.s3.put_bucket_versioning(Bucket="orion-functions", VersioningConfiguration={"Status": "Enabled"})
        common = {
            "REPAIR_TABLE": "orion-state",
            "NOTIFICATION_TOPIC_ARN": notifications,
            "TEAM_TOPIC_ARNS": json.dumps(teams),
        }
        repair_queue = self._queue(FUNCTION)
        self.sns.subscribe(TopicArn=alerts, Protocol="sqs", Endpoint=repair_queue)
        pattern = {"source": ["aws.ssm"], "detail-type": ["EC2 Command Invocation Status-change Notification"]}
        self.events.put_rule(Name="orion-repair-outcomes", EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule="orion-repair-outcomes", Targets=[{"Id": "queue", "Arn": repair_queue}])
        self._function(
            FUNCTION,
            build_repair_package(ROOT / "lambda", folder, function_data(REPAIRS)),
            handler="runbook_automation.handler.handler",
            queue_arn=repair_queue,
            variables={
                **common,
                "BASTION_TAG_VALUE": "bastion",
                "DIAGNOSTICS_BUCKET": "orion-diagnostics",
                "REPAIR_MODE": mode,
                "REPAIR_DOCUMENTS": json.dumps(self.documents),
            },
        )
        sweep_queue = self._queue(SWEEP)
        self.events.put_rule(Name="orion-repair-sweep", ScheduleExpression="rate(1 minute)")
        message = json.dumps({"source": "orion.sweep"})
        self.events.put_targets(
            Rule="orion-repair-sweep", Targets=[{"Id": "queue", "Arn": sweep_queue, "Input": message}]
        )
        self._function(
            SWEEP,
            build_sweep_package(ROOT / "lambda", folder),
            handler="repair_sweep.handler.handler",
            queue_arn=sweep_queue,
            variables=common,
        )

    def _queue(self, name: str) -> str:
        """Make a queue and its dead-letter queue, and return its ARN."""
        dead = self.sqs.create_queue(QueueName=f"{name}-dead-letters")["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": self._queue_arn(dead), "maxReceiveCount": 5})
        attributes = {"VisibilityTimeout": "180", "RedrivePolicy": redrive}
        return self._queue_arn(
            self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # pyright: ignore[reportArgumentType]  a dict of this shape
        )

    def _function(
        self, name: str, package: FunctionPackage, *, handler: str, queue_arn: str, variables: Mapping[str, str]
    ) -> None:
        key = f"{name}.zip"
        version = self.s3.put_object(Bucket="orion-functions", Key=key, Body=package.path.read_bytes())
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        self.functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Architectures=["arm64"],
            Role=role,
            Handler=handler,
            Timeout=30,
            MemorySize=256,
            Code={"S3Bucket": "orion-functions", "S3Key": key, "S3ObjectVersion": version["VersionId"]},
            Environment={"Variables": dict(variables)},
        )
        self.functions.create_event_source_mapping(
            EventSourceArn=queue_arn,
            FunctionName=name,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": 2},
        )

    def send(self, document: str, parameters: Mapping[str, str]) -> str:
        """Send a document to the bastion and return the command's id."""
        answer = self.ssm.send_command(
            DocumentName=document,
            Targets=[{"Key": "tag:orion:role", "Values": ["bastion"]}],
            Parameters={name: [value] for name, value in parameters.items()},
        )
        return answer["Command"].get("CommandId", "")

    def ended(self, command: str) -> Any:
        """Wait until a command has ended and return what became of it."""
        (invocation,) = self.ssm.list_command_invocations(CommandId=command)["CommandInvocations"]
        instance = invocation.get("InstanceId", "")

        def answer() -> Any:
            return self.ssm.get_command_invocation(CommandId=command, InstanceId=instance)

        until(f"command {command} has ended", lambda: answer()["Status"] in ENDED)
        return answer()

    def run(self, document: str, **parameters: str) -> Any:
        return self.ended(self.send(document, parameters))

    def document_with(self, action: str, name: str, **bounds: int) -> str:
        """Make another document of an action, with other bounds, and return its name."""
        content = repair_action(fixture_catalog().actions[action], namespaces=[NAMESPACE], bounds=bounds).content
        self.ssm.create_document(
            Name=name, DocumentType="Command", DocumentFormat="JSON", Content=document_text(content)
        )
        return name

    def replace_document(self, action: str, script: str, *, timeout_seconds: int) -> dict[str, str]:
        """Give an action's document a newer version, which becomes the default one; returns what names that version."""
        name = f"orion-{action.replace('_', '-')}"
        content = json.loads(self.ssm.get_document(Name=name).get("Content", ""))
        content["mainSteps"][0]["inputs"] = {"timeoutSeconds": str(timeout_seconds), "runCommand": [script]}
        changed = self.ssm.update_document(Name=name, Content=json.dumps(content), DocumentVersion="$LATEST")
        described = changed["DocumentDescription"]
        version = described.get("DocumentVersion", "")
        self.ssm.update_document_default_version(Name=name, DocumentVersion=version)
        return {"version": version, "hash": described.get("Hash", "")}

    def record(self, fingerprint: str) -> dict[str, str]:
        """Return the texts of the only repair of an alert."""
        items = self.dynamodb.scan(TableName="orion-state")["Items"]
        (item,) = (one for one in items if f"#{fingerprint}#" in one["id"].get("S", ""))
        return {name: value["S"] for name, value in item.items() if "S" in value}

    def _queue_arn(self, url: str) -> str:
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def waiting(self, queue: str = QUEUE) -> int:
        """Return how many messages a queue holds, those being handled too."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def publish_alert(self, message: str) -> None:
        self.sns.publish(
            TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:orion-alerts", Subject="Orion alert", Message=message
        )

    def messages(self, topic: str) -> list[dict[str, Any]]:
        """Return what a topic was told."""
        page = f"{self.address}/sandbox/topics/{topic}"
        told = loopback.get(page, headers=CREDENTIALS.signed(page)).raise_for_status().json()
        return [{"subject": one["subject"], **json.loads(one["message"])} for one in told]

    def pods(self, service: str) -> list[PodSummary]:
        found = Workloads(self.plane.kubeconfig, Path("unused")).pods()
        return [pod for pod in found if pod.service == service]

    def kubectl(self, *arguments: str) -> str:
        return kubectl(self.plane.kubeconfig, *arguments)
