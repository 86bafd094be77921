"""Chat: the function that keeps incidents in step, the one that reaches Alertmanager, and the ingress.

Slack and PagerDuty call the ingress, which puts on the chat function's queue what they signed. Only the function that
reaches Alertmanager is in the network; it does nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from alerting.names import ALERT_TOPIC
from alerting.platform import Chat
from alerting.settings import ChatMode, Settings
from components.chat_alarms import (
    ACCESS_ERRORS_ALARM,
    CHAT_ERRORS_ALARM,
    CHAT_QUEUE_ALARMS,
    GIVEN_UP,
    INGRESS_ERRORS_ALARM,
)
from components.chat_secrets import ChatSecretsArgs, ChatSecretStore
from components.configuration import ChatSecrets
from components.function import Function, FunctionArgs, FunctionSpec
from components.function_alarms import make_count_alarm
from components.function_network import FunctionNetwork
from components.function_package import FunctionPackage, build_function_package
from components.function_queue import RuleFeed, TopicFeed
from components.incident_webhooks import IncidentWebhooks
from components.naming import (
    ALERTMANAGER_FUNCTION,
    CHAT_FUNCTION,
    CHAT_GIVEN_UP_ALARM,
    CHAT_RULE,
    FUNCTION,
    INGRESS_FUNCTION,
    arn,
    queue_url,
    type_token,
)
from components.policies import Statement
from components.state import State
from orion_common.names import (
    AUDIT_PREFIX,
    BY_STATUS,
    CHAT_FILE,
    CHAT_SWEEP_SOURCE,
    EFFECTS_GIVEN_UP,
    POST_INCIDENT_PREFIX,
    UNREADABLE_PREFIX,
    Variable,
)

METRICS_SERVICE = "chatops"
"""The value of the dimension `service` of the chat function's own metrics."""
CHAT_PACKAGES = ("orion_common", "chatops")
ACCESS_PACKAGES = ("orion_common", "chatops", "alertmanager_access")
INGRESS_PACKAGES = ("orion_common", "chat_ingress")
INGRESS_MEGABYTES = 512
"""A function's share of a processor grows with its memory: Slack waits for three seconds, a cold start included."""
SCALED_SWEEP_SECONDS = 15
CONCURRENCY = 5
"""A sweep and clients that wait must not keep a notification from its thread. Conditional writes keep them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPackages:
    """The zips of the three functions."""

    chat: FunctionPackage
    access: FunctionPackage
    ingress: FunctionPackage


def schedule(settings: Settings) -> RuleFeed:
    """Return the schedule of a minute. In the sandbox, whose schedules are faster, it is of a quarter of one.

    A sweep takes as long at every scale.
    """
    minutes = round(settings.time_scale * SCALED_SWEEP_SECONDS / 60)
    return RuleFeed(
        key="schedule",
        sid="Sweep",
        rule=CHAT_RULE,
        description="Looks after episodes that are due, and for incidents that no message told of",
        schedule=f"rate({minutes} minutes)" if minutes > 1 else "rate(1 minute)",
        message={"source": CHAT_SWEEP_SOURCE},
    )


def build_chat_packages(source_root: Path, folder: Path, data: Mapping[str, Any]) -> ChatPackages:
    """Build the zips in `folder`, with `data` as the routes and people that the chat function reads."""

    def build(packages: tuple[str, ...], function: str, files: Mapping[str, Any]) -> FunctionPackage:
        return build_function_package(source_root, packages, folder, function, data=files)

    return ChatPackages(
        chat=build(CHAT_PACKAGES, CHAT_FUNCTION, {CHAT_FILE: data}),
        access=build(ACCESS_PACKAGES, ALERTMANAGER_FUNCTION, {}),
        ingress=build(INGRESS_PACKAGES, INGRESS_FUNCTION, {}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOpsArgs:
    """Inputs of chat. `network` is that of the repair function, which the load balancer of Alertmanager lets in."""

    settings: Settings
    packages: ChatPackages
    secrets: ChatSecrets
    state: State
    network: FunctionNetwork
    key_arn: pulumi.Input[str]
    alert_topic_arn: pulumi.Input[str]
    alarm_topic_arn: pulumi.Input[str]


class AlertmanagerAccess(Function):
    """The function inside the network. It has no rights but those to be there."""

    def __init__(self, name: str, args: ChatOpsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("AlertmanagerAccess", name, opts)
        function = self.make_invoked_function(
            FunctionArgs(
                spec=FunctionSpec(
                    settings=args.settings,
                    function=ALERTMANAGER_FUNCTION,
                    title="Alertmanager access",
                    description="Asks Alertmanager's replicas, and sets silences, for chat",
                    role_description="Alertmanager access: stands in the network, and may do nothing in AWS",
                    policy="access",
                    handler="alertmanager_access.handler.handler",
                    package=args.packages.access,
                    errors_alarm=ACCESS_ERRORS_ALARM,
                    asks_alertmanager=True,
                ),
                code=args.state.code,
                key_arn=args.key_arn,
                alarm_topic_arn=args.alarm_topic_arn,
                statements=[],
                environment={Variable.ALERTMANAGER_REPLICAS: str(args.settings.monitoring.alertmanager_replicas)},
                network=args.network,
            )
        )
        self.function_arn = function.arn
        self.function_name = function.name
        self.register_outputs({"functionArn": self.function_arn})


class ChatFunction(Function):
    """The function that applies inputs to episodes and carries their effects out."""

    def __init__(
        self,
        name: str,
        args: ChatOpsArgs,
        access: AlertmanagerAccess,
        credentials_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ChatFunction", name, opts)
        made = self.make_function(
            FunctionArgs(
                spec=FunctionSpec(
                    settings=args.settings,
                    function=CHAT_FUNCTION,
                    title="chat",
                    description="Keeps a thread for each incident, in step with PagerDuty and Alertmanager",
                    role_description="Chat: keeps episodes, and asks the function that reaches Alertmanager",
                    policy="chat",
                    handler="chatops.handler.handler",
                    package=args.packages.chat,
                    errors_alarm=CHAT_ERRORS_ALARM,
                    concurrency=CONCURRENCY,
                ),
                code=args.state.code,
                key_arn=args.key_arn,
                alarm_topic_arn=args.alarm_topic_arn,
                feeds=[
                    TopicFeed(key="alerts", sid="Alerts", topic=ALERT_TOPIC, topic_arn=args.alert_topic_arn),
                    schedule(args.settings),
                ],
                statements=_chat_statements(args, access, credentials_arn),
                environment=_chat_environment(args, access, credentials_arn),
                queue_variable=Variable.CHAT_QUEUE_URL,
            ),
            CHAT_QUEUE_ALARMS,
        )
        self.function_arn = made.function_arn
        self.queue_url = made.queue_url
        self.queue_arn = made.queue_arn
        make_count_alarm(
            name,
            CHAT_GIVEN_UP_ALARM,
            GIVEN_UP,
            EFFECTS_GIVEN_UP,
            METRICS_SERVICE,
            topic_arn=args.alarm_topic_arn,
            opts=self._child,
        )
        self.register_outputs({"functionArn": self.function_arn, "queueUrl": self.queue_url})


class ChatIngress(Function):
    """The function that Slack and PagerDuty call, and its address. Its own code verifies who calls."""

    def __init__(
        self,
        name: str,
        args: ChatOpsArgs,
        chat: ChatFunction,
        signing_keys_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("ChatIngress", name, opts)
        function = self.make_invoked_function(
            FunctionArgs(
                spec=FunctionSpec(
                    settings=args.settings,
                    function=INGRESS_FUNCTION,
                    title="chat ingress",
                    description="Verifies what Slack and PagerDuty send, and puts it on chat's queue",
                    role_description="Chat ingress: reads the keys of signatures, and sends to chat's queue",
                    policy="ingress",
                    handler="chat_ingress.handler.handler",
                    package=args.packages.ingress,
                    errors_alarm=INGRESS_ERRORS_ALARM,
                    memory_megabytes=INGRESS_MEGABYTES,
                ),
                code=args.state.code,
                key_arn=args.key_arn,
                alarm_topic_arn=args.alarm_topic_arn,
                statements=[
                    Statement(
                        sid="ReadSigningKeys", actions=["secretsmanager:GetSecretValue"], resources=[signing_keys_arn]
                    ),
                    Statement(sid="SendToChat", actions=["sqs:SendMessage"], resources=[chat.queue_arn]),
                ],
                environment={
                    Variable.CHAT_SIGNING_KEYS: signing_keys_arn,
                    Variable.CHAT_QUEUE_URL: chat.queue_url,
                },
            )
        )
        self.address = self._public_address(name, function)
        self.register_outputs({"address": self.address})

    def _public_address(self, name: str, function: aws.lambda_.Function) -> pulumi.Output[str]:
        """Make the function's address, which anybody may call: the signatures say who it is."""
        url = aws.lambda_.FunctionUrl(
            f"{name}-url", function_name=function.name, authorization_type="NONE", opts=self._child
        )
        aws.lambda_.Permission(
            f"{name}-url-permission",
            statement_id="CallAddress",
            function=function.name,
            action="lambda:InvokeFunctionUrl",
            principal="*",
            function_url_auth_type="NONE",
            opts=self._child,
        )
        # Since October 2025 a call of an address needs this too.
        aws.lambda_.Permission(
            f"{name}-invoke-permission",
            statement_id="InvokeByAddress",
            function=function.name,
            action="lambda:InvokeFunction",
            principal="*",
            invoked_via_function_url=True,
            opts=self._child,
        )
        return url.function_url


