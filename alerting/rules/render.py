"""Turns rules and services into PrometheusRules: scaled, and with what every alert has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from alerting.catalog import Catalog, Rule, RuleGroup
from alerting.platform import RuleFile
from alerting.rules.market_hours import MARKET_SERIES, market_rules
from alerting.rules.missing_series import MISSING_PART_SERIES, MISSING_SERIES, missing_series_rules
from alerting.rules.time_scale import scaled_duration, scaled_expression
from alerting.settings import Environment, Settings

OWNER_SERIES = "orion:service:owner"
ERROR_BUDGET_SERIES = "orion:service:error_budget"
EXPECTED_SERIES = "orion:service:expected"
SERVICES_DOMAIN, MARKET_DOMAIN, SERIES_DOMAIN = GENERATED_DOMAINS = ("services", "market", "series")
"""The rules that are made here: no file of rules/ may have their names."""
GENERATED_SERIES: Mapping[str, frozenset[str]] = {
    OWNER_SERIES: frozenset({"service", "team"}),
    ERROR_BUDGET_SERIES: frozenset({"service", "team"}),
    EXPECTED_SERIES: frozenset({"namespace", "service", "team"}),
    MISSING_SERIES: frozenset({"exporter", "series"}),
    MISSING_PART_SERIES: frozenset({"exporter", "series", "part"}),
    **MARKET_SERIES,
}
"""The series recorded from the catalog's services and market and from rules/scraped_series.yaml, and their labels."""


def rule_files(catalog: Catalog, settings: Settings) -> tuple[RuleFile, ...]:
    """Return one PrometheusRule per domain, and those made from the services, the market's calendar and the series."""
    domains = [
        RuleFile(
            name=_name(domain),
            groups=tuple(_group(group, domain, settings) for group in file.groups),
        )
        for domain, file in catalog.rules.items()
    ]
    return (_services(catalog), _market(catalog, settings), _missing(catalog, settings), *domains)


def _name(domain: str) -> str:
    return f"orion-{domain}"


def rules_text(file: RuleFile) -> str:
    """Return a rule file as Prometheus reads it. JSON is YAML too."""
    return json.dumps({"groups": file.groups}, indent=2, ensure_ascii=False) + "\n"


def _services(catalog: Catalog) -> RuleFile:
    """Return the series that say whose a service is, where it is to run, and which share of its requests may fail."""
    rules: list[Mapping[str, Any]] = []
    for name, service in catalog.services.items():
        labels = {"service": name, "team": service.team}
        budget = f"{1 - service.objective:.10g}"
        rules.append({"record": OWNER_SERIES, "expr": "vector(1)", "labels": labels})
        rules.append({"record": ERROR_BUDGET_SERIES, "expr": f"vector({budget})", "labels": labels})
        expected = {"namespace": service.namespace, **labels}
        rules.append({"record": EXPECTED_SERIES, "expr": "vector(1)", "labels": expected})
    return RuleFile(name=_name(SERVICES_DOMAIN), groups=({"name": "orion.services", "rules": rules},))


def _market(catalog: Catalog, settings: Settings) -> RuleFile:
    """Return the series that say whether the market is open. In the sandbox it always is: no drill waits for Monday."""
    rules = market_rules(catalog.market, always_open=settings.environment is Environment.SANDBOX)
    return RuleFile(name=_name(MARKET_DOMAIN), groups=({"name": "orion.market", "rules": rules},))


def _missing(catalog: Catalog, settings: Settings) -> RuleFile:
    """Return the series that say which scraped series are missing, as a whole or of one part."""
    rules = missing_series_rules(catalog, settings.time_scale)
    return RuleFile(name=_name(SERIES_DOMAIN), groups=({"name": "orion.series", "rules": rules},))


def _group(group: RuleGroup, domain: str, settings: Settings) -> Mapping[str, Any]:
    result: dict[str, Any] = {"name": group.name}
    if group.interval is not None:
        result["interval"] = scaled_duration(group.interval, settings.time_scale)
    if group.query_offset is not None:
        result["query_offset"] = scaled_duration(group.query_offset, settings.time_scale)
    if group.limit is not None:
        result["limit"] = group.limit
    result["rules"] = [_rule(rule, domain, settings) for rule in group.rules]
    return result


def _rule(rule: Rule, domain: str, settings: Settings) -> Mapping[str, Any]:
    result: dict[str, Any] = {"alert": rule.alert} if rule.alert is not None else {"record": rule.record}
    result["expr"] = scaled_expression(rule.expr, settings.time_scale)
    if rule.for_ is not None:
        result["for"] = scaled_duration(rule.for_, settings.time_scale)
    if rule.keep_firing_for is not None:
        result["keep_firing_for"] = scaled_duration(rule.keep_firing_for, settings.time_scale)
    if rule.labels:
        result["labels"] = dict(rule.labels)
    if rule.alert is not None:
        result["annotations"] = _annotations(rule, domain, settings)
    return result


def _annotations(rule: Rule, domain: str, settings: Settings) -> dict[str, str]:
    """Return an alert's annotations; the links to its page and its domain's dashboard where it has none of its own.

    A label stands in a link percent-encoded, so that no value can leave its place. `$labels` are the expression's own:
    a service that the rule gives is not among them, so that its name is written out.
    """
    addresses = settings.addresses
    given = rule.labels.get("service", "{{")
    service = "{{ $labels.service | urlquery }}" if "{{" in given else given
    links = {
        "runbook_url": f"{addresses.runbooks}/{rule.alert}",
        "dashboard_url": f"{addresses.grafana}/d/orion-{domain}?var-service={service}",
    }
    return links | dict(rule.annotations)
