"""Secrets, templates and rules in the cluster, and the provider that changes them in place."""

from __future__ import annotations

import json
import re

import pulumi
import pytest

from alerting.build import load_platform
from components.prometheus_rules import Rules, RulesArgs
from components.secrets import Secrets, SecretsArgs
from sandbox.mocked_program import Run, run_program
from tests.alerting_data import DATA
from tests.component_data import alertmanager_files, providers, rule_files, settings

SECRET, CONFIG_MAP = "kubernetes:core/v1:Secret", "kubernetes:core/v1:ConfigMap"


def deployed(*, preview: bool, webhook_channel: str = "#orion-alerts") -> Run:
    def program() -> None:
        options = providers(settings())
        args = SecretsArgs(
            files=alertmanager_files(),
            namespace="monitoring",
            integration_keys={"orders": pulumi.Output.secret("ROUTING-KEY")},
            slack_webhooks={webhook_channel: pulumi.Output.secret("https://hooks.example.com/WEBHOOK")},
            grafana_password=pulumi.Output.secret("PASSWORD"),
        )
        made = Secrets("secrets", args, options)
        assert made.secret_names == ("alertmanager-pagerduty", "alertmanager-slack")
        assert made.config_map_names == ("alertmanager-templates",)

    return run_program(program, preview=preview)


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def run(request: pytest.FixtureRequest) -> Run:
    return deployed(preview=request.param)


def secret(run: Run, name: str) -> tuple[dict[str, str], frozenset[str]]:
    (found,) = [one for one in run.of_type(SECRET) if one.inputs["metadata"]["name"] == name]
    assert found.inputs["metadata"]["namespace"] == "monitoring"
    assert (found.parent, found.provider) == ("secrets", "providers-kubernetes")
    return found.inputs["stringData"], found.secrets


def test_the_configuration_is_written_as_it_is_and_under_the_operators_key(run: Run) -> None:
    data, _ = secret(run, "alertmanager-config")

    assert list(data) == ["alertmanager.yaml"]
    assert json.loads(data["alertmanager.yaml"]) == alertmanager_files().configuration


def test_values_of_secrets_are_marked_secret(run: Run) -> None:
    for name, expected in {
        "alertmanager-pagerduty": {"orders": "ROUTING-KEY"},
        "alertmanager-slack": {"orion-alerts": "https://hooks.example.com/WEBHOOK"},
        "grafana-admin": {"admin-user": "admin", "admin-password": "PASSWORD"},
    }.items():
        data, marked = secret(run, name)

        assert data == expected
        assert marked, f"{name} is not marked"


def test_no_secret_lies_in_anything_that_is_not_marked(run: Run) -> None:
    for one in run.resources.values():
        text = json.dumps(one.inputs)
        if any(value in text for value in ("ROUTING-KEY", "WEBHOOK", "PASSWORD", "TOKEN")):
            assert one.secrets, one.name


def test_templates_are_a_config_map(run: Run) -> None:
    made = run.one(CONFIG_MAP)

    assert made.inputs["metadata"]["name"] == "alertmanager-templates"
    assert made.inputs["data"] == alertmanager_files().templates


def test_the_provider_changes_secrets_and_config_maps_in_place(run: Run) -> None:
    provider = run.one("pulumi:providers:kubernetes").inputs

    # A provider's own inputs are text.
    assert provider["enableSecretMutable"] == "true"
    assert provider["enableConfigMapMutable"] == "true"
    assert provider["enableServerSideApply"] == "true"


def test_a_channel_without_a_webhook_is_named() -> None:
    with pytest.raises(KeyError, match=r"orion-alerts.*no Slack webhook for #orion-alerts.*#another"):
        deployed(preview=False, webhook_channel="#another")


@pytest.mark.parametrize("preview", [False, True])
def test_rules_are_written_as_they_are_and_selected_by_their_label(*, preview: bool) -> None:
    def program() -> None:
        Rules("rules", RulesArgs(files=rule_files(), pod_monitors=(), namespace="monitoring"), providers(settings()))

    made = run_program(program, preview=preview).one("kubernetes:monitoring.coreos.com/v1:PrometheusRule")

    assert (made.name, made.parent) == ("rules-orion-services", "rules")
    assert made.inputs["metadata"] == {
        "name": "orion-services",
        "namespace": "monitoring",
        "labels": {"release": "prometheus"},
    }
    # Not a letter of a label or an annotation is changed on the way, however much it looks like an SDK's own name.
    assert made.inputs["spec"] == {"groups": [dict(group) for group in rule_files()[0].groups]}


@pytest.mark.parametrize("preview", [False, True])
def test_what_rules_read_is_scraped_by_the_labels_of_its_pods(*, preview: bool) -> None:
    platform = load_platform(DATA, settings())

    def program() -> None:
        arguments = RulesArgs(files=(), pod_monitors=platform.pod_monitors, namespace="monitoring")
        Rules("rules", arguments, providers(settings()))

    made = run_program(program, preview=preview).of_type("kubernetes:monitoring.coreos.com/v1:PodMonitor")
    specs = {one.inputs["metadata"]["name"]: one.inputs["spec"] for one in made}
    selected = {name: spec["selector"]["matchExpressions"][0] for name, spec in specs.items()}
    found = {name: (one["key"], one["values"]) for name, one in selected.items()}

    # The labels are those that the exporters' own charts give to pods: 0.28.1, 6.29.0 and 3.1.1, as helm renders them.
    assert found == {
        "orion-services": ("app.kubernetes.io/name", ["orders", "positions", "market-data", "gateway"]),
        "orion-cloudwatch": ("app", ["prometheus-cloudwatch-exporter"]),
        "orion-redis": ("app.kubernetes.io/name", ["prometheus-redis-exporter"]),
        "orion-kafka": ("app", ["prometheus-kafka-exporter"]),
        "orion-cert-manager": ("app.kubernetes.io/name", ["cert-manager"]),
    }
    assert {name: spec["jobLabel"] for name, spec in specs.items()} == {
        name: label for name, (label, _) in found.items()
    }
    assert all(one.inputs["metadata"]["labels"] == {"release": "prometheus"} for one in made)
    assert specs["orion-services"]["namespaceSelector"] == {"matchNames": ["orion"]}
    assert specs["orion-kafka"]["namespaceSelector"] == {"matchNames": ["monitoring"]}
    # The label by which the rules tell services apart is the pod's, not what the service says of itself.
    (endpoint,) = specs["orion-services"]["podMetricsEndpoints"]
    assert endpoint["port"] == "metrics"
    assert endpoint["relabelings"] == [
        {"sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_name"], "targetLabel": "service"}
    ]
    assert specs["orion-kafka"]["podMetricsEndpoints"][0]["portNumber"] == 9308
    # A page names a Redis by its exporter's release, not by an address that another pod may have tomorrow.
    (rule,) = specs["orion-redis"]["podMetricsEndpoints"][0]["relabelings"]
    assert rule["targetLabel"] == "instance"
    assert rule["sourceLabels"] == [
        "__meta_kubernetes_namespace",
        "__meta_kubernetes_pod_label_app_kubernetes_io_instance",
    ]
    assert re.fullmatch(rule["regex"], rule["separator"].join(["data", "cache"]))
    assert not re.fullmatch(rule["regex"], rule["separator"].join(["data", ""]))