class ChatOps(pulumi.ComponentResource):
    """Chat as a whole. `address` is what Slack's app is given, and PagerDuty's webhook subscription."""

    address: pulumi.Output[str]
    queue_url: pulumi.Output[str]

    def __init__(self, name: str, args: ChatOpsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("ChatOps"), name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        secrets = ChatSecretStore(
            f"{name}-secrets",
            ChatSecretsArgs(
                secrets=args.secrets,
                pagerduty_sender=args.settings.pagerduty_sender or "",
                key_arn=args.key_arn,
                empty_on_delete=not args.settings.aws.keep_data,
            ),
            child,
        )
        access = AlertmanagerAccess(f"{name}-alertmanager", args, child)
        chat = ChatFunction(f"{name}-function", args, access, secrets.credentials_arn, child)
        ingress = ChatIngress(f"{name}-ingress", args, chat, secrets.signing_keys_arn, child)
        secrets.keep_signing_keys(IncidentWebhooks(f"{name}-webhooks", ingress.address, child).secret)
        self.address = ingress.address
        self.queue_url = chat.queue_url
        self.register_outputs({"address": self.address, "queueUrl": self.queue_url})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSources:
    """The folder of the functions' code, the folder of zips, and the data of the chat function."""

    source_root: Path
    folder: Path
    chat: Chat


def make_chatops(
    name: str,
    settings: Settings,
    sources: ChatSources,
    secrets: ChatSecrets | None,
    network: FunctionNetwork | None,
    *,
    state: State,
    key_arn: pulumi.Input[str],
    alert_topic_arn: pulumi.Input[str],
    alarm_topic_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> ChatOps | None:
    """Make chat where the settings have it on, and nothing elsewhere. Settings with chat on have all that it needs."""
    if settings.chat is not ChatMode.ON or secrets is None or network is None:
        return None
    packages = build_chat_packages(sources.source_root, sources.folder, sources.chat.as_function_data())
    args = ChatOpsArgs(
        settings=settings,
        packages=packages,
        secrets=secrets,
        state=state,
        network=network,
        key_arn=key_arn,
        alert_topic_arn=alert_topic_arn,
        alarm_topic_arn=alarm_topic_arn,
    )
    return ChatOps(name, args, opts)


def _chat_statements(
    args: ChatOpsArgs, access: AlertmanagerAccess, credentials_arn: pulumi.Input[str]
) -> list[Statement]:
    state = args.state
    return [
        state.write_statement("KeepState", "dynamodb:GetItem", "dynamodb:PutItem"),
        state.query_statement("FindState", BY_STATUS),
        Statement(sid="AskAlertmanager", actions=["lambda:InvokeFunction"], resources=[access.function_arn]),
        Statement(sid="ReadCredentials", actions=["secretsmanager:GetSecretValue"], resources=[credentials_arn]),
        Statement(
            sid="RemindItself",
            actions=["sqs:SendMessage"],
            resources=[arn(args.settings, "sqs", CHAT_FUNCTION)],
        ),
        Statement(sid="DecideOnRepairs", actions=["sqs:SendMessage"], resources=[arn(args.settings, "sqs", FUNCTION)]),
        Statement(
            sid="KeepUnreadableMessages",
            actions=["s3:PutObject"],
            resources=[pulumi.Output.format("{0}/{1}*", state.diagnostics.arn, UNREADABLE_PREFIX)],
        ),
        Statement(
            sid="WriteDrafts",
            actions=["s3:PutObject"],
            resources=[pulumi.Output.format("{0}/{1}*", state.diagnostics.arn, POST_INCIDENT_PREFIX)],
        ),
        # To delete, to shorten a retention or to bypass it is allowed to nobody here.
        Statement(
            sid="KeepAudit",
            actions=["s3:PutObject"],
            resources=[pulumi.Output.format("{0}/{1}*", state.audit_bucket.arn, AUDIT_PREFIX)],
        ),
    ]


def _chat_environment(
    args: ChatOpsArgs, access: AlertmanagerAccess, credentials_arn: pulumi.Input[str]
) -> Mapping[Variable, pulumi.Input[str]]:
    settings, endpoints = args.settings, args.settings.endpoints
    others = {
        Variable.SLACK_API: endpoints.slack,
        Variable.PAGERDUTY_API: endpoints.pagerduty,
    }
    return {
        Variable.REPAIR_TABLE: args.state.table_name,
        Variable.DIAGNOSTICS_BUCKET: args.state.diagnostics.name,
        Variable.AUDIT_BUCKET: args.state.audit_bucket.name,
        Variable.CHAT_CREDENTIALS: credentials_arn,
        Variable.REPAIR_QUEUE_URL: queue_url(settings, FUNCTION),
        Variable.ALERTMANAGER_FUNCTION: access.function_name,
        Variable.ALERTMANAGER_REPLICAS: str(settings.monitoring.alertmanager_replicas),
        Variable.SLACK_WORKSPACE: settings.slack_workspace or "",
        **{variable: address for variable, address in others.items() if address is not None},
    }
