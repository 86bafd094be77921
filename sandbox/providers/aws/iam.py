"""IAM: roles, policies, and what ties them together. IAM has no region."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import (
    TAGS,
    TEXTS_BY_NAME,
    WHETHER,
    WHOLE_NUMBER,
    json_text,
    properties,
    without_twin,
)
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of

_GONE = ("NoSuchEntity", "NoSuchEntityException")


def _policy(document: Any) -> str:
    """IAM's answers hold a policy as boto3 has parsed it."""
    return document if isinstance(document, str) else json.dumps(document)


def _create_role(aws: Aws, wanted: Wanted) -> str:
    asked = {
        name: wanted.document[name]
        for name in ("Description", "Path", "MaxSessionDuration", "PermissionsBoundary")
        if name in wanted.document
    }
    role = aws.iam.create_role(
        RoleName=wanted.document["RoleName"],
        AssumeRolePolicyDocument=wanted.inputs["assumeRolePolicy"],
        Tags=wanted.tag_list(),
        **asked,
    )
    return role["Role"]["RoleName"]


@gone_as_none(*_GONE)
def _find_role(aws: Aws, wanted: Wanted) -> Found:
    role = aws.iam.get_role(RoleName=wanted.id)["Role"]
    document: dict[str, Any] = {
        "RoleName": role["RoleName"],
        "AssumeRolePolicyDocument": _policy(role.get("AssumeRolePolicyDocument")),
        "Description": role.get("Description", ""),
        "Path": role["Path"],
        "MaxSessionDuration": role.get("MaxSessionDuration", 3600),
        "PermissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
    }
    outputs = {"arn": role["Arn"], "uniqueId": role["RoleId"], "createDate": role["CreateDate"].isoformat()}
    return Found(document=document, outputs=outputs, tags=tags_of(role.get("Tags", [])))


def _update_role(aws: Aws, wanted: Wanted) -> None:
    if wanted.changed("assumeRolePolicy"):
        aws.iam.update_assume_role_policy(RoleName=wanted.id, PolicyDocument=wanted.inputs["assumeRolePolicy"])
    if wanted.changed("description", "maxSessionDuration"):
        aws.iam.update_role(
            RoleName=wanted.id,
            Description=wanted.inputs.get("description", ""),
            MaxSessionDuration=wanted.inputs.get("maxSessionDuration", 3600),
        )
    if wanted.changed("permissionsBoundary"):
        boundary = wanted.inputs.get("permissionsBoundary")
        if boundary:
            aws.iam.put_role_permissions_boundary(RoleName=wanted.id, PermissionsBoundary=boundary)
        else:
            aws.iam.delete_role_permissions_boundary(RoleName=wanted.id)


@gone_is_fine(*_GONE)
def _delete_role(aws: Aws, wanted: Wanted) -> None:
    if wanted.inputs.get("forceDetachPolicies"):
        for attached in aws.iam.list_attached_role_policies(RoleName=wanted.id)["AttachedPolicies"]:
            aws.iam.detach_role_policy(RoleName=wanted.id, PolicyArn=attached.get("PolicyArn", ""))
        for name in aws.iam.list_role_policies(RoleName=wanted.id)["PolicyNames"]:
            aws.iam.delete_role_policy(RoleName=wanted.id, PolicyName=name)
    aws.iam.delete_role(RoleName=wanted.id)


