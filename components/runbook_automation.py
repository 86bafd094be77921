"""Lambda function that answers alerts by itself, and the documents that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from alerting.names import ALERT_TOPIC
from alerting.platform_repairs import RepairAction, Repairs
from alerting.repairs.ssm_documents import document_text
from alerting.settings import ChatMode, Settings
from components.function import Function, FunctionArgs, FunctionSpec
from components.function_alarms import ErrorsAlarm, QueueAlarms
from components.function_package import FunctionPackage, build_function_package
from components.function_queue import RuleFeed, TopicFeed
from components.naming import BASTION_TAG_VALUE, FUNCTION, OUTCOME_RULE, arn
from components.policies import Statement
from components.repair_reports import RepairReports
from components.state import State
from orion_common.names import (
    ACTION_STOP,
    BASTION_TAG,
    BY_COMMAND,
    BY_STATUS,
    OUTCOME_DETAIL_TYPE,
    REMEDIATIONS_FILE,
    SERVICE_STOP,
    STOP_ID,
    UNREADABLE_PREFIX,
    Variable,
)

PACKAGES = ("orion_common", "runbook_automation")
"""The packages of `lambda/` that the function's zip holds."""
STOP_KEYS = (STOP_ID, f"{ACTION_STOP}*", f"{SERVICE_STOP}*")
"""The keys of the items that stop repairs."""
QUEUE_ALARMS = QueueAlarms(
    given_up=(
        "Alerts or outcomes could not be handled by runbook automation, and wait in this queue: "
        'docs/repairs.md, "When messages fail"'
    ),
    waiting=(
        "Nothing takes alerts out of runbook automation's queue: no repair runs, and messages expire after four "
        'days. docs/repairs.md, "When messages wait"'
    ),
)
ERRORS_ALARM = ErrorsAlarm(
    description=(
        "The function of runbook automation fails again and again: no repair runs. "
        'docs/repairs.md, "When messages wait"'
    ),
    # The queue tries a message every three minutes and gives it up after 15: the third failure comes six minutes after
    # the first. Five minutes would hold two, so that a night with one alert had no alarm before its message was lost.
    minutes=10,
)


def build_repair_package(source_root: Path, folder: Path, data: Mapping[str, Any]) -> FunctionPackage:
    """Build the repair function's zip in `folder`, with `data` as the remediations that it reads."""
    return build_function_package(source_root, PACKAGES, folder, FUNCTION, data={REMEDIATIONS_FILE: data})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookAutomationSpec:
    """Plain data of runbook automation."""

    settings: Settings
    repairs: Repairs
    package: FunctionPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookAutomationArgs:
    """Inputs of runbook automation: its spec, Alertmanager's namespace, the state, and the topics."""

    spec: RunbookAutomationSpec
    namespace: pulumi.Input[str]
    state: State
    key_arn: pulumi.Input[str]
    alert_topic_arn: pulumi.Input[str]
    reports: RepairReports
    alarm_topic_arn: pulumi.Input[str]


class RunbookAutomation(Function):
    """The repair function, fed by alerts and by the outcomes of its documents."""

    documents: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: RunbookAutomationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("RunbookAutomation", name, opts)
        documents = {action.name: self._document(action) for action in args.spec.repairs.actions}
        made = self.make_function(
            FunctionArgs(
                spec=FunctionSpec(
                    settings=args.spec.settings,
                    function=FUNCTION,
                    title="runbook automation",
                    description="Answers alerts with the repairs that the catalog allows",
                    role_description="Runbook automation: reads alerts, sends repairs, publishes results",
                    policy="repairs",
                    handler="runbook_automation.handler.handler",
                    package=args.spec.package,
                    errors_alarm=ERRORS_ALARM,
                    asks_alertmanager=True,
                ),
                code=args.state.code,
                key_arn=args.key_arn,
                alarm_topic_arn=args.alarm_topic_arn,
                namespace=args.namespace,
                feeds=[
                    TopicFeed(key="alerts", sid="Alerts", topic=ALERT_TOPIC, topic_arn=args.alert_topic_arn),
                    _outcomes(args.spec.repairs),
                ],
                statements=_statements(args, documents),
                environment=_environment(args, documents),
            ),
            QUEUE_ALARMS,
        )
        self.function_arn = made.function_arn
        self.queue_url = made.queue_url
        self.network = made.network
        self.documents = {action: document.name for action, document in documents.items()}
        self.register_outputs({"functionArn": self.function_arn, "documents": dict(self.documents)})

    def _document(self, action: RepairAction) -> aws.ssm.Document:
        return aws.ssm.Document(
            f"{self._name}-document-{action.name}",
            name=action.document_name,
            document_type="Command",
            document_format="JSON",
            content=document_text(action.content),
            opts=self._child,
        )


def _outcomes(repairs: Repairs) -> RuleFeed:
    return RuleFeed(
        key="outcomes",
        sid="Outcomes",
        rule=OUTCOME_RULE,
        description="Outcomes of repairs' commands",
        pattern={
            "source": ["aws.ssm"],
            "detail-type": [OUTCOME_DETAIL_TYPE],
            "detail": {"document-name": sorted(action.document_name for action in repairs.actions)},
        },
    )


def _statements(args: RunbookAutomationArgs, documents: Mapping[str, aws.ssm.Document]) -> list[Statement]:
    settings, state = args.spec.settings, args.state
    is_stopped_by_chat = settings.chat is ChatMode.ON
    return [
        state.write_statement(
            "KeepState",
            "dynamodb:BatchGetItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        ),
        state.query_statement("FindState", BY_COMMAND, *((BY_STATUS,) if is_stopped_by_chat else ())),
        Statement(
            sid="SendOurDocuments",
            actions=["ssm:SendCommand"],
            resources=[document.arn for document in documents.values()],
        ),
        Statement(
            sid="SendToTheBastion",
            actions=["ssm:SendCommand"],
            # Which instance it is changes whenever it is replaced; its tag says that it is the one.
            resources=[arn(settings, "ec2", "instance/*")],
            conditions={"StringEquals": {f"ssm:resourceTag/{BASTION_TAG}": BASTION_TAG_VALUE}},
        ),
        *args.reports.statements(),
        # A command has no ARN.
        *(
            [
                Statement(sid="CancelCommands", actions=["ssm:CancelCommand"], resources=["*"]),
                Statement(
                    sid="LiftStops",
                    actions=["dynamodb:DeleteItem"],
                    resources=[state.table_arn],
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": STOP_KEYS}},
                ),
            ]
            if is_stopped_by_chat
            else []
        ),
        Statement(
            sid="KeepUnreadableMessages",
            actions=["s3:PutObject"],
            resources=[pulumi.Output.format("{0}/{1}*", state.diagnostics.arn, UNREADABLE_PREFIX)],
        ),
    ]


def _environment(
    args: RunbookAutomationArgs, documents: Mapping[str, aws.ssm.Document]
) -> Mapping[Variable, pulumi.Input[str]]:
    return {
        Variable.REPAIR_TABLE: args.state.table_name,
        **args.reports.environment(),
        Variable.BASTION_TAG_VALUE: BASTION_TAG_VALUE,
        Variable.DIAGNOSTICS_BUCKET: args.state.diagnostics.name,
        Variable.REPAIR_MODE: args.spec.settings.repairs.value,
        # A document that was changed since is not run.
        Variable.REPAIR_DOCUMENTS: pulumi.Output.json_dumps(
            {
                action: {"version": document.document_version, "hash": document.hash}
                for action, document in documents.items()
            },
            sort_keys=True,
        ),
    }
