"""Holds a generated configuration to what Alertmanager 0.34 and the operators 0.85 and 0.93 all accept.

The lists are read off the operator's own structs (`pkg/alertmanager/types.go`), which it parses strictly, and off
Alertmanager's. Options that we have no use for are left out: adding one means looking it up in all three.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from alerting.errors import AlertingError
from alerting.source.problems import listed


class RefusedOption(AlertingError):
    """The configuration holds options that one of the programs which read it refuses; the message names each."""


_OPERATORS = "the operators 0.85 and 0.93 refuse it"
_OLDER_OPERATOR = "the operator 0.85 refuses it"

_REASONS: Mapping[tuple[str, str], str] = {
    ("configuration", "tracing"): _OPERATORS,
    ("configuration", "event_recorder"): _OPERATORS,
    ("route", "labels"): _OPERATORS,
    ("receiver", "labels"): _OPERATORS,
    ("inhibit_rule", "name"): _OPERATORS,
    ("global", "slack_app_token"): _OLDER_OPERATOR,
    ("global", "slack_app_token_file"): f"{_OLDER_OPERATOR}, and Alertmanager 0.34 panics beside slack_api_url_file",
    ("global", "slack_app_url"): _OLDER_OPERATOR,
    ("slack_config", "app_token"): _OLDER_OPERATOR,
    ("slack_config", "app_token_file"): _OLDER_OPERATOR,
    ("slack_config", "update_message"): f"{_OLDER_OPERATOR}, and Alertmanager 0.34 panics without api_url",
    ("slack_config", "timeout"): _OLDER_OPERATOR,
    ("slack_config", "message_text"): f"{_OLDER_OPERATOR}, which the sandbox runs",
    ("pagerduty_config", "timeout"): _OLDER_OPERATOR,
    ("pagerduty_config", "service_key"): "it belongs to the Events API v1; routing_key_file is for v2",
    ("pagerduty_config", "routing_key"): "a secret would stand in the configuration; use routing_key_file",
    ("slack_config", "api_url"): "a secret would stand in the configuration; use api_url_file",
    ("route", "continue"): "an alert would arrive twice, under two group keys",
    ("route", "match"): "it is deprecated; use matchers",
    ("route", "match_re"): "it is deprecated; use matchers",
    ("route", "mute_time_intervals"): "it would swallow the resolve of an incident",
    ("route", "active_time_intervals"): "it would swallow the resolve of an incident",
}

_TIMINGS = {"group_by", "group_wait", "group_interval", "repeat_interval"}
_ALLOWED: Mapping[str, frozenset[str]] = {
    "configuration": frozenset({"global", "templates", "route", "inhibit_rules", "receivers"}),
    "global": frozenset({"resolve_timeout", "pagerduty_url"}),
    "route": frozenset({"receiver", "matchers", "routes", *_TIMINGS}),
    "inhibit_rule": frozenset({"source_matchers", "target_matchers", "equal"}),
    "receiver": frozenset({"name", "pagerduty_configs", "slack_configs", "sns_configs"}),
    "pagerduty_config": frozenset(
        "routing_key_file send_resolved severity description source client client_url class component group details "
        "links".split()
    ),
    "slack_config": frozenset(
        "api_url_file channel send_resolved color title title_link text fallback actions".split()
    ),
    "sns_config": frozenset("api_url sigv4 topic_arn send_resolved subject message attributes".split()),
}


_NEWER: Mapping[str, frozenset[str]] = {"slack_config": frozenset({"message_text"})}
"""What Alertmanager 0.34 and the operator 0.93 of the chart accept, and the operator 0.85 does not."""


def require_accepted(configuration: Mapping[str, Any], *, oldest: bool = True) -> None:
    """Do nothing if all programs accept the options of a configuration.

    `oldest` holds it to the operator 0.85 too, which the sandbox runs; dev and prod have the chart's.

    Raises `RefusedOption` if one does not.
    """
    refused = list(refused_options(configuration, oldest=oldest))
    if refused:
        raise RefusedOption("\n".join(refused))


def refused_options(configuration: Mapping[str, Any], *, oldest: bool = True) -> Iterator[str]:
    """Yield a message for each option that is not known to be accepted everywhere."""
    yield from _refused("configuration", "", configuration)
    yield from _refused("global", "global", configuration.get("global", {}))
    yield from _refused_routes("route", configuration.get("route", {}))
    for index, rule in enumerate(configuration.get("inhibit_rules", ())):
        yield from _refused("inhibit_rule", f"inhibit_rules[{index}]", rule)
    for receiver in cast(Iterable[Mapping[str, Any]], configuration.get("receivers", ())):
        where = f"receivers[{receiver.get('name')}]"
        yield from _refused("receiver", where, receiver)
        for kind in ("pagerduty", "slack", "sns"):
            for index, entry in enumerate(receiver.get(f"{kind}_configs", ())):
                yield from _refused(f"{kind}_config", f"{where}.{kind}_configs[{index}]", entry, oldest=oldest)


_EXECUTED = re.compile(r'\{\{-?\s*template\s+\\?"([^"\\]+)')
_DEFINED = re.compile(r'\{\{-?\s*define\s+"([^"]+)"')


def require_templates_defined(configuration: Mapping[str, Any], templates: Mapping[str, str]) -> None:
    """Do nothing if every template that a configuration or another template executes is defined.

    Alertmanager finds out when it notifies: it starts, is ready, and tells nobody. Raises `RefusedOption`.
    """
    defined = {name for text in templates.values() for name in _DEFINED.findall(text)}
    executed = {name for text in (json.dumps(configuration), *templates.values()) for name in _EXECUTED.findall(text)}
    missing = sorted(executed - defined)
    if missing:
        raise RefusedOption(
            f"templates: found {', '.join(missing)}, which is executed; allowed: {listed(sorted(defined))}. Define it"
        )


def _refused_routes(where: str, route: Mapping[str, Any]) -> Iterator[str]:
    yield from _refused("route", where, route)
    for index, child in enumerate(route.get("routes", ())):
        yield from _refused_routes(f"{where}.routes[{index}]", child)


def _refused(kind: str, where: str, options: Mapping[str, Any], *, oldest: bool = True) -> Iterator[str]:
    allowed = _ALLOWED[kind] if oldest else _ALLOWED[kind] | _NEWER.get(kind, frozenset())
    for option, value in options.items():
        path = f"{where}.{option}" if where else option
        if option not in allowed:
            reason = _REASONS.get((kind, option), "it is not known to be accepted by all who read it")
            yield f"{path}: {reason}; allowed: {listed(sorted(allowed))}. Remove it"
        elif value == "":
            yield f"{path}: found an empty text, which the operator drops, so that a default applies. Give it a value"
