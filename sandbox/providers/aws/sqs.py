"""SQS: queues and their policies. A queue's id is its address."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from sandbox.providers.aws import schemas
from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, TEXT, json_text, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine
from sandbox.providers.aws.sns import attribute

_QUEUE = "AWS::SQS::Queue"
_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue")


def _attributes(wanted: Wanted) -> dict[str, str]:
    attributes = {name: attribute(value) for name, value in wanted.document.items() if name != "QueueName"}
    if "policy" in wanted.inputs:
        attributes["Policy"] = wanted.inputs["policy"]
    return attributes


def _create_queue(aws: Aws, wanted: Wanted) -> str:
    queue = aws.sqs.create_queue(
        QueueName=wanted.document["QueueName"],
        Attributes=_attributes(wanted),  # pyright: ignore[reportArgumentType] - names that the schema allows
        tags=dict(wanted.tags),
    )
    return queue["QueueUrl"]


@gone_as_none(*_GONE)
def _find_queue(aws: Aws, wanted: Wanted) -> Found:
    attributes = aws.sqs.get_queue_attributes(QueueUrl=wanted.id, AttributeNames=["All"])["Attributes"]
    document = schemas.typed(_QUEUE, attributes)
    for name in ("RedrivePolicy", "RedriveAllowPolicy"):
        if name in attributes:
            document[name] = json.loads(attributes[name])
    document["QueueName"] = wanted.id.rpartition("/")[2]
    return Found(
        document=document,
        outputs={"arn": attributes["QueueArn"], "url": wanted.id},
        tags=aws.sqs.list_queue_tags(QueueUrl=wanted.id).get("Tags", {}),
    )


def _update_queue(aws: Aws, wanted: Wanted) -> None:
    before = _attributes(wanted.old) if wanted.old is not None else {}
    now = _attributes(wanted)
    changed = {name: now.get(name, "") for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
    if changed:
        aws.sqs.set_queue_attributes(QueueUrl=wanted.id, Attributes=changed)  # pyright: ignore[reportArgumentType]


@gone_is_fine(*_GONE)
def _delete_queue(aws: Aws, wanted: Wanted) -> None:
    aws.sqs.delete_queue(QueueUrl=wanted.id)


def _tag_queue(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    if put:
        aws.sqs.tag_queue(QueueUrl=wanted.id, Tags=dict(put))
    if gone:
        aws.sqs.untag_queue(QueueUrl=wanted.id, TagKeys=list(gone))


QUEUE = AwsType(
    token="aws:sqs/queue:Queue",  # noqa: S106 - a type's token
    cloudformation=_QUEUE,
    fields=properties(
        "contentBasedDeduplication",
        "deduplicationScope",
        "delaySeconds",
        "fifoQueue",
        "fifoThroughputLimit",
        "kmsDataKeyReusePeriodSeconds",
        "kmsMasterKeyId",
        "sqsManagedSseEnabled",
        name="QueueName",
        maxMessageSize="MaximumMessageSize",
        messageRetentionSeconds="MessageRetentionPeriod",
        receiveWaitTimeSeconds="ReceiveMessageWaitTimeSeconds",
        visibilityTimeoutSeconds="VisibilityTimeout",
        redrivePolicy=json_text("RedrivePolicy"),
        redriveAllowPolicy=json_text("RedriveAllowPolicy"),
        policy=without_twin("in CloudFormation AWS::SQS::QueueInlinePolicy sets it", TEXT, is_json=True),
        tags=TAGS,
    ),
    name="name",
    computed=("arn", "url"),
    create=_create_queue,
    find=_find_queue,
    update=_update_queue,
    delete=_delete_queue,
    tag=_tag_queue,
)


def _put_policy(aws: Aws, wanted: Wanted) -> None:
    aws.sqs.set_queue_attributes(QueueUrl=wanted.inputs["queueUrl"], Attributes={"Policy": wanted.inputs["policy"]})


def _create_policy(aws: Aws, wanted: Wanted) -> str:
    _put_policy(aws, wanted)
    return str(wanted.inputs["queueUrl"])


@gone_as_none(*_GONE)
def _find_policy(aws: Aws, wanted: Wanted) -> Found | None:
    attributes = aws.sqs.get_queue_attributes(QueueUrl=wanted.id, AttributeNames=["Policy"]).get("Attributes", {})
    if not attributes.get("Policy"):
        return None
    return Found(document={"Queue": wanted.id, "PolicyDocument": attributes["Policy"]})


@gone_is_fine(*_GONE)
def _delete_policy(aws: Aws, wanted: Wanted) -> None:
    aws.sqs.set_queue_attributes(QueueUrl=wanted.id, Attributes={"Policy": ""})


QUEUE_POLICY = AwsType(
    token="aws:sqs/queuePolicy:QueuePolicy",  # noqa: S106 - a type's token
    cloudformation="AWS::SQS::QueueInlinePolicy",
    fields=properties(queueUrl="Queue", policy=json_text("PolicyDocument")),
    create=_create_policy,
    find=_find_policy,
    update=_put_policy,
    delete=_delete_policy,
)

TYPES = (QUEUE, QUEUE_POLICY)
