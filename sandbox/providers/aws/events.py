"""EventBridge: rules and their targets. pulumi-aws keeps both under CloudWatch, where they once were."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, WHETHER, Document, json_text, nested, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of
from sandbox.providers.provider_table import ProviderFailed

_GONE = ("ResourceNotFoundException",)
DEFAULT_BUS = "default"
_MOVED = "a rule and its targets can't be moved to another bus"


def _put_rule(aws: Aws, wanted: Wanted, **more: Any) -> str:
    asked: Document = {name: value for name, value in wanted.document.items() if name != "EventPattern"}
    if "eventPattern" in wanted.inputs:
        asked["EventPattern"] = wanted.inputs["eventPattern"]
    aws.events.put_rule(**asked, **more)
    bus = wanted.inputs.get("eventBusName", DEFAULT_BUS)
    return str(asked["Name"]) if bus == DEFAULT_BUS else f"{bus}/{asked['Name']}"


def _create_rule(aws: Aws, wanted: Wanted) -> str:
    return _put_rule(aws, wanted, Tags=wanted.tag_list())


def _update_rule(aws: Aws, wanted: Wanted) -> None:
    _put_rule(aws, wanted)


def _bus_and_rule(wanted: Wanted) -> tuple[str, str]:
    bus, _, rule = wanted.id.rpartition("/")
    return bus or DEFAULT_BUS, rule


@gone_as_none(*_GONE)
def _find_rule(aws: Aws, wanted: Wanted) -> Found:
    bus, rule = _bus_and_rule(wanted)
    found = cast("Document", dict(aws.events.describe_rule(Name=rule, EventBusName=bus)))
    names = ("Name", "Description", "EventPattern", "ScheduleExpression", "RoleArn", "State")
    document = {name: found[name] for name in names if found.get(name)}
    document["EventBusName"] = bus
    tags = tags_of(aws.events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"])
    return Found(document=document, outputs={"arn": found["Arn"]}, tags=tags)


@gone_is_fine(*_GONE)
def _delete_rule(aws: Aws, wanted: Wanted) -> None:
    bus, rule = _bus_and_rule(wanted)
    if wanted.inputs.get("forceDestroy"):
        targets = aws.events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]
        if targets:
            aws.events.remove_targets(Rule=rule, EventBusName=bus, Ids=[one["Id"] for one in targets])
    aws.events.delete_rule(Name=rule, EventBusName=bus)


def _tag_rule(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    arn = str(wanted.state["arn"])
    if put:
        aws.events.tag_resource(ResourceARN=arn, Tags=[{"Key": name, "Value": put[name]} for name in put])
    if gone:
        aws.events.untag_resource(ResourceARN=arn, TagKeys=list(gone))


EVENT_RULE = AwsType(
    token="aws:cloudwatch/eventRule:EventRule",  # noqa: S106 - a type's token
    cloudformation="AWS::Events::Rule",
    fields=properties(
        "description",
        "eventBusName",
        "name",
        "roleArn",
        "scheduleExpression",
        "state",
        eventPattern=json_text("EventPattern"),
        forceDestroy=without_twin("whether pulumi-aws takes others' targets off a rule before it deletes it", WHETHER),
        tags=TAGS,
    ),
    name="name",
    computed=("arn",),
    replaces={"eventBusName": _MOVED},
    create=_create_rule,
    find=_find_rule,
    update=_update_rule,
    delete=_delete_rule,
    tag=_tag_rule,
)


def _put_target(aws: Aws, wanted: Wanted) -> None:
    target: Any = wanted.document["Targets"][0]
    bus = wanted.inputs.get("eventBusName", DEFAULT_BUS)
    answer = aws.events.put_targets(Rule=wanted.inputs["rule"], EventBusName=bus, Targets=[target])
    if answer["FailedEntryCount"]:
        raise ProviderFailed(f"EventBridge refused the target: {answer['FailedEntries'][0].get('ErrorMessage')}")


def _create_target(aws: Aws, wanted: Wanted) -> str:
    _put_target(aws, wanted)
    bus = wanted.inputs.get("eventBusName", DEFAULT_BUS)
    name = f"{wanted.inputs['rule']}-{wanted.inputs['targetId']}"
    return name if bus == DEFAULT_BUS else f"{bus}-{name}"


@gone_as_none(*_GONE)
def _find_target(aws: Aws, wanted: Wanted) -> Found | None:
    said = wanted.inputs or wanted.state
    bus = said.get("eventBusName", DEFAULT_BUS)
    rule, name = said.get("rule"), said.get("targetId")
    if rule is None or name is None:
        raise ProviderFailed("an event target can't be imported here: its id does not tell the rule from the target")
    for one in aws.events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]:
        if one["Id"] == name:
            return Found(document={"Name": rule, "EventBusName": bus, "Targets": [dict(one)]})
    return None


@gone_is_fine(*_GONE)
def _delete_target(aws: Aws, wanted: Wanted) -> None:
    bus = wanted.inputs.get("eventBusName", DEFAULT_BUS)
    aws.events.remove_targets(Rule=wanted.inputs["rule"], EventBusName=bus, Ids=[wanted.inputs["targetId"]])


EVENT_TARGET = AwsType(
    token="aws:cloudwatch/eventTarget:EventTarget",  # noqa: S106 - a type's token
    cloudformation="AWS::Events::Rule",
    is_part=True,
    fields=properties(
        "eventBusName",
        arn="Targets/0/Arn",
        rule="Name",
        targetId="Targets/0/Id",
        input="Targets/0/Input",
        inputPath="Targets/0/InputPath",
        roleArn="Targets/0/RoleArn",
        deadLetterConfig=nested("Targets/0/DeadLetterConfig", properties("arn")),
        inputTransformer=nested("Targets/0/InputTransformer", properties("inputTemplate", inputPaths="InputPathsMap")),
        retryPolicy=nested("Targets/0/RetryPolicy", properties("maximumEventAgeInSeconds", "maximumRetryAttempts")),
        sqsTarget=nested("Targets/0/SqsParameters", properties("messageGroupId")),
        forceDestroy=without_twin("how pulumi-aws deletes a target of a rule that AWS manages", WHETHER),
    ),
    name="targetId",
    replaces={"eventBusName": _MOVED, "targetId": "another target; CloudFormation has targets as parts of the rule"},
    create=_create_target,
    find=_find_target,
    update=_put_target,
    delete=_delete_target,
)

TYPES = (EVENT_RULE, EVENT_TARGET)
