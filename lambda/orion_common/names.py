"""Names that the program and its functions both use, each typed once.

The program's components import this module, and nothing else of the functions: it needs the standard library alone.
`alerting` imports nothing from here; `tests/unit/test_lambda_names.py` holds its names equal to these.
"""

from __future__ import annotations

from enum import StrEnum


class Variable(StrEnum):
    """Environment variables that the components set and the functions read."""

    REPAIR_TABLE = "REPAIR_TABLE"
    NOTIFICATION_TOPIC_ARN = "NOTIFICATION_TOPIC_ARN"
    TEAM_TOPIC_ARNS = "TEAM_TOPIC_ARNS"
    BASTION_TAG_VALUE = "BASTION_TAG_VALUE"
    DIAGNOSTICS_BUCKET = "DIAGNOSTICS_BUCKET"
    AUDIT_BUCKET = "AUDIT_BUCKET"
    REPAIR_MODE = "REPAIR_MODE"
    REPAIR_DOCUMENTS = "REPAIR_DOCUMENTS"
    ALERTMANAGER_API = "ALERTMANAGER_API"
    ALERTMANAGER_REPLICAS = "ALERTMANAGER_REPLICAS"
    ALERTMANAGER_FUNCTION = "ALERTMANAGER_FUNCTION"
    CHAT_CREDENTIALS = "CHAT_CREDENTIALS"
    CHAT_SIGNING_KEYS = "CHAT_SIGNING_KEYS"
    CHAT_QUEUE_URL = "CHAT_QUEUE_URL"
    REPAIR_QUEUE_URL = "REPAIR_QUEUE_URL"
    SLACK_API = "SLACK_API"
    SLACK_WORKSPACE = "SLACK_WORKSPACE"
    PAGERDUTY_API = "PAGERDUTY_API"


class Mode(StrEnum):
    """The mode of repairs, from the strictest on.

    `off` answers nothing, `dry-run` reports what it would do and changes nothing, `approve` waits for a person.
    """

    OFF = "off"
    DRY_RUN = "dry-run"
    APPROVE = "approve"
    ON = "on"


class AlertmanagerOperation(StrEnum):
    """The operations of the function that reaches Alertmanager."""

    LOOK = "look"
    FIRING_GROUPS = "firing groups"
    SILENCES = "silences"
    SET_SILENCE = "set silence"
    EXPIRE_SILENCE = "expire silence"
    ALL_SILENCES = "all silences"
    CREATE_SILENCE = "create silence"


# The zip.
REMEDIATIONS_FILE = "remediations.json"
"""The file at the root of a function's zip that says which alert is answered by which action."""
CHAT_FILE = "chat.json"
"""The file at the root of chat's zip: routes with their channels, people who may act, and maintenance windows."""

# The state table.
KEY = "id"
COMMAND_ID = "command_id"
OPEN = "open"
"""Only a repair or an episode that still has to be looked after has this attribute."""
DUE_AT = "due_at"
EXPIRES_AT = "expires_at"
"""The Unix second after which DynamoDB removes an item."""
BY_COMMAND = "by-command"
"""The index that finds the repair that a command was sent for."""
BY_STATUS = "by-status"
"""The index that finds open repairs by the time at which they are due."""
STOP_ID = "stop"
"""The item that stops all repairs while it is there (`orion repairs stop`)."""
ACTION_STOP = "stop@action/"
SERVICE_STOP = "stop@service/"
"""Beginnings of the items that stop the repairs of one action, or of one service."""

# CloudWatch.
METRICS_NAMESPACE = "OrionAlerting"
"""The namespace of the functions' own metrics."""
EFFECTS_GIVEN_UP = "ChatEffectsGivenUp"
"""The metric that counts what chat could not do, and does not try again."""

# The diagnostics bucket.
UNREADABLE_PREFIX = "unreadable/"
"""Where a function keeps, as they came, messages that it cannot read."""
COMMANDS_PREFIX = "commands/"
"""Where Systems Manager keeps what commands wrote."""

POST_INCIDENT_PREFIX = "post-incident/"
"""Where chat writes the drafts of what is to be said of an incident after it."""

# The audit bucket.
AUDIT_PREFIX = "actions/"
"""Where chat keeps what people and the platform did, an object for each action."""

# Systems Manager.
BASTION_TAG = "orion:role"
"""The tag of the instance that runs documents."""
NAMESPACE = "namespace"
"""The parameter of every document that touches anything in a namespace."""
NOT_AFTER = "notAfter"
"""The parameter that every document has beside those from labels: when it is too late to begin, in Unix seconds."""

# The ingress.
SLACK_PATH = "/slack/interactions"
PAGERDUTY_PATH = "/pagerduty/webhooks"

# What arrives in a queue.
OUTCOME_DETAIL_TYPE = "EC2 Command Invocation Status-change Notification"
"""The event by which Systems Manager reports a change of a command's status on one instance."""
SWEEP_SOURCE = "orion.sweep"
"""The source of the message that the schedule of the sweep sends."""
CHAT_SWEEP_SOURCE = "orion.chat.sweep"
"""The source of the message that chat's schedule sends."""
CHAT_DUE_SOURCE = "orion.chat.due"
"""The source of a message by which chat has its queue bring an episode again."""
CHAT_DIGEST_SOURCE = "orion.chat.digest"
"""The source of a message by which chat has its queue bring a channel again whose digest is to be shown."""
SLACK_SOURCE = "orion.chat.slack"
"""The source of a message that holds a verified interaction of Slack's."""
REPAIR_PROPOSED_SOURCE = "orion.repair.proposed"
"""The source of a message by which the repair function asks chat for the approval of a repair."""
REPAIR_ENDED_SOURCE = "orion.repair.ended"
"""The source of a message by which a repair's end is reported to chat."""
REPAIR_DECIDED_SOURCE = "orion.repair.decided"
"""The source of a message by which chat tells the repair function that a person approved or rejected a repair."""
REPAIRS_STOPPED_SOURCE = "orion.repair.stopped"
"""The source of a message by which chat has repairs stopped."""
STOP_LIFTED_SOURCE = "orion.repair.stop-lifted"
"""The source of a message by which chat has a stop of repairs lifted."""
DIAGNOSTICS_SOURCE = "orion.repair.diagnostics"
"""The source of a message by which chat asks for diagnostics of a group's alerts."""
PAGERDUTY_SOURCE = "orion.chat.pagerduty"
"""The source of a message that holds a verified webhook of PagerDuty's."""
TRUNCATED = "truncated"
"""The SNS message attribute that Alertmanager sets on a message that it cut."""
MESSAGE_VERSION = "1"
"""The version of the message that our Alertmanager template writes."""
