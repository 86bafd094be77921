"""Turns the rules of all sources into PrometheusRules: scaled, and with what every alert has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from alerting.catalog import Catalog
from alerting.platform import RuleFile
from alerting.rules.model import RUNBOOK_PAGE, CompiledGroup, Rule
from alerting.rules.parts import domain_parts
from alerting.rules.promql.scaling import scaled_expression
from alerting.rules.series import MARKET_OPEN, SERVICE
from alerting.rules.sources.market_hours import ALWAYS_OPEN
from alerting.settings import Environment, Settings
from alerting.source.durations import milliseconds, scaled_duration


def rule_files(catalog: Catalog, settings: Settings) -> tuple[RuleFile, ...]:
    """Return the PrometheusRules: one per domain, or several where one would be too large."""
    return tuple(
        RuleFile(name=part.name, groups=tuple(_group(group, part.name, settings) for group in part.groups))
        for part in domain_parts(catalog)
    )


def rules_text(file: RuleFile) -> str:
    """Return a rule file as Prometheus reads it. JSON is YAML too."""
    # pydantic's own writer: the standard library's takes thirty times as long once it indents.
    return to_json({"groups": file.groups}, indent=2).decode() + "\n"


def deployed_expression(rule: Rule, settings: Settings) -> str:
    """Return a rule's PromQL as a stack evaluates it.

    In the sandbox the market is always open: no drill waits for Monday.
    """
    if settings.environment is Environment.SANDBOX and rule.record == MARKET_OPEN:
        return ALWAYS_OPEN
    return scaled_expression(rule.expr, settings.time_scale)


def _group(compiled: CompiledGroup, part: str, settings: Settings) -> Mapping[str, Any]:
    group = compiled.source
    result: dict[str, Any] = {"name": group.name}
    # The stack's own interval is left out: Alertmanager's start delay counts on alerts that are evaluated at it.
    own = settings.monitoring.evaluation_interval_seconds * 1000
    if group.interval is not None and milliseconds(group.interval) != own:
        result["interval"] = scaled_duration(group.interval, settings.time_scale)
    if group.query_offset is not None:
        result["query_offset"] = scaled_duration(group.query_offset, settings.time_scale)
    if group.limit is not None:
        result["limit"] = group.limit
    result["rules"] = [_rule(one.rule, part, settings) for one in compiled.rules]
    return result


def _rule(rule: Rule, part: str, settings: Settings) -> Mapping[str, Any]:
    result: dict[str, Any] = {"alert": rule.alert} if rule.alert is not None else {"record": rule.record}
    result["expr"] = deployed_expression(rule, settings)
    if rule.for_ is not None:
        result["for"] = scaled_duration(rule.for_, settings.time_scale)
    if rule.keep_firing_for is not None:
        result["keep_firing_for"] = scaled_duration(rule.keep_firing_for, settings.time_scale)
    if rule.labels:
        result["labels"] = dict(rule.labels)
    if rule.alert is not None:
        result["annotations"] = _annotations(rule, part, settings)
    return result


def _annotations(rule: Rule, part: str, settings: Settings) -> dict[str, str]:
    """Return an alert's annotations; the links to its page and to its part's dashboard where it has none of its own.

    A label stands in a link percent-encoded, so that no value can leave its place. `$labels` are the expression's own:
    a service that the rule gives is not among them, so that its name is written out.
    """
    addresses = settings.addresses
    given = rule.labels.get(SERVICE, "{{")
    service = "{{ $labels.service | urlquery }}" if "{{" in given else given
    links = {
        "runbook_url": addresses.runbook(rule.annotations.get(RUNBOOK_PAGE, str(rule.alert))),
        "dashboard_url": f"{addresses.grafana}/d/{part}?var-service={service}",
    }
    return links | {name: text for name, text in rule.annotations.items() if name != RUNBOOK_PAGE}
