"""A bucket that nobody outside the account reads: encrypted, versioned, no public access, TLS only, and cleaned up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.naming import type_token
from components.policies import policy_document, refuse_plain_http


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateBucketSpec:
    """Plain data of a bucket. `expire_days` removes an object, `old_versions_days` a version that was replaced.

    For `locked_days` after it was written, nobody removes or replaces an object but who may bypass its retention.
    """

    bucket: str
    account_id: str
    require_tls: bool
    empty_on_delete: bool
    expire_days: int | None
    old_versions_days: int
    locked_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateBucketArgs:
    """Arguments of a bucket. `holding` are the options that protect the bucket (`components.protection`)."""

    spec: PrivateBucketSpec
    key_arn: pulumi.Input[str]
    holding: pulumi.ResourceOptions


class PrivateBucket(pulumi.ComponentResource):
    """One bucket and all that keeps it private."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    before_objects: Sequence[pulumi.Resource]
    """What an object comes after: else it has no version to be named by, and is encrypted with another key."""

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("PrivateBucket"), name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        spec = args.spec
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket=spec.bucket,
            force_destroy=spec.empty_on_delete,
            object_lock_enabled=True if spec.locked_days is not None else None,
            opts=pulumi.ResourceOptions.merge(child, args.holding),
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        encryption = aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="aws:kms", kms_master_key_id=args.key_arn
                    ),
                    bucket_key_enabled=True,
                )
            ],
            opts=child,
        )
        access = aws.s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        self.before_objects = (versioning, encryption, *self._lock(name, spec, bucket, versioning))
        self._lifecycle(name, spec, bucket, versioning)
        if spec.require_tls:
            aws.s3.BucketPolicy(
                f"{name}-policy",
                bucket=bucket.id,
                policy=policy_document(
                    refuse_plain_http("s3:*", bucket.arn, pulumi.Output.format("{0}/*", bucket.arn))
                ),
                # S3 answers two changes of a bucket's access at once with a conflict.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[access]),
            )
        self.name = bucket.bucket
        self.arn = bucket.arn
        self.register_outputs({"name": self.name, "arn": self.arn})

    def _lock(
        self, name: str, spec: PrivateBucketSpec, bucket: aws.s3.Bucket, versioning: aws.s3.BucketVersioning
    ) -> Sequence[pulumi.Resource]:
        if spec.locked_days is None:
            return ()
        lock = aws.s3.BucketObjectLockConfiguration(
            f"{name}-lock",
            bucket=bucket.id,
            object_lock_enabled="Enabled",
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                    mode="GOVERNANCE", days=spec.locked_days
                )
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        return (lock,)

    def _lifecycle(
        self, name: str, spec: PrivateBucketSpec, bucket: aws.s3.Bucket, versioning: aws.s3.BucketVersioning
    ) -> None:
        expiration = aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=spec.expire_days)
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="clean-up",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=expiration if spec.expire_days is not None else None,
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=spec.old_versions_days
                    ),
                    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=7
                    ),
                )
            ],
            # Rules about old versions need versioning to be on.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
