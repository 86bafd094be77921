"""The monitoring stack: highly available in prod, the same by the chart as without it, and no secret in its values."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerting.rules.drawings import CLOUDWATCH
from alerting.settings import ChartFromFile, CustomResourcesOnly, Environment, RoleSource, ScrapeTarget, Settings
from alerting.source.durations import milliseconds
from cli.stack_config import read_settings
from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring_values import (
    MonitoringSpec,
    alertmanager_resource,
    chart_values,
    disruption_budget,
    prometheus_resource,
)
from components.naming import ALERTMANAGER, PROMETHEUS
from sandbox.mocked_program import Run, run_program
from tests.alerting_data import DATA, ROOT
from tests.component_data import providers, settings

TARGET = ScrapeTarget(job="sandbox", address="metrics.example.com:9100", path="/all")
SECRETS = ("alertmanager-pagerduty", "alertmanager-slack")
CUSTOM_RESOURCES = CustomResourcesOnly(source="custom-resources")
ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/orion-alertmanager"}
CHART_VARIABLE = "ORION_CHART"
CHARTS = ROOT.parent / "shared" / "charts"


def spec(stack: Settings | None = None) -> MonitoringSpec:
    return MonitoringSpec(settings=stack or settings(), secrets=SECRETS, config_maps=("alertmanager-templates",))


def by_irsa(stack: Settings) -> Settings:
    return stack.model_copy(update={"cluster": stack.cluster.model_copy(update={"identity": RoleSource.IRSA})})


def deployed(stack: Settings, *, preview: bool = False) -> Run:
    def program() -> None:
        Monitoring(
            "monitoring",
            MonitoringArgs(spec=spec(stack), root=Path("/program"), dashboards=(), namespace="monitoring"),
            providers(stack),
        )

    return run_program(program, preview=preview)


def test_prod_has_three_alertmanagers_that_share_neither_node_nor_zone() -> None:
    alertmanager = chart_values(spec())["alertmanager"]
    part = alertmanager["alertmanagerSpec"]

    assert part["replicas"] == 3
    assert part["podAntiAffinity"] == "hard"
    assert part["podAntiAffinityTopologyKey"] == "kubernetes.io/hostname"
    assert [(one["topologyKey"], one["whenUnsatisfiable"]) for one in part["topologySpreadConstraints"]] == [
        ("topology.kubernetes.io/zone", "DoNotSchedule")
    ]
    assert alertmanager["podDisruptionBudget"] == {
        "enabled": True,
        "minAvailable": 2,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    assert part["minReadySeconds"] == 70
    assert part["storage"]["volumeClaimTemplate"]["spec"]["resources"]["requests"]["storage"] == "2Gi"


@pytest.mark.parametrize("resource", [alertmanager_resource, prometheus_resource])
def test_no_zone_of_prod_holds_all_replicas(resource: Callable[[MonitoringSpec], dict[str, Any]]) -> None:
    """By the stack's own file. Each replica has a zone and a volume of its own, so one zone takes one with it."""
    made = resource(spec(read_settings(ROOT, "prod")))
    (spread,) = made["topologySpreadConstraints"]
    (apart,) = made["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]

    assert made["replicas"] >= 2
    assert (spread["topologyKey"], spread["maxSkew"]) == ("topology.kubernetes.io/zone", 1)
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"
    assert apart["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"] == apart["labelSelector"]
    assert made["storage"]["volumeClaimTemplate"]["spec"]["storageClassName"] == "gp3"
    # A Prometheus that is alone sends to every Alertmanager, as each of the two does.
    assert "replicaExternalLabelName" not in made


def test_where_it_is_preferred_only_a_lone_node_still_runs_all_replicas() -> None:
    stack = settings(Environment.DEV, spread="preferred")
    part = chart_values(spec(stack))["alertmanager"]["alertmanagerSpec"]
    affinity = alertmanager_resource(spec(stack))["affinity"]["podAntiAffinity"]

    assert part["podAntiAffinity"] == "soft"
    assert part["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway"
    assert list(affinity) == ["preferredDuringSchedulingIgnoredDuringExecution"]


def test_alertmanager_takes_our_secret_and_mounts_files() -> None:
    part = chart_values(spec())["alertmanager"]["alertmanagerSpec"]

    assert (part["useExistingSecret"], part["configSecret"]) == (True, "alertmanager-config")
    assert part["secrets"] == list(SECRETS)
    assert part["configMaps"] == ["alertmanager-templates"]


def test_what_eks_hides_and_the_charts_own_alerts_are_off() -> None:
    values = chart_values(spec())

    assert values["defaultRules"]["create"] is False
    hidden = ("kubeControllerManager", "kubeScheduler", "kubeEtcd", "kubeProxy")
    assert not any(values[part]["enabled"] for part in hidden)


def test_rules_are_selected_by_release_and_alerts_carry_their_cluster() -> None:
    part = chart_values(spec())["prometheus"]["prometheusSpec"]

    assert part["ruleSelector"] == {"matchLabels": {"release": "prometheus"}}
    assert part["externalLabels"] == {"cluster": "orion"}


def test_intervals_are_divided_by_the_time_scale() -> None:
    stack = settings(Environment.SANDBOX).model_copy(update={"time_scale": 20.0})
    prometheus = prometheus_resource(spec(stack))

    assert milliseconds(prometheus["scrapeInterval"]) == milliseconds(prometheus["evaluationInterval"]) == 1500
    # An exporter on a busy machine is as slow as ever: a timeout of a twentieth would lose scrapes.
    assert prometheus["scrapeTimeout"] == "1s500ms"
    assert alertmanager_resource(spec(stack))["clusterPeerTimeout"] == "1s"
    assert alertmanager_resource(spec())["clusterPeerTimeout"] == "15s"
    assert prometheus["additionalArgs"] == [{"name": "rules.alert.resend-delay", "value": "5s"}]
    assert prometheus_resource(spec())["additionalArgs"] == [{"name": "rules.alert.resend-delay", "value": "55s"}]


def test_values_hold_no_secret_only_the_name_of_one() -> None:
    values = chart_values(spec())

    assert values["grafana"]["admin"]["existingSecret"] == "grafana-admin"
    assert "adminPassword" not in json.dumps(values)


def test_grafana_has_the_source_of_the_overviews_metrics_and_asks_with_its_service_accounts_role() -> None:
    grafana = chart_values(spec())["grafana"]
    (source,) = grafana["additionalDataSources"]

    assert grafana["serviceAccount"]["name"] == "prometheus-grafana"
    assert (source["type"], source["jsonData"]) == (
        CLOUDWATCH.type_val,
        {"authType": "default", "defaultRegion": "us-east-1"},
    )


@pytest.mark.parametrize("preview", [False, True])
def test_the_release_has_a_fixed_name_and_comes_from_the_pinned_chart(*, preview: bool) -> None:
    release = deployed(settings(), preview=preview).one("kubernetes:helm.sh/v3:Release")

    assert release.inputs["name"] == "prometheus"
    assert (release.inputs["chart"], release.inputs["version"]) == ("kube-prometheus-stack", "88.5.3")
    assert release.inputs["repositoryOpts"] == {"repo": "https://prometheus-community.github.io/helm-charts"}
    assert release.inputs["values"] == json.loads(json.dumps(chart_values(spec())))
    assert (release.parent, release.provider) == ("monitoring", "providers-kubernetes")
    assert not release.inputs.get("skipAwait")


def test_a_charts_path_is_relative_to_the_program() -> None:
    stack = settings(chart=ChartFromFile(source="file", path="charts/stack.tgz"))
    release = deployed(stack).one("kubernetes:helm.sh/v3:Release")

    assert release.inputs["chart"] == "/program/charts/stack.tgz"
    assert "version" not in release.inputs


@pytest.mark.parametrize("preview", [False, True])
def test_without_a_chart_the_custom_resources_stand_alone(*, preview: bool) -> None:
    stack = settings(chart=CUSTOM_RESOURCES, extra_scrape_targets=(TARGET,))
    run = deployed(stack, preview=preview)
    alertmanager = run.one("kubernetes:monitoring.coreos.com/v1:Alertmanager")
    prometheus = run.one("kubernetes:monitoring.coreos.com/v1:Prometheus")

    assert alertmanager.inputs["spec"] == json.loads(json.dumps(alertmanager_resource(spec(stack))))
    assert prometheus.inputs["spec"] == json.loads(json.dumps(prometheus_resource(spec(stack))))
    assert alertmanager.inputs["metadata"]["name"] == ALERTMANAGER
    assert "monitoring-prometheus-binding" in prometheus.dependencies
    accounts = {one.inputs["metadata"]["name"] for one in run.of_type("kubernetes:core/v1:ServiceAccount")}
    assert accounts == {ALERTMANAGER, PROMETHEUS}
    budgets = {
        one.inputs["metadata"]["name"]: one.inputs["spec"]
        for one in run.of_type("kubernetes:policy/v1:PodDisruptionBudget")
    }
    assert budgets == {
        ALERTMANAGER: disruption_budget("alertmanager", ALERTMANAGER, 3),
        PROMETHEUS: disruption_budget("prometheus", PROMETHEUS, 2),
    }
    services = {one.inputs["metadata"]["name"] for one in run.of_type("kubernetes:core/v1:Service")}
    assert services == {ALERTMANAGER, PROMETHEUS}
    targets = run.one("kubernetes:core/v1:Secret").inputs
    where = prometheus.inputs["spec"]["additionalScrapeConfigs"]
    assert where["name"] == targets["metadata"]["name"]
    assert yaml.safe_load(targets["stringData"][where["key"]]) == [
        {
            "job_name": "sandbox",
            "honor_labels": True,
            "metrics_path": "/all",
            "static_configs": [{"targets": ["metrics.example.com:9100"]}],
        }
    ]


def test_by_irsa_the_service_account_names_the_role_and_pods_are_made_anew_for_it() -> None:
    chosen = chart_values(spec(by_irsa(settings())))["alertmanager"]
    before = chart_values(spec())["alertmanager"]
    run = deployed(by_irsa(settings(chart=CUSTOM_RESOURCES)))
    accounts = {
        one.inputs["metadata"]["name"]: one.inputs["metadata"].get("annotations")
        for one in run.of_type("kubernetes:core/v1:ServiceAccount")
    }

    assert chosen["serviceAccount"]["annotations"] == ROLE
    assert chosen["alertmanagerSpec"]["podMetadata"] == {"annotations": ROLE}
    assert accounts == {ALERTMANAGER: ROLE, PROMETHEUS: None}
    assert before["serviceAccount"] == {"create": True, "name": ALERTMANAGER}
    assert "podMetadata" not in before["alertmanagerSpec"]


def chart_file() -> Path:
    """Return the real chart. Skips where there is none, but not in CI; a run that says it has one must."""
    chosen = os.environ.get(CHART_VARIABLE)
    charts = [Path(chosen)] if chosen else sorted(CHARTS.glob("kube-prometheus-stack-*.tgz"))
    if not charts:
        absent = pytest.fail if os.environ.get("CI") else pytest.skip
        absent(f"no chart: none in {CHARTS}, and {CHART_VARIABLE} names none")
    return charts[-1]


def helm(*arguments: str | Path) -> str:
    """Return what helm says of the chart."""
    from tools.paths import tool  # noqa: PLC0415  (only what reads the chart needs a binary)

    return subprocess.run([tool("helm"), *arguments], check=True, capture_output=True, text=True).stdout


def rendered_chart(folder: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Render the real chart."""
    path = folder / "values.json"
    path.write_text(json.dumps(values))
    where = ("--kube-version", "1.36.1", "--namespace", "monitoring", "--values", path)
    text = helm("template", "prometheus", chart_file(), *where)
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


@pytest.mark.integration
def test_the_real_chart_makes_the_custom_resources_that_stand_alone(tmp_path: Path) -> None:
    asked = spec(by_irsa(settings(extra_scrape_targets=(TARGET,))))
    documents = rendered_chart(tmp_path, chart_values(asked))
    for kind, ours in (("Alertmanager", alertmanager_resource(asked)), ("Prometheus", prometheus_resource(asked))):
        (made,) = [document for document in documents if document["kind"] == kind]
        # The chart writes affinity with matchExpressions, keeps the targets in a Secret of its own, and says "/".
        same = {key for key in ours if key not in {"affinity", "additionalScrapeConfigs", "alerting"}}

        assert {key: made["spec"].get(key) for key in same} == {key: ours[key] for key in same}
        assert list(made["spec"]["affinity"]["podAntiAffinity"]) == list(ours["affinity"]["podAntiAffinity"])
        assert made["metadata"]["name"] in {ALERTMANAGER, PROMETHEUS}

    assert not [document for document in documents if document["kind"] == "PrometheusRule"]
    accounts = {one["metadata"]["name"]: one["metadata"] for one in documents if one["kind"] == "ServiceAccount"}
    assert accounts[ALERTMANAGER]["annotations"] == ROLE
    assert "annotations" not in accounts[PROMETHEUS]
    (sending,) = [document["spec"]["alerting"] for document in documents if document["kind"] == "Prometheus"]
    ours = prometheus_resource(asked)["alerting"]["alertmanagers"][0]
    assert ours.items() <= sending["alertmanagers"][0].items()
    budgets = {one["metadata"]["name"]: one["spec"] for one in documents if one["kind"] == "PodDisruptionBudget"}
    assert budgets[ALERTMANAGER] == disruption_budget("alertmanager", ALERTMANAGER, 3)
    # The chart names Prometheus' pods by another of the operator's labels.
    ours = disruption_budget("prometheus", PROMETHEUS, 2)
    assert {**budgets[PROMETHEUS], "selector": ours["selector"]} == ours


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return rendered_chart(tmp_path_factory.mktemp("chart"), chart_values(spec()))


def series_of(exporter: str) -> dict[str, list[str]]:
    """Return the series of an exporter that the rules read, with their labels."""
    series = yaml.safe_load((DATA / "rules" / "scraped_series.yaml").read_text())["series"]
    found = {name: one["labels"] for name, one in series.items() if one["exporter"] == exporter}
    assert found
    return found


def is_kept(labels: dict[str, str], relabelings: list[dict[str, Any]]) -> bool:
    """Say whether Prometheus keeps a series, by the only two actions that the chart uses."""
    for one in relabelings:
        text = one.get("separator", ";").join(labels.get(label, "") for label in one["sourceLabels"])
        matches = re.fullmatch(one["regex"], text) is not None
        assert one["action"] in {"drop", "keep"}
        if matches == (one["action"] == "drop"):
            return False
    return True


def endpoints(documents: list[dict[str, Any]], monitor: str, path: str) -> list[dict[str, Any]]:
    (found,) = [one for one in documents if one["kind"] == "ServiceMonitor" and one["metadata"]["name"] == monitor]
    return [endpoint for endpoint in found["spec"]["endpoints"] if endpoint.get("path", "/metrics") == path]


@pytest.mark.integration
def test_every_series_of_the_kubelet_that_a_rule_reads_is_kept(chart: list[dict[str, Any]]) -> None:
    (cadvisor,) = endpoints(chart, "prometheus-kube-prometheus-kubelet", "/metrics/cadvisor")
    dropped = {
        name
        for name, labels in series_of("cadvisor").items()
        if not is_kept(
            {"__name__": name, "id": "/kubepods.slice/x", **dict.fromkeys(labels, "some")},
            cadvisor["metricRelabelings"],
        )
    }

    assert dropped == set()
    assert not is_kept({"__name__": "container_tasks_state", "pod": "x"}, cadvisor["metricRelabelings"])


def allowed_labels(arguments: list[str], option: str) -> dict[str, set[str]]:
    """Return what an allow-list of kube-state-metrics names, by resource, as the labels of its series."""
    (text,) = [argument.partition("=")[2] for argument in arguments if argument.startswith(f"--{option}=")]
    found: dict[str, set[str]] = {}
    for resource, keys in re.findall(r"(\w+)=\[([^\]]*)\]", text):
        found[resource] = {re.sub(r"[^a-zA-Z0-9]", "_", key) for key in keys.split(",")}
    return found


@pytest.mark.integration
def test_every_series_of_kube_state_metrics_that_a_rule_reads_is_served_and_kept(chart: list[dict[str, Any]]) -> None:
    (deployment,) = [
        one
        for one in chart
        if one["kind"] == "Deployment" and one["metadata"]["name"] == "prometheus-kube-state-metrics"
    ]
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    labels = allowed_labels(arguments, "metric-labels-allowlist")
    annotations = allowed_labels(arguments, "metric-annotations-allowlist")
    (resources,) = [one.partition("=")[2].split(",") for one in arguments if one.startswith("--resources=")]
    relabelings = [
        one
        for endpoint in endpoints(chart, "prometheus-kube-state-metrics", "/metrics")
        for one in endpoint.get("metricRelabelings", [])
    ]

    for name, carried in series_of("kube-state-metrics").items():
        resource = f"{name.split('_')[1]}s"
        assert resource in resources, name
        assert {one.removeprefix("label_") for one in carried if one.startswith("label_")} <= labels.get(
            resource, set()
        )
        wanted = {one.removeprefix("annotation_") for one in carried if one.startswith("annotation_")}
        assert wanted <= annotations.get(resource, set())
        assert is_kept({"__name__": name, **dict.fromkeys(carried, "some")}, relabelings), name


@pytest.mark.integration
def test_nothing_that_eks_hides_is_scraped(chart: list[dict[str, Any]]) -> None:
    monitors = {one["metadata"]["name"] for one in chart if one["kind"] == "ServiceMonitor"}

    assert not [name for name in monitors if re.search("controller-manager|scheduler|etcd|kube-proxy", name)]
    assert "prometheus-kube-prometheus-kubelet" in monitors


@pytest.mark.integration
def test_what_becomes_of_each_of_the_charts_own_groups_is_written_down() -> None:
    """A newer chart may bring another group: somebody decides, and writes docs/alerts.md."""
    values = helm("show", "values", chart_file())
    groups = yaml.load(values, Loader=yaml.CSafeLoader)["defaultRules"]["rules"]
    table = (ROOT / "docs" / "alerts.md").read_text().partition("## The chart's own rules")[2]

    assert len(groups) > 30
    assert {group for group in groups if f"`{group}`" not in table} == set()
    # Each of the alerts that the table names is here.
    alerts = {path.stem for path in (DATA / "runbooks").glob("*.md")}
    named = set(re.findall(r"`([A-Z]\w+)`", table)) - {"TargetDown", "InfoInhibitor"}
    assert named <= alerts
