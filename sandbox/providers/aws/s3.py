"""S3: buckets, and what pulumi-aws has as resources of their own though CloudFormation has it as parts of a bucket."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from botocore.exceptions import ClientError

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import (
    TAGS,
    TEXT,
    WHETHER,
    Document,
    Mapped,
    json_text,
    nested,
    properties,
    without_twin,
)
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, has_code, tags_of

_BUCKET = "AWS::S3::Bucket"
_GONE = ("NoSuchBucket", "404")
HOSTED_ZONE = "Z3AQBSTGFYJSTF"
"""Route 53's zone of the S3 websites of us-east-1."""
_OWNER = without_twin("a condition on the request, not a property of the bucket", TEXT)


def _create_bucket(aws: Aws, wanted: Wanted) -> str:
    name = str(wanted.inputs["bucket"])
    if aws.region == "us-east-1":
        aws.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=bool(wanted.inputs.get("objectLockEnabled")))
    else:
        where: Any = {"LocationConstraint": aws.region}
        lock = bool(wanted.inputs.get("objectLockEnabled"))
        aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration=where, ObjectLockEnabledForBucket=lock)
    if wanted.tags:
        aws.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": wanted.tag_list()})
    return name


@gone_as_none(*_GONE)
def _find_bucket(aws: Aws, wanted: Wanted) -> Found:
    aws.s3.head_bucket(Bucket=wanted.id)
    try:
        tags = tags_of(aws.s3.get_bucket_tagging(Bucket=wanted.id)["TagSet"])
    except ClientError as error:
        if not has_code(error, "NoSuchTagSet"):
            raise
        tags = dict[str, str]()
    return Found(
        document={"BucketName": wanted.id},
        outputs={
            "arn": f"arn:aws:s3:::{wanted.id}",
            "bucketDomainName": f"{wanted.id}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{wanted.id}.s3.{aws.region}.amazonaws.com",
            "bucketRegion": aws.region,
            "hostedZoneId": HOSTED_ZONE,
        },
        tags=tags,
    )


def _nothing(_aws: Aws, _wanted: Wanted) -> None:
    """Properties that only pulumi-aws reads need no call."""


@gone_is_fine(*_GONE)
def _delete_bucket(aws: Aws, wanted: Wanted) -> None:
    if wanted.inputs.get("forceDestroy"):
        _empty_bucket(aws, wanted.id)
    aws.s3.delete_bucket(Bucket=wanted.id)


def _empty_bucket(aws: Aws, bucket: str) -> None:
    for page in aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            # pulumi-aws passes over a retention too, with the rights of whoever removes the bucket.
            aws.s3.delete_object(
                Bucket=bucket,
                Key=one.get("Key", ""),
                VersionId=one.get("VersionId", ""),
                BypassGovernanceRetention=True,
            )


def _tag_bucket(aws: Aws, wanted: Wanted, _put: Mapping[str, str], _gone: Collection[str]) -> None:
    if wanted.tags:
        aws.s3.put_bucket_tagging(Bucket=wanted.id, Tagging={"TagSet": wanted.tag_list()})
    else:
        aws.s3.delete_bucket_tagging(Bucket=wanted.id)


BUCKET = AwsType(
    token="aws:s3/bucket:Bucket",  # noqa: S106 - a type's token
    cloudformation=_BUCKET,
    fields=properties(
        "objectLockEnabled",
        bucket="BucketName",
        forceDestroy=without_twin("whether pulumi-aws empties the bucket before it deletes it", WHETHER),
        tags=TAGS,
    ),
    name="bucket",
    computed=("arn", "bucketDomainName", "bucketRegionalDomainName", "bucketRegion", "hostedZoneId"),
    replaces={"objectLockEnabled": "only a new bucket can be given it through pulumi-aws"},
    create=_create_bucket,
    find=_find_bucket,
    update=_nothing,
    delete=_delete_bucket,
    tag=_tag_bucket,
)


def _part(
    token: str,
    fields: Mapping[str, Mapped],
    *,
    put: Callable[[Aws, Wanted], None],
    get: Callable[[Aws, str], Document],
    delete: Callable[[Aws, str], None],
    missing: str = "",
) -> AwsType:
    """Return a type for one part of a bucket. `missing` is the code with which S3 says that a bucket has no such."""

    def create(aws: Aws, wanted: Wanted) -> str:
        put(aws, wanted)
        return str(wanted.inputs["bucket"])

    @gone_as_none(*_GONE, missing)
    def find(aws: Aws, wanted: Wanted) -> Found | None:
        document = get(aws, wanted.id)
        return Found(document={"BucketName": wanted.id, **document}) if document else None

    @gone_is_fine(*_GONE, missing)
    def deleted(aws: Aws, wanted: Wanted) -> None:
        delete(aws, wanted.id)

    return AwsType(
        token=token,
        cloudformation=_BUCKET,
        is_part=True,
        fields={**properties(bucket="BucketName"), **fields},
        create=create,
        find=find,
        update=put,
        delete=deleted,
    )


