"""A stack's configuration: what is missing or wrong is named with its key and the command that sets it, all at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest
import yaml

from alerting.settings import ChatMode, Environment, RepairMode, Settings
from alerting.settings.load import SettingsRefused, settings_from_file
from components.configuration import ConfigurationError, StackSecrets, read_secrets, read_settings
from sandbox.mocked_program import PROJECT, run_program
from tests.alerting_data import ROOT
from tests.configuration_harness import CHANNELS, SECRETS, read, refused, stack_values


@pytest.mark.parametrize("stack", ["dev", "prod", "sandbox"])
def test_the_files_of_all_stacks_are_complete(stack: str) -> None:
    assert read(stack_values(stack)).environment.value == stack


def test_plain_values_become_their_types() -> None:
    changed = {"time_scale": "20", "paging": "false", "chat": "off", "repairs": "dry-run"}
    settings = read({**stack_values("sandbox"), **changed})

    assert settings.environment is Environment.SANDBOX
    assert settings.time_scale == 20
    assert settings.paging is False
    assert settings.repairs is RepairMode.DRY_RUN
    assert settings.chat is ChatMode.OFF


@pytest.mark.parametrize("api", ["load-balancer", "http://alertmanager.internal:9093", "https://am.internal/prefix"])
def test_the_function_finds_alertmanager_by_a_load_balancer_or_an_address(api: str) -> None:
    assert read({**stack_values("prod"), "alertmanager_api": api}).alertmanager_api == api


def test_a_sandbox_has_no_load_balancer() -> None:
    (problem,) = refused({**stack_values("sandbox"), "alertmanager_api": "load-balancer"})

    assert problem.startswith("alertmanager_api: found load-balancer; allowed in the sandbox, where nothing makes")
    assert "pulumi config rm --stack prod alertmanager_api" in problem


def test_an_account_id_that_pulumi_stored_as_a_number_is_taken() -> None:
    values = {**stack_values("prod"), "aws": '{"account_id": 123456789012, "region": "us-east-1"}'}

    assert read(values).aws.account_id == "123456789012"


def test_everything_missing_is_named_with_its_command_at_once() -> None:
    problems = refused({"cluster": '{"namespace": "monitoring"}'})

    needed = "missing, and network.from_stack.stack is too: one of the two is needed"
    missing = {
        "aws.account_id": "missing; allowed: an AWS account's twelve digits",
        "aws.region": "missing; allowed: a region such as us-east-1",
        "cluster.name": "missing; allowed: a text",
        "addresses.alertmanager": "missing; allowed: an address, https://HOST, without a / at its end",
        "addresses.prometheus": "missing; allowed: an address, https://HOST, without a / at its end",
        "network.vpc_id": needed,
        "network.subnet_ids": needed,
    }
    assert problems == (
        (
            "environment: missing; allowed: dev, prod, sandbox. "
            "Set it with `pulumi config set --stack prod environment VALUE`"
        ),
        *(
            f"{key}: {said}. Set it with `pulumi config set --stack prod --path 'orion-alerting:{key}' VALUE`"
            for key, said in missing.items()
        ),
    )


AWS = {"account_id": "123456789012", "region": "us-east-1"}
NETWORK = {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]}
TARGET = {"job": "a", "address": "a:1"}
WRONG: list[tuple[str, object, list[str]]] = [
    ("environment", "production", ['environment: found "production"; allowed: dev, prod, sandbox']),
    ("repairs", "maybe", ['repairs: found "maybe"; allowed: off, dry-run, approve, on', "prod repairs VALUE"]),
    ("paging", "sometimes", ['paging: found "sometimes"; allowed: true or false']),
    ("aws", {**AWS, "account_id": "12"}, ['aws.account_id: found "12"; allowed: an AWS account\'s twelve', "--path"]),
    ("aws", {**AWS, "region": "Frankfurt"}, ['aws.region: found "Frankfurt"; allowed: a region such as']),
    ("aws", "us-east-1", ['aws: found "us-east-1"', "--path 'orion-alerting:aws.PART'"]),
    ("aws", {**AWS, "require_tls": False}, ["aws.require_tls: found False; allowed outside the sandbox: True"]),
    ("aws", {**AWS, "keep_data": False}, ["aws.keep_data: found False; allowed in prod: True", "config rm"]),
    (
        "imports",
        {"bucket": "b"},
        ["imports.bucket", "key, namespace, state_table, diagnostics_bucket, functions_bucket"],
    ),
    ("imports", {"namespace": ""}, ['imports.namespace: found ""; allowed: a namespace']),
    ("cluster", {"name": ""}, ['cluster.name: found ""; allowed: a text']),
    ("cluster", {"name": "a", "self_managed": ["ebs"]}, ["cluster.self_managed[0]: found", "aws-ebs-csi-driver"]),
    ("cluster", {"name": "a", "identity": "oidc"}, ['cluster.identity: found "oidc"; allowed: pod-identity, irsa']),
    (
        "cluster",
        {"name": "a", "identity": "irsa", "self_managed": ["vpc-cni", "eks-pod-identity-agent"]},
        [
            "cluster.self_managed[1]: found eks-pod-identity-agent; allowed with cluster.identity irsa",
            "config rm --stack prod --path 'orion-alerting:cluster.self_managed[1]'",
        ],
    ),
    ("cluster", {"name": "a", "kubeconfig_context": "b"}, ["cluster.kubeconfig_context:", "kubeconfig_path"]),
    ("network", {**NETWORK, "subnet_ids": ["subnet-1", []]}, ["'orion-alerting:network.subnet_ids[1]'"]),
    ("network", {"vpc_id": "vpc-1"}, ["network.subnet_ids: missing, and network.from_stack.stack is too"]),
    ("network", {**NETWORK, "vpc_id": "subnet-1"}, ['network.vpc_id: found "subnet-1"; allowed: a VPC\'s id']),
    ("network", {**NETWORK, "subnet_ids": ["subnet-1"] * 2}, ["network.subnet_ids: found subnet-1 2 times"]),
    ("network", {"from_stack": {"stack": "network"}}, ["network.from_stack.stack:", "ORGANISATION/PROJECT/STACK"]),
    (
        "network",
        {"from_stack": {"stack": "orion/network/prod"}, "vpc_id": "vpc-1"},
        ["network.vpc_id: found beside network.from_stack", "config rm"],
    ),
    (
        "monitoring",
        {"alertmanager_replicas": "three"},
        ['monitoring.alertmanager_replicas: found "three"', "1 or more"],
    ),
    ("monitoring", {"alertmanager_replicas": 2}, ["monitoring.alertmanager_replicas: found 2; allowed in prod: 3"]),
    (
        "monitoring",
        {"retention_size": "90Gi"},
        ["monitoring.retention_size: found 90Gi; allowed: 87040Mi or less, 85% of monitoring.prometheus_storage"],
    ),
    ("monitoring", {"retention_size": "90"}, ['monitoring.retention_size: found "90"', "a size such as 2Gi"]),
    ("monitoring", {"prometheus_replicas": 1}, ["monitoring.prometheus_replicas: found 1; allowed in prod: 2"]),
    ("monitoring", {"alertmanager_storage": "2 GB"}, ['alertmanager_storage: found "2 GB"; allowed: a size such as']),
    (
        "monitoring",
        {"retention": "293y"},
        ['monitoring.retention: found "293y"; allowed: a time such as 15d, in h, d, w or y, of less than 292 years'],
    ),
    ("monitoring", {"retention": "15"}, ['monitoring.retention: found "15"; allowed: a time such as 15d']),
    ("monitoring", {"scrape_interval_seconds": 0}, ["scrape_interval_seconds: found 0; allowed: a number of seconds"]),
    ("monitoring", {"chart": {"source": "file"}}, ["monitoring.chart.path: missing; allowed: a text"]),
    ("monitoring", {"chart": {"source": "web"}}, ["monitoring.chart: found", "'repository', 'file'"]),
    ("monitoring", {"chart": {"source": "custom-resources"}}, ["monitoring.grafana: found True; allowed with chart"]),
    ("monitoring", {"spread": "preferred"}, ["monitoring.spread: found preferred; allowed in prod: required"]),
    ("monitoring", {"extra_scrape_targets": [TARGET, TARGET]}, ["monitoring.extra_scrape_targets: found job a 2"]),
    ("addresses", {"alertmanager": "a", "prometheus": "https://p.example.com"}, ["addresses.alertmanager: found"]),
    ("channels", {"orion-alerts": "#orion-dev"}, ['channels["orion-alerts"]: found "orion-alerts"', "a Slack channel"]),
    ("channels", {"#orion-alerts": "#orion.dev"}, ['channels["#orion-alerts"]: found "#orion.dev"', "a Slack channel"]),
    ("channels", {"#orion-alerts": "dev"}, ['channels["#orion-alerts"]: found "dev"; allowed: a Slack channel such']),
    ("pagin", "false", ["pagin: there is no such setting; allowed: environment, aws", "rm --stack prod pagin"]),
    ("monitoring", {"replicas": 3}, ["monitoring.replicas: there is no such setting; allowed: chart, alertmanager_"]),
    ("time_scale", "20", ["time_scale: found 20.0; allowed outside the sandbox: 1"]),
    ("endpoints", {"sns": "http://127.0.0.1:1"}, ["endpoints: allowed in the sandbox only"]),
    ("paging", "false", ["paging: found False; allowed in prod: True"]),
    ("alertmanager_api", "am.internal:9093", ['found "am.internal:9093"; allowed: load-balancer, or an address']),
    ("alertmanager_api", "load-balancers", ['alertmanager_api: found "load-balancers"; allowed: load-balancer, or an']),
]


def text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize(("key", "value", "said"), WRONG, ids=[f"{key}={text(value)}" for key, value, _ in WRONG])
def test_a_wrong_value_is_the_only_thing_named(key: str, value: object, said: list[str]) -> None:
    problems = refused({**stack_values("prod"), key: text(value)})

    assert len(problems) == 1
    assert all(words in problems[0] for words in said), problems[0]


@pytest.mark.parametrize(("key", "value", "said"), WRONG, ids=[f"{key}={text(value)}" for key, value, _ in WRONG])
def test_the_command_line_says_the_same_of_a_file(key: str, value: object, said: list[str], tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
    document["config"][f"{PROJECT}:{key}"] = value
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump(document, sort_keys=False))

    with pytest.raises(SettingsRefused) as error:
        settings_from_file(tmp_path, "prod")

    assert len(error.value.problems) == 1
    assert all(words in error.value.problems[0] for words in said), error.value.problems[0]
    assert error.value.problems[0].startswith("Pulumi.prod.yaml:")


def test_what_contradicts_is_named_beside_what_is_wrong() -> None:
    wrong = {"repairs": "maybe", "paging": "false", "monitoring": '{"alertmanager_replicas": 1, "spread": "preferred"}'}

    assert [problem.split(":")[0] for problem in refused({**stack_values("prod"), **wrong})] == [
        "repairs",
        "paging",
        "monitoring.spread",
        "monitoring.alertmanager_replicas",
    ]


def test_the_sandbox_gives_credentials_by_pod_identity_only() -> None:
    (problem,) = refused({**stack_values("sandbox"), "cluster": '{"name": "a", "identity": "irsa"}'})

    assert problem.startswith(
        "cluster.identity: found irsa; allowed in the sandbox, which knows no other: pod-identity"
    )


def test_a_problem_names_the_line_of_the_stacks_file() -> None:
    lines = (ROOT / "Pulumi.prod.yaml").read_text().splitlines()
    line = next(number for number, one in enumerate(lines, 1) if "alertmanager_replicas" in one)
    values = {**stack_values("prod"), "monitoring": '{"alertmanager_replicas": 1}'}
    found: list[Settings] = []

    with pytest.raises(ConfigurationError) as error:
        run_program(
            lambda: found.append(read_settings(pulumi.Config(PROJECT), "prod", root=ROOT)), config=values, stack="prod"
        )

    assert error.value.problems[0].startswith(f"Pulumi.prod.yaml:{line}: monitoring.alertmanager_replicas: found 1;")


def test_a_providers_own_key_is_refused_since_nothing_reads_it(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
    document["config"]["aws:region"] = "eu-west-1"
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump(document))

    with pytest.raises(
        SettingsRefused, match=r"aws:region: nothing reads it.*pulumi config rm --stack prod aws:region"
    ):
        settings_from_file(tmp_path, "prod")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("pagerdutyToken", "u+verysecret", "pagerdutyToken: is stored as plain text"),
        ("slackWebhooks", {"#orion-alerts": "verysecret"}, "slackWebhooks: is stored as plain text"),
        ("repairs", {"secure": "v1:abc"}, "repairs: found a secret; allowed: plain text"),
    ],
)
def test_in_a_file_secrets_are_encrypted_and_settings_are_not(
    key: str, value: object, said: str, tmp_path: Path
) -> None:
    document = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
    document["config"][f"{PROJECT}:{key}"] = value
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump(document))

    with pytest.raises(SettingsRefused) as error:
        settings_from_file(tmp_path, "prod")

    assert len(error.value.problems) == 1
    assert said in error.value.problems[0]
    assert "verysecret" not in str(error.value)


def test_encrypted_secrets_in_a_file_are_left_unread(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
    document["config"][f"{PROJECT}:pagerdutyToken"] = {"secure": "v1:abc"}
    document["config"][f"{PROJECT}:slackWebhooks"] = {"#orion-alerts": {"secure": "v1:abc"}}
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump(document))

    assert settings_from_file(tmp_path, "prod") == read(stack_values("prod"))


def secrets(
    values: Mapping[str, str],
    *,
    marked: tuple[str, ...] = tuple(SECRETS),
    grafana: bool = True,
    paging: bool = True,
) -> StackSecrets:
    found: list[StackSecrets] = []

    def program() -> None:
        config = pulumi.Config(PROJECT)
        found.append(read_secrets(config, "prod", channels=CHANNELS, grafana=grafana, paging=paging))

    run_program(program, config=values, secret_keys=marked)
    return found[0]


def test_secrets_are_secret_outputs() -> None:
    def program() -> None:
        read = read_secrets(pulumi.Config(PROJECT), "prod", channels=CHANNELS, grafana=True, paging=True)
        assert read.grafana_password is not None
        assert read.pagerduty_token is not None
        for key, value in {
            "token": read.pagerduty_token,
            "password": read.grafana_password,
            "webhook": read.slack_webhooks["#orion-database-team"],
        }.items():
            Seen(key, value)

    run = run_program(program, config=SECRETS, secret_keys=tuple(SECRETS))

    assert {name: one.inputs["value"] for name, one in run.resources.items()} == {
        "token": "token-value",
        "password": "password-value",
        "webhook": "https://hooks.example.com/orion-database-team",
    }
    assert all(one.secrets == {"value"} for one in run.resources.values())


class Seen(pulumi.CustomResource):
    """Carries one value to where the test can see it, with its marks."""

    def __init__(self, name: str, value: pulumi.Output[str]) -> None:
        super().__init__("test:index:Seen", name, {"value": value})


def test_missing_secrets_are_named_with_their_commands() -> None:
    with pytest.raises(ConfigurationError) as error:
        secrets({"slackWebhooks": '{"#orion-alerts": "https://hooks.example.com/very-secret"}'})

    assert error.value.problems == (
        "pagerdutyToken: missing; set it with `pulumi config set --stack prod --secret pagerdutyToken`",
        "grafanaAdminPassword: missing; set it with `pulumi config set --stack prod --secret grafanaAdminPassword`",
        (
            "slackWebhooks: no webhook for channel #orion-database-team; set it with `pulumi config set --stack prod "
            "--secret --path 'orion-alerting:slackWebhooks[\"#orion-database-team\"]'`"
        ),
    )
    assert "very-secret" not in str(error.value)


def test_where_nobody_is_paged_no_token_is_asked_for_and_none_is_taken() -> None:
    without = {key: value for key, value in SECRETS.items() if key != "pagerdutyToken"}

    assert secrets(without, paging=False).pagerduty_token is None
    assert secrets(SECRETS, paging=False).pagerduty_token is None


def test_a_secret_stored_as_plain_text_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as error:
        secrets(SECRETS, marked=("slackWebhooks", "grafanaAdminPassword"))

    assert [problem.split(":")[0] for problem in error.value.problems] == ["pagerdutyToken"]
    assert "plain text" in error.value.problems[0]
    assert "token-value" not in str(error.value)


def test_without_grafana_its_password_is_not_asked_for() -> None:
    values = {key: value for key, value in SECRETS.items() if key != "grafanaAdminPassword"}

    assert secrets(values, grafana=False).grafana_password is None
