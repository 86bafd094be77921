"""KMS: keys and their aliases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, Document, json_text, properties
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine

_GONE = ("NotFoundException",)
_FIXED = "KMS can't change it; CloudFormation refuses the update instead of replacing the key"


def _create_key(aws: Aws, wanted: Wanted) -> str:
    asked = {
        name: value
        for name, value in wanted.document.items()
        if name in {"Description", "KeyUsage", "KeySpec", "MultiRegion"}
    }
    if "policy" in wanted.inputs:
        asked["Policy"] = wanted.inputs["policy"]
    tags = [{"TagKey": name, "TagValue": value} for name, value in wanted.tags.items()]
    key = aws.kms.create_key(**asked, Tags=tags)["KeyMetadata"]["KeyId"]  # pyright: ignore[reportArgumentType]
    _set_rotation(aws, key, wanted)
    if wanted.inputs.get("isEnabled") is False:
        aws.kms.disable_key(KeyId=key)
    return key


def _set_rotation(aws: Aws, key: str, wanted: Wanted) -> None:
    if not wanted.inputs.get("enableKeyRotation"):
        if wanted.old is not None:
            aws.kms.disable_key_rotation(KeyId=key)
        return
    period = wanted.inputs.get("rotationPeriodInDays")
    aws.kms.enable_key_rotation(KeyId=key, **({} if period is None else {"RotationPeriodInDays": period}))


@gone_as_none(*_GONE)
def _find_key(aws: Aws, wanted: Wanted) -> Found | None:
    key = cast("Document", aws.kms.describe_key(KeyId=wanted.id)["KeyMetadata"])
    if key.get("KeyState") == "PendingDeletion":
        return None
    document = {
        "Description": key.get("Description", ""),
        "Enabled": key["Enabled"],
        "EnableKeyRotation": aws.kms.get_key_rotation_status(KeyId=wanted.id)["KeyRotationEnabled"],
        "KeyPolicy": aws.kms.get_key_policy(KeyId=wanted.id, PolicyName="default")["Policy"],
        "KeyUsage": key.get("KeyUsage"),
        "KeySpec": key.get("KeySpec"),
        "MultiRegion": key.get("MultiRegion"),
    }
    tags = {tag["TagKey"]: tag["TagValue"] for tag in aws.kms.list_resource_tags(KeyId=wanted.id).get("Tags", [])}
    return Found(document=document, outputs={"arn": key["Arn"], "keyId": key["KeyId"]}, tags=tags)


def _update_key(aws: Aws, wanted: Wanted) -> None:
    if wanted.changed("description"):
        aws.kms.update_key_description(KeyId=wanted.id, Description=wanted.inputs.get("description", ""))
    if wanted.changed("policy") and "policy" in wanted.inputs:
        aws.kms.put_key_policy(KeyId=wanted.id, PolicyName="default", Policy=wanted.inputs["policy"])
    if wanted.changed("enableKeyRotation", "rotationPeriodInDays"):
        _set_rotation(aws, wanted.id, wanted)
    if wanted.changed("isEnabled"):
        switch = aws.kms.disable_key if wanted.inputs.get("isEnabled") is False else aws.kms.enable_key
        switch(KeyId=wanted.id)


@gone_is_fine(*_GONE, "KMSInvalidStateException")
def _delete_key(aws: Aws, wanted: Wanted) -> None:
    days = wanted.inputs.get("deletionWindowInDays", 30)
    aws.kms.schedule_key_deletion(KeyId=wanted.id, PendingWindowInDays=days)


def _tag_key(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    if put:
        aws.kms.tag_resource(KeyId=wanted.id, Tags=[{"TagKey": name, "TagValue": put[name]} for name in put])
    if gone:
        aws.kms.untag_resource(KeyId=wanted.id, TagKeys=list(gone))


KEY = AwsType(
    token="aws:kms/key:Key",  # noqa: S106 - a type's token
    cloudformation="AWS::KMS::Key",
    fields=properties(
        "bypassPolicyLockoutSafetyCheck",
        "description",
        "enableKeyRotation",
        "keyUsage",
        "multiRegion",
        "rotationPeriodInDays",
        customerMasterKeySpec="KeySpec",
        deletionWindowInDays="PendingWindowInDays",
        isEnabled="Enabled",
        policy=json_text("KeyPolicy"),
        tags=TAGS,
    ),
    computed=("arn", "keyId"),
    replaces={"keyUsage": _FIXED, "customerMasterKeySpec": _FIXED, "multiRegion": _FIXED},
    create=_create_key,
    find=_find_key,
    update=_update_key,
    delete=_delete_key,
    tag=_tag_key,
)


def _create_alias(aws: Aws, wanted: Wanted) -> str:
    name = str(wanted.inputs["name"])
    aws.kms.create_alias(AliasName=name, TargetKeyId=wanted.inputs["targetKeyId"])
    return name


def _find_alias(aws: Aws, wanted: Wanted) -> Found | None:
    for page in aws.kms.get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias.get("AliasName") == wanted.id:
                key = alias.get("TargetKeyId", "")
                target = aws.arn("kms", f"key/{key}")
                said = wanted.inputs.get("targetKeyId")
                return Found(
                    document={"AliasName": wanted.id, "TargetKeyId": said if said in {key, target} else key},
                    outputs={"arn": alias.get("AliasArn", ""), "targetKeyArn": target},
                )
    return None


def _update_alias(aws: Aws, wanted: Wanted) -> None:
    aws.kms.update_alias(AliasName=wanted.id, TargetKeyId=wanted.inputs["targetKeyId"])


@gone_is_fine(*_GONE)
def _delete_alias(aws: Aws, wanted: Wanted) -> None:
    aws.kms.delete_alias(AliasName=wanted.id)


ALIAS = AwsType(
    token="aws:kms/alias:Alias",  # noqa: S106 - a type's token
    cloudformation="AWS::KMS::Alias",
    fields=properties("targetKeyId", name="AliasName"),
    computed=("arn", "targetKeyArn"),
    create=_create_alias,
    find=_find_alias,
    update=_update_alias,
    delete=_delete_alias,
)

TYPES = (KEY, ALIAS)
