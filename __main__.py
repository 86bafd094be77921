"""Composes one stack from its settings and the catalog, and exports what people look up. Decides nothing itself."""

from __future__ import annotations

from pathlib import Path

import pulumi

from alerting.build import load_platform
from alerting.settings import ChatMode
from components.alarm_topic import Alarms, AlarmsArgs
from components.alertmanager_identity import AlertmanagerIdentity, AlertmanagerIdentityArgs
from components.bastion import Bastion, BastionArgs, BastionSpec
from components.chatops import ChatSources, make_chatops
from components.configuration import read_secrets, read_settings, read_slack_token
from components.event_bus import EventBus, EventBusArgs, EventBusSpec
from components.grafana_identity import GrafanaIdentity, GrafanaIdentityArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring_values import MonitoringSpec
from components.namespace import MonitoringNamespace, MonitoringNamespaceArgs
from components.network_policy import AlertmanagerNetwork, AlertmanagerNetworkArgs
from components.network_stack_reference import with_network
from components.pagerduty import PagerDutyOnCall, PagerDutyOnCallArgs
from components.preflight import preflight
from components.prometheus_rules import Rules, RulesArgs
from components.protection import know_old_names
from components.providers import Providers, ProvidersArgs
from components.repair_reports import RepairReports
from components.repair_sweep import RepairSweep, RepairSweepArgs, build_sweep_package
from components.runbook_automation import (
    RunbookAutomation,
    RunbookAutomationArgs,
    RunbookAutomationSpec,
    build_repair_package,
)
from components.secrets import Secrets, SecretsArgs
from components.state import State, StateArgs
from components.watchdog import Watchdog, WatchdogArgs

ROOT = Path(__file__).resolve().parent

config = pulumi.Config("orion-alerting")
stack = pulumi.get_stack()
know_old_names()
settings = with_network(read_settings(config, stack, root=ROOT))
platform = load_platform(ROOT, settings)
secrets = read_secrets(
    config,
    stack,
    channels=platform.alertmanager.slack_channels,
    grafana=settings.monitoring.grafana,
    paging=settings.paging,
    chat=settings.chat is ChatMode.ON,
)
built = ROOT / "build" / stack
repair_package = build_repair_package(ROOT / "lambda", built, platform.repairs.as_function_data())
sweep_package = build_sweep_package(ROOT / "lambda", built)

providers = Providers(
    "providers",
    ProvidersArgs(
        settings=settings,
        pagerduty_token=secrets.pagerduty_token,
        check=lambda account: preflight(
            settings, account, slack_token=read_slack_token(config) if secrets.chat is not None else None
        ),
    ),
)
using = providers.options()

