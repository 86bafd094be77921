"""The whole program, as the engine runs it: parented, named, on explicit providers, and nothing secret shown."""

from __future__ import annotations

import json

import pulumi
import pytest

from alerting.names import ALARM_TOPIC, PAGERDUTY_KEYS_SECRET
from alerting.oncall.event_orchestration import KEY_NAMES
from components.configuration import ConfigurationError
from sandbox.mocked_program import ISSUER, PROJECT, Run, run_program
from tests.alerting_data import fixture_catalog
from tests.program_harness import CHAT_SECRETS, SECRETS, deployed

COMPONENTS = {
    "providers",
    "namespace",
    "network",
    "on-call",
    "event-bus",
    "alarms",
    "state",
    "runbook-automation",
    "repair-sweep",
    "bastion",
    "watchdog",
    "alertmanager-identity",
    "grafana-identity",
    "secrets",
    "monitoring",
    "rules",
}
PROVIDER_OF = {"aws": "providers-aws", "kubernetes": "providers-kubernetes", "pagerduty": "providers-pagerduty"}


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def run(request: pytest.FixtureRequest) -> Run:
    """The program in prod."""
    return deployed("prod", preview=request.param)


def test_everything_is_the_child_of_a_component_and_named_after_it(run: Run) -> None:
    roots = {one.name for one in run.resources.values() if one.parent == "orion-alerting-prod"}

    assert roots == COMPONENTS
    for one in run.resources.values():
        if one.name not in roots:
            assert one.name.startswith(f"{one.parent}-"), one.name


def test_chat_is_made_where_it_is_on_and_shows_no_secret() -> None:
    run = deployed(
        "prod",
        secrets={**SECRETS, **CHAT_SECRETS},
        chat="on",
        slack_workspace="T0123ABCD",
        pagerduty_sender="alerts@example.com",
    )

    components = {one.name for one in run.resources.values() if one.parent == "orion-alerting-prod"}
    assert components == COMPONENTS | {"chatops"}
    made = {name: one for name, one in run.resources.items() if name.startswith("chatops")}
    assert {name for name, one in made.items() if not one.custom} <= run.finished
    for one in made.values():
        shown = {key: value for key, value in one.inputs.items() if key not in one.secrets}
        assert "SECRET" not in str(shown), one.name


def test_every_component_says_that_it_is_finished(run: Run) -> None:
    components = {one.name for one in run.resources.values() if not one.custom}

    assert components >= COMPONENTS
    assert components <= run.finished


def test_every_resource_and_lookup_uses_an_explicit_provider(run: Run) -> None:
    for one in run.resources.values():
        package = one.type.split(":")[0]
        if one.custom and package in PROVIDER_OF:
            assert one.provider == PROVIDER_OF[package], one.name
    for call in run.calls:
        assert call.provider == PROVIDER_OF[call.token.split(":")[0]], call.token


def test_the_account_is_held_to_and_tags_are_the_providers(run: Run) -> None:
    provider = run.one("pulumi:providers:aws").inputs

    assert json.loads(provider["allowedAccountIds"]) == ["222222222222"]
    assert json.loads(provider["defaultTags"])["tags"] == {
        "project": "orion-alerting",
        "environment": "prod",
        "managed-by": "pulumi",
    }


def test_no_secret_lies_in_anything_that_is_not_marked(run: Run) -> None:
    holding = [one for one in run.resources.values() if "SECRET-" in json.dumps(one.inputs, default=repr)]

    assert {one.type for one in holding} == {"pulumi:providers:pagerduty", "kubernetes:core/v1:Secret"}
    assert all(one.secrets for one in holding)


def test_secrets_are_there_before_what_mounts_them_and_rules_come_last(run: Run) -> None:
    monitoring = run.one("kubernetes:helm.sh/v3:Release")
    rule = run.of_type("kubernetes:monitoring.coreos.com/v1:PrometheusRule")[0]

    identities = {"alertmanager-identity-association", "grafana-identity-association"}
    before = {"secrets-alertmanager-config", *identities, "network-policy"}
    assert before <= set(run.resources["monitoring"].dependencies) | set(monitoring.dependencies)
    assert "monitoring-release" in {*run.resources["rules"].dependencies, *rule.dependencies}


