"""A stack's configuration: what is missing or wrong is named with its key and the command that sets it, all at once."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pytest
import yaml

from alerting.settings import Environment, RepairMode, Settings
from components.configuration import ConfigurationError, StackSecrets, read_secrets, read_settings
from tests.alerting_data import ROOT
from tests.pulumi_program import PROJECT, run_program

CHANNELS = ("#orion-alerts", "#orion-database-team")
SECRETS = {
    "pagerdutyToken": "token-value",
    "grafanaAdminPassword": "password-value",
    "slackWebhooks": json.dumps({channel: f"https://hooks.example.com/{channel[1:]}" for channel in CHANNELS}),
}


def stack_file(stack: str) -> dict[str, str]:
    """Return a stack's configuration as the engine hands it over: every value a text."""
    values = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {
        key.removeprefix(f"{PROJECT}:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if key.startswith(f"{PROJECT}:")
    }


def read(values: Mapping[str, str]) -> Settings:
    found: list[Settings] = []
    run_program(lambda: found.append(read_settings(pulumi.Config(PROJECT), "prod")), config=values)
    return found[0]


def refused(values: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as error:
        read(values)
    for problem in error.value.problems:
        assert problem in str(error.value)
    return error.value.problems


@pytest.mark.parametrize("stack", ["dev", "prod", "sandbox"])
def test_the_files_of_all_stacks_are_complete(stack: str) -> None:
    assert read(stack_file(stack)).environment.value == stack


def test_plain_values_become_their_types() -> None:
    settings = read({**stack_file("sandbox"), "time_scale": "20", "paging": "false", "repairs": "dry-run"})

    assert settings.environment is Environment.SANDBOX
    assert settings.time_scale == 20
    assert settings.paging is False
    assert settings.repairs is RepairMode.DRY_RUN


def test_an_account_id_that_pulumi_stored_as_a_number_is_taken() -> None:
    values = {**stack_file("prod"), "aws": '{"account_id": 123456789012, "region": "us-east-1"}'}

    assert read(values).aws.account_id == "123456789012"


def test_everything_missing_is_named_with_its_command_at_once() -> None:
    problems = refused({"cluster": '{"namespace": "monitoring"}'})

    missing = [
        "aws.account_id",
        "aws.region",
        "cluster.name",
        "network.vpc_id",
        "network.subnet_ids",
        "addresses.alertmanager",
        "addresses.prometheus",
    ]
    assert problems == (
        "environment: missing; set it with `pulumi config set --stack prod environment VALUE`",
        *(
            f"{key}: missing; set it with `pulumi config set --stack prod --path 'orion-alerting:{key}' VALUE`"
            for key in missing
        ),
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("repairs", "maybe", ["repairs: found 'maybe'", "'dry-run' or 'on'", "config set --stack prod repairs VALUE"]),
        ("aws", '{"account_id": "12", "region": "us-east-1"}', ["aws.account_id: found '12'", "--path"]),
        ("monitoring", '{"alertmanager_replicas": "three"}', ["monitoring.alertmanager_replicas: found 'three'"]),
        ("monitoring", '{"chart": {"source": "file"}}', ["monitoring.chart.path: missing"]),
        ("monitoring", '{"chart": {"source": "web"}}', ["monitoring.chart: found", "'repository', 'file'"]),
        ("network", '{"vpc_id": "vpc-1", "subnet_ids": ["a", []]}', ["'orion-alerting:network.subnet_ids[1]'"]),
        ("aws", "us-east-1", ["aws: found 'us-east-1'", "--path 'orion-alerting:aws.PART'"]),
        ("addresses", '{"alertmanager": "a", "prometheus": "p", "kibana": "k"}', ["addresses.kibana", "config rm"]),
        ("pagin", "false", ["pagin: there is no such setting", "pulumi config rm --stack prod pagin"]),
        ("time_scale", "20", ["time_scale: found 20.0; allowed outside the sandbox: 1"]),
        ("monitoring", '{"spread": "preferred"}', ["monitoring.spread: found preferred; allowed in prod: required"]),
        ("endpoints", '{"sns": "http://127.0.0.1:1"}', ["endpoints: allowed in the sandbox only"]),
        ("aws", '{"account_id": "123456789012", "region": "us-east-1", "require_tls": false}', ["aws.require_tls"]),
    ],
)
def test_a_wrong_value_is_the_only_thing_named(key: str, value: str, said: list[str]) -> None:
    problems = refused({**stack_file("prod"), key: value})

    assert len(problems) == 1
    assert all(words in problems[0] for words in said), problems[0]


def secrets(
    values: Mapping[str, str], *, marked: tuple[str, ...] = tuple(SECRETS), grafana: bool = True
) -> StackSecrets:
    found: list[StackSecrets] = []

    def program() -> None:
        found.append(read_secrets(pulumi.Config(PROJECT), "prod", channels=CHANNELS, grafana=grafana))

    run_program(program, config=values, secret_keys=marked)
    return found[0]


def test_secrets_are_secret_outputs() -> None:
    def program() -> None:
        read = read_secrets(pulumi.Config(PROJECT), "prod", channels=CHANNELS, grafana=True)
        assert read.grafana_password is not None
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


def test_a_secret_stored_as_plain_text_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as error:
        secrets(SECRETS, marked=("slackWebhooks", "grafanaAdminPassword"))

    assert [problem.split(":")[0] for problem in error.value.problems] == ["pagerdutyToken"]
    assert "plain text" in error.value.problems[0]
    assert "token-value" not in str(error.value)


def test_without_grafana_its_password_is_not_asked_for() -> None:
    values = {key: value for key, value in SECRETS.items() if key != "grafanaAdminPassword"}

    assert secrets(values, grafana=False).grafana_password is None
