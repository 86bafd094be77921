"""Turns the catalog into Alertmanager's configuration, its templates and the list of secrets that it reads.

The configuration keeps to what Alertmanager 0.34 and the operators 0.85 and 0.93 all accept (`alerting.checks` holds
the list), names no secret but by `*_file`, and depends on nothing but catalog and settings.

A message to the alert topic is one JSON object:

    {"version": "1", "route": "<static key of the route>", "total": <number of alerts>, "notification": {...}}

`notification` has the fields of Alertmanager's own (`receiver`, `status`, `notification_reason`, `groupLabels`,
`commonLabels`, `commonAnnotations`, `externalURL`, `alerts`), with at most 100 alerts, fewer where these are long: SNS
takes 256 KiB. `total` says how many there were. `alerting.routing.group_key` turns `route` and `groupLabels` into the
group's key and PagerDuty's `dedup_key`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alerting import names
from alerting.catalog import Catalog, Inhibition, PageEntry, RoutingFile, Selector, SlackEntry, Timings
from alerting.oncall.event_orchestration import ANY_TEAM, KEY_NAMES, PAGED_TEAM
from alerting.platform import AlertmanagerFiles, SecretFile, SecretSource
from alerting.routing.routes import Route, default_route, label_matcher, routes
from alerting.rules.series import ALERTNAME, SEVERITY
from alerting.settings import ChatMode, Environment, Settings
from alerting.source.durations import scaled_duration

PAGERDUTY_EVENTS = "https://events.pagerduty.com/v2/enqueue"
TEMPLATES_FOLDER = "/etc/alertmanager/configmaps"
SNS_SUBJECT = "Orion alert"
"""Short, ASCII and never empty: the operator drops an empty one, and SNS refuses more than 100 characters."""

HEARTBEAT_SUBJECT = "Orion heartbeat"

_TEMPLATES = Path(__file__).parent / "templates"


def alertmanager_files(catalog: Catalog, settings: Settings) -> AlertmanagerFiles:
    """Return what Alertmanager is given."""
    return AlertmanagerFiles(
        configuration=_configuration(catalog, settings),
        templates={path.name: path.read_text(encoding="utf-8") for path in sorted(_TEMPLATES.glob("*.tmpl"))},
        template_config_map=names.ALERTMANAGER_TEMPLATES,
        secret_files=tuple(_secret_files(catalog, settings)),
    )


def pagerduty_secret(key: str) -> SecretFile:
    """Return the file that holds one of the routing keys of PagerDuty's event orchestration."""
    return SecretFile(
        secret=names.PAGERDUTY_KEYS_SECRET,
        key=key,
        source=SecretSource.PAGERDUTY_INTEGRATION,
        reference=key,
    )


def slack_secret(channel: str) -> SecretFile:
    """Return the file that holds the incoming webhook of a channel."""
    return SecretFile(
        secret=names.SLACK_WEBHOOKS_SECRET,
        key=channel.removeprefix("#"),
        source=SecretSource.SLACK_WEBHOOK,
        reference=channel,
    )


def _secret_files(catalog: Catalog, settings: Settings) -> list[SecretFile]:
    keys = KEY_NAMES if settings.paging else ()
    channels = dict.fromkeys(settings.channel(name) for name in _webhook_channels(catalog, settings))
    return [pagerduty_secret(key) for key in keys] + [slack_secret(name) for name in channels]


def _webhook_channels(catalog: Catalog, settings: Settings) -> list[str]:
    """Return the catalog's channels that Alertmanager posts to: threads need no webhook."""
    if settings.chat is ChatMode.OFF:
        return list(catalog.routing.channels)
    every = (default_route(catalog), *routes(catalog))
    posted = {entry.channel for route in every for entry in route.webhook_entries(settings.chat)}
    return [channel for channel in catalog.routing.channels if channel in posted]


def _configuration(catalog: Catalog, settings: Settings) -> dict[str, Any]:
    routing = catalog.routing
    root = default_route(catalog)
    below = routes(catalog)
    receivers = [_receiver(route, routing, settings) for top in (root, *below) for route in top.with_children()]
    scale = settings.time_scale
    return {
        "global": {
            "resolve_timeout": scaled_duration(routing.resolve_timeout, scale),
            "pagerduty_url": settings.endpoints.pagerduty_events or PAGERDUTY_EVENTS,
        },
        "templates": [f"{TEMPLATES_FOLDER}/{names.ALERTMANAGER_TEMPLATES}/*.tmpl"],
        "route": {
            "receiver": root.receiver_name,
            "group_by": list(routing.default.group_by),
            **_timings(root.timings, scale),
            "routes": [_route(route, root.group_by, scale) for route in below],
        },
        "inhibit_rules": [_inhibition(inhibition) for inhibition in routing.inhibitions],
        "receivers": receivers,
    }


def _timings(timings: Timings, scale: float) -> dict[str, str]:
    wanted = timings.model_dump(exclude_none=True)
    return {
        field: scaled_duration(wanted[field], scale)
        for field in ("group_wait", "group_interval", "repeat_interval")
        if field in wanted
    }


def _route(route: Route, group_by: tuple[str, ...], scale: float) -> dict[str, Any]:
    """Return a route. `group_by` are the labels that it would inherit."""
    result: dict[str, Any] = {
        "matchers": list(route.matchers),
        "receiver": route.receiver_name,
        **({} if route.group_by == group_by else {"group_by": list(route.group_by)}),
        **_timings(route.timings, scale),
    }
    if route.children:
        result["routes"] = [_route(child, route.group_by, scale) for child in route.children]
    return result


def _inhibition(inhibition: Inhibition) -> dict[str, list[str]]:
    return {
        "source_matchers": [_selected(inhibition.source)],
        "target_matchers": [_selected(inhibition.target)],
        "equal": list(inhibition.equal),
    }


