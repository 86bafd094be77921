"""The function, what it may do statement by statement, and what is told when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alerting.settings import ChatMode
from components.repair_reports import RepairReports
from orion_common.names import Variable
from tests.component_data import DOCUMENT, package, settings
from tests.component_harness import (
    FUNCTION_NAME,
    KEY,
    QUEUE,
    SNS,
    SQS,
    SWEEP_NAME,
    assert_narrow,
    automation,
    statements,
)
from tests.lambda_events import FUNCTION_OPERATIONS, SWEEP_OPERATIONS

BALANCER = "runbook-automation-alertmanager"


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class TestRunbookAutomation:
    def test_its_role_may_do_this_and_nothing_else(self) -> None:
        policy = automation().resources["runbook-automation-role-policy"].inputs["policy"]
        allowed = statements(policy)
        table = "arn:aws:dynamodb:us-east-1:123456789012:table/orion-state"

        assert {sid: one["Resource"] for sid, one in allowed.items()} == {
            "WriteLogs": [f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{FUNCTION_NAME}:*"],
            "TakeMessages": [QUEUE],
            "KeepState": [table],
            "FindState": [f"{table}/index/by-command"],
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
            "KeepState": [
                "dynamodb:BatchGetItem",
                "dynamodb:ConditionCheckItem",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
            ],
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

    def test_with_chat_its_role_may_cancel_commands_lift_stops_and_send_to_chat_besides(self) -> None:
        without, with_chat = (
            statements(automation(chat=chat).resources["runbook-automation-role-policy"].inputs["policy"])
            for chat in (ChatMode.OFF, ChatMode.ON)
        )

        added = {sid: one for sid, one in with_chat.items() if one != without.get(sid)}
        assert {sid: (one["Action"], one["Resource"]) for sid, one in added.items()} == {
            "FindState": (
                ["dynamodb:Query"],
                [
                    f"arn:aws:dynamodb:us-east-1:123456789012:table/orion-state/index/{index}"
                    for index in ("by-command", "by-status")
                ],
            ),
            "TellChat": (["sqs:SendMessage"], [f"{SQS}:orion-chatops"]),
            "CancelCommands": (["ssm:CancelCommand"], ["*"]),
            "LiftStops": (["dynamodb:DeleteItem"], ["arn:aws:dynamodb:us-east-1:123456789012:table/orion-state"]),
        }
        assert added["LiftStops"]["Condition"] == {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["stop", "stop@action/*", "stop@service/*"]}
        }

    def test_the_function_runs_this_very_zip(self, tmp_path: Path) -> None:
        run = automation()
        code = run.resources["runbook-automation-zip"]
        function = run.resources["runbook-automation-function"]

        assert code.inputs["sourceHash"] == "ab" * 32
        assert {"state-code-versioning", "state-code-encryption"} <= set(code.dependencies)
        assert function.inputs["s3Bucket"] == code.inputs["bucket"] == "orion-functions-123456789012"
        assert (function.inputs["s3Key"], function.inputs["s3ObjectVersion"]) == (code.inputs["key"], "v1")
        assert function.inputs["sourceCodeHash"] == package(tmp_path).source_code_hash
        assert (function.inputs["runtime"], function.inputs["architectures"]) == ("python3.13", ["arm64"])
        assert function.inputs["handler"] == "runbook_automation.handler.handler"
        assert "runbook-automation-role-policy" in function.dependencies

    def test_its_environment_holds_names_and_no_secret(self) -> None:
        function = automation().resources["runbook-automation-function"]
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

    def test_it_stands_in_the_network_only_where_it_may_ask_alertmanager(self) -> None:
        """Without a way in, a function outside every network needs no rights to make interfaces."""
        run = automation(alertmanager_api="http://alertmanager.internal.example.com:9093")
        function = run.resources["runbook-automation-function"].inputs
        out = run.of_type("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
        allowed = statements(run.resources["runbook-automation-role-policy"].inputs["policy"])

        variables = function["environment"]["variables"]
        assert variables["ALERTMANAGER_API"] == "http://alertmanager.internal.example.com:9093"
        assert function["vpcConfig"]["subnetIds"] == ["subnet-1"]
        assert [(one.inputs["fromPort"], one.inputs["toPort"]) for one in out] == [(443, 443), (9093, 9093)]
        assert "ingress" not in run.one("aws:ec2/securityGroup:SecurityGroup").inputs
        lent, withheld = allowed["ManageNetworkInterfaces"], allowed["LeaveInterfacesToLambda"]
        assert lent["Action"] == [
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ]
        assert (withheld["Effect"], withheld["Action"]) == ("Deny", lent["Action"])
        assert withheld["Condition"] == {
            "ArnEquals": {"lambda:SourceFunctionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{FUNCTION_NAME}"}
        }
        assert "runbook-automation-role-policy" in run.resources["runbook-automation-group"].dependencies
        alone = automation()
        assert "vpcConfig" not in alone.resources["runbook-automation-function"].inputs
        assert not [one for one in alone.resources.values() if "ecurityGroup" in one.type]

    def test_it_asks_the_load_balancer_that_the_program_makes(self, *, preview: bool) -> None:
        run = automation(alertmanager_api="load-balancer", preview=preview)
        function = run.resources["runbook-automation-function"]
        variables = function.inputs["environment"]["variables"]
        out = run.of_type("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
        mine = [one for one in out if one.name in {"runbook-automation-443-out", f"{BALANCER}-client-out"}]

        assert f"{BALANCER}-service" in function.dependencies
        assert function.inputs["vpcConfig"]["subnetIds"] == ["subnet-1"]
        assert [one.inputs["fromPort"] for one in mine] == [443, 9093]
        if preview:
            assert "environment.variables.ALERTMANAGER_API" in function.unknown
        else:
            assert variables["ALERTMANAGER_API"] == f"http://{BALANCER}-service.elb.us-east-1.amazonaws.com:9093"
            assert [one.inputs["securityGroupId"] for one in mine] == ["runbook-automation-group-id"] * 2
            assert "cidrIpv4" not in mine[1].inputs
            assert mine[1].inputs["referencedSecurityGroupId"] == f"{BALANCER}-group-id"

    def test_a_message_has_a_run_of_its_own_and_reports_its_failure_and_concurrency_is_bounded(
        self, *, preview: bool
    ) -> None:
        mapping = automation(preview=preview).resources["runbook-automation-queue-to-function"].inputs

        assert preview or mapping["eventSourceArn"] == QUEUE
        assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["batchSize"] == 1
        assert mapping["scalingConfig"]["maximumConcurrency"] >= 2

    def test_no_concurrency_is_reserved(self) -> None:
        function = automation().resources["runbook-automation-function"].inputs

        assert "reservedConcurrentExecutions" not in function, "it would throttle messages into the dead-letter queue"

    def test_the_table_is_found_by_command_and_by_what_is_due(self, *, preview: bool) -> None:
        table = automation(preview=preview).one("aws:dynamodb/table:Table").inputs

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

    def test_documents_are_the_actions_own(self, *, preview: bool) -> None:
        document = automation(preview=preview).one("aws:ssm/document:Document").inputs

        assert (document["name"], document["documentType"]) == ("orion-restart-pod", "Command")
        assert json.loads(document["content"]) == DOCUMENT
        assert json.loads(document["content"])["parameters"]["pod"]["interpolationType"] == "ENV_VAR"

    def test_buckets_are_private_encrypted_versioned_and_refuse_plain_http(self) -> None:
        run = automation()

        for name in ("state-code", "state-diagnostics"):
            made = {one.type.split(":")[-1]: one.inputs for one in run.resources.values() if one.parent == name}
            assert made["BucketVersioning"]["versioningConfiguration"] == {"status": "Enabled"}
            access = made["BucketPublicAccessBlock"]
            assert all(value is True for key, value in access.items() if key != "bucket")
            assert len(access) == 5
            (rule,) = made["BucketServerSideEncryptionConfiguration"]["rules"]
            assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
            refusal = statements(made["BucketPolicy"]["policy"])["RefusePlainHttp"]
            assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        expiry = run.resources["state-diagnostics-lifecycle"].inputs["rules"][0]["expiration"]
        assert expiry == {"days": 90}
        assert "expiration" not in run.resources["state-code-lifecycle"].inputs["rules"][0]


class TestRepairSweep:
    def test_its_role_may_end_repairs_and_begin_none(self) -> None:
        policy = automation().resources["repair-sweep-role-policy"].inputs["policy"]
        allowed = statements(policy)
        table = "arn:aws:dynamodb:us-east-1:123456789012:table/orion-state"

        assert {sid: (one["Action"], one["Resource"]) for sid, one in allowed.items()} == {
            "WriteLogs": (
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                [f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{SWEEP_NAME}:*"],
            ),
            "TakeMessages": (
                ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                [f"{SQS}:{SWEEP_NAME}"],
            ),
            "KeepState": (["dynamodb:UpdateItem"], [table]),
            "FindState": (["dynamodb:Query"], [f"{table}/index/by-status"]),
            "AskForOutcomes": (["ssm:ListCommandInvocations", "ssm:GetCommandInvocation"], ["*"]),
            "PublishResults": (
                ["sns:Publish"],
                [f"{SNS}:orion-notifications", f"{SNS}:orion-team-trading", f"{SNS}:orion-team-platform"],
            ),
            "UseTheKey": (["kms:GenerateDataKey*", "kms:Decrypt"], [KEY]),
        }
        used = {action for one in allowed.values() for action in one["Action"]}
        assert {one for one in used if one.split(":")[0] in {"dynamodb", "s3", "sns", "ssm"}} == SWEEP_OPERATIONS
        assert_narrow(allowed, except_for=("AskForOutcomes",))

    def test_it_has_its_own_queue_and_stands_in_no_network(self) -> None:
        run = automation(alertmanager_api="load-balancer")
        function = run.resources["repair-sweep-function"].inputs

        assert run.resources["repair-sweep-queue-to-function"].inputs["eventSourceArn"] == f"{SQS}:{SWEEP_NAME}"
        assert function["handler"] == "repair_sweep.handler.handler"
        assert set(function["environment"]["variables"]) == {
            "REPAIR_TABLE",
            "NOTIFICATION_TOPIC_ARN",
            "TEAM_TOPIC_ARNS",
        }
        assert "vpcConfig" not in function


@pytest.mark.parametrize("chat", list(ChatMode))
def test_a_repair_function_sends_to_chats_queue_alone_and_only_where_chat_is_on(chat: ChatMode) -> None:
    reports = RepairReports(
        settings=settings().model_copy(update={"chat": chat}), notification_topic_arn="topic", team_topic_arns={}
    )

    sent_to = {
        resource
        for statement in reports.statements()
        if statement.actions == ["sqs:SendMessage"]
        for resource in statement.resources
    }

    is_on = chat is ChatMode.ON
    assert sent_to == ({"arn:aws:sqs:us-east-1:123456789012:orion-chatops"} if is_on else set())
    assert (Variable.CHAT_QUEUE_URL in reports.environment()) == is_on
