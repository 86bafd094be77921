"""EKS: who may do what in a cluster. moto has neither type; the front before it answers for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, Document, properties
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine

_GONE = ("ResourceNotFoundException", "NotFoundException")


def _create_entry(aws: Aws, wanted: Wanted) -> str:
    inputs = wanted.inputs
    asked: Document = {name: inputs[name] for name in ("kubernetesGroups", "type") if name in inputs}
    if "userName" in inputs:
        asked["username"] = inputs["userName"]
    cluster, principal = inputs["clusterName"], inputs["principalArn"]
    aws.eks.create_access_entry(clusterName=cluster, principalArn=principal, tags=wanted.tags, **asked)
    return f"{cluster}:{principal}"


@gone_as_none(*_GONE)
def _find_entry(aws: Aws, wanted: Wanted) -> Found:
    cluster, _, principal = wanted.id.partition(":")
    answer = aws.eks.describe_access_entry(clusterName=cluster, principalArn=principal)
    entry = cast("Document", answer["accessEntry"])
    document: Document = {
        "ClusterName": cluster,
        "PrincipalArn": principal,
        "KubernetesGroups": entry.get("kubernetesGroups", []),
        "Type": entry.get("type"),
        "Username": entry.get("username"),
    }
    outputs = {
        "accessEntryArn": entry["accessEntryArn"],
        "createdAt": entry["createdAt"].isoformat(),
        "modifiedAt": entry["modifiedAt"].isoformat(),
    }
    return Found(document=document, outputs=outputs, tags=entry.get("tags", {}))


def _update_entry(aws: Aws, wanted: Wanted) -> None:
    if not wanted.changed("kubernetesGroups", "userName"):
        return
    asked: Document = {"kubernetesGroups": wanted.inputs.get("kubernetesGroups", [])}
    if "userName" in wanted.inputs:
        asked["username"] = wanted.inputs["userName"]
    cluster, _, principal = wanted.id.partition(":")
    aws.eks.update_access_entry(clusterName=cluster, principalArn=principal, **asked)


@gone_is_fine(*_GONE)
def _delete_entry(aws: Aws, wanted: Wanted) -> None:
    cluster, _, principal = wanted.id.partition(":")
    aws.eks.delete_access_entry(clusterName=cluster, principalArn=principal)


def _tag(arn_name: str, aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    arn = str(wanted.state[arn_name])
    if put:
        aws.eks.tag_resource(resourceArn=arn, tags=put)
    if gone:
        aws.eks.untag_resource(resourceArn=arn, tagKeys=list(gone))


def _tag_entry(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    _tag("accessEntryArn", aws, wanted, put, gone)


ACCESS_ENTRY = AwsType(
    token="aws:eks/accessEntry:AccessEntry",  # noqa: S106 - a type's token
    cloudformation="AWS::EKS::AccessEntry",
    fields=properties("clusterName", "kubernetesGroups", "principalArn", "type", userName="Username", tags=TAGS),
    computed=("accessEntryArn", "createdAt", "modifiedAt"),
    create=_create_entry,
    find=_find_entry,
    update=_update_entry,
    delete=_delete_entry,
    tag=_tag_entry,
)

_ASSOCIATION = ("clusterName", "namespace", "serviceAccount", "roleArn", "disableSessionTags", "targetRoleArn")


def _create_association(aws: Aws, wanted: Wanted) -> str:
    asked: Document = {name: wanted.inputs[name] for name in _ASSOCIATION if name in wanted.inputs}
    answer = aws.eks.create_pod_identity_association(tags=wanted.tags, **asked)
    return answer["association"].get("associationId", "")


@gone_as_none(*_GONE)
def _find_association(aws: Aws, wanted: Wanted) -> Found:
    cluster = str(wanted.inputs.get("clusterName") or wanted.state.get("clusterName"))
    answer = aws.eks.describe_pod_identity_association(clusterName=cluster, associationId=wanted.id)
    found = cast("Document", answer["association"])
    document = {name[0].upper() + name[1:]: found[name] for name in _ASSOCIATION if name in found}
    outputs = {"associationArn": found["associationArn"], "associationId": wanted.id}
    return Found(document=document, outputs=outputs, tags=found.get("tags", {}))


def _update_association(aws: Aws, wanted: Wanted) -> None:
    if wanted.changed("roleArn", "disableSessionTags", "targetRoleArn"):
        names = ("roleArn", "disableSessionTags", "targetRoleArn")
        asked: Document = {name: wanted.inputs[name] for name in names if name in wanted.inputs}
        cluster = str(wanted.inputs["clusterName"])
        aws.eks.update_pod_identity_association(clusterName=cluster, associationId=wanted.id, **asked)


@gone_is_fine(*_GONE)
def _delete_association(aws: Aws, wanted: Wanted) -> None:
    cluster = str(wanted.inputs["clusterName"])
    aws.eks.delete_pod_identity_association(clusterName=cluster, associationId=wanted.id)


def _tag_association(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    _tag("associationArn", aws, wanted, put, gone)


POD_IDENTITY_ASSOCIATION = AwsType(
    token="aws:eks/podIdentityAssociation:PodIdentityAssociation",  # noqa: S106 - a type's token
    cloudformation="AWS::EKS::PodIdentityAssociation",
    fields=properties(*_ASSOCIATION, tags=TAGS),
    computed=("associationArn", "associationId"),
    create=_create_association,
    find=_find_association,
    update=_update_association,
    delete=_delete_association,
    tag=_tag_association,
)

TYPES = (ACCESS_ENTRY, POD_IDENTITY_ASSOCIATION)