def _tag_role(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    if put:
        aws.iam.tag_role(RoleName=wanted.id, Tags=[{"Key": name, "Value": put[name]} for name in put])
    if gone:
        aws.iam.untag_role(RoleName=wanted.id, TagKeys=list(gone))


ROLE = AwsType(
    token="aws:iam/role:Role",  # noqa: S106 - a type's token
    cloudformation="AWS::IAM::Role",
    fields=properties(
        "description",
        "maxSessionDuration",
        "path",
        "permissionsBoundary",
        name="RoleName",
        assumeRolePolicy=json_text("AssumeRolePolicyDocument"),
        forceDetachPolicies=without_twin("how pulumi-aws deletes a role", WHETHER),
        tags=TAGS,
    ),
    name="name",
    computed=("arn", "uniqueId", "createDate"),
    is_regional=False,
    create=_create_role,
    find=_find_role,
    update=_update_role,
    delete=_delete_role,
    tag=_tag_role,
)


def _put_role_policy(aws: Aws, wanted: Wanted) -> None:
    inputs = wanted.inputs
    aws.iam.put_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"])


def _create_role_policy(aws: Aws, wanted: Wanted) -> str:
    _put_role_policy(aws, wanted)
    return f"{wanted.inputs['role']}:{wanted.inputs['name']}"


@gone_as_none(*_GONE)
def _find_role_policy(aws: Aws, wanted: Wanted) -> Found:
    role, _, name = wanted.id.partition(":")
    policy = aws.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return Found(document={"RoleName": role, "PolicyName": name, "PolicyDocument": _policy(policy)})


@gone_is_fine(*_GONE)
def _delete_role_policy(aws: Aws, wanted: Wanted) -> None:
    role, _, name = wanted.id.partition(":")
    aws.iam.delete_role_policy(RoleName=role, PolicyName=name)


ROLE_POLICY = AwsType(
    token="aws:iam/rolePolicy:RolePolicy",  # noqa: S106 - a type's token
    cloudformation="AWS::IAM::RolePolicy",
    fields=properties(role="RoleName", name="PolicyName", policy=json_text("PolicyDocument")),
    name="name",
    is_regional=False,
    create=_create_role_policy,
    find=_find_role_policy,
    update=_put_role_policy,
    delete=_delete_role_policy,
)


def _attach(aws: Aws, wanted: Wanted) -> str:
    role, policy = wanted.inputs["role"], wanted.inputs["policyArn"]
    aws.iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    return f"{role}/{policy}"


@gone_as_none(*_GONE)
def _find_attachment(aws: Aws, wanted: Wanted) -> Found | None:
    role, _, policy = wanted.id.partition("/")
    for page in aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        if any(attached.get("PolicyArn") == policy for attached in page["AttachedPolicies"]):
            return Found(document={"RoleName": role, "ManagedPolicyArns": [policy]})
    return None


@gone_is_fine(*_GONE)
def _detach(aws: Aws, wanted: Wanted) -> None:
    role, _, policy = wanted.id.partition("/")
    aws.iam.detach_role_policy(RoleName=role, PolicyArn=policy)


ROLE_POLICY_ATTACHMENT = AwsType(
    token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",  # noqa: S106 - a type's token
    cloudformation="AWS::IAM::Role",
    is_part=True,
    fields=properties(role="RoleName", policyArn="ManagedPolicyArns/0"),
    is_regional=False,
    create=_attach,
    find=_find_attachment,
    delete=_detach,
)


def _create_profile(aws: Aws, wanted: Wanted) -> str:
    name = str(wanted.inputs["name"])
    path = wanted.inputs.get("path", "/")
    aws.iam.create_instance_profile(InstanceProfileName=name, Path=path, Tags=wanted.tag_list())
    if "role" in wanted.inputs:
        aws.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=wanted.inputs["role"])
    return name


@gone_as_none(*_GONE)
def _find_profile(aws: Aws, wanted: Wanted) -> Found:
    profile = aws.iam.get_instance_profile(InstanceProfileName=wanted.id)["InstanceProfile"]
    return Found(
        document={
            "InstanceProfileName": wanted.id,
            "Path": profile["Path"],
            "Roles": [role["RoleName"] for role in profile["Roles"]],
        },
        outputs={
            "arn": profile["Arn"],
            "uniqueId": profile["InstanceProfileId"],
            "createDate": profile["CreateDate"].isoformat(),
        },
        tags=tags_of(profile.get("Tags", [])),
    )


def _update_profile(aws: Aws, wanted: Wanted) -> None:
    if not wanted.changed("role"):
        return
    _empty_profile(aws, wanted)
    if "role" in wanted.inputs:
        aws.iam.add_role_to_instance_profile(InstanceProfileName=wanted.id, RoleName=wanted.inputs["role"])


def _empty_profile(aws: Aws, wanted: Wanted) -> None:
    for role in aws.iam.get_instance_profile(InstanceProfileName=wanted.id)["InstanceProfile"]["Roles"]:
        aws.iam.remove_role_from_instance_profile(InstanceProfileName=wanted.id, RoleName=role["RoleName"])


@gone_is_fine(*_GONE)
def _delete_profile(aws: Aws, wanted: Wanted) -> None:
    _empty_profile(aws, wanted)
    aws.iam.delete_instance_profile(InstanceProfileName=wanted.id)


