"""The event bus, statement by statement, and what a lost or repeated message meets."""

from __future__ import annotations

import json

import pulumi
import pytest

from alerting.settings import RoleSource, Settings
from components.alertmanager_identity import AlertmanagerIdentity, AlertmanagerIdentityArgs
from sandbox.mocked_program import ISSUER, Run
from tests.component_harness import (
    KEY,
    SNS,
    deployed,
    event_bus,
    statements,
)


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class TestEventBus:
    def test_every_team_has_a_topic_and_every_topic_is_encrypted(self, *, preview: bool) -> None:
        topics = event_bus(preview=preview).of_type("aws:sns/topic:Topic")

        assert {topic.inputs["name"] for topic in topics} == {
            "orion-alerts",
            "orion-notifications",
            "orion-team-trading",
            "orion-team-platform",
        }
        for topic in topics:
            assert "kmsMasterKeyId" in topic.inputs, topic.name
            assert "fifoTopic" not in topic.inputs, "a resolve within five minutes of its trigger would be dropped"

    def test_every_address_of_a_team_is_subscribed_to_its_topic_and_to_no_other(self, *, preview: bool) -> None:
        run = event_bus(preview=preview)
        subscriptions = [
            one for one in run.of_type("aws:sns/topicSubscription:TopicSubscription") if one.inputs["protocol"] != "sqs"
        ]

        assert {one.inputs["protocol"] for one in subscriptions} == {"email"}
        assert sorted((one.name.split("-")[3], one.inputs["endpoint"]) for one in subscriptions) == [
            ("platform", "platform@orion.example.com"),
            ("trading", "desk@orion.example.com"),
            ("trading", "trading@orion.example.com"),
        ]
        for one in subscriptions:
            assert one.name.endswith(one.inputs["endpoint"]), "another address at its place must be another resource"
            assert preview or one.inputs["topic"] == f"{SNS}:orion-team-{one.name.split('-')[3]}"

    def test_a_teams_mail_says_which_stack_it_is_from(self) -> None:
        topics = {one.inputs["name"]: one.inputs for one in event_bus().of_type("aws:sns/topic:Topic")}

        assert topics["orion-team-trading"]["displayName"] == "Orion repairs (prod)"

    def test_the_key_lets_services_encrypt_and_events_without_a_condition(self, *, preview: bool) -> None:
        key = event_bus(preview=preview).one("aws:kms/key:Key").inputs
        grants = statements(key["policy"])

        assert key["enableKeyRotation"] is True
        assert {one["Principal"]["Service"][0] for sid, one in grants.items() if sid != "Account"} == {
            "sns.amazonaws.com",
            "events.amazonaws.com",
            "logs.us-east-1.amazonaws.com",
        }
        assert grants["Logs"]["Condition"] == {
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/*"
            }
        }
        for sid, grant in grants.items():
            if sid not in {"Account", "Logs"}:
                assert grant["Action"] == ["kms:GenerateDataKey*", "kms:Decrypt"]
        assert "Condition" not in grants["EventsToEncryptedQueues"], "delivery would stop without an error"
        for sid in set(grants) - {"Account", "EventsToEncryptedQueues"}:
            assert "123456789012" in json.dumps(grants[sid]["Condition"]), f"{sid}: for what is not ours too"
        alerts = {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:orion-alerts"}
        assert grants["TopicsToEncryptedQueues"]["Condition"] == {"ArnEquals": alerts}


def identity(source: RoleSource = RoleSource.POD_IDENTITY, *, preview: bool = False) -> Run:
    def make(stack: Settings, options: pulumi.ResourceOptions) -> None:
        cluster = stack.cluster.model_copy(update={"identity": source})
        args = AlertmanagerIdentityArgs(
            settings=stack.model_copy(update={"cluster": cluster}),
            alert_topic_arn=f"{SNS}:orion-alerts",
            heartbeat_topic_arn=f"{SNS}:orion-watchdog",
            key_arn=KEY,
        )
        AlertmanagerIdentity("alertmanager-identity", args, options)

    return deployed(make, preview=preview)


@pytest.mark.parametrize("source", RoleSource)
def test_alertmanager_may_publish_alerts_and_nothing_else(source: RoleSource, *, preview: bool) -> None:
    allowed = statements(identity(source, preview=preview).one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])

    assert {sid: (one["Action"], one["Resource"]) for sid, one in allowed.items()} == {
        "PublishAlerts": (["sns:Publish"], [f"{SNS}:orion-alerts", f"{SNS}:orion-watchdog"]),
        "EncryptAlerts": (["kms:GenerateDataKey*", "kms:Decrypt"], [KEY]),
    }


def test_by_pod_identity_eks_takes_the_role_for_the_service_account_alone(*, preview: bool) -> None:
    run = identity(preview=preview)
    (trust,) = json.loads(run.one("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"]
    association = run.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").inputs

    assert trust == {
        "Effect": "Allow",
        "Principal": {"Service": ["pods.eks.amazonaws.com"]},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    assert association["serviceAccount"] == "prometheus-kube-prometheus-alertmanager"
    assert (association["clusterName"], association["namespace"]) == ("orion", "monitoring")


def test_by_irsa_the_service_account_alone_takes_the_role_and_there_is_no_association(*, preview: bool) -> None:
    run = identity(RoleSource.IRSA, preview=preview)
    (trust,) = json.loads(run.one("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"]

    assert trust == {
        "Effect": "Allow",
        "Principal": {"Federated": [f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"]},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:sub": "system:serviceaccount:monitoring:prometheus-kube-prometheus-alertmanager",
                f"{ISSUER}:aud": "sts.amazonaws.com",
            }
        },
    }
    assert not [one for one in run.resources.values() if "podIdentity" in one.type]
    assert all(call.provider == "providers-aws" for call in run.calls)
