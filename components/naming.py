"""Names, tags and ARNs of what the components make, in one place.

Names that other rooms need too are in `alerting.names`. An ARN here is made from account, region and name where the
resource itself would close a circle (a queue and its dead-letter queue name each other).
"""

from __future__ import annotations

from collections.abc import Mapping

from alerting import names
from alerting.settings import Settings

TYPE_PREFIX = "orion:alerting"

FUNCTION = names.REPAIR_QUEUE
"""The repair function. A function and its queue have one name."""
SWEEP_FUNCTION = "orion-repair-sweep"
FUNCTIONS = (FUNCTION, SWEEP_FUNCTION)
CHAT_FUNCTION = names.CHAT_FUNCTION
INGRESS_FUNCTION = names.CHAT_INGRESS
ALERTMANAGER_FUNCTION = "orion-alertmanager-access"
"""The function inside the network of Alertmanager, which the chat function invokes."""
CHAT_RULE = "orion-chat-sweep"
CHAT_GIVEN_UP_ALARM = "orion-chatops-given-up"
"""The alarm on what chat could not do in Slack, PagerDuty or Alertmanager, and does not try again."""
CHAT_CREDENTIALS = "orion-chat-credentials"
CHAT_SIGNING_KEYS = "orion-chat-signing-keys"
FUNCTION_RUNTIME = "python3.13"
"""Lambda's runtime. The workflows check and deploy with the same version of Python."""
FUNCTION_TIMEOUT_SECONDS = 30
"""A function waits for nobody: it claims, sends, records and returns."""
OUTCOME_RULE = "orion-repair-outcomes"
SWEEP_RULE = "orion-repair-sweep"
KEY_ALIAS = "alias/orion-alerting"

BASTION = "orion-bastion"
BASTION_TAG_VALUE = "bastion"
REPAIRS_GROUP = "orion:repairs"
"""The Kubernetes group that the bastion's role belongs to, by its access entry."""

ALERTMANAGER_ROLE = "orion-alertmanager"
GRAFANA_ROLE = "orion-grafana"
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
"""Where a service account says which AWS role its pods get by IRSA."""
ALERTMANAGER_LOAD_BALANCER = "orion-alertmanager-load-balancer"
"""A Service beside the chart's own, and its security group."""

# What the chart calls things, as its helpers derive it from the release's name.
CHART = "kube-prometheus-stack"
_CHART_FULL_NAME = f"{names.RELEASE}-{CHART}"[:26].rstrip("-")
ALERTMANAGER = f"{_CHART_FULL_NAME}-alertmanager"
PROMETHEUS = f"{_CHART_FULL_NAME}-prometheus"
GRAFANA = f"{names.RELEASE}-grafana"
GRAFANA_ADMIN_SECRET = "grafana-admin"  # noqa: S105  (the name of a secret, not one)

RELEASE_LABELS: Mapping[str, str] = {"release": names.RELEASE}


def type_token(name: str) -> str:
    """Return a component's type, such as `orion:alerting:EventBus`."""
    return f"{TYPE_PREFIX}:{name}"


def dead_letter_queue(function: str) -> str:
    """Return the name of a function's dead-letter queue, and of the alarm on it."""
    return f"{function}-dead-letters"


def queue_age_alarm(function: str) -> str:
    """Return the name of the alarm on the age of the oldest message of a function's queue."""
    return f"{function}-waiting"


def errors_alarm(function: str) -> str:
    """Return the name of the alarm on invocations of a function that fail as a whole."""
    return f"{function}-errors"


def tags(settings: Settings) -> dict[str, str]:
    """Return the tags that every AWS resource has, as the provider's default."""
    return {"project": names.PROJECT, "environment": settings.environment.value, "managed-by": "pulumi"}


def arn(settings: Settings, service: str, resource: str) -> str:
    """Return the ARN of a regional resource of the stack's account."""
    return f"arn:aws:{service}:{settings.aws.region}:{settings.aws.account_id}:{resource}"


def queue_url(settings: Settings, name: str) -> str:
    """Return the address of a queue of the stack's account, for functions that send to each other."""
    return f"https://sqs.{settings.aws.region}.amazonaws.com/{settings.aws.account_id}/{name}"


def alertmanager_role_arn(settings: Settings) -> str:
    """Return the ARN of Alertmanager's role. IAM has no regions."""
    return f"arn:aws:iam::{settings.aws.account_id}:role/{ALERTMANAGER_ROLE}"


def grafana_role_arn(settings: Settings) -> str:
    """Return the ARN of Grafana's role."""
    return f"arn:aws:iam::{settings.aws.account_id}:role/{GRAFANA_ROLE}"


def functions_bucket(settings: Settings) -> str:
    """Return the bucket of the functions' code. Bucket names are global, so it carries the account."""
    return f"orion-functions-{settings.aws.account_id}"


def diagnostics_bucket(settings: Settings) -> str:
    """Return the bucket that diagnostics and commands' output go to."""
    return f"orion-diagnostics-{settings.aws.account_id}"


def audit_bucket(settings: Settings) -> str:
    """Return the bucket of the audit record."""
    return names.audit_bucket(settings.aws.account_id)
