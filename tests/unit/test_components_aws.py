"""What is made in AWS: statement by statement who may do what, and what a lost or repeated message meets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from alerting.settings import Settings
from components.alertmanager_identity import AlertmanagerIdentity, AlertmanagerIdentityArgs
from components.bastion import Bastion, BastionArgs, BastionSpec
from components.event_bus import EventBus, EventBusArgs, EventBusSpec
from components.naming import FUNCTION_TIMEOUT_SECONDS
from components.runbook_automation import RunbookAutomation, RunbookAutomationArgs, RunbookAutomationSpec
from tests.component_data import DOCUMENT, package, providers, repairs, settings
from tests.lambda_events import FUNCTION_OPERATIONS
from tests.pulumi_program import Run, run_program

SNS = "arn:aws:sns:us-east-1:123456789012"
SQS = "arn:aws:sqs:us-east-1:123456789012"
KEY = "arn:aws:kms:us-east-1:123456789012:key/key"
EVENTS = "arn:aws:events:us-east-1:123456789012:rule"
QUEUE = f"{SQS}:orion-runbook-automation"
DEAD_LETTERS = f"{SQS}:orion-runbook-automation-dead-letters"
FUNCTION_NAME = "orion-runbook-automation"

Statements = dict[str, dict[str, Any]]


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def deployed(make: Callable[[Settings, pulumi.ResourceOptions], object], *, preview: bool = False) -> Run:
    stack = settings()
    return run_program(lambda: make(stack, providers(stack)), preview=preview)


def event_bus(*, preview: bool = False) -> Run:
    spec = EventBusSpec(settings=settings(), teams=("trading", "platform"), documents=("orion-restart-pod",))
    return deployed(
        lambda _, options: EventBus("event-bus", EventBusArgs(spec=spec), options),
        preview=preview,
    )


def automation(folder: Path, *, preview: bool = False, alertmanager_api: str | None = None) -> Run:
    def make(stack: Settings, options: pulumi.ResourceOptions) -> None:
        stack = stack.model_copy(update={"alertmanager_api": alertmanager_api})
        args = RunbookAutomationArgs(
            spec=RunbookAutomationSpec(
                settings=stack, repairs=repairs(), package=package(folder), operating_team="platform"
            ),
            key_arn=KEY,
            queue_arn=QUEUE,
            notification_topic_arn=f"{SNS}:orion-notifications",
            team_topic_arns={team: f"{SNS}:orion-team-{team}" for team in ("trading", "platform")},
        )
        RunbookAutomation("runbook-automation", args, options)

    return deployed(make, preview=preview)


def bastion(*, preview: bool = False) -> Run:
    def make(stack: Settings, options: pulumi.ResourceOptions) -> None:
        args = BastionArgs(
            spec=BastionSpec(settings=stack, repairs=repairs()),
            diagnostics_bucket_arn="arn:aws:s3:::orion-diagnostics-123456789012",
            key_arn=KEY,
        )
        Bastion("bastion", args, options)

    return deployed(make, preview=preview)


def statements(text: str) -> Statements:
    return {statement["Sid"]: statement for statement in json.loads(text)["Statement"]}


def assert_narrow(allowed: Statements, *, except_for: tuple[str, ...] = ()) -> None:
    """No action and no resource is a bare wildcard, but for statements whose action has no resource to name."""
    for sid, statement in allowed.items():
        assert all(action != "*" and not action.endswith(":*") for action in statement["Action"]), sid
        if sid not in except_for:
            assert "*" not in statement["Resource"], sid
            assert all(resource.startswith("arn:aws:") for resource in statement["Resource"]), sid


class TestEventBus:
    def test_the_queue_outlasts_six_tries_of_the_function(self, *, preview: bool) -> None:
        queue = event_bus(preview=preview).one("aws:sqs/queue:Queue", name="orion-runbook-automation").inputs

        assert queue["visibilityTimeoutSeconds"] >= 6 * FUNCTION_TIMEOUT_SECONDS

    def test_what_fails_five_times_is_kept_for_two_weeks(self) -> None:
        run = event_bus()
        queue = run.one("aws:sqs/queue:Queue", name="orion-runbook-automation").inputs
        dead_letters = run.one("aws:sqs/queue:Queue", name="orion-runbook-automation-dead-letters").inputs

        assert json.loads(queue["redrivePolicy"]) == {"deadLetterTargetArn": DEAD_LETTERS, "maxReceiveCount": 5}
        assert json.loads(dead_letters["redriveAllowPolicy"]) == {
            "redrivePermission": "byQueue",
            "sourceQueueArns": [QUEUE],
        }
        assert dead_letters["messageRetentionSeconds"] == 14 * 86400 > queue["messageRetentionSeconds"]

    def test_alerts_reach_the_queue_whole(self) -> None:
        subscription = event_bus().one("aws:sns/topicSubscription:TopicSubscription")

        assert subscription.inputs["topic"] == f"{SNS}:orion-alerts"
        assert (subscription.inputs["protocol"], subscription.inputs["endpoint"]) == ("sqs", QUEUE)
        assert subscription.inputs["rawMessageDelivery"] is False
        assert "filterPolicy" not in subscription.inputs
        assert json.loads(subscription.inputs["redrivePolicy"]) == {"deadLetterTargetArn": DEAD_LETTERS}
        assert "event-bus-queue-policy" in subscription.dependencies

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

    def test_only_our_topic_and_our_rules_may_send_to_the_queues(self) -> None:
        policies = event_bus().of_type("aws:sqs/queuePolicy:QueuePolicy")

        assert len(policies) == 2
        for policy in policies:
            allowed = statements(policy.inputs["policy"])
            assert {
                sid: one["Condition"]["ArnEquals"]["aws:SourceArn"] for sid, one in allowed.items() if sid[0] != "R"
            } == {
                "Alerts": f"{SNS}:orion-alerts",
                "Outcomes": f"{EVENTS}/orion-repair-outcomes",
                "Sweep": f"{EVENTS}/orion-repair-sweep",
            }
            refused = allowed.pop("RefusePlainHttp")
            assert (refused["Effect"], refused["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
            assert_narrow(allowed)

    def test_the_key_lets_services_encrypt_and_events_without_a_condition(self, *, preview: bool) -> None:
        key = event_bus(preview=preview).one("aws:kms/key:Key").inputs
        grants = statements(key["policy"])

        assert key["enableKeyRotation"] is True
        assert {one["Principal"]["Service"][0] for sid, one in grants.items() if sid != "Account"} == {
            "sns.amazonaws.com",
            "cloudwatch.amazonaws.com",
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

    def test_outcomes_of_our_documents_and_a_sweep_a_minute_reach_the_queue(self) -> None:
        run = event_bus()
        outcomes = run.one("aws:cloudwatch/eventRule:EventRule", name="orion-repair-outcomes").inputs
        sweep = run.one("aws:cloudwatch/eventRule:EventRule", name="orion-repair-sweep").inputs
        targets = {one.inputs["rule"]: one.inputs for one in run.of_type("aws:cloudwatch/eventTarget:EventTarget")}

        assert json.loads(outcomes["eventPattern"]) == {
            "source": ["aws.ssm"],
            "detail-type": ["EC2 Command Invocation Status-change Notification"],
            "detail": {"document-name": ["orion-restart-pod"]},
        }
        assert sweep["scheduleExpression"] == "rate(1 minute)"
        assert {rule: target["arn"] for rule, target in targets.items()} == {
            "orion-repair-outcomes": QUEUE,
            "orion-repair-sweep": QUEUE,
        }
        assert json.loads(targets["orion-repair-sweep"]["input"]) == {"source": "orion.sweep"}
        assert "input" not in targets["orion-repair-outcomes"]
        assert all(target["deadLetterConfig"] == {"arn": DEAD_LETTERS} for target in targets.values())


class TestRunbookAutomation:
    def test_its_role_may_do_this_and_nothing_else(self, tmp_path: Path) -> None:
        policy = automation(tmp_path).one("aws:iam/rolePolicy:RolePolicy").inputs["policy"]
        allowed = statements(policy)
        table = "arn:aws:dynamodb:us-east-1:123456789012:table/orion-state"

        assert {sid: one["Resource"] for sid, one in allowed.items()} == {
            "WriteLogs": [f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{FUNCTION_NAME}:*"],
            "TakeMessages": [QUEUE],
            "KeepState": [table],
            "FindState": [f"{table}/index/by-command", f"{table}/index/by-status"],
            "SendOurDocuments": ["arn:aws:ssm:us-east-1:123456789012:document/orion-restart-pod"],
            "SendToTheBastion": ["arn:aws:ec2:us-east-1:123456789012:instance/*"],
            "AskForOutcomes": ["*"],
            "PublishResults": [f"{SNS}:orion-notifications", f"{SNS}:orion-team-trading", f"{SNS}:orion-team-platform"],
            "KeepUnreadableMessages": ["arn:aws:s3:::orion-diagnostics-123456789012/unreadable/*"],
            "UseTheKey": [KEY],
        }
        assert {sid: one["Action"] for sid, one in allowed.items()} == {
            "WriteLogs": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "TakeMessages": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            "KeepState": ["dynamodb:PutItem", "dynamodb:UpdateItem"],
            "FindState": ["dynamodb:Query"],
            "SendOurDocuments": ["ssm:SendCommand"],
            "SendToTheBastion": ["ssm:SendCommand"],
            "AskForOutcomes": ["ssm:ListCommandInvocations", "ssm:GetCommandInvocation"],
            "PublishResults": ["sns:Publish"],
            "KeepUnreadableMessages": ["s3:PutObject"],
            "UseTheKey": ["kms:GenerateDataKey*", "kms:Decrypt"],
        }
        used = {action for one in allowed.values() for action in one["Action"]}
        assert {one for one in used if one.split(":")[0] in {"dynamodb", "s3", "sns", "ssm"}} == FUNCTION_OPERATIONS
        assert {sid: one["Condition"] for sid, one in allowed.items() if "Condition" in one} == {
            "SendToTheBastion": {"StringEquals": {"ssm:resourceTag/orion:role": "bastion"}}
        }
        assert "AWS-RunShellScript" not in policy
        assert_narrow(allowed, except_for=("AskForOutcomes",))

    def test_the_function_runs_this_very_zip(self, tmp_path: Path) -> None:
        run = automation(tmp_path)
        code = run.one("aws:s3/bucketObject:BucketObject")
        function = run.one("aws:lambda/function:Function")

        assert code.inputs["sourceHash"] == "ab" * 32
        assert "runbook-automation-code-versioning" in code.dependencies
        assert function.inputs["s3Bucket"] == code.inputs["bucket"] == "orion-functions-123456789012"
        assert (function.inputs["s3Key"], function.inputs["s3ObjectVersion"]) == (code.inputs["key"], "v1")
        assert function.inputs["sourceCodeHash"] == package(tmp_path).source_code_hash
        assert (function.inputs["runtime"], function.inputs["architectures"]) == ("python3.13", ["arm64"])
        assert function.inputs["handler"] == "runbook_automation.handler.handler"
        assert "runbook-automation-role-policy" in function.dependencies

    def test_its_environment_holds_names_and_no_secret(self, tmp_path: Path) -> None:
        function = automation(tmp_path).one("aws:lambda/function:Function")
        variables = function.inputs["environment"]["variables"]

        assert json.loads(variables.pop("REPAIR_DOCUMENTS")) == {"restart_pod": {"version": "1", "hash": "ab" * 32}}
        assert json.loads(variables.pop("TEAM_TOPIC_ARNS")) == {
            "trading": f"{SNS}:orion-team-trading",
            "platform": f"{SNS}:orion-team-platform",
        }
        assert variables == {
            "REPAIR_TABLE": "orion-state",
            "NOTIFICATION_TOPIC_ARN": f"{SNS}:orion-notifications",
            "BASTION_TAG_VALUE": "bastion",
            "DIAGNOSTICS_BUCKET": "orion-diagnostics-123456789012",
            "REPAIR_MODE": "dry-run",
        }
        assert function.secrets == set()

    def test_it_stands_in_the_network_only_where_it_may_ask_alertmanager(self, tmp_path: Path) -> None:
        """Without a way in, a function outside every network needs no rights to make interfaces."""
        run = automation(tmp_path, alertmanager_api="http://alertmanager.internal.example.com:9093")
        function = run.one("aws:lambda/function:Function").inputs
        out = run.of_type("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
        allowed = statements(run.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])

        variables = function["environment"]["variables"]
        assert variables["ALERTMANAGER_API"] == "http://alertmanager.internal.example.com:9093"
        assert function["vpcConfig"]["subnetIds"] == ["subnet-1"]
        assert [(one.inputs["fromPort"], one.inputs["toPort"]) for one in out] == [(443, 443), (9093, 9093)]
        assert "ingress" not in run.one("aws:ec2/securityGroup:SecurityGroup").inputs
        assert allowed["StandInTheNetwork"]["Action"] == [
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DeleteNetworkInterface",
        ]
        alone = automation(tmp_path)
        assert "vpcConfig" not in alone.one("aws:lambda/function:Function").inputs
        assert not [one for one in alone.resources.values() if "ecurityGroup" in one.type]

    def test_batches_report_their_failures_and_concurrency_is_bounded(self, tmp_path: Path, *, preview: bool) -> None:
        mapping = automation(tmp_path, preview=preview).one("aws:lambda/eventSourceMapping:EventSourceMapping").inputs

        assert mapping["eventSourceArn"] == QUEUE
        assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["batchSize"] == 10
        assert mapping["scalingConfig"]["maximumConcurrency"] >= 2

    def test_no_concurrency_is_reserved(self, tmp_path: Path) -> None:
        function = automation(tmp_path).one("aws:lambda/function:Function").inputs

        assert "reservedConcurrentExecutions" not in function, "it would throttle messages into the dead-letter queue"

    def test_the_table_is_found_by_command_and_by_what_is_due(self, tmp_path: Path, *, preview: bool) -> None:
        table = automation(tmp_path, preview=preview).one("aws:dynamodb/table:Table").inputs

        assert (table["hashKey"], table["billingMode"]) == ("id", "PAY_PER_REQUEST")
        assert table["ttl"] == {"attributeName": "expires_at", "enabled": True}
        assert table["pointInTimeRecovery"] == {"enabled": True}
        assert table["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": KEY}
        assert {
            index["name"]: [(key["attributeName"], key["keyType"]) for key in index["keySchemas"]]
            for index in table["globalSecondaryIndexes"]
        } == {"by-command": [("command_id", "HASH")], "by-status": [("open", "HASH"), ("due_at", "RANGE")]}
        assert {one["name"]: one["type"] for one in table["attributes"]} == {
            "id": "S",
            "command_id": "S",
            "open": "S",
            "due_at": "N",
        }

    def test_documents_are_the_actions_own(self, tmp_path: Path, *, preview: bool) -> None:
        document = automation(tmp_path, preview=preview).one("aws:ssm/document:Document").inputs

        assert (document["name"], document["documentType"]) == ("orion-restart-pod", "Command")
        assert json.loads(document["content"]) == DOCUMENT
        assert json.loads(document["content"])["parameters"]["pod"]["interpolationType"] == "ENV_VAR"

    def test_a_dead_letter_is_heard_of_by_the_platform_team(self, tmp_path: Path) -> None:
        alarm = automation(tmp_path).one("aws:cloudwatch/metricAlarm:MetricAlarm").inputs

        assert alarm["dimensions"] == {"QueueName": "orion-runbook-automation-dead-letters"}
        assert (alarm["comparisonOperator"], alarm["threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["alarmActions"] == [f"{SNS}:orion-team-platform"]

    def test_buckets_are_private_encrypted_versioned_and_refuse_plain_http(self, tmp_path: Path) -> None:
        run = automation(tmp_path)

        for name in ("runbook-automation-code", "runbook-automation-diagnostics"):
            made = {one.type.split(":")[-1]: one.inputs for one in run.resources.values() if one.parent == name}
            assert made["BucketVersioning"]["versioningConfiguration"] == {"status": "Enabled"}
            access = made["BucketPublicAccessBlock"]
            assert all(value is True for key, value in access.items() if key != "bucket")
            assert len(access) == 5
            (rule,) = made["BucketServerSideEncryptionConfiguration"]["rules"]
            assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
            refusal = statements(made["BucketPolicy"]["policy"])["RefusePlainHttp"]
            assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        expiry = run.resources["runbook-automation-diagnostics-lifecycle"].inputs["rules"][0]["expiration"]
        assert expiry == {"days": 90}
        assert "expiration" not in run.resources["runbook-automation-code-lifecycle"].inputs["rules"][0]


class TestBastion:
    def test_nobody_can_log_in_and_nothing_comes_in(self, *, preview: bool) -> None:
        run = bastion(preview=preview)
        instance = run.one("aws:ec2/instance:Instance").inputs
        group = run.one("aws:ec2/securityGroup:SecurityGroup").inputs
        out = run.one("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule").inputs

        assert "keyName" not in instance
        assert instance["associatePublicIpAddress"] is False
        assert "ingress" not in group
        assert "egress" not in group
        assert not [one for one in run.resources.values() if "IngressRule" in one.type]
        assert (out["ipProtocol"], out["fromPort"], out["toPort"]) == ("tcp", 443, 443)

    def test_its_credentials_cannot_be_fetched_from_a_container(self, *, preview: bool) -> None:
        instance = bastion(preview=preview).one("aws:ec2/instance:Instance").inputs

        assert instance["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }
        assert instance["rootBlockDevice"]["encrypted"] is True

    def test_commands_find_it_by_its_tag_and_a_new_image_does_not_replace_it(self) -> None:
        instance = bastion().one("aws:ec2/instance:Instance")

        assert instance.inputs["tags"] == {"Name": "orion-bastion", "orion:role": "bastion"}
        assert instance.ignored_changes == ("ami",)

    def test_its_role_finds_the_cluster_and_writes_output(self) -> None:
        run = bastion()
        allowed = statements(run.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])

        assert {sid: (one["Action"], one["Resource"]) for sid, one in allowed.items() if sid != "TakeCommands"} == {
            "FindTheCluster": (["eks:DescribeCluster"], ["arn:aws:eks:us-east-1:123456789012:cluster/orion"]),
            "WriteOutput": (["s3:PutObject"], ["arn:aws:s3:::orion-diagnostics-123456789012/commands/*"]),
            "EncryptOutput": (["kms:GenerateDataKey"], [KEY]),
        }
        assert_narrow(allowed, except_for=("TakeCommands",))
        assert not [one for one in run.resources.values() if "PolicyAttachment" in one.type]

    def test_it_takes_commands_and_opens_no_session(self) -> None:
        """A session needs a data channel, a command only the control channel."""
        policy = statements(bastion().one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
        actions = policy["TakeCommands"]["Action"]

        assert not [action for action in actions if "DataChannel" in action or "Parameter" in action or "*" in action]
        assert {"ssm:UpdateInstanceInformation", "ssmmessages:OpenControlChannel", "ec2messages:GetMessages"} <= set(
            actions
        )

    def test_in_the_cluster_its_group_may_do_what_the_actions_need(self, *, preview: bool) -> None:
        run = bastion(preview=preview)
        entry = run.one("aws:eks/accessEntry:AccessEntry").inputs
        role = run.one("kubernetes:rbac.authorization.k8s.io/v1:Role").inputs
        binding = run.one("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding").inputs

        assert entry["kubernetesGroups"] == ["orion:repairs"]
        assert (role["metadata"]["namespace"], binding["metadata"]["namespace"]) == ("orion", "orion")
        assert [(subject["kind"], subject["name"]) for subject in binding["subjects"]] == [("Group", "orion:repairs")]
        verbs = {resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
        assert verbs == {"pods": {"delete", "get"}}
        everywhere = run.one("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole").inputs["rules"]
        assert everywhere == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]

    def test_the_image_is_looked_up_by_the_explicit_provider(self) -> None:
        (call,) = [call for call in bastion().calls if call.token == "aws:ssm/getParameter:getParameter"]

        assert call.provider == "providers-aws"


def test_alertmanager_may_publish_alerts_and_nothing_else(*, preview: bool) -> None:
    def make(stack: Settings, options: pulumi.ResourceOptions) -> None:
        args = AlertmanagerIdentityArgs(
            settings=stack,
            alert_topic_arn=f"{SNS}:orion-alerts",
            heartbeat_topic_arn=f"{SNS}:orion-watchdog",
            key_arn=KEY,
        )
        AlertmanagerIdentity("alertmanager-identity", args, options)

    run = deployed(make, preview=preview)
    allowed = statements(run.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    association = run.one("aws:eks/podIdentityAssociation:PodIdentityAssociation").inputs

    assert {sid: (one["Action"], one["Resource"]) for sid, one in allowed.items()} == {
        "PublishAlerts": (["sns:Publish"], [f"{SNS}:orion-alerts", f"{SNS}:orion-watchdog"]),
        "EncryptAlerts": (["kms:GenerateDataKey*", "kms:Decrypt"], [KEY]),
    }
    assert association["serviceAccount"] == "prometheus-kube-prometheus-alertmanager"
    assert (association["clusterName"], association["namespace"]) == ("orion", "monitoring")