def _tag_profile(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    if put:
        tags: list[Any] = [{"Key": name, "Value": put[name]} for name in put]
        aws.iam.tag_instance_profile(InstanceProfileName=wanted.id, Tags=tags)
    if gone:
        aws.iam.untag_instance_profile(InstanceProfileName=wanted.id, TagKeys=list(gone))


INSTANCE_PROFILE = AwsType(
    token="aws:iam/instanceProfile:InstanceProfile",  # noqa: S106 - a type's token
    cloudformation="AWS::IAM::InstanceProfile",
    fields=properties(
        "path",
        name="InstanceProfileName",
        role="Roles/0",
        tags=without_twin("CloudFormation can't tag instance profiles", TEXTS_BY_NAME),
    ),
    name="name",
    computed=("arn", "uniqueId", "createDate"),
    is_part=True,
    is_regional=False,
    create=_create_profile,
    find=_find_profile,
    update=_update_profile,
    delete=_delete_profile,
    tag=_tag_profile,
)


def _create_policy(aws: Aws, wanted: Wanted) -> str:
    asked = {name: wanted.document[name] for name in ("Description", "Path") if name in wanted.document}
    policy = aws.iam.create_policy(
        PolicyName=wanted.inputs["name"], PolicyDocument=wanted.inputs["policy"], Tags=wanted.tag_list(), **asked
    )
    return policy["Policy"].get("Arn", "")


@gone_as_none(*_GONE)
def _find_policy(aws: Aws, wanted: Wanted) -> Found:
    policy = aws.iam.get_policy(PolicyArn=wanted.id)["Policy"]
    version = policy.get("DefaultVersionId", "")
    content = aws.iam.get_policy_version(PolicyArn=wanted.id, VersionId=version)["PolicyVersion"].get("Document")
    return Found(
        document={
            "ManagedPolicyName": policy.get("PolicyName"),
            "Description": policy.get("Description", ""),
            "Path": policy.get("Path"),
            "PolicyDocument": _policy(content),
        },
        outputs={
            "arn": wanted.id,
            "policyId": policy.get("PolicyId", ""),
            "attachmentCount": policy.get("AttachmentCount", 0),
        },
        tags=tags_of(policy.get("Tags", [])),
    )


def _other_versions(aws: Aws, arn: str) -> list[str]:
    versions = aws.iam.list_policy_versions(PolicyArn=arn)["Versions"]
    return [one.get("VersionId", "") for one in versions if not one.get("IsDefaultVersion")]


def _update_policy(aws: Aws, wanted: Wanted) -> None:
    if wanted.changed("policy"):
        for version in _other_versions(aws, wanted.id):  # a policy has room for five
            aws.iam.delete_policy_version(PolicyArn=wanted.id, VersionId=version)
        policy = wanted.inputs["policy"]
        aws.iam.create_policy_version(PolicyArn=wanted.id, PolicyDocument=policy, SetAsDefault=True)


@gone_is_fine(*_GONE)
def _delete_policy(aws: Aws, wanted: Wanted) -> None:
    for version in _other_versions(aws, wanted.id):
        aws.iam.delete_policy_version(PolicyArn=wanted.id, VersionId=version)
    aws.iam.delete_policy(PolicyArn=wanted.id)


def _tag_policy(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    if put:
        aws.iam.tag_policy(PolicyArn=wanted.id, Tags=[{"Key": name, "Value": put[name]} for name in put])
    if gone:
        aws.iam.untag_policy(PolicyArn=wanted.id, TagKeys=list(gone))


POLICY = AwsType(
    token="aws:iam/policy:Policy",  # noqa: S106 - a type's token
    cloudformation="AWS::IAM::ManagedPolicy",
    fields=properties(
        "description",
        "path",
        name="ManagedPolicyName",
        policy=json_text("PolicyDocument"),
        delayAfterPolicyCreationInMs=without_twin("how long pulumi-aws itself waits", WHOLE_NUMBER),
        tags=without_twin("CloudFormation can't tag managed policies", TEXTS_BY_NAME),
    ),
    name="name",
    computed=("arn", "policyId", "attachmentCount"),
    is_regional=False,
    create=_create_policy,
    find=_find_policy,
    update=_update_policy,
    delete=_delete_policy,
    tag=_tag_policy,
)

TYPES = (ROLE, ROLE_POLICY, ROLE_POLICY_ATTACHMENT, INSTANCE_PROFILE, POLICY)
