"""Reads chat's configuration: its environment, the routes and people in its zip, and the secret with credentials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatops.catalog_silences import Window
from chatops.episode import Group, Waits
from chatops.pagerduty_api import PAGERDUTY_API
from chatops.slack_api import SLACK_API
from orion_common.group_key import deduplication_key
from orion_common.names import Variable
from orion_common.secret_fields import secret_object, text_of

ALERTNAME = "alertname"
SEVERAL_ALERTS = "several alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route whose groups have threads. `key` is its static key, `group_by` are the labels that it groups by."""

    key: str
    channel: str
    title_prefix: str
    group_by: tuple[str, ...]
    pages: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatData:
    """The routes by their receiver's name, and the emails of the people who may act.

    `webhook_receivers` are those whose notifications Alertmanager's own webhooks show, and chat does not. `windows` are
    the catalog's maintenance windows, and `waits` what fits the stack's Alertmanager and Prometheus.
    """

    routes: Mapping[str, Route]
    webhook_receivers: frozenset[str]
    responders: frozenset[str]
    approvers: frozenset[str]
    windows: tuple[Window, ...]
    waits: Waits

    @classmethod
    def from_json(cls, text: str) -> ChatData:
        """Read `chat.json`. Raises `KeyError`, `TypeError` or `ValueError` if it is not what it should be."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            routes={
                receiver: Route(
                    key=route["key"],
                    channel=route["channel"],
                    title_prefix=route["title_prefix"],
                    group_by=tuple(route["group_by"]),
                    pages=route["pages"],
                )
                for receiver, route in data["routes"].items()
            },
            webhook_receivers=frozenset(data["webhook_receivers"]),
            responders=frozenset(email.casefold() for email in data["responders"]),
            approvers=frozenset(email.casefold() for email in data["approvers"]),
            windows=tuple(
                Window(
                    name=name,
                    owner=silence["owner"],
                    reason=silence["reason"],
                    match={label: tuple(values) for label, values in silence["match"].items()},
                    since=float(silence["since"]),
                    until=float(silence["until"]),
                )
                for name, silence in data["silences"].items()
            ),
            waits=Waits(**data["waits"]),
        )

    def group_of(self, receiver: str, labels: Mapping[str, str]) -> Group | None:
        """Return the group of a receiver's route and the labels that Alertmanager gives it, or None without a route.

        A label that the group lacks is empty: in a matcher, that is an alert without the label.
        """
        route = self.routes.get(receiver)
        if route is None:
            return None
        grouped = dict.fromkeys(route.group_by, "") | dict(labels)
        return Group(
            key=deduplication_key(route.key, labels),
            labels=tuple(sorted(grouped.items())),
            channel=route.channel,
            title=route.title_prefix + (labels.get(ALERTNAME) or SEVERAL_ALERTS),
            receiver=receiver,
            pages=route.pages,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The secret of chat. `pagerduty_sender` is the email of the user in whose name the platform itself acts."""

    slack_token: str = field(repr=False)
    pagerduty_token: str = field(repr=False)
    pagerduty_sender: str

    @classmethod
    def from_json(cls, text: str) -> Credentials:
        """Read the secret. Raises `BadSecret`."""
        content = secret_object(text)
        return cls(
            slack_token=text_of(content, "slack_token"),
            pagerduty_token=text_of(content, "pagerduty_token"),
            pagerduty_sender=text_of(content, "pagerduty_sender"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The function's environment: names of what it uses."""

    table: str
    diagnostics_bucket: str
    audit_bucket: str
    secret: str
    queue_url: str
    repair_queue_url: str
    alertmanager_function: str
    alertmanager_replicas: int
    workspace: str
    slack_api: str
    pagerduty_api: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Configuration:
        """Read it. Raises `KeyError` or `ValueError` naming the variable that is missing or wrong."""
        return cls(
            table=environment[Variable.REPAIR_TABLE],
            diagnostics_bucket=environment[Variable.DIAGNOSTICS_BUCKET],
            audit_bucket=environment[Variable.AUDIT_BUCKET],
            secret=environment[Variable.CHAT_CREDENTIALS],
            queue_url=environment[Variable.CHAT_QUEUE_URL],
            repair_queue_url=environment[Variable.REPAIR_QUEUE_URL],
            alertmanager_function=environment[Variable.ALERTMANAGER_FUNCTION],
            alertmanager_replicas=int(environment[Variable.ALERTMANAGER_REPLICAS]),
            workspace=environment[Variable.SLACK_WORKSPACE],
            slack_api=environment.get(Variable.SLACK_API, SLACK_API),
            pagerduty_api=environment.get(Variable.PAGERDUTY_API, PAGERDUTY_API),
        )
