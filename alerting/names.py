"""Names that more than one room has to agree on: resources, labels and topics, in one place."""

from __future__ import annotations

from alerting.settings import Settings

PROJECT = "orion-alerting"
RELEASE = "prometheus"
"""The Helm release. Rules are selected by the label `release` with this value."""

ALERTMANAGER_CONFIG_SECRET = "alertmanager-config"
ALERTMANAGER_TEMPLATES = "alertmanager-templates"
PAGERDUTY_KEYS_SECRET = "alertmanager-pagerduty"
SLACK_WEBHOOKS_SECRET = "alertmanager-slack"

ALERT_TOPIC = "orion-alerts"
WATCHDOG_TOPIC = "orion-watchdog"
"""Where Alertmanager says every minute that it is there."""
SILENCE_ALARM = "orion-watchdog-silent"
"""The alarm on that topic's silence."""
ALARM_TOPIC = "orion-alarms"
"""Whom this platform's own alarms tell."""
NOTIFICATION_TOPIC = "orion-notifications"
CHAT_FUNCTION = "orion-chatops"
CHAT_FILE = "chat.json"
"""The file at the root of that function's zip: routes, people who may act, and maintenance windows."""
CHAT_INGRESS = "orion-chat-ingress"
"""The function at whose URL Slack and PagerDuty report."""
REPAIR_QUEUE = "orion-runbook-automation"
"""The queue that the function of the same name reads: notifications and outcomes."""


STATE_TABLE = "orion-state"
REPAIR_STOP = "stop"
"""The item of that table which stops all repairs while it is there."""
BY_COMMAND, COMMAND_ID = "by-command", "command_id"
"""The index of that table, and its key, by which the repair is found that a command was sent for."""
SILENCES_ITEM = "silences"
"""The item of that table which says what each silence matches."""
ACTION_STOP = "stop@action/"
SERVICE_STOP = "stop@service/"
"""Beginnings of the items that stop the repairs of one action, or of one service."""
AUDIT_PREFIX = "actions/"
"""Where the audit record is in its bucket."""
MAINTENANCE_NAMESPACE = "monitoring"
MAINTENANCE_CONFIG_MAP = "cluster-maintenance"
"""The ConfigMap that declares maintenance: the alert ClusterMaintenance and the repairs' scripts look for it."""
MAINTENANCE_SECONDS = 4 * 60 * 60
"""How long a declaration counts, unless its ConfigMap is removed before."""


def dashboard_config_map(dashboard: str) -> str:
    """Return the name of the ConfigMap that holds a dashboard."""
    return f"dashboard-{dashboard}"


def team_topic(team: str) -> str:
    """Return the name of the topic that a team hears of failed repairs on."""
    return f"orion-team-{team}"


def audit_bucket(account_id: str) -> str:
    """Return the name of the bucket of the audit record. Bucket names are global, so it carries the account."""
    return f"orion-audit-{account_id}"


def topic_arn(settings: Settings, topic: str) -> str:
    """Return a topic's ARN. It is a function of account, region and name, so that it is known before it exists."""
    return f"arn:aws:sns:{settings.aws.region}:{settings.aws.account_id}:{topic}"
