"""CloudWatch: alarms, and groups of logs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, WHETHER, Document, nested, pairs, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of

_GONE = ("ResourceNotFoundException", "ResourceNotFound")


def _create_group(aws: Aws, wanted: Wanted) -> str:
    name = str(wanted.inputs["name"])
    asked: Document = {
        there: wanted.inputs[here]
        for here, there in (("kmsKeyId", "kmsKeyId"), ("logGroupClass", "logGroupClass"))
        if here in wanted.inputs
    }
    if wanted.tags:
        asked["tags"] = wanted.tags
    aws.logs.create_log_group(logGroupName=name, **asked)
    _put_retention(aws, name, wanted)
    return name


def _put_retention(aws: Aws, name: str, wanted: Wanted) -> None:
    days = wanted.inputs.get("retentionInDays")
    if days:
        aws.logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    elif wanted.old is not None:
        aws.logs.delete_retention_policy(logGroupName=name)


@gone_as_none(*_GONE)
def _find_group(aws: Aws, wanted: Wanted) -> Found | None:
    groups = aws.logs.describe_log_groups(logGroupNamePrefix=wanted.id)["logGroups"]
    found = next((one for one in groups if one.get("logGroupName") == wanted.id), None)
    if found is None:
        return None
    arn = found.get("arn", "").removesuffix(":*")
    document: Document = {"LogGroupName": wanted.id, "RetentionInDays": found.get("retentionInDays", 0)}
    document |= {"KmsKeyId": found.get("kmsKeyId"), "LogGroupClass": found.get("logGroupClass")}
    return Found(document=document, outputs={"arn": arn}, tags=aws.logs.list_tags_for_resource(resourceArn=arn)["tags"])


def _update_group(aws: Aws, wanted: Wanted) -> None:
    if wanted.changed("retentionInDays"):
        _put_retention(aws, wanted.id, wanted)
    if wanted.changed("kmsKeyId"):
        key = wanted.inputs.get("kmsKeyId")
        if key:
            aws.logs.associate_kms_key(logGroupName=wanted.id, kmsKeyId=key)
        else:
            aws.logs.disassociate_kms_key(logGroupName=wanted.id)


@gone_is_fine(*_GONE)
def _delete_group(aws: Aws, wanted: Wanted) -> None:
    if not wanted.inputs.get("skipDestroy"):
        aws.logs.delete_log_group(logGroupName=wanted.id)


def _tag_group(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    arn = str(wanted.state["arn"])
    if put:
        aws.logs.tag_resource(resourceArn=arn, tags=put)
    if gone:
        aws.logs.untag_resource(resourceArn=arn, tagKeys=list(gone))


LOG_GROUP = AwsType(
    token="aws:cloudwatch/logGroup:LogGroup",  # noqa: S106 - a type's token
    cloudformation="AWS::Logs::LogGroup",
    fields=properties(
        "kmsKeyId",
        "logGroupClass",
        "retentionInDays",
        name="LogGroupName",
        skipDestroy=without_twin("how pulumi-aws deletes a group", WHETHER),
        tags=TAGS,
    ),
    name="name",
    computed=("arn",),
    replaces={"logGroupClass": "a group's class can't be changed; CloudFormation refuses the update"},
    create=_create_group,
    find=_find_group,
    update=_update_group,
    delete=_delete_group,
    tag=_tag_group,
)


def _put_alarm(aws: Aws, wanted: Wanted) -> None:
    asked: Document = dict(wanted.document)
    aws.cloudwatch.put_metric_alarm(**asked)


def _create_alarm(aws: Aws, wanted: Wanted) -> str:
    asked: Document = dict(wanted.document)
    aws.cloudwatch.put_metric_alarm(**asked, Tags=wanted.tag_list())
    return str(wanted.document["AlarmName"])


def _find_alarm(aws: Aws, wanted: Wanted) -> Found | None:
    alarms = aws.cloudwatch.describe_alarms(AlarmNames=[wanted.id]).get("MetricAlarms", [])
    if not alarms:
        return None
    found = cast("Document", dict(alarms[0]))
    arn = str(found["AlarmArn"])
    document = {name: value for name, value in found.items() if name in _ALARM_PLACES and value not in (None, "", [])}
    tags = tags_of(aws.cloudwatch.list_tags_for_resource(ResourceARN=arn).get("Tags", []))
    return Found(document=document, outputs={"arn": arn}, tags=tags)


@gone_is_fine(*_GONE)
def _delete_alarm(aws: Aws, wanted: Wanted) -> None:
    aws.cloudwatch.delete_alarms(AlarmNames=[wanted.id])


def _tag_alarm(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    arn = str(wanted.state["arn"])
    if put:
        tags: list[Any] = [{"Key": name, "Value": put[name]} for name in put]
        aws.cloudwatch.tag_resource(ResourceARN=arn, Tags=tags)
    if gone:
        aws.cloudwatch.untag_resource(ResourceARN=arn, TagKeys=list(gone))


_DIMENSIONS = pairs("Dimensions", "Name", "Value")
_METRIC = properties(
    metricName="Metric/MetricName",
    namespace="Metric/Namespace",
    dimensions=pairs("Metric/Dimensions", "Name", "Value"),
    period="Period",
    stat="Stat",
    unit="Unit",
)
METRIC_ALARM = AwsType(
    token="aws:cloudwatch/metricAlarm:MetricAlarm",  # noqa: S106 - a type's token
    cloudformation="AWS::CloudWatch::Alarm",
    fields=properties(
        "actionsEnabled",
        "alarmActions",
        "alarmDescription",
        "comparisonOperator",
        "datapointsToAlarm",
        "evaluationPeriods",
        "extendedStatistic",
        "insufficientDataActions",
        "metricName",
        "namespace",
        "period",
        "statistic",
        "threshold",
        "thresholdMetricId",
        "treatMissingData",
        "unit",
        name="AlarmName",
        okActions="OKActions",
        evaluateLowSampleCountPercentiles="EvaluateLowSampleCountPercentile",
        dimensions=_DIMENSIONS,
        metricQueries=nested(
            "Metrics",
            properties(
                "accountId", "expression", "id", "label", "period", "returnData", metric=nested("MetricStat", _METRIC)
            ),
        ),
        # moto forgets it: what is not read back is kept.
        warmUpConfiguration=nested(
            "WarmUpConfiguration",
            properties("onlyStartEvaluatingAfterWarmUpPeriodEnds", "warmUpPeriodDurationInMinutes"),
        ),
        tags=TAGS,
    ),
    name="name",
    computed=("arn",),
    create=_create_alarm,
    find=_find_alarm,
    update=_put_alarm,
    delete=_delete_alarm,
    tag=_tag_alarm,
)
_ALARM_PLACES = frozenset(str(one.target[0]) for one in METRIC_ALARM.fields.values() if one.target)

TYPES = (LOG_GROUP, METRIC_ALARM)
