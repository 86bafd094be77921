"""Forged series: only the intended exporters can make Prometheus store a series that causes a repair or a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.rules.model import ExporterPods
from alerting.rules.pod_monitors import pod_monitors
from alerting.rules.series import SERVICE_OWNER
from components.monitoring_values import MonitoringSpec, chart_values, prometheus_resource
from tests.alerting_data import DATA, ROOT, changed, fixture_catalog, line_of, problems, settings
from tests.unit.test_components_monitoring import rendered_chart

HERE = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
RELEASE = {"matchLabels": {"release": "prometheus"}}
KINDS = ("serviceMonitor", "podMonitor", "probe", "scrapeConfig", "rule")
SPEC = MonitoringSpec(settings=settings(), secrets=(), config_maps=())
SECURITY = ["@orion-example/security"]
FORGED = {"http_requests_total", "kafka_consumergroup_lag", "kube_pod_labels", "up", "orion:http_errors:rate5m"}
"""Series of others that a pod may try to serve."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return fixture_catalog()


def endpoint(spec: dict[str, Any]) -> dict[str, Any]:
    (found,) = spec["podMetricsEndpoints"]
    return found


def kept(spec: dict[str, Any], names: set[str]) -> set[str]:
    """Return which of these series Prometheus keeps of a pod, by the anchored expression of its only rule."""
    (rule,) = endpoint(spec)["metricRelabelings"]
    assert (rule["action"], rule["sourceLabels"]) == ("keep", ["__name__"])
    return {name for name in names if re.fullmatch(rule["regex"], name)}


def test_of_a_pod_only_its_exporters_own_series_are_kept(catalog: Catalog) -> None:
    every = {*catalog.series.series, *FORGED}
    for monitor in pod_monitors(catalog):
        exporter = monitor.name.removeprefix("orion-")
        own = {name for name, one in catalog.series.series.items() if one.exporter == exporter}

        assert own
        assert kept(dict(monitor.spec), every) == own


def test_exporters_are_scraped_in_namespaces_that_are_named(catalog: Catalog) -> None:
    selected = {one.name: one.spec["namespaceSelector"] for one in pod_monitors(catalog)}

    assert {name: set(one) for name, one in selected.items()} == {name: {"matchNames"} for name in selected}
    assert selected["orion-services"]["matchNames"] == ["orion"]
    assert selected["orion-kafka"]["matchNames"] == ["monitoring"]
    assert ExporterPods(name="x", port=1, namespaces=("data", "cache")).namespaces == ("data", "cache")


def test_no_pod_says_itself_whose_series_it_serves(catalog: Catalog) -> None:
    for monitor in pod_monitors(catalog):
        assert endpoint(dict(monitor.spec))["honorLabels"] is False
    (services,) = [one.spec for one in pod_monitors(catalog) if one.name == "orion-services"]
    assert {
        "sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_name"],
        "targetLabel": "service",
    } in endpoint(dict(services))["relabelings"]


@pytest.mark.parametrize(
    "made", [chart_values(SPEC)["prometheus"]["prometheusSpec"], prometheus_resource(SPEC)], ids=["chart", "alone"]
)
def test_monitors_and_rules_of_other_namespaces_do_not_count(made: dict[str, Any]) -> None:
    assert {kind: made[f"{kind}NamespaceSelector"] for kind in KINDS} == dict.fromkeys(KINDS, HERE)
    assert {kind: made[f"{kind}Selector"] for kind in KINDS} == dict.fromkeys(KINDS, RELEASE)


@pytest.mark.integration
def test_the_charts_own_monitors_are_where_monitors_count(tmp_path: Path) -> None:
    documents = rendered_chart(tmp_path, chart_values(SPEC))
    monitors = [one for one in documents if one["kind"] in {"ServiceMonitor", "PodMonitor", "Probe", "ScrapeConfig"}]
    (prometheus,) = [one["spec"] for one in documents if one["kind"] == "Prometheus"]
    elsewhere = {
        one["metadata"]["name"]: one["spec"].get("namespaceSelector")
        for one in monitors
        if one["metadata"].get("namespace") != "monitoring"
    }

    assert len(monitors) > 5
    assert elsewhere == {}
    assert {kind: prometheus[f"{kind}NamespaceSelector"] for kind in KINDS} == dict.fromkeys(KINDS, HERE)