namespace = MonitoringNamespace(
    "namespace", MonitoringNamespaceArgs(settings=settings, kubeconfig=providers.kubeconfig), opts=using
)
network = AlertmanagerNetwork(
    "network", AlertmanagerNetworkArgs(settings=settings, namespace=namespace.namespace), opts=using
)
on_call = PagerDutyOnCall("on-call", PagerDutyOnCallArgs(on_call=platform.on_call, paging=settings.paging), opts=using)
event_bus = EventBus(
    "event-bus", EventBusArgs(spec=EventBusSpec(settings=settings, teams=platform.repairs.teams)), opts=using
)
state = State("state", StateArgs(settings=settings, key_arn=event_bus.key_arn), opts=using)
alarms = Alarms(
    "alarms",
    AlarmsArgs(
        settings=settings,
        service_ids=on_call.service_ids,
        operating_team=platform.on_call.operating_team,
    ),
    opts=using,
)
reports = RepairReports(
    settings=settings,
    notification_topic_arn=event_bus.notification_topic_arn,
    team_topic_arns=event_bus.team_topic_arns,
)
runbook_automation = RunbookAutomation(
    "runbook-automation",
    RunbookAutomationArgs(
        spec=RunbookAutomationSpec(settings=settings, repairs=platform.repairs, package=repair_package),
        namespace=namespace.namespace,
        state=state,
        key_arn=event_bus.key_arn,
        alert_topic_arn=event_bus.alert_topic_arn,
        reports=reports,
        alarm_topic_arn=alarms.topic_arn,
    ),
    opts=using,
)
repair_sweep = RepairSweep(
    "repair-sweep",
    RepairSweepArgs(
        settings=settings,
        package=sweep_package,
        state=state,
        key_arn=event_bus.key_arn,
        reports=reports,
        alarm_topic_arn=alarms.topic_arn,
    ),
    opts=using,
)
chatops = make_chatops(
    "chatops",
    settings,
    ChatSources(source_root=ROOT / "lambda", folder=built, chat=platform.chat),
    secrets.chat,
    runbook_automation.network,
    state=state,
    key_arn=event_bus.key_arn,
    alert_topic_arn=event_bus.alert_topic_arn,
    alarm_topic_arn=alarms.topic_arn,
    opts=using,
)
bastion = Bastion(
    "bastion",
    BastionArgs(
        spec=BastionSpec(settings=settings, repairs=platform.repairs),
        namespace=namespace.namespace,
        diagnostics_bucket_arn=state.diagnostics.arn,
        key_arn=event_bus.key_arn,
    ),
    opts=using,
)
watchdog = Watchdog(
    "watchdog",
    WatchdogArgs(settings=settings, key_arn=event_bus.key_arn, alarm_topic_arn=alarms.topic_arn),
    opts=using,
)
identity = AlertmanagerIdentity(
    "alertmanager-identity",
    AlertmanagerIdentityArgs(
        settings=settings,
        alert_topic_arn=event_bus.alert_topic_arn,
        heartbeat_topic_arn=watchdog.heartbeat_topic_arn,
        key_arn=event_bus.key_arn,
    ),
    opts=using,
)
grafana = (
    [GrafanaIdentity("grafana-identity", GrafanaIdentityArgs(settings=settings), opts=using)]
    if settings.monitoring.grafana
    else []
)
files = Secrets(
    "secrets",
    SecretsArgs(
        files=platform.alertmanager,
        namespace=namespace.namespace,
        integration_keys=on_call.integration_keys,
        slack_webhooks=secrets.slack_webhooks,
        grafana_password=secrets.grafana_password,
    ),
    opts=using,
)
monitoring = Monitoring(
    "monitoring",
    MonitoringArgs(
        spec=MonitoringSpec(settings=settings, secrets=files.secret_names, config_maps=files.config_map_names),
        root=ROOT,
        dashboards=platform.dashboards,
        namespace=namespace.namespace,
    ),
    opts=pulumi.ResourceOptions.merge(using, pulumi.ResourceOptions(depends_on=[files, identity, *grafana, network])),
)
rules = Rules(
    "rules",
    RulesArgs(files=platform.rules, pod_monitors=platform.pod_monitors, namespace=namespace.namespace),
    opts=pulumi.ResourceOptions.merge(using, pulumi.ResourceOptions(depends_on=[monitoring])),
)

pulumi.export("alertmanager", settings.addresses.alertmanager)
pulumi.export("prometheus", settings.addresses.prometheus)
pulumi.export("alertTopicArn", event_bus.alert_topic_arn)
pulumi.export("notificationTopicArn", event_bus.notification_topic_arn)
pulumi.export("repairQueueUrl", runbook_automation.queue_url)
pulumi.export("functionArn", runbook_automation.function_arn)
pulumi.export("sweepFunctionArn", repair_sweep.function_arn)
if chatops is not None:
    pulumi.export("chatAddress", chatops.address)
    pulumi.export("chatQueueUrl", chatops.queue_url)
pulumi.export("stateTable", state.table_name)
pulumi.export("diagnosticsBucket", state.diagnostics.name)
pulumi.export("bastionInstanceId", bastion.instance_id)
pulumi.export("rules", list(rules.rule_names))