def _selected(selector: Selector) -> str:
    if selector.alerts:
        return label_matcher(ALERTNAME, selector.alerts)
    return label_matcher(SEVERITY, selector.severities)


def _receiver(route: Route, routing: RoutingFile, settings: Settings) -> dict[str, Any]:
    result: dict[str, Any] = {"name": route.receiver_name}
    posted = route.webhook_entries(settings.chat)
    if route.receiver.page is not None and route.integration_key is not None:
        if settings.paging:
            result["pagerduty_configs"] = [_pagerduty(route.receiver.page, route.integration_key, route, settings)]
        else:
            posted += _instead_of_a_page(route.receiver.page, posted, routing)
    if posted:
        result["slack_configs"] = [_slack(entry, route.group_by, settings) for entry in posted]
    if route.receiver.publish:
        result["sns_configs"] = [_sns(route, settings)]
    if route.receiver.heartbeat:
        result.setdefault("sns_configs", []).append(_heartbeat(settings))
    return result


def _instead_of_a_page(page: PageEntry, posted: tuple[SlackEntry, ...], routing: RoutingFile) -> tuple[SlackEntry, ...]:
    """Return what a receiver posts where nobody is paged: to the default route's channels, beside its own."""
    channels = {entry.channel for entry in posted}
    return tuple(
        entry.model_copy(update={"title_prefix": page.summary_prefix})
        for entry in routing.receivers[routing.default.receiver].slack
        if entry.channel not in channels
    )


def _silence_link(group_by: tuple[str, ...]) -> str:
    """Return the template of a link that silences a route's whole group and nothing else.

    A notification's group labels leave out those that the group lacks, so that they are named here.
    """
    labels = " ".join(f'"{label}"' for label in sorted(group_by))
    return f'{{{{ template "link.silence" (list . {labels}) }}}}'


def _pagerduty(page: PageEntry, key: str, route: Route, settings: Settings) -> dict[str, Any]:
    """Return a page. PagerDuty's router picks the service by `component` and by the detail `paged_team`."""
    return {
        "routing_key_file": pagerduty_secret(key).path,
        "send_resolved": True,
        "severity": '{{ template "pagerduty.severity" . }}',
        "description": page.summary_prefix + '{{ template "pagerduty.description" . }}',
        "source": settings.cluster.name,
        "client": "Orion Platform",
        "client_url": '{{ template "link.dashboard" . }}',
        "class": "{{ .GroupLabels.alertname }}",
        "component": "{{ .GroupLabels.service }}",
        "group": "{{ .GroupLabels.cluster }}",
        "details": {
            "firing": '{{ template "pagerduty.firing" . }}',
            "resolved": '{{ template "pagerduty.resolved" . }}',
            "cluster": "{{ .GroupLabels.cluster }}",
            "service": "{{ .GroupLabels.service }}",
            "descriptions": '{{ template "pagerduty.descriptions" . }}',
            "runbook": '{{ template "link.runbook" . }}',
            PAGED_TEAM: route.paged_team or ANY_TEAM,
        },
        "links": [
            {"href": '{{ template "link.runbook" . }}', "text": "Runbook"},
            {"href": '{{ template "link.dashboard" . }}', "text": "Dashboard"},
            {"href": _silence_link(route.group_by), "text": "Silence"},
        ],
    }


def _slack(entry: SlackEntry, group_by: tuple[str, ...], settings: Settings) -> dict[str, Any]:
    channel = settings.channel(entry.channel)
    notification = entry.title_prefix + '{{ template "slack.notification" . }}'
    # What a push notification shows. The sandbox's operator, 0.85, refuses `message_text`: there it is the fallback.
    top = {} if settings.environment is Environment.SANDBOX else {"message_text": notification}
    return {
        **top,
        "api_url_file": slack_secret(channel).path,
        "channel": channel,
        "send_resolved": entry.send_resolved,
        "color": '{{ template "slack.color" . }}',
        "title": entry.title_prefix + '{{ template "slack.title" . }}',
        "title_link": '{{ template "link.alerts" . }}',
        "text": '{{ template "slack.text" . }}',
        "fallback": notification,
        "actions": [
            {"type": "button", "text": "Runbook", "url": '{{ template "link.runbook" . }}'},
            {"type": "button", "text": "Dashboard", "url": '{{ template "link.dashboard" . }}'},
            {"type": "button", "text": "Silence", "url": _silence_link(group_by)},
        ],
    }


def _heartbeat(settings: Settings) -> dict[str, Any]:
    return {
        **_topic(settings, names.WATCHDOG_TOPIC),
        # What has ended is told by silence.
        "send_resolved": False,
        "subject": HEARTBEAT_SUBJECT,
        "message": "Alertmanager is there, and hears of {{ .GroupLabels.alertname }}",
    }


def _topic(settings: Settings, topic: str) -> dict[str, Any]:
    endpoint: Mapping[str, str] = {} if settings.endpoints.sns is None else {"api_url": settings.endpoints.sns}
    return {**endpoint, "sigv4": {"region": settings.aws.region}, "topic_arn": names.topic_arn(settings, topic)}


def _sns(route: Route, settings: Settings) -> dict[str, Any]:
    key = json.dumps(route.key).replace("{{", '{{ "{{" }}')
    return {
        **_topic(settings, names.ALERT_TOPIC),
        "send_resolved": True,
        "subject": SNS_SUBJECT,
        "message": f'{{"version":"1","route":{key},"total":{{{{ len .Alerts }}}},'
        '"notification":{{ template "sns.notification" . }}}',
        # SNS refuses an attribute whose value is empty.
        "attributes": {"severity": '{{ or .GroupLabels.severity "none" }}', "status": "{{ .Status }}"},
    }