@pytest.mark.integration
def test_what_may_choose_its_labels_is_the_charts_own_and_in_no_namespace_of_a_teams(
    tmp_path: Path,
) -> None:
    """The kubelet's and kube-state-metrics' name a pod. The chart lets Grafana and the operator choose theirs too."""
    documents = rendered_chart(tmp_path, chart_values(SPEC))
    honoring = {
        one["metadata"]["name"]: one["spec"].get("namespaceSelector")
        for one in documents
        if one["kind"] == "ServiceMonitor" and any(each.get("honorLabels") for each in one["spec"]["endpoints"])
    }

    assert {name.removeprefix("prometheus-").removeprefix("kube-prometheus-") for name in honoring} == {
        "kubelet",
        "kube-state-metrics",
        "grafana",
        "operator",
    }
    assert all(
        one is None or set(one.get("matchNames", [])) <= {"kube-system", "monitoring"} for one in honoring.values()
    )


OWN = (DATA / "rules" / "business.yaml").read_text()
ERRORS = f"rules/errors.yaml:{line_of(DATA, 'rules/errors.yaml', 'record: orion:http_errors:rate5m')}: "
SCRAPED = f"rules/scraped_series.yaml:{line_of(DATA, 'rules/scraped_series.yaml', 'http_requests_total:')}"
ADDED_LINE = line_of(DATA, "rules/business.yaml", "rules:") + 1
BUSINESS = f"rules/business.yaml:{ADDED_LINE}"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "orion:http_errors:rate5m",
            f"{ERRORS}groups.0.rules.2.record: orion:http_errors:rate5m is recorded in another file too ({BUSINESS})",
        ),
        ("http_requests_total", f"{BUSINESS}: groups.0.rules.0.record: http_requests_total is scraped from services"),
        ("up", f"{BUSINESS}: groups.0.rules.0.record: up is made by the program"),
        (SERVICE_OWNER, f"{BUSINESS}: groups.0.rules.0.record: {SERVICE_OWNER} is made by the program"),
    ],
)
def test_a_file_adds_nothing_to_anothers_series(tmp_path: Path, name: str, told: str) -> None:
    """As business.yaml, which trading approves alone, would make every service's errors 100 %."""
    added = f"rules:\n      - record: {name}\n        expr: vector(1)\n"
    root = changed(tmp_path, "rules/business.yaml", OWN, OWN.replace("rules:\n", added, 1))
    found = problems(root)

    assert any(problem.startswith(told) for problem in found), found
    if name == "http_requests_total":
        assert any(SCRAPED in problem for problem in found), found


def sources(catalog: Catalog, alert: str) -> dict[str, set[str]]:
    """Return the files that decide whether an alert fires, each with the series by which it does."""
    found: dict[str, set[str]] = {}
    waiting, seen = [catalog.rules.alerts[alert]], set[str]()
    while waiting:
        located = waiting.pop()
        found.setdefault(located.document.file, set()).add(located.rule.record or alert)
        for name in set(located.series_read()) - seen:
            seen.add(name)
            waiting += catalog.rules.recordings.get(name, ())
            if name in catalog.series.series:
                found.setdefault("rules/scraped_series.yaml", set()).add(name)
    return found


def owners(path: str) -> list[str]:
    lines = [line.split() for line in (ROOT / ".github" / "CODEOWNERS").read_text().splitlines() if line.strip("# ")]
    return [
        teams
        for pattern, *teams in (line for line in lines if line[0] != "#")
        if pattern == "*" or f"/{path}".startswith(pattern)
    ][-1]


def sources_of_repairs(catalog: Catalog) -> dict[str, dict[str, set[str]]]:
    """Return the files and series that each repaired alert depends on, through all recordings."""
    return {
        alert: sources(catalog, alert) for alert, entry in catalog.triggers().items() if entry.action in catalog.actions
    }


def test_what_a_repair_depends_on_is_known_down_to_what_is_scraped(catalog: Catalog) -> None:
    read = sources_of_repairs(catalog)

    assert "http_requests_total" in read["HighErrorRateAfterRollout"]["rules/scraped_series.yaml"]
    assert len(read["KafkaConsumerLag"]["rules/infrastructure.yaml"] | read["KafkaConsumerLag"]["rules/kafka.yaml"]) > 2


@pytest.mark.own_catalog
def test_whatever_can_cause_a_repair_is_approved_by_security() -> None:
    read = sources_of_repairs(load_catalog(ROOT))
    others = {
        (alert, path): sorted(names)
        for alert, files in read.items()
        for path, names in files.items()
        if owners(path) != SECURITY
    }

    assert others == {}


@pytest.mark.parametrize(
    "path",
    [
        "alerting/rules/pod_monitors.py",
        "alerting/rules/render.py",
        "alerting/rules/checks/alerts.py",
        "alerting/rules/compile.py",
    ],
)
def test_what_decides_whose_series_count_is_approved_by_security(path: str) -> None:
    assert owners(path) == SECURITY
