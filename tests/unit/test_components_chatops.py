"""Chat's functions: off unless the settings say otherwise, what each may do, and what is secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pulumi
import pulumi_aws as aws
import pytest

from alerting.platform import Chat, ChatRoute
from alerting.settings import ChatMode, Settings
from chatops import handler
from chatops.counts import Count
from components.alarm_topic import alarm_names
from components.chatops import ChatSources, make_chatops, schedule
from components.configuration import ChatSecrets
from components.function_network import FunctionNetwork
from components.state import State, StateArgs
from orion_common.names import METRICS_NAMESPACE, PAGERDUTY_PATH
from sandbox.mocked_program import Run
from tests.alerting_data import ROOT
from tests.component_data import settings
from tests.component_harness import KEY, SNS, SQS, assert_narrow, deployed, statements

CHAT = Chat(
    routes=(
        ChatRoute(
            receiver="slack-warning", key="{}", channel="#orion-alerts", title_prefix="", group_by=("a",), pages=True
        ),
    ),
    webhook_receivers=("default-receiver",),
    responders=("ann@example.com",),
    approvers=(),
    silences=(),
)
WEBHOOK_SECRET = "secret-of-chatops-webhooks-subscription"
SECRET_VALUES = ("xoxb-1", "signing-1", "pd-token", WEBHOOK_SECRET)
ON = {
    "chat": ChatMode.ON,
    "slack_workspace": "T1",
    "pagerduty_sender": "alerts@example.com",
    "alertmanager_api": "http://alertmanager.internal:9093",
}


def _secrets() -> ChatSecrets:
    return ChatSecrets(
        slack_token=pulumi.Output.secret("xoxb-1"),
        slack_signing_secrets=pulumi.Output.secret(["signing-1"]),
        pagerduty_token=pulumi.Output.secret("pd-token"),
    )


def _chatops(folder: Path, *, preview: bool = False, **changes: Any) -> Run:
    def make(stack: Settings, options: pulumi.ResourceOptions) -> None:
        vpc = aws.lambda_.FunctionVpcConfigArgs(subnet_ids=["subnet-1"], security_group_ids=["sg-1"])
        make_chatops(
            "chatops",
            stack,
            ChatSources(source_root=ROOT / "lambda", folder=folder, chat=CHAT),
            _secrets(),
            FunctionNetwork(vpc_config=vpc, alertmanager_api="http://alertmanager.internal:9093"),
            state=State("state", StateArgs(settings=stack, key_arn=KEY), options),
            key_arn=KEY,
            alert_topic_arn=f"{SNS}:orion-alerts",
            alarm_topic_arn=f"{SNS}:orion-alarms",
            opts=options,
        )

    return deployed(make, preview=preview, stack=settings().model_copy(update={**ON, **changes}))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _chatops(tmp_path_factory.mktemp("chat"))


def _function(run: Run, name: str) -> dict[str, Any]:
    return run.one("aws:lambda/function:Function", name=name).inputs


def _allowed(run: Run, name: str) -> dict[str, dict[str, Any]]:
    return statements(run.resources[f"{name}-role-policy"].inputs["policy"])


def test_nothing_is_made_unless_the_settings_have_it_on(tmp_path: Path) -> None:
    run = _chatops(tmp_path, chat=ChatMode.OFF)

    assert not [name for name in run.resources if name.startswith("chatops")]
    assert not list(tmp_path.iterdir())


def test_the_chat_function_may_do_this_and_nothing_else(run: Run) -> None:
    allowed = _allowed(run, "chatops-function")
    table = "arn:aws:dynamodb:us-east-1:123456789012:table/orion-state"

    assert {sid: one["Action"] for sid, one in allowed.items() if sid not in {"WriteLogs", "UseTheKey"}} == {
        "TakeMessages": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "KeepState": ["dynamodb:GetItem", "dynamodb:PutItem"],
        "FindState": ["dynamodb:Query"],
        "AskAlertmanager": ["lambda:InvokeFunction"],
        "ReadCredentials": ["secretsmanager:GetSecretValue"],
        "RemindItself": ["sqs:SendMessage"],
        "DecideOnRepairs": ["sqs:SendMessage"],
        "KeepUnreadableMessages": ["s3:PutObject"],
        "WriteDrafts": ["s3:PutObject"],
        "KeepAudit": ["s3:PutObject"],
    }
    assert allowed["WriteDrafts"]["Resource"] == ["arn:aws:s3:::orion-diagnostics-123456789012/post-incident/*"]
    assert allowed["KeepAudit"]["Resource"] == ["arn:aws:s3:::orion-audit-123456789012/actions/*"]
    assert allowed["FindState"]["Resource"] == [f"{table}/index/by-status"]
    assert allowed["AskAlertmanager"]["Resource"] == [
        "arn:aws:lambda:us-east-1:123456789012:function:orion-alertmanager-access"
    ]
    assert allowed["RemindItself"]["Resource"] == [f"{SQS}:orion-chatops"]
    assert allowed["DecideOnRepairs"]["Resource"] == [f"{SQS}:orion-runbook-automation"]
    assert_narrow(allowed)


def test_the_audit_record_is_locked_for_as_long_as_it_is_kept(run: Run) -> None:
    bucket = run.resources["state-audit-bucket"].inputs
    lock = run.resources["state-audit-lock"].inputs
    (rule,) = run.resources["state-audit-lifecycle"].inputs["rules"]

    assert (bucket["bucket"], bucket["objectLockEnabled"]) == ("orion-audit-123456789012", True)
    assert lock["rule"]["defaultRetention"] == {"mode": "GOVERNANCE", "days": rule["expiration"]["days"]}


def test_the_ingress_reads_its_keys_and_sends_to_chat(run: Run) -> None:
    allowed = _allowed(run, "chatops-ingress")

    assert set(allowed) == {"WriteLogs", "ReadSigningKeys", "SendToChat", "UseTheKey"}
    assert allowed["SendToChat"]["Resource"] == [f"{SQS}:orion-chatops"]
    (keys,) = allowed["ReadSigningKeys"]["Resource"]
    (credentials,) = _allowed(run, "chatops-function")["ReadCredentials"]["Resource"]
    assert keys != credentials
    assert_narrow(allowed)


def test_only_the_function_that_asks_alertmanager_is_in_the_network(run: Run) -> None:
    names = ("orion-chatops", "orion-chat-ingress", "orion-alertmanager-access")

    assert [name for name in names if "vpcConfig" in _function(run, name)] == ["orion-alertmanager-access"]
    assert set(_allowed(run, "chatops-alertmanager")) == {
        "WriteLogs",
        "UseTheKey",
        "ManageNetworkInterfaces",
        "LeaveInterfacesToLambda",
    }
    environment = _function(run, "orion-alertmanager-access")["environment"]["variables"]
    assert environment == {"ALERTMANAGER_API": "http://alertmanager.internal:9093", "ALERTMANAGER_REPLICAS": "3"}


def test_the_address_may_be_called_by_anybody_and_by_no_other_way(run: Run) -> None:
    url = run.one("aws:lambda/functionUrl:FunctionUrl").inputs
    by_action = {one.inputs["action"]: one.inputs for one in run.of_type("aws:lambda/permission:Permission")}

    assert url["authorizationType"] == "NONE"
    assert by_action["lambda:InvokeFunctionUrl"]["functionUrlAuthType"] == "NONE"
    assert by_action["lambda:InvokeFunction"]["invokedViaFunctionUrl"] is True
    assert {one["function"] for one in by_action.values()} == {"orion-chat-ingress"}


def test_chat_hears_of_alerts_and_of_every_minute(run: Run) -> None:
    subscription = run.one("aws:sns/topicSubscription:TopicSubscription").inputs
    rule = run.one("aws:cloudwatch/eventRule:EventRule").inputs
    target = run.one("aws:cloudwatch/eventTarget:EventTarget").inputs

    assert (subscription["topic"], subscription["rawMessageDelivery"]) == (f"{SNS}:orion-alerts", False)
    assert rule["scheduleExpression"] == "rate(1 minute)"
    assert json.loads(target["input"]) == {"source": "orion.chat.sweep"}


def test_chat_sweeps_every_fifteen_real_seconds_where_schedules_are_twenty_times_faster() -> None:
    assert schedule(settings().model_copy(update={"time_scale": 20})).schedule == "rate(5 minutes)"


def test_the_functions_know_their_queue_their_secrets_and_the_workspace(run: Run) -> None:
    chat = _function(run, "orion-chatops")["environment"]["variables"]
    ingress = _function(run, "orion-chat-ingress")["environment"]["variables"]

    assert chat["SLACK_WORKSPACE"] == "T1"
    assert chat["ALERTMANAGER_FUNCTION"] == "orion-alertmanager-access"
    assert chat["CHAT_QUEUE_URL"] == ingress["CHAT_QUEUE_URL"]
    assert "SLACK_API" not in chat
    assert set(ingress) == {"CHAT_QUEUE_URL", "CHAT_SIGNING_KEYS"}


def test_an_effect_that_is_given_up_is_an_alarm(run: Run) -> None:
    alarm = run.one("aws:cloudwatch/metricAlarm:MetricAlarm", name="orion-chatops-given-up").inputs

    assert (alarm["namespace"], alarm["metricName"]) == (METRICS_NAMESPACE, Count.EFFECTS_GIVEN_UP.value)
    assert alarm["dimensions"] == {"service": handler.OBSERVER.metrics.service}
    assert (alarm["statistic"], alarm["threshold"], alarm["evaluationPeriods"]) == ("Sum", 0, 1)
    assert alarm["alarmActions"] == [f"{SNS}:orion-alarms"]
    assert "orion-chatops-given-up" in alarm_names(settings().model_copy(update=ON))


@pytest.mark.parametrize("preview", [False, True])
def test_no_secret_is_shown(tmp_path: Path, *, preview: bool) -> None:
    run = _chatops(tmp_path, preview=preview)

    versions = run.of_type("aws:secretsmanager/secretVersion:SecretVersion")
    assert len(versions) == 2
    for version in versions:
        assert version.secrets == {"secretString"}
    for resource in run.resources.values():
        shown = {key: value for key, value in resource.inputs.items() if key not in resource.secrets}
        assert not [value for value in SECRET_VALUES if value in str(shown)], resource.name


def test_the_secrets_are_what_the_functions_read(run: Run) -> None:
    texts = {
        name: json.loads(resource.inputs["secretString"])
        for name, resource in run.resources.items()
        if resource.type == "aws:secretsmanager/secretVersion:SecretVersion"
    }

    assert texts == {
        "chatops-secrets-credentials-version": {
            "slack_token": "xoxb-1",
            "pagerduty_token": "pd-token",
            "pagerduty_sender": "alerts@example.com",
        },
        "chatops-secrets-signing-keys-version": {
            "slack_signing_secrets": ["signing-1"],
            "pagerduty_webhook_secrets": [WEBHOOK_SECRET],
        },
    }


def test_pagerduty_reports_every_incident_to_the_ingress(run: Run) -> None:
    subscription = run.one("pagerduty:index/webhookSubscription:WebhookSubscription")
    (delivery,) = subscription.inputs["deliveryMethods"]
    url = run.one("aws:lambda/functionUrl:FunctionUrl").name

    assert delivery["url"] == f"https://{url}.lambda-url.us-east-1.on.aws{PAGERDUTY_PATH}"
    assert subscription.inputs["filters"] == [{"type": "account_reference"}]
    assert {"incident.acknowledged", "incident.resolved", "incident.reassigned"} <= set(subscription.inputs["events"])
    assert subscription.secret_outputs == ("deliveryMethods",)


def test_each_zip_holds_what_its_function_needs_and_chat_its_routes(tmp_path: Path) -> None:
    _chatops(tmp_path)

    packages = {
        path.stem: {name.partition("/")[0] for name in ZipFile(path).namelist()} for path in tmp_path.rglob("*.zip")
    }
    ours = {"orion_common", "chatops", "alertmanager_access", "chat_ingress", "chat.json", "runbook_automation"}
    assert {name: found & ours for name, found in packages.items()} == {
        "orion-chatops": {"orion_common", "chatops", "chat.json"},
        "orion-alertmanager-access": {"orion_common", "chatops", "alertmanager_access"},
        "orion-chat-ingress": {"orion_common", "chat_ingress"},
    }
    (chat,) = tmp_path.rglob("orion-chatops.zip")
    with ZipFile(chat) as archive:
        assert json.loads(archive.read("chat.json")) == CHAT.as_function_data()
