"""SNS: topics, their policies and subscriptions."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sandbox.providers.aws import schemas
from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, TEXT, WHETHER, WHOLE_NUMBER, json_text, properties, shaped, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of

_TOPIC = "AWS::SNS::Topic"
_SUBSCRIPTION = "AWS::SNS::Subscription"
_GONE = ("NotFound", "NotFoundException")


def attribute(value: Any) -> str:
    """Return a value as SNS and SQS take attributes: all of them are texts."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return json.dumps(value)
        case _:
            return str(value)


def _create_topic(aws: Aws, wanted: Wanted) -> str:
    attributes = {name: attribute(value) for name, value in wanted.document.items() if name != "TopicName"}
    attributes |= _without_twins(wanted)
    name = wanted.document["TopicName"]
    return aws.sns.create_topic(Name=name, Attributes=attributes, Tags=wanted.tag_list())["TopicArn"]


def _without_twins(wanted: Wanted) -> dict[str, str]:
    return {
        name: wanted.inputs[here]
        for here, name in (("policy", "Policy"), ("deliveryPolicy", "DeliveryPolicy"))
        if here in wanted.inputs
    }


def _said_policies(wanted: Wanted, attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the policies that are the topic's own: what a resource for the policy says is that one's."""
    return {
        here: attributes.get(there, "")
        for here, there in (("policy", "Policy"), ("deliveryPolicy", "DeliveryPolicy"))
        if here in wanted.inputs
    }


@gone_as_none(*_GONE)
def _find_topic(aws: Aws, wanted: Wanted) -> Found:
    attributes = aws.sns.get_topic_attributes(TopicArn=wanted.id)["Attributes"]
    document = schemas.typed(_TOPIC, attributes)
    document["TopicName"] = wanted.id.rpartition(":")[2]
    return Found(
        document=document,
        outputs={"arn": wanted.id, "owner": attributes["Owner"], **_said_policies(wanted, attributes)},
        tags=tags_of(aws.sns.list_tags_for_resource(ResourceArn=wanted.id)["Tags"]),
    )


def _update_topic(aws: Aws, wanted: Wanted) -> None:
    old = wanted.old or wanted
    before, now = {**old.document, **_without_twins(old)}, {**wanted.document, **_without_twins(wanted)}
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            value = attribute(now.get(name, ""))
            aws.sns.set_topic_attributes(TopicArn=wanted.id, AttributeName=name, AttributeValue=value)


@gone_is_fine(*_GONE)
def _delete_topic(aws: Aws, wanted: Wanted) -> None:
    aws.sns.delete_topic(TopicArn=wanted.id)


def _tag_topic(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    if put:
        aws.sns.tag_resource(ResourceArn=wanted.id, Tags=[{"Key": name, "Value": put[name]} for name in put])
    if gone:
        aws.sns.untag_resource(ResourceArn=wanted.id, TagKeys=list(gone))


TOPIC = AwsType(
    token="aws:sns/topic:Topic",  # noqa: S106 - a type's token, not a secret
    cloudformation=_TOPIC,
    fields=properties(
        "contentBasedDeduplication",
        "displayName",
        "fifoThroughputScope",
        "fifoTopic",
        "kmsMasterKeyId",
        "tracingConfig",
        name="TopicName",
        signatureVersion=shaped("SignatureVersion", str, int),
        policy=without_twin("in CloudFormation AWS::SNS::TopicInlinePolicy sets it", TEXT, is_json=True),
        deliveryPolicy=without_twin("CloudFormation has it on a subscription only", TEXT, is_json=True),
        tags=TAGS,
    ),
    name="name",
    computed=("arn", "owner"),
    create=_create_topic,
    find=_find_topic,
    update=_update_topic,
    delete=_delete_topic,
    tag=_tag_topic,
)


def _put_policy(aws: Aws, wanted: Wanted) -> None:
    arn, policy = wanted.inputs["arn"], wanted.inputs["policy"]
    aws.sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)


def _create_policy(aws: Aws, wanted: Wanted) -> str:
    _put_policy(aws, wanted)
    return str(wanted.inputs["arn"])


@gone_as_none(*_GONE)
def _find_policy(aws: Aws, wanted: Wanted) -> Found:
    attributes = aws.sns.get_topic_attributes(TopicArn=wanted.id)["Attributes"]
    document = {"TopicArn": wanted.id, "PolicyDocument": attributes["Policy"]}
    return Found(document=document, outputs={"owner": attributes["Owner"]})


@gone_is_fine(*_GONE)
def _delete_policy(aws: Aws, wanted: Wanted) -> None:
    """A topic always has a policy: what it had when it was made comes back, as pulumi-aws does it."""
    owner = {"StringEquals": {"AWS:SourceOwner": aws.account_id}}
    statement = {"Sid": "__default_statement_ID", "Effect": "Allow", "Principal": {"AWS": "*"}, "Condition": owner}
    statement |= {"Action": ["SNS:Publish", "SNS:Subscribe", "SNS:GetTopicAttributes"], "Resource": wanted.id}
    policy = json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})
    aws.sns.set_topic_attributes(TopicArn=wanted.id, AttributeName="Policy", AttributeValue=policy)


TOPIC_POLICY = AwsType(
    token="aws:sns/topicPolicy:TopicPolicy",  # noqa: S106 - a type's token
    cloudformation="AWS::SNS::TopicInlinePolicy",
    fields=properties(arn="TopicArn", policy=json_text("PolicyDocument")),
    computed=("owner",),
    create=_create_policy,
    find=_find_policy,
    update=_put_policy,
    delete=_delete_policy,
)


def _create_subscription(aws: Aws, wanted: Wanted) -> str:
    places = ("TopicArn", "Protocol", "Endpoint")
    attributes = {name: attribute(value) for name, value in wanted.document.items() if name not in places}
    answer = aws.sns.subscribe(
        TopicArn=wanted.document["TopicArn"],
        Protocol=wanted.document["Protocol"],
        Endpoint=wanted.document["Endpoint"],
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return answer["SubscriptionArn"]


@gone_as_none(*_GONE)
def _find_subscription(aws: Aws, wanted: Wanted) -> Found:
    attributes = aws.sns.get_subscription_attributes(SubscriptionArn=wanted.id)["Attributes"]
    pending = attributes.get("PendingConfirmation", "false") == "true"
    outputs = {
        "arn": wanted.id,
        "ownerId": attributes["Owner"],
        "pendingConfirmation": pending,
        "confirmationWasAuthenticated": not pending,
    }
    return Found(document=schemas.typed(_SUBSCRIPTION, attributes), outputs=outputs)


def _update_subscription(aws: Aws, wanted: Wanted) -> None:
    before = wanted.old.document if wanted.old is not None else {}
    for name in sorted(before.keys() | wanted.document.keys()):
        if before.get(name) != wanted.document.get(name):
            value = attribute(wanted.document.get(name, ""))
            aws.sns.set_subscription_attributes(SubscriptionArn=wanted.id, AttributeName=name, AttributeValue=value)


@gone_is_fine(*_GONE)
def _delete_subscription(aws: Aws, wanted: Wanted) -> None:
    aws.sns.unsubscribe(SubscriptionArn=wanted.id)


_WAITING = "how long pulumi-aws itself waits for a confirmation"
TOPIC_SUBSCRIPTION = AwsType(
    token="aws:sns/topicSubscription:TopicSubscription",  # noqa: S106 - a type's token
    cloudformation=_SUBSCRIPTION,
    fields=properties(
        "endpoint",
        "filterPolicyScope",
        "protocol",
        "rawMessageDelivery",
        "subscriptionRoleArn",
        topic="TopicArn",
        filterPolicy=json_text("FilterPolicy"),
        redrivePolicy=json_text("RedrivePolicy"),
        deliveryPolicy=json_text("DeliveryPolicy"),
        confirmationTimeoutInMinutes=without_twin(_WAITING, WHOLE_NUMBER),
        endpointAutoConfirms=without_twin(_WAITING, WHETHER),
    ),
    computed=("arn", "ownerId", "pendingConfirmation", "confirmationWasAuthenticated"),
    create=_create_subscription,
    find=_find_subscription,
    update=_update_subscription,
    delete=_delete_subscription,
)

TYPES = (TOPIC, TOPIC_POLICY, TOPIC_SUBSCRIPTION)
