"""Generates the recordings that tell rules whose a service is, where it runs and what its error budget is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alerting.catalog import Service
from alerting.rules.model import Rule, RuleSource, SourceGroup, SourceRule
from alerting.rules.objectives import STANDARD
from alerting.rules.series import NAMESPACE, SERVICE, SERVICE_ERROR_BUDGET, SERVICE_EXPECTED, SERVICE_OWNER, TEAM, TIER
from alerting.source.yaml_source import Document

DOMAIN = "services"
RULES_OF_A_GROUP = 600
"""A group is deployed in one object. None of these rules reads another, so that they need not be in one group."""


def services_source(document: Document, services: Mapping[str, Service]) -> RuleSource:
    """Return the recordings of each service of the catalog."""
    rules = tuple(
        SourceRule(rule=rule, path=("services", name))
        for name, service in services.items()
        for rule in _rules(name, service)
    )
    groups = tuple(
        SourceGroup(name=_group_name(start), path=("services",), rules=rules[start : start + RULES_OF_A_GROUP])
        for start in range(0, len(rules), RULES_OF_A_GROUP)
    )
    return RuleSource(domain=DOMAIN, document=document, groups=groups, generated=True)


def _group_name(start: int) -> str:
    number = start // RULES_OF_A_GROUP + 1
    return "orion.services" if number == 1 else f"orion.services.{number}"


def _rules(name: str, service: Service) -> Iterator[Rule]:
    labels = {SERVICE: name, TEAM: service.team}
    budget = f"{1 - service.objective:.10g}"
    yield Rule(record=SERVICE_OWNER, expr="vector(1)", labels=labels)
    tier = {} if service.tier == STANDARD else {TIER: service.tier}
    yield Rule(record=SERVICE_ERROR_BUDGET, expr=f"vector({budget})", labels=labels | tier)
    yield Rule(record=SERVICE_EXPECTED, expr="vector(1)", labels={NAMESPACE: service.namespace, **labels})
