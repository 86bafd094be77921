"""One resource of each type of AWS that carries messages or keeps data."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.providers.provider_values import Asset
from tests.aws_account import ACCOUNT, REGION
from tests.aws_example import Example, policy, tls_only


def data_examples(zip_file: Path) -> list[Example]:
    """Return them in an order in which each may need those before."""
    return [
        Example(
            name="key",
            token="aws:kms/key:Key",
            inputs=lambda _: {
                "description": "a key",
                "enableKeyRotation": True,
                "deletionWindowInDays": 7,
                "policy": policy({"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}),
            },
            update=lambda _: {"description": "another text", "enableKeyRotation": False, "isEnabled": False},
            replace={"keyUsage": "SIGN_VERIFY"},
        ),
        Example(
            name="alias",
            token="aws:kms/alias:Alias",
            inputs=lambda made: {"name": "alias/orion", "targetKeyId": made["key"].outputs["keyId"]},
            replace={"name": "alias/other"},
            outputs={"arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/orion"},
            identity="alias/orion",
        ),
        Example(
            name="topic",
            token="aws:sns/topic:Topic",
            inputs=lambda made: {
                "name": "orion-alerts",
                "kmsMasterKeyId": made["key"].outputs["arn"],
                "tags": {"team": "platform"},
            },
            update=lambda _: {"displayName": "Orion", "tags": {"team": "trading", "more": "x"}},
            replace={"name": "other"},
            outputs={
                "arn": f"arn:aws:sns:{REGION}:{ACCOUNT}:orion-alerts",
                "owner": ACCOUNT,
                "tagsAll": {"project": "orion", "team": "platform"},
                "region": REGION,
            },
            identity=f"arn:aws:sns:{REGION}:{ACCOUNT}:orion-alerts",
        ),
        Example(
            name="topic-policy",
            token="aws:sns/topicPolicy:TopicPolicy",
            inputs=lambda made: {
                "arn": made["topic"].id,
                "policy": policy(
                    {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": made["topic"].id}
                ),
            },
            update=lambda made: {
                "policy": policy(
                    {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": made["topic"].id}
                )
            },
            replace={"arn": "arn:aws:sns:us-east-1:123456789012:other"},
            outputs={"owner": ACCOUNT},
        ),
        Example(
            name="dead-letters",
            token="aws:sqs/queue:Queue",
            inputs=lambda made: {
                "name": "orion-dead-letters",
                "messageRetentionSeconds": 1209600,
                "kmsMasterKeyId": made["key"].outputs["arn"],
            },
            replace={"fifoQueue": True},
        ),
        Example(
            name="queue",
            token="aws:sqs/queue:Queue",
            inputs=lambda made: {
                "name": "orion-runbook-automation",
                "visibilityTimeoutSeconds": 180,
                "redrivePolicy": json.dumps(
                    {"deadLetterTargetArn": made["dead-letters"].outputs["arn"], "maxReceiveCount": 5}
                ),
            },
            update=lambda _: {"visibilityTimeoutSeconds": 60, "tags": {"a": "b"}},
            replace={"name": "other"},
            outputs={"arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:orion-runbook-automation"},
        ),
        Example(
            name="queue-policy",
            token="aws:sqs/queuePolicy:QueuePolicy",
            inputs=lambda made: {
                "queueUrl": made["queue"].outputs["url"],
                "policy": policy(
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "sns.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": made["queue"].outputs["arn"],
                    }
                ),
            },
            update=lambda made: {
                "policy": policy(
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": made["queue"].outputs["arn"],
                    }
                )
            },
            replace={"queueUrl": "http://127.0.0.1/other"},
        ),
        Example(
            name="subscription",
            token="aws:sns/topicSubscription:TopicSubscription",
            inputs=lambda made: {
                "topic": made["topic"].id,
                "protocol": "sqs",
                "endpoint": made["queue"].outputs["arn"],
                "rawMessageDelivery": False,
                "redrivePolicy": json.dumps({"deadLetterTargetArn": made["dead-letters"].outputs["arn"]}),
            },
            update=lambda _: {"rawMessageDelivery": True},
            replace={"endpoint": "arn:aws:sqs:us-east-1:123456789012:other"},
            outputs={"pendingConfirmation": False},
        ),
        Example(
            name="bucket",
            token="aws:s3/bucket:Bucket",
            inputs=lambda _: {"bucket": "orion-functions-123456789012"},
            update=lambda _: {"forceDestroy": True, "tags": {"a": "b"}},
            replace={"bucket": "another-name"},
            outputs={
                "arn": "arn:aws:s3:::orion-functions-123456789012",
                "bucketDomainName": "orion-functions-123456789012.s3.amazonaws.com",
            },
            identity="orion-functions-123456789012",
        ),
        Example(
            name="versioning",
            token="aws:s3/bucketVersioning:BucketVersioning",
            inputs=lambda made: {
                "bucket": made["bucket"].id,
                "versioningConfiguration": {"status": "Enabled"},
            },
            update=lambda _: {"versioningConfiguration": {"status": "Suspended"}},
            replace={"bucket": "another-name"},
        ),
        Example(
            name="encryption",
            token="aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            inputs=lambda made: {
                "bucket": made["bucket"].id,
                "rules": [
                    {
                        "applyServerSideEncryptionByDefault": {
                            "sseAlgorithm": "aws:kms",
                            "kmsMasterKeyId": made["key"].outputs["arn"],
                        },
                        "bucketKeyEnabled": True,
                    }
                ],
            },
            update=lambda _: {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
            replace={"bucket": "another-name"},
        ),
        Example(
            name="access-block",
            token="aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            inputs=lambda made: {
                "bucket": made["bucket"].id,
                "blockPublicAcls": True,
                "blockPublicPolicy": True,
                "ignorePublicAcls": True,
                "restrictPublicBuckets": True,
            },
            update=lambda _: {"blockPublicAcls": False},
            replace={"bucket": "another-name"},
        ),
        Example(
            name="locked-bucket",
            token="aws:s3/bucket:Bucket",
            inputs=lambda _: {"bucket": "orion-audit-123456789012", "objectLockEnabled": True},
            update=lambda _: {"forceDestroy": True},
            replace={"objectLockEnabled": False},
            identity="orion-audit-123456789012",
        ),
        Example(
            name="object-lock",
            token="aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
            inputs=lambda made: {
                "bucket": made["locked-bucket"].id,
                "objectLockEnabled": "Enabled",
                "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 400}},
            },
            update=lambda _: {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 500}}},
            replace={"bucket": "another-name"},
        ),
        Example(
            name="lifecycle",
            token="aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            inputs=lambda made: {
                "bucket": made["bucket"].id,
                "rules": [
                    {
                        "id": "clean-up",
                        "status": "Enabled",
                        "filter": {"prefix": ""},
                        "expiration": {"days": 90},
                        "noncurrentVersionExpiration": {"noncurrentDays": 90},
                        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                    }
                ],
            },
            update=lambda _: {
                "rules": [
                    {"id": "clean-up", "status": "Enabled", "filter": {"prefix": "a/"}, "expiration": {"days": 30}}
                ]
            },
            replace={"bucket": "another-name"},
        ),
        Example(
            name="bucket-policy",
            token="aws:s3/bucketPolicy:BucketPolicy",
            inputs=lambda made: {"bucket": made["bucket"].id, "policy": tls_only(made["bucket"].id)},
            update=lambda made: {
                "policy": policy(
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                        "Action": "s3:GetObject",
                        "Resource": f"arn:aws:s3:::{made['bucket'].id}/*",
                    }
                )
            },
            replace={"bucket": "another-name"},
        ),
        Example(
            name="zip",
            token="aws:s3/bucketObjectv2:BucketObjectv2",
            inputs=lambda made: {
                "bucket": made["bucket"].id,
                "key": "function.zip",
                "source": Asset(path=str(zip_file)),
                "sourceHash": "first",
            },
            update=lambda _: {"sourceHash": "second"},
            replace={"key": "other.zip"},
            outputs={"arn": "arn:aws:s3:::orion-functions-123456789012/function.zip"},
            identity="orion-functions-123456789012/function.zip",
        ),
        Example(
            name="text",
            token="aws:s3/bucketObjectv2:BucketObjectv2",
            inputs=lambda made: {
                "bucket": made["bucket"].id,
                "key": "a/text.json",
                "content": "{}",
                "contentType": "application/json",
            },
            update=lambda _: {"content": "[]"},
            replace={"key": "other.json"},
        ),
    ]
