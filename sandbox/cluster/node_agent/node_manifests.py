"""The agent's own nodes, and the admission policy that sends the operator's pods to them and only those."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
NODE_NAMES = tuple(f"agent-{zone}" for zone in ZONES)
NODE_LABEL = "sandbox.orion/runs"
NODE_VALUE = "processes"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
OPERATOR = "prometheus-operator"
POLICY = "sandbox-orion-operator-pods-run-as-processes"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
HEARTBEAT_SECONDS = 10
"""A kubelet's own figures."""

_CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}


def timestamp() -> str:
    """Return the present as Kubernetes writes it, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(name: str) -> Mapping[str, Any]:
    """Return a node's manifest, without its status.

    The taint keeps every pod away that the policy does not send here. It is `NoExecute`, since a DaemonSet that
    belongs on every node tolerates `NoSchedule`.
    """
    zone = ZONES[NODE_NAMES.index(name)]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": zone[:-1],
                "topology.kubernetes.io/zone": zone,
                NODE_LABEL: NODE_VALUE,
            },
        },
        "spec": {"taints": [{"key": NODE_LABEL, "value": NODE_VALUE, "effect": "NoExecute"}]},
    }


def node_status(number: int) -> Mapping[str, Any]:
    """Return the status of the node with this number: ready, with room."""
    now = timestamp()
    healthy = {
        "Ready": ("True", "KubeletReady"),
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"),
    }
    return {
        "status": {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "addresses": [{"type": "InternalIP", "address": node_address(number)}],
            "nodeInfo": {
                "architecture": "",
                "bootID": "",
                "containerRuntimeVersion": "processes://1",
                "kernelVersion": "",
                "kubeProxyVersion": "",
                "kubeletVersion": "v1.36.1",
                "machineID": "",
                "operatingSystem": "linux",
                "osImage": "Orion sandbox",
                "systemUUID": "",
            },
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": "the node agent runs",
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                }
                for kind, (status, reason) in healthy.items()
            ],
        }
    }


def node_address(number: int) -> str:
    """Return a node's address in the cluster's records. It may not be loopback, and nothing is ever sent to it."""
    return f"10.200.{number}.1"


def pod_address(number: int, sequence: int) -> str:
    """Return a pod's address in the cluster's records; like the nodes', only a name."""
    return f"10.200.{number}.{2 + sequence % 250}"


def lease(name: str) -> Mapping[str, Any]:
    """Return a node's lease, renewed now."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now},
    }


def admission_policy() -> Iterator[Mapping[str, Any]]:
    """Yield the policy that gives the operator's pods the selector and toleration of the agent's nodes.

    So neither the program nor the chart's values know that these nodes are special.
    """
    toleration = (
        f'Object.spec.tolerations{{key: "{NODE_LABEL}", operator: "Equal", value: "{NODE_VALUE}", effect: "NoExecute"}}'
    )
    yield {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "objectSelector": {"matchLabels": {MANAGED_BY_LABEL: OPERATOR}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ],
            },
            "mutations": [
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {
                        "expression": "has(object.spec.nodeSelector) "
                        f'? [JSONPatch{{op: "add", path: "/spec/nodeSelector/" + jsonpatch.escapeKey("{NODE_LABEL}"), '
                        f'value: "{NODE_VALUE}"}}] '
                        f': [JSONPatch{{op: "add", path: "/spec/nodeSelector", '
                        f'value: {{"{NODE_LABEL}": "{NODE_VALUE}"}}}}]'
                    },
                },
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {
                        "expression": "has(object.spec.tolerations) "
                        f'? [JSONPatch{{op: "add", path: "/spec/tolerations/-", value: {toleration}}}] '
                        f': [JSONPatch{{op: "add", path: "/spec/tolerations", value: [{toleration}]}}]'
                    },
                },
            ],
        },
    }
    yield {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY},
        "spec": {"policyName": POLICY},
    }
