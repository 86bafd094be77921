"""CloudWatch's alarms, which moto keeps and does not evaluate.

An alarm sees its metric in periods that have ended. Where some have no data, CloudWatch looks at a longer range than
the alarm's own periods, takes the data points that there are, and only fills up with `TreatMissingData` what it then
still lacks ("Configuring how CloudWatch alarms treat missing data" in its user guide, whose tables have a range of five
for three periods). So an alarm on five silent periods of a topic that has no data while nobody publishes needs seven.

moto keeps no warm-up period. An alarm begins here once the periods that it looks at have passed since it was made.
"""

from __future__ import annotations

import json
import operator
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.clock import Clock
from sandbox.clouds.aws.clients import Clients
from sandbox.journal import Journal, Kind

SOURCE = "cloudwatch"
FURTHER_PERIODS = 2
"""How far beyond an alarm's own periods CloudWatch looks for data, by the tables of its user guide."""
KEPT_SAMPLES = 10_000
REGION_NAMES: Mapping[str, str] = {"us-east-1": "US East (N. Virginia)"}
"""How CloudWatch writes a region to people. Others are written here as they are named."""

State = Literal["OK", "ALARM"]
Sample = tuple[float, float]
"""When, in Unix seconds, and how much."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "LessThanThreshold": operator.lt,
    "GreaterThanThreshold": operator.gt,
}
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {"Sum": sum, "Maximum": max}


class _Dimension(BaseModel):
    name: Literal["TopicName", "QueueName", "FunctionName"] = Field(alias="Name")
    value: str = Field(alias="Value")


class Alarm(BaseModel):
    """An alarm of a kind that is evaluated here. `period` is in story seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(alias="AlarmName")
    arn: str = Field(alias="AlarmArn")
    description: str = Field(default="", alias="AlarmDescription")
    namespace: Literal["AWS/SNS", "AWS/SQS", "AWS/Lambda"] = Field(alias="Namespace")
    metric: Literal[
        "NumberOfMessagesPublished", "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage", "Errors"
    ] = Field(alias="MetricName")
    dimensions: tuple[_Dimension] = Field(alias="Dimensions")
    statistic: Literal["Sum", "Maximum"] = Field(alias="Statistic")
    period: int = Field(alias="Period", ge=1)
    periods: int = Field(alias="EvaluationPeriods", ge=1)
    periods_to_alarm: int | None = Field(default=None, alias="DatapointsToAlarm")
    threshold: float = Field(alias="Threshold")
    comparison: Literal["LessThanThreshold", "GreaterThanThreshold"] = Field(alias="ComparisonOperator")
    missing: Literal["breaching", "notBreaching"] = Field(alias="TreatMissingData")
    changed_at: datetime = Field(alias="AlarmConfigurationUpdatedTimestamp")
    state_value: str = Field(alias="StateValue")
    actions_enabled: bool = Field(alias="ActionsEnabled")
    alarm_actions: tuple[str, ...] = Field(default=(), alias="AlarmActions")
    ok_actions: tuple[str, ...] = Field(default=(), alias="OKActions")

    @property
    def about(self) -> str:
        """The name of the topic, queue or function."""
        return self.dimensions[0].value

    def state(self, data: Sequence[float | None]) -> State:
        """Return the state by each period's data point, newest first, None where there is none."""
        found = [point for point in data[: self.periods + FURTHER_PERIODS] if point is not None][: self.periods]
        breaches = _COMPARISONS[self.comparison]
        breaching = sum(breaches(point, self.threshold) for point in found)
        if self.missing == "breaching":
            breaching += self.periods - len(found)
        return "ALARM" if breaching >= (self.periods_to_alarm or self.periods) else "OK"

    def data(self, samples: Sequence[Sample], newest: int, seconds: float) -> list[float | None]:
        """Return the data points that the alarm looks at. Periods are numbered, and begin at multiples of `seconds`."""
        points: list[float | None] = []
        for number in range(newest, newest - self.periods - FURTHER_PERIODS, -1):
            values = [value for at, value in samples if number * seconds <= at < (number + 1) * seconds]
            points.append(_STATISTICS[self.statistic](values) if values else None)
        return points


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Metrics that are read elsewhere than from an API.

    `published` returns when a topic was told something, in Unix seconds, by the topic's name. `oldest_message` returns
    when the oldest message of a queue was sent, likewise, or None for an empty queue. `waiting_messages` returns how
    many messages of a queue are visible, or None without such a queue. `errors` returns the errors that the functions'
    runtime has reported as Lambda does, by the function's name.
    """

    published: Callable[[str], Sequence[float]]
    errors: Callable[[str], Sequence[Sample]]
    oldest_message: Callable[[str], float | None]
    waiting_messages: Callable[[str], float | None]


class Alarms:
    """Used by one thread, which calls `turn` again and again."""

    def __init__(self, clients: Clients, sources: Sources, clock: Clock, journal: Journal) -> None:
        """`sources` are the metrics that no API of moto's answers for."""
        self._clients = clients
        self._sources = sources
        self._clock = clock
        self._journal = journal
        self._sampled: dict[str, deque[Sample]] = {}
        self._refused: set[tuple[str, str]] = set()

    def turn(self, now: float | None = None) -> None:
        """Evaluate every alarm at a time (Unix seconds, the present unless said), and have those that change act."""
        at = time.time() if now is None else now
        pages = self._clients.cloudwatch.get_paginator("describe_alarms").paginate()
        found = [alarm for page in pages for alarm in page["MetricAlarms"]]
        for described in found:
            try:
                alarm = Alarm.model_validate(described)
            except ValidationError as error:
                self._refuse(described.get("AlarmName", "an alarm without a name"), error)
                continue
            self._evaluate(alarm, at)

    def _evaluate(self, alarm: Alarm, now: float) -> None:
        samples = self._samples(alarm, now)
        seconds = self._clock.real(alarm.period)
        newest = int(now // seconds) - 1
        oldest_begins = (newest - alarm.periods - FURTHER_PERIODS + 1) * seconds
        if oldest_begins < alarm.changed_at.timestamp():
            return  # what was before the alarm is none of its business
        data = alarm.data(samples, newest, seconds)
        state = alarm.state(data)
        if state != alarm.state_value:
            self._change(alarm, state, f"{alarm.metric} of the last periods, newest first: {data}")

    def _samples(self, alarm: Alarm, now: float) -> Sequence[Sample]:
        match alarm.metric:
            case "NumberOfMessagesPublished":
                return [(at, 1.0) for at in self._sources.published(alarm.about)]
            case "Errors":
                return self._sources.errors(alarm.about)
            case "ApproximateNumberOfMessagesVisible":
                value = self._sources.waiting_messages(alarm.about)
            case "ApproximateAgeOfOldestMessage":
                sent = self._sources.oldest_message(alarm.about)
                value = 0.0 if sent is None else self._clock.story(max(now - sent, 0.0))
        samples = self._sampled.setdefault(alarm.name, deque(maxlen=KEPT_SAMPLES))
        if value is not None:
            samples.append((now, value))
        return samples

    def _change(self, alarm: Alarm, state: State, reason: str) -> None:
        self._clients.cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue=state, StateReason=reason)
        self._journal.append(SOURCE, Kind.ALARM_CHANGED, {"alarm": alarm.name, "state": state}, reason=reason)
        if not alarm.actions_enabled:
            return
        region = REGION_NAMES.get(self._clients.region, self._clients.region)
        message = json.dumps(_message(alarm, state, reason, account_id=self._clients.account_id, region=region))
        for topic in alarm.alarm_actions if state == "ALARM" else alarm.ok_actions:
            self._clients.sns.publish(TopicArn=topic, Subject=f'{state}: "{alarm.name}" in {region}', Message=message)

    def _refuse(self, alarm: str, error: ValidationError) -> None:
        reason = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: found {one['input']!r}; the sandbox evaluates {one['msg']}"
            for one in error.errors()
        )
        if (alarm, reason) not in self._refused:
            self._refused.add((alarm, reason))
            self._journal.append(SOURCE, Kind.REQUEST_REFUSED, {"alarm": alarm}, reason=reason)


def _message(alarm: Alarm, state: State, reason: str, *, account_id: str, region: str) -> Mapping[str, Any]:
    """Return what CloudWatch tells a topic (its user guide, "Amazon SNS topics for alarms")."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": account_id,
        "NewStateValue": state,
        "NewStateReason": reason,
        "StateChangeTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": region,
        "AlarmArn": alarm.arn,
        "OldStateValue": alarm.state_value,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": alarm.metric,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic",
            "Statistic": alarm.statistic.upper(),
            "Unit": None,
            "Dimensions": [{"name": one.name, "value": one.value} for one in alarm.dimensions],
            "Period": alarm.period,
            "EvaluationPeriods": alarm.periods,
            "DatapointsToAlarm": alarm.periods_to_alarm or alarm.periods,
            "ComparisonOperator": alarm.comparison,
            "Threshold": alarm.threshold,
            "TreatMissingData": alarm.missing,
            "EvaluateLowSampleCountPercentile": "",
        },
    }