def test_alertmanager_mounts_exactly_the_secrets_that_are_made(run: Run) -> None:
    mounted = run.one("kubernetes:helm.sh/v3:Release").inputs["values"]["alertmanager"]["alertmanagerSpec"]
    made = {one.inputs["metadata"]["name"] for one in run.of_type("kubernetes:core/v1:Secret")}

    assert {*mounted["secrets"], mounted["configSecret"], "grafana-admin"} == made


def test_every_service_of_the_catalog_can_be_paged_about(run: Run) -> None:
    paged = {one.inputs["name"] for one in run.of_type("pagerduty:index/service:Service")}

    assert set(fixture_catalog().services) <= paged


def test_integration_keys_reach_the_cluster_as_secrets_and_by_nobodys_hand() -> None:
    run = deployed("prod")  # a preview does not know the keys
    integrations = run.of_type("pagerduty:index/eventOrchestrationIntegration:EventOrchestrationIntegration")
    (keys,) = [
        one
        for one in run.of_type("kubernetes:core/v1:Secret")
        if one.inputs["metadata"]["name"] == PAGERDUTY_KEYS_SECRET
    ]

    assert keys.inputs["stringData"] == {name: f"key-of-on-call-{name}" for name in KEY_NAMES}
    assert "stringData" in keys.secrets
    assert len(integrations) == len(KEY_NAMES)
    assert all(one.secret_outputs == ("parameters",) for one in integrations)


