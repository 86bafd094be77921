"""S3: what pulumi-aws has as resources of their own though CloudFormation has it as parts of a bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from botocore.exceptions import ClientError

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import (
    TEXT,
    Document,
    Mapped,
    nested,
    properties,
    without_twin,
)
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, has_code

CLOUDFORMATION_BUCKET = "AWS::S3::Bucket"
BUCKET_GONE = ("NoSuchBucket", "404")
"""The codes with which S3 says that there is no such bucket."""
OWNER = without_twin("a condition on the request, not a property of the bucket", TEXT)


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

    @gone_as_none(*BUCKET_GONE, missing)
    def find(aws: Aws, wanted: Wanted) -> Found | None:
        document = get(aws, wanted.id)
        return Found(document={"BucketName": wanted.id, **document}) if document else None

    @gone_is_fine(*BUCKET_GONE, missing)
    def deleted(aws: Aws, wanted: Wanted) -> None:
        delete(aws, wanted.id)

    return AwsType(
        token=token,
        cloudformation=CLOUDFORMATION_BUCKET,
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
        expectedBucketOwner=OWNER,
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
        expectedBucketOwner=OWNER,
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
        expectedBucketOwner=OWNER,
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
    properties(rules=nested("LifecycleConfiguration/Rules", _RULE), expectedBucketOwner=OWNER),
    put=_put_lifecycle,
    get=_get_lifecycle,
    delete=_delete_lifecycle,
    missing="NoSuchLifecycleConfiguration",
)

BUCKET_PARTS = (VERSIONING, ENCRYPTION, PUBLIC_ACCESS_BLOCK, OBJECT_LOCK, LIFECYCLE)
