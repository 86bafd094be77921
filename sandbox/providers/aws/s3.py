"""S3: buckets, and their policies."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import (
    TAGS,
    WHETHER,
    json_text,
    properties,
    without_twin,
)
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, has_code, tags_of
from sandbox.providers.aws.s3_bucket_parts import BUCKET_GONE, BUCKET_PARTS, CLOUDFORMATION_BUCKET

HOSTED_ZONE = "Z3AQBSTGFYJSTF"
"""Route 53's zone of the S3 websites of us-east-1."""


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


@gone_as_none(*BUCKET_GONE)
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


@gone_is_fine(*BUCKET_GONE)
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
    cloudformation=CLOUDFORMATION_BUCKET,
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


@gone_as_none(*BUCKET_GONE, "NoSuchBucketPolicy")
def _find_policy(aws: Aws, wanted: Wanted) -> Found:
    policy = aws.s3.get_bucket_policy(Bucket=wanted.id)["Policy"]
    said = wanted.inputs.get("policy")
    if said is not None and json.loads(enforced(said)) == json.loads(policy):
        policy = said
    return Found(document={"Bucket": wanted.id, "PolicyDocument": policy})


@gone_is_fine(*BUCKET_GONE, "NoSuchBucketPolicy")
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

TYPES = (BUCKET, *BUCKET_PARTS, BUCKET_POLICY)
