"""Rules and dashboards are deployed in parts, and an object that the API server would refuse is refused first."""

from __future__ import annotations

import dataclasses
import json

import pytest

from alerting.build import build_platform
from alerting.catalog import Catalog, Service
from alerting.oncall.pagerduty import paged_services
from alerting.platform import Dashboard, Platform, RuleFile
from alerting.rules import parts
from alerting.rules.sources.services import RULES_OF_A_GROUP, services_source
from alerting.source.problems import CatalogError
from alerting.stored_objects import OBJECT_BYTES, RULES_BYTES, object_sizes, require_stored
from tests.alerting_data import fixture_catalog, settings


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return fixture_catalog()


@pytest.fixture(scope="module")
def platform(catalog: Catalog) -> Platform:
    return build_platform(catalog, settings())


def refused(catalog: Catalog, platform: Platform) -> str:
    with pytest.raises(CatalogError) as error:
        require_stored(catalog, platform)
    return str(error.value)


def test_every_object_that_is_deployed_is_counted(platform: Platform) -> None:
    counted = [(kind, name) for kind, name, _, _ in object_sizes(platform)]

    assert {name for kind, name in counted if kind == "PrometheusRule"} == {file.name for file in platform.rules}
    assert {f"dashboard-{one.name}" for one in platform.dashboards} <= {
        name for kind, name in counted if kind == "ConfigMap"
    }
    assert ("Secret", "alertmanager-config") in counted


def test_an_object_over_its_limit_is_refused_with_both_numbers(catalog: Catalog, platform: Platform) -> None:
    rule = {"record": "a:b:c", "expr": "x" * RULES_BYTES}
    large = RuleFile(name="orion-large", groups=({"name": "g", "rules": [rule]},))
    drawn = Dashboard(name="orion-drawn", text="x" * (OBJECT_BYTES + 1))
    message = refused(
        catalog,
        dataclasses.replace(platform, rules=(*platform.rules, large), dashboards=(*platform.dashboards, drawn)),
    )

    assert f"PrometheusRule orion-large: found {RULES_BYTES + 1}"[:-6] in message
    assert f"allowed: {RULES_BYTES}. Split its largest group" in message
    assert f"ConfigMap dashboard-orion-drawn: found {OBJECT_BYTES + 1} bytes; allowed: {OBJECT_BYTES}" in message


def test_a_name_that_kubernetes_refuses_and_one_that_is_there_twice_are_refused(
    catalog: Catalog, platform: Platform
) -> None:
    named = [RuleFile(name=name, groups=()) for name in ("orion-My_File", platform.rules[0].name)]
    message = refused(catalog, dataclasses.replace(platform, rules=(*platform.rules, *named)))

    assert "PrometheusRule orion-My_File: found a name that Kubernetes refuses" in message
    assert f"PrometheusRule {platform.rules[0].name}: found 2 of this name; allowed: one" in message


def test_a_domain_that_is_too_large_is_deployed_in_parts_and_each_alert_links_to_its_own_dashboard(
    catalog: Catalog, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 4_000)
    split = build_platform(catalog, settings())
    boards = {one.name: json.loads(one.text) for one in split.dashboards}

    assert len(split.rules) > len(platform.rules)
    assert sorted(rule_names(split)) == sorted(rule_names(platform))
    for file in split.rules:
        for group in file.groups:
            for rule in group["rules"]:
                if "alert" in rule:
                    assert f"/d/{file.name}?" in rule["annotations"]["dashboard_url"]
                    assert rule["alert"] in {panel["title"] for panel in boards[file.name]["panels"]}


def rule_names(platform: Platform) -> list[tuple[str, str]]:
    return [
        (group["name"], rule.get("alert") or rule["record"])
        for file in platform.rules
        for group in file.groups
        for rule in group["rules"]
    ]


def test_the_recordings_of_many_services_are_in_groups_of_a_bounded_size(catalog: Catalog) -> None:
    service = Service(description="x", team="platform", namespace="orion", objective=0.999)
    services = {f"s-{number}": service for number in range(RULES_OF_A_GROUP)}
    source = services_source(catalog.documents["catalog/services.yaml"], services)

    assert [group.name for group in source.groups] == ["orion.services", "orion.services.2", "orion.services.3"]
    assert {len(group.rules) for group in source.groups} == {RULES_OF_A_GROUP}
    recorded = {one.rule.labels["service"] for group in source.groups for one in group.rules}
    assert recorded == set(services) != set(paged_services(catalog))
