"""Lists the resources in the back ends, by asking them and not the engine's state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from sandbox.cluster.kubectl import kubectl
from sandbox.credentials import Credentials

Inventory = frozenset[str]
"""One line for each thing: where it is, what it is, and its name or id."""
REQUEST_SECONDS = 10.0

_AWS: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("sns", "list_topics", "Topics", lambda one: one["TopicArn"]),
    ("sqs", "list_queues", "QueueUrls", str),
    ("s3", "list_buckets", "Buckets", lambda one: one["Name"]),
    ("lambda", "list_functions", "Functions", lambda one: one["FunctionName"]),
    ("secretsmanager", "list_secrets", "SecretList", lambda one: one["Name"]),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", lambda one: one["UUID"]),
    ("dynamodb", "list_tables", "TableNames", str),
    ("iam", "list_roles", "Roles", lambda one: one["RoleName"]),
    ("iam", "list_instance_profiles", "InstanceProfiles", lambda one: one["InstanceProfileName"]),
    ("kms", "list_aliases", "Aliases", lambda one: one["AliasName"]),
    ("events", "list_rules", "Rules", lambda one: one["Name"]),
    ("cloudwatch", "describe_alarms", "MetricAlarms", lambda one: one["AlarmName"]),
    ("logs", "describe_log_groups", "logGroups", lambda one: one["logGroupName"]),
    ("ec2", "describe_security_groups", "SecurityGroups", lambda one: one["GroupId"]),
)
"""The service, the call, the answer's list and what names one of it."""
_PAGERDUTY = {
    "/teams": "teams",
    "/services": "services",
    "/webhook_subscriptions": "webhook_subscriptions",
    "/escalation_policies": "escalation_policies",
    "/v3/schedules": "schedules",
}
_CLUSTER = "namespaces,clusterroles,clusterrolebindings,validatingwebhookconfigurations,mutatingwebhookconfigurations"
_NAMESPACED = "prometheusrules,prometheuses,alertmanagers,roles,rolebindings,networkpolicies,secrets,configmaps"
_MADE_BY_THE_CLUSTER = ("configmap/kube-root-ca.crt",)


def inventory(credentials: Credentials, *, aws: str, pagerduty: str, kubeconfig: Path) -> Inventory:
    """Return what there is now.

    Raises `httpx.HTTPError`, `botocore`'s errors or `ServiceFailed` if a back end does not answer.
    """
    return frozenset([*_in_aws(aws, credentials), *_in_pagerduty(pagerduty, credentials), *_in_cluster(kubeconfig)])


def _in_aws(address: str, credentials: Credentials) -> Iterator[str]:
    session: Any = credentials.session()  # its types have a signature for each service's name, and none for any
    for service, call, listed, name in _AWS:
        answer: Mapping[str, Any] = getattr(session.client(service, endpoint_url=address), call)()
        yield from (f"{service} {listed}: {name(one)}" for one in answer.get(listed, []))
    reservations = session.client("ec2", endpoint_url=address).describe_instances()["Reservations"]
    for instance in (one for reservation in reservations for one in reservation["Instances"]):
        if instance["State"]["Name"] != "terminated":
            yield f"ec2 Instances: {instance['InstanceId']}"
    documents = session.client("ssm", endpoint_url=address).list_documents(
        Filters=[{"Key": "Owner", "Values": ["Self"]}]
    )
    yield from (f"ssm Documents: {one['Name']}" for one in documents["DocumentIdentifiers"])


def _in_pagerduty(address: str, credentials: Credentials) -> Iterator[str]:
    headers = credentials.pagerduty_headers()
    with httpx.Client(base_url=address, headers=headers, timeout=REQUEST_SECONDS) as client:
        for path, listed in _PAGERDUTY.items():
            found = client.get(path, params={"limit": 100}).raise_for_status().json()[listed]
            yield from (f"pagerduty {listed}: {one['id']}" for one in found)


def _in_cluster(kubeconfig: Path) -> Iterator[str]:
    for line in kubectl(kubeconfig, "get", _CLUSTER, "--output=name").split():
        yield f"cluster: {line}"
    template = '--output=jsonpath={range .items[*]}{.metadata.namespace} {.kind}/{.metadata.name}{"\\n"}{end}'
    for line in kubectl(kubeconfig, "get", _NAMESPACED, "--all-namespaces", template).splitlines():
        if not line.lower().endswith(_MADE_BY_THE_CLUSTER):
            yield f"namespace {line}"
