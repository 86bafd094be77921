"""Secrets Manager: secrets and their values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, Document, Mapped, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of

_GONE = ("ResourceNotFoundException",)
_DEFAULT_WINDOW_DAYS = 30


def _create_secret(aws: Aws, wanted: Wanted) -> str:
    asked: Document = {
        name: wanted.document[name] for name in ("Name", "Description", "KmsKeyId") if name in wanted.document
    }
    return aws.secretsmanager.create_secret(**asked, Tags=wanted.tag_list())["ARN"]


@gone_as_none(*_GONE)
def _find_secret(aws: Aws, wanted: Wanted) -> Found | None:
    found = cast("Document", dict(aws.secretsmanager.describe_secret(SecretId=wanted.id)))
    if found.get("DeletedDate") is not None:
        return None
    document = {name: found[name] for name in ("Name", "Description", "KmsKeyId") if found.get(name)}
    return Found(document=document, outputs={"arn": found["ARN"]}, tags=tags_of(found.get("Tags") or []))


def _update_secret(aws: Aws, wanted: Wanted) -> None:
    if wanted.changed("description", "kmsKeyId"):
        asked: Document = {"Description": wanted.inputs.get("description", "")}
        if "kmsKeyId" in wanted.inputs:
            asked["KmsKeyId"] = wanted.inputs["kmsKeyId"]
        aws.secretsmanager.update_secret(SecretId=wanted.id, **asked)


@gone_is_fine(*_GONE)
def _delete_secret(aws: Aws, wanted: Wanted) -> None:
    days = wanted.inputs.get("recoveryWindowInDays", _DEFAULT_WINDOW_DAYS)
    if days:
        aws.secretsmanager.delete_secret(SecretId=wanted.id, RecoveryWindowInDays=days)
    else:
        aws.secretsmanager.delete_secret(SecretId=wanted.id, ForceDeleteWithoutRecovery=True)


def _tag_secret(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    if put:
        tags: list[Any] = [{"Key": name, "Value": put[name]} for name in put]
        aws.secretsmanager.tag_resource(SecretId=wanted.id, Tags=tags)
    if gone:
        aws.secretsmanager.untag_resource(SecretId=wanted.id, TagKeys=list(gone))


SECRET = AwsType(
    token="aws:secretsmanager/secret:Secret",  # noqa: S106 - a type's token
    cloudformation="AWS::SecretsManager::Secret",
    fields=properties(
        "description",
        "kmsKeyId",
        "name",
        recoveryWindowInDays=without_twin(
            "how pulumi-aws deletes a secret",
            {"type": "integer", "anyOf": [{"enum": [0]}, {"minimum": 7, "maximum": 30}]},
        ),
        tags=TAGS,
    ),
    name="name",
    computed=("arn",),
    create=_create_secret,
    find=_find_secret,
    update=_update_secret,
    delete=_delete_secret,
    tag=_tag_secret,
)


def _create_version(aws: Aws, wanted: Wanted) -> str:
    secret = str(wanted.inputs["secretId"])
    answer = aws.secretsmanager.put_secret_value(SecretId=secret, SecretString=wanted.inputs["secretString"])
    return f"{answer['ARN']}|{answer['VersionId']}"


@gone_as_none(*_GONE)
def _find_version(aws: Aws, wanted: Wanted) -> Found | None:
    arn, _, version = wanted.id.partition("|")
    if "DeletedDate" in aws.secretsmanager.describe_secret(SecretId=arn):
        return None
    value = aws.secretsmanager.get_secret_value(SecretId=arn, VersionId=version)
    outputs = {
        "secretId": wanted.inputs.get("secretId", arn),
        "arn": arn,
        "secretArn": arn,
        "versionId": version,
    }
    return Found(document={"SecretString": value["SecretString"]}, outputs=outputs)


def _delete_version(_aws: Aws, _wanted: Wanted) -> None:
    """A secret always has a current version; it goes with the secret, or when another one takes its place."""


SECRET_VERSION = AwsType(
    token="aws:secretsmanager/secretVersion:SecretVersion",  # noqa: S106 - a type's token
    cloudformation="AWS::SecretsManager::Secret",
    is_part=True,
    fields=properties(
        secretId=without_twin("in CloudFormation a value is part of its secret", {"type": "string"}, required=True),
        secretString=Mapped(target=("SecretString",), required=True),
    ),
    secrets=("secretString",),
    computed=("arn", "secretArn", "versionId"),
    create=_create_version,
    find=_find_version,
    delete=_delete_version,
)

TYPES = (SECRET, SECRET_VERSION)