def _put_versioning(aws: Aws, wanted: Wanted) -> None:
    aws.s3.put_bucket_versioning(
        Bucket=wanted.inputs["bucket"], VersioningConfiguration=wanted.document["VersioningConfiguration"]
    )


def _get_versioning(aws: Aws, bucket: str) -> Document:
    status = aws.s3.get_bucket_versioning(Bucket=bucket).get("Status")
    return {"VersioningConfiguration": {"Status": status}} if status else {}


def _suspend_versioning(aws: Aws, bucket: str) -> None:
    aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


VERSIONING = _part(
    "aws:s3/bucketVersioning:BucketVersioning",
    properties(
        versioningConfiguration=nested("VersioningConfiguration", properties("status")),
        expectedBucketOwner=_OWNER,
    ),
    put=_put_versioning,
    get=_get_versioning,
    delete=_suspend_versioning,
)


def _put_encryption(aws: Aws, wanted: Wanted) -> None:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault"),
            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
        }
        for rule in wanted.document["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ]
    configuration: Any = {"Rules": rules}
    aws.s3.put_bucket_encryption(Bucket=wanted.inputs["bucket"], ServerSideEncryptionConfiguration=configuration)


def _get_encryption(aws: Aws, bucket: str) -> Document:
    rules = aws.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    listed: list[Document] = [
        {
            "ServerSideEncryptionByDefault": rule.get("ApplyServerSideEncryptionByDefault", {}),
            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
        }
        for rule in rules
    ]
    return {"BucketEncryption": {"ServerSideEncryptionConfiguration": listed}}


def _delete_encryption(aws: Aws, bucket: str) -> None:
    aws.s3.delete_bucket_encryption(Bucket=bucket)


ENCRYPTION = _part(
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    properties(
        rules=nested(
            "BucketEncryption/ServerSideEncryptionConfiguration",
            properties(
                "bucketKeyEnabled",
                applyServerSideEncryptionByDefault=nested(
                    "ServerSideEncryptionByDefault",
                    properties(sseAlgorithm="SSEAlgorithm", kmsMasterKeyId="KMSMasterKeyID"),
                ),
            ),
        ),
        expectedBucketOwner=_OWNER,
    ),
    put=_put_encryption,
    get=_get_encryption,
    delete=_delete_encryption,
    missing="ServerSideEncryptionConfigurationNotFoundError",
)


def _put_access_block(aws: Aws, wanted: Wanted) -> None:
    configuration: Any = wanted.document.get("PublicAccessBlockConfiguration", {})
    aws.s3.put_public_access_block(Bucket=wanted.inputs["bucket"], PublicAccessBlockConfiguration=configuration)


def _get_access_block(aws: Aws, bucket: str) -> Document:
    found = aws.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    return {"PublicAccessBlockConfiguration": dict(found)}


def _delete_access_block(aws: Aws, bucket: str) -> None:
    aws.s3.delete_public_access_block(Bucket=bucket)


PUBLIC_ACCESS_BLOCK = _part(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    properties(
        blockPublicAcls="PublicAccessBlockConfiguration/BlockPublicAcls",
        blockPublicPolicy="PublicAccessBlockConfiguration/BlockPublicPolicy",
        ignorePublicAcls="PublicAccessBlockConfiguration/IgnorePublicAcls",
        restrictPublicBuckets="PublicAccessBlockConfiguration/RestrictPublicBuckets",
    ),
    put=_put_access_block,
    get=_get_access_block,
    delete=_delete_access_block,
    missing="NoSuchPublicAccessBlockConfiguration",
)


def _put_object_lock(aws: Aws, wanted: Wanted) -> None:
    configuration: Any = wanted.document["ObjectLockConfiguration"]
    aws.s3.put_object_lock_configuration(Bucket=wanted.inputs["bucket"], ObjectLockConfiguration=configuration)


def _get_object_lock(aws: Aws, bucket: str) -> Document:
    found = cast("Document", aws.s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"])
    retention = found.get("Rule", {}).get("DefaultRetention", {})
    said = {name: value for name, value in retention.items() if value}  # moto answers 0 for what was not said
    if not said:
        return {}
    enabled = found["ObjectLockEnabled"]
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": enabled, "Rule": {"DefaultRetention": said}}}


def _delete_object_lock(aws: Aws, bucket: str) -> None:
    """Take the rule away. That the bucket has object locks stays, as in an account."""
    try:
        aws.s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    except ClientError as error:
        # S3 takes it. moto refuses it while the bucket holds objects, and the rule goes with the bucket.
        if not has_code(error, "InvalidBucket"):
            raise


OBJECT_LOCK = _part(
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    properties(
        objectLockEnabled="ObjectLockConfiguration/ObjectLockEnabled",
        rule=nested(
            "ObjectLockConfiguration/Rule",
            properties(defaultRetention=nested("DefaultRetention", properties("mode", "days", "years"))),
        ),
        expectedBucketOwner=_OWNER,
    ),
    put=_put_object_lock,
    get=_get_object_lock,
    delete=_delete_object_lock,
    missing="ObjectLockConfigurationNotFoundError",
)

_RULE = properties(
    "id",
    "status",
    filter=nested("", properties("prefix")),
    expiration=nested("", properties("expiredObjectDeleteMarker", days="ExpirationInDays", date="ExpirationDate")),
    noncurrentVersionExpiration=nested(
        "NoncurrentVersionExpiration", properties("noncurrentDays", "newerNoncurrentVersions")
    ),
    abortIncompleteMultipartUpload=nested("AbortIncompleteMultipartUpload", properties("daysAfterInitiation")),
)
_EXPIRATION = {
    "ExpirationInDays": "Days",
    "ExpirationDate": "Date",
    "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
}
_ALIKE = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")


def _put_lifecycle(aws: Aws, wanted: Wanted) -> None:
    rules: list[Document] = []
    for rule in wanted.document["LifecycleConfiguration"]["Rules"]:
        expiration = {there: rule[here] for here, there in _EXPIRATION.items() if here in rule}
        one = {name: rule[name] for name in _ALIKE if name in rule}
        one |= {"ID": rule.get("Id", ""), "Filter": {"Prefix": rule.get("Prefix", "")}}
        rules.append(one | ({"Expiration": expiration} if expiration else {}))
    configuration: Any = {"Rules": rules}
    aws.s3.put_bucket_lifecycle_configuration(Bucket=wanted.inputs["bucket"], LifecycleConfiguration=configuration)


def _get_lifecycle(aws: Aws, bucket: str) -> Document:
    rules: list[Document] = []
    for rule in aws.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]:
        found = cast("Document", rule)
        expiration = cast("Document", found.get("Expiration", {}))
        one = {name: found[name] for name in _ALIKE if name in found}
        one |= {"Id": found.get("ID"), "Prefix": found.get("Filter", {}).get("Prefix", "")}
        rules.append(one | {here: expiration[there] for here, there in _EXPIRATION.items() if there in expiration})
    return {"LifecycleConfiguration": {"Rules": rules}}


def _delete_lifecycle(aws: Aws, bucket: str) -> None:
    aws.s3.delete_bucket_lifecycle(Bucket=bucket)


LIFECYCLE = _part(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    properties(rules=nested("LifecycleConfiguration/Rules", _RULE), expectedBucketOwner=_OWNER),
    put=_put_lifecycle,
    get=_get_lifecycle,
    delete=_delete_lifecycle,
    missing="NoSuchLifecycleConfiguration",
)


def enforced(policy: str) -> str:
    """Return a bucket policy without the statements that refuse requests without TLS.

    Requests to AWS come over TLS; those to moto do not, and moto ignores conditions, so that it would refuse every one.
    Here a request counts as one over TLS, as it would be in an account: `aws:SecureTransport` is true.
    """
    document = json.loads(policy)
    statements: list[Any] = document.get("Statement", [])
    kept = [one for one in statements if not (one.get("Effect") == "Deny" and _asks_for_tls_only(one))]
    return json.dumps({**document, "Statement": kept}) if len(kept) < len(statements) else policy


def _asks_for_tls_only(statement: Mapping[str, Any]) -> bool:
    for operator, keys in statement.get("Condition", {}).items():
        for key, value in keys.items():
            texts = [str(one).lower() for one in (value if isinstance(value, list) else [value])]
            if operator.lower() == "bool" and key.lower() == "aws:securetransport" and texts == ["false"]:
                return True
    return False


def _put_policy(aws: Aws, wanted: Wanted) -> None:
    aws.s3.put_bucket_policy(Bucket=wanted.inputs["bucket"], Policy=enforced(wanted.inputs["policy"]))


def _create_policy(aws: Aws, wanted: Wanted) -> str:
    _put_policy(aws, wanted)
    return str(wanted.inputs["bucket"])


@gone_as_none(*_GONE, "NoSuchBucketPolicy")
def _find_policy(aws: Aws, wanted: Wanted) -> Found:
    policy = aws.s3.get_bucket_policy(Bucket=wanted.id)["Policy"]
    said = wanted.inputs.get("policy")
    if said is not None and json.loads(enforced(said)) == json.loads(policy):
        policy = said
    return Found(document={"Bucket": wanted.id, "PolicyDocument": policy})


@gone_is_fine(*_GONE, "NoSuchBucketPolicy")
def _delete_policy(aws: Aws, wanted: Wanted) -> None:
    aws.s3.delete_bucket_policy(Bucket=wanted.id)


BUCKET_POLICY = AwsType(
    token="aws:s3/bucketPolicy:BucketPolicy",  # noqa: S106 - a type's token
    cloudformation="AWS::S3::BucketPolicy",
    fields=properties("bucket", policy=json_text("PolicyDocument")),
    create=_create_policy,
    find=_find_policy,
    update=_put_policy,
    delete=_delete_policy,
)

TYPES = (BUCKET, VERSIONING, ENCRYPTION, PUBLIC_ACCESS_BLOCK, OBJECT_LOCK, LIFECYCLE, BUCKET_POLICY)
