"""EKS, for the sandbox's one cluster: its description, its access entries, and its pod identity associations."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sandbox.clouds.aws.protocol import Answer, AwsError, Request, json_answer

STANDARD = "STANDARD"
ADD_ONS: Mapping[str, Mapping[str, Any]] = {
    "aws-ebs-csi-driver": {"defaultStorageClass": {"enabled": True}},
    "eks-pod-identity-agent": {},
    "vpc-cni": {"enableNetworkPolicy": "true"},
}
"""What the cluster is said to have, with its configuration: what the program's preflight asks for."""


def issuer_of(cluster_name: str, region: str) -> str:
    """Return who issues the tokens of a cluster's service accounts: an address as EKS gives one to each cluster."""
    mark = hashlib.sha256(f"{region}/{cluster_name}".encode()).hexdigest()[:32].upper()
    return f"https://oidc.eks.{region}.amazonaws.com/id/{mark}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterDescription:
    """EKS' description of a cluster. `authority` is its certificate in base64, as a kubeconfig has it."""

    name: str
    endpoint: str
    authority: str
    version: str = "1.36"


class ClusterAccess:
    """Answers EKS' requests about one cluster. It lives in memory, and is asked from many threads."""

    def __init__(
        self,
        cluster: ClusterDescription,
        *,
        region: str,
        account_id: str,
        vpc_id: Callable[[], str] = lambda: "",
    ) -> None:
        """`vpc_id` tells the network that the cluster stands in; it is asked at each description."""
        self._cluster = cluster
        self._vpc_id = vpc_id
        self._region = region
        self._account_id = account_id
        self._entries: dict[str, dict[str, Any]] = {}
        self._associations: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._created_at = time.time()

    def groups_of(self, principal_arn: str) -> tuple[str, ...] | None:
        """Return the Kubernetes groups that a role's access entry names, or None if it has no entry."""
        with self._lock:
            entry = self._entries.get(principal_arn)
            return None if entry is None else tuple(entry["kubernetesGroups"])

    def answer(self, request: Request) -> Answer | None:
        """Answer a request about the cluster, or return None for one that is not about it."""
        match request.method, request.path:
            case "GET", ("clusters",):
                return json_answer({"clusters": [self._cluster.name]})
            case "GET", ("clusters", name):
                self._require(name)
                return json_answer({"cluster": self._description()})
            case "GET", ("clusters", name, "addons", *rest) if len(rest) <= 1:
                self._require(name)
                return self._add_ons(rest[0] if rest else None)
            case _, ("clusters", name, "access-entries", *rest) if len(rest) <= 1:
                self._require(name)
                return self._access_entries(request, rest[0] if rest else None)
            case _, ("clusters", name, "pod-identity-associations", *rest) if len(rest) <= 1:
                self._require(name)
                return self._pod_identities(request, rest[0] if rest else None)
            case _, ("tags", *rest):
                return self._tags(request, "/".join(rest))
            case _:
                return None

    def _require(self, name: str) -> None:
        if name != self._cluster.name:
            raise _not_found(f"No cluster found for name: {name}.")

    def _arn(self, kind: str, rest: str) -> str:
        return f"arn:aws:eks:{self._region}:{self._account_id}:{kind}/{self._cluster.name}{rest}"

    def _description(self) -> dict[str, Any]:
        return {
            "name": self._cluster.name,
            "arn": self._arn("cluster", ""),
            "createdAt": self._created_at,
            "version": self._cluster.version,
            "endpoint": self._cluster.endpoint,
            "roleArn": f"arn:aws:iam::{self._account_id}:role/{self._cluster.name}",
            "status": "ACTIVE",
            "certificateAuthority": {"data": self._cluster.authority},
            "accessConfig": {"authenticationMode": "API"},
            "identity": {"oidc": {"issuer": issuer_of(self._cluster.name, self._region)}},
            "resourcesVpcConfig": {
                "vpcId": self._vpc_id(),
                "endpointPublicAccess": True,
                "publicAccessCidrs": ["0.0.0.0/0"],
                # It listens on this machine only: nothing of it stands in the network, behind a security group.
                "endpointPrivateAccess": False,
            },
            "platformVersion": "eks.1",
            "tags": {},
        }

    def _add_ons(self, name: str | None) -> Answer:
        if name is None:
            return json_answer({"addons": sorted(ADD_ONS)})
        if name not in ADD_ONS:
            raise _not_found(f"No addon: {name} found in cluster: {self._cluster.name}")
        described = {
            "addonName": name,
            "clusterName": self._cluster.name,
            "status": "ACTIVE",
            "addonVersion": "v1.0.0-eksbuild.1",
            "addonArn": self._arn("addon", f"/{name}/1"),
            "createdAt": self._created_at,
            "modifiedAt": self._created_at,
            "configurationValues": json.dumps(ADD_ONS[name]),
            "serviceAccountRoleArn": f"arn:aws:iam::{self._account_id}:role/{name}",
            "tags": {},
        }
        return json_answer({"addon": described})

    def _access_entries(self, request: Request, principal: str | None) -> Answer | None:
        with self._lock:
            match request.method, principal:
                case "GET", None:
                    return json_answer({"accessEntries": sorted(self._entries)})
                case "POST", None:
                    return json_answer({"accessEntry": self._create_entry(request.json())})
                case "GET", str():
                    return json_answer({"accessEntry": self._entry(principal)})
                case "POST", str():
                    entry = self._entry(principal)
                    changes = {
                        name: value
                        for name, value in request.json().items()
                        if name in {"kubernetesGroups", "username"}
                    }
                    entry |= {**changes, "modifiedAt": time.time()}
                    return json_answer({"accessEntry": entry})
                case "DELETE", str():
                    self._entry(principal)
                    del self._entries[principal]
                    return json_answer({})
                case _:
                    return None

    def _entry(self, principal: str) -> dict[str, Any]:
        if principal not in self._entries:
            raise _not_found(f"The specified principalArn could not be found: {principal}")
        return self._entries[principal]

    def _create_entry(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        principal = wanted.get("principalArn")
        if not isinstance(principal, str) or not principal.startswith(f"arn:aws:iam::{self._account_id}:"):
            raise AwsError("InvalidParameterException", f"The principalArn is not of this account: {principal}")
        if wanted.get("type", STANDARD) != STANDARD:
            message = f"type {wanted['type']}: the sandbox has no access entries of it, only {STANDARD}"
            raise AwsError("InvalidParameterException", message)
        if principal in self._entries:
            raise _conflict("The specified access entry resource is already in use on this cluster.")
        groups = wanted.get("kubernetesGroups") or []
        refused = [group for group in groups if group.startswith(("system:", "eks:", "aws:", "amazon:", "iam:"))]
        if refused:
            raise AwsError("InvalidParameterException", f"The kubernetes group name {refused[0]} is invalid")
        now = time.time()
        mark = hashlib.sha256(principal.encode()).hexdigest()[:32]
        name = principal.rsplit("/", maxsplit=1)[-1]
        self._entries[principal] = {
            "clusterName": self._cluster.name,
            "principalArn": principal,
            "kubernetesGroups": list(groups),
            "accessEntryArn": self._arn("access-entry", f"/role/{self._account_id}/{name}/{mark}"),
            "createdAt": now,
            "modifiedAt": now,
            "tags": wanted.get("tags") or {},
            "username": wanted.get("username")
            or f"arn:aws:sts::{self._account_id}:assumed-role/{name}/{{{{SessionName}}}}",
            "type": STANDARD,
        }
        return self._entries[principal]

    def _pod_identities(self, request: Request, association_id: str | None) -> Answer | None:
        with self._lock:
            match request.method, association_id:
                case "GET", None:
                    return json_answer({"associations": self._listed_associations(request.query)})
                case "POST", None:
                    return json_answer({"association": self._create_association(request.json())})
                case "GET", str():
                    return json_answer({"association": self._association(association_id)})
                case "POST", str():
                    association = self._association(association_id)
                    association |= {"roleArn": request.json()["roleArn"], "modifiedAt": time.time()}
                    return json_answer({"association": association})
                case "DELETE", str():
                    association = self._association(association_id)
                    del self._associations[association_id]
                    return json_answer({"association": association})
                case _:
                    return None

    def _listed_associations(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        names = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId")
        return [
            {name: one[name] for name in names}
            for one in self._associations.values()
            if all(query.get(name, one[name]) == one[name] for name in ("namespace", "serviceAccount"))
        ]

    def _association(self, association_id: str) -> dict[str, Any]:
        if association_id not in self._associations:
            raise _not_found(f"No association found with id: {association_id}")
        return self._associations[association_id]

    def _create_association(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        missing = [name for name in ("namespace", "serviceAccount", "roleArn") if not wanted.get(name)]
        if missing:
            raise AwsError("InvalidParameterException", f"missing: {', '.join(missing)}")
        of_account = (wanted["namespace"], wanted["serviceAccount"])
        if any((one["namespace"], one["serviceAccount"]) == of_account for one in self._associations.values()):
            raise _conflict("Association already exists: namespace and service account")
        association_id = f"a-{uuid.uuid4().hex[:17]}"
        now = time.time()
        self._associations[association_id] = {
            "clusterName": self._cluster.name,
            "namespace": wanted["namespace"],
            "serviceAccount": wanted["serviceAccount"],
            "roleArn": wanted["roleArn"],
            "associationArn": self._arn("podidentityassociation", f"/{association_id}"),
            "associationId": association_id,
            "tags": wanted.get("tags") or {},
            "createdAt": now,
            "modifiedAt": now,
            "disableSessionTags": bool(wanted.get("disableSessionTags", False)),
        }
        return self._associations[association_id]

    def _tags(self, request: Request, arn: str) -> Answer:
        with self._lock:
            for one in [*self._entries.values(), *self._associations.values()]:
                if arn in {one.get("accessEntryArn"), one.get("associationArn")}:
                    if request.method == "POST":
                        one["tags"] = one["tags"] | request.json()["tags"]
                    elif request.method == "DELETE":
                        one["tags"].pop(request.query.get("tagKeys", ""), None)
                    return json_answer({"tags": one["tags"]} if request.method == "GET" else {})
        if arn == self._arn("cluster", "") and request.method == "GET":
            return json_answer({"tags": {}})
        raise _not_found(f"No resource found for ARN {arn}")


def _not_found(message: str) -> AwsError:
    return AwsError("ResourceNotFoundException", message, HTTPStatus.NOT_FOUND)


def _conflict(message: str) -> AwsError:
    return AwsError("ResourceInUseException", message, HTTPStatus.CONFLICT)