def test_every_alarm_pages_the_operating_team_through_the_topic_that_lets_it_in() -> None:
    run = deployed("prod")
    catalog = fixture_catalog()
    topic = f"arn:aws:sns:us-east-1:123456789012:{ALARM_TOPIC}"
    alarms = [one.inputs for one in run.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")]
    (statement, _) = json.loads(run.resources["alarms-topic-policy"].inputs["policy"])["Statement"]
    let_in = {arn.rpartition(":")[2] for arn in statement["Condition"]["ArnEquals"]["aws:SourceArn"]}

    assert len(alarms) == len(let_in)
    assert {one["name"] for one in alarms} == let_in
    assert all(one["alarmActions"] == one["okActions"] == [topic] for one in alarms)
    assert run.resources["alarms-page"].inputs["topic"] == topic
    service = run.resources["alarms-integration"].inputs["service"]
    assert service == f"on-call-service-{catalog.operating_team}-id"


def test_only_the_topic_of_the_alarms_works_without_the_key_that_everything_else_needs() -> None:
    topics = {one.inputs["name"]: one.inputs for one in deployed("prod").of_type("aws:sns/topic:Topic")}

    assert [name for name, inputs in topics.items() if "kmsMasterKeyId" not in inputs] == [ALARM_TOPIC]


def test_where_nobody_is_paged_nothing_is_made_in_pagerduty_and_its_token_goes_nowhere() -> None:
    run = deployed("dev")
    secrets = {one.inputs["metadata"]["name"] for one in run.of_type("kubernetes:core/v1:Secret")}

    assert not [one.name for one in run.resources.values() if "pagerduty" in one.type]
    assert not [call.token for call in run.calls if "pagerduty" in call.token]
    assert SECRETS["pagerdutyToken"] not in json.dumps([one.inputs for one in run.resources.values()], default=repr)
    assert PAGERDUTY_KEYS_SECRET not in secrets
    assert {one.name for one in run.resources.values() if not one.custom} >= COMPONENTS
    # The alarms are there, and can be looked at.
    assert run.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")
    assert "alarms-page" not in run.resources


def test_a_stack_that_pages_nobody_needs_no_token_and_one_that_pages_does() -> None:
    token = "pagerdutyToken: missing; set it with `pulumi config set --stack prod --secret pagerdutyToken`"
    without = {key: value for key, value in SECRETS.items() if key != "pagerdutyToken"}

    assert deployed("dev", secrets=without).resources
    with pytest.raises(ConfigurationError, match=token):
        deployed("prod", secrets=without)


def test_documents_take_values_as_environment_variables(run: Run) -> None:
    for document in run.of_type("aws:ssm/document:Document"):
        parameters = json.loads(document.inputs["content"])["parameters"]
        assert parameters
        for name, parameter in parameters.items():
            assert parameter["interpolationType"] == "ENV_VAR", (document.name, name)
            assert parameter["allowedPattern"].startswith("^"), (document.name, name)
            assert parameter["allowedPattern"].endswith("$"), (document.name, name)


def test_preview_and_update_name_the_same_resources() -> None:
    update, preview = deployed("prod"), deployed("prod", preview=True)

    assert {name: one.type for name, one in update.resources.items()} == {
        name: one.type for name, one in preview.resources.items()
    }
    assert not any(one.unknown for one in update.resources.values())
    assert any(one.unknown for one in preview.resources.values())


def test_the_sandbox_refuses_no_plain_http_and_needs_no_grafana() -> None:
    run = deployed(
        "sandbox",
        secrets={**SECRETS, **CHAT_SECRETS},
        monitoring='{"chart": {"source": "custom-resources"}, "grafana": false}',
    )

    assert not [one for one in run.resources.values() if one.type == "aws:s3/bucketPolicy:BucketPolicy"]
    assert "SecureTransport" not in json.dumps([one.inputs for one in run.resources.values()], default=repr)
    assert "secrets-grafana-admin" not in run.resources
    assert run.one("kubernetes:monitoring.coreos.com/v1:Alertmanager").inputs["spec"]["replicas"] == 3


def test_a_missing_webhook_stops_the_program_before_anything_is_registered() -> None:
    with pytest.raises(ConfigurationError, match=r"no webhook for channel #orion-database-team"):
        deployed("prod", slackWebhooks='{"#orion-alerts": "https://hooks.example.com/SECRET"}')


def test_a_wrong_setting_stops_the_program() -> None:
    with pytest.raises(ConfigurationError, match=r'repairs: found "perhaps".*pulumi config set --stack prod repairs'):
        deployed("prod", repairs="perhaps")


def test_a_cluster_is_reached_by_a_file_where_one_is_given() -> None:
    cluster = json.dumps({"name": "orion", "kubeconfig_path": "/home/ada/kubeconfig", "kubeconfig_context": "orion"})
    run = deployed("prod", cluster=cluster)
    provider = run.one("pulumi:providers:kubernetes").inputs

    assert (provider["kubeconfig"], provider["context"]) == ("/home/ada/kubeconfig", "orion")


def test_by_irsa_the_roles_that_service_accounts_name_are_made_and_trust_them() -> None:
    run = deployed("prod", cluster=json.dumps({"name": "orion-prod", "identity": "irsa"}))
    for program in ("alertmanager", "grafana"):
        _is_trusted(run, program)
    assert not [one for one in run.resources.values() if "podIdentity" in one.type]


def _is_trusted(run: Run, program: str) -> None:
    """Hold that a program's service account names the role that it may take."""
    (trust,) = json.loads(run.resources[f"{program}-identity-role"].inputs["assumeRolePolicy"])["Statement"]
    role = run.resources[f"{program}-identity-role"].inputs["name"]
    account = run.one("kubernetes:helm.sh/v3:Release").inputs["values"][program]["serviceAccount"]

    assert account["annotations"] == {"eks.amazonaws.com/role-arn": f"arn:aws:iam::222222222222:role/{role}"}
    assert trust["Condition"]["StringEquals"][f"{ISSUER}:sub"] == f"system:serviceaccount:monitoring:{account['name']}"


def test_an_eks_cluster_is_reached_by_a_token_asked_for_each_time() -> None:
    provider = deployed("prod").one("pulumi:providers:kubernetes")
    kubeconfig = json.loads(provider.inputs["kubeconfig"])

    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://cluster.example.com"
    assert kubeconfig["users"][0]["user"]["exec"]["args"][-3:] == ["orion-prod", "--output", "json"]


def test_a_run_is_in_its_own_stack_whatever_ran_before() -> None:
    for stack in ("dev", "prod"):
        one = run_program(lambda: pulumi.ComponentResource("test:index:Nothing", "nothing"), stack=stack)

        assert one.resources["nothing"].parent == f"{PROJECT}-{stack}"
