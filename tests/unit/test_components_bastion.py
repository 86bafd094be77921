"""The bastion: what it may do, who may reach it, and that nobody logs in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from alerting.settings import BastionSettings, Environment
from components.bastion_user_data import RETRY_SECONDS
from sandbox.mocked_account import fit_account
from sandbox.mocked_program import PRIVATE_ENDPOINT, Run
from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.table import table as aws_table
from sandbox.providers.provider_core import ProviderCore
from sandbox.providers.provider_table import Request
from sandbox.providers.provider_values import UNKNOWN
from tests.alerting_data import IMAGE
from tests.component_data import settings
from tests.component_harness import KEY, assert_narrow, bastion, statements

CLUSTER = "aws:eks/getCluster:getCluster"
INSTANCE = "aws:ec2/instance:Instance"
IMAGE_LOOKUP = "aws:ssm/getParameter:getParameter"
SSM = "arn:aws:ssm:us-east-1:123456789012"
AGENT = ("TakeCommands", "TakeTheProof")
"""The statements for the agent itself, whose messages and associations have no ARN that is known before."""


@pytest.fixture(params=[False, True], ids=["update", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def _in_namespace(run: Run, kind: str, namespace: str) -> Any:
    """Return the inputs of the only Role, or RoleBinding, of a namespace."""
    found = [one.inputs for one in run.of_type(f"kubernetes:rbac.authorization.k8s.io/v1:{kind}")]
    (inputs,) = (one for one in found if one["metadata"]["namespace"] == namespace)
    return inputs


class TestBastion:
    def test_nobody_can_log_in_and_nothing_comes_in(self, *, preview: bool) -> None:
        run = bastion(preview=preview)
        instance = run.one(INSTANCE).inputs
        group = run.one("aws:ec2/securityGroup:SecurityGroup").inputs
        out = run.one("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule").inputs

        assert "keyName" not in instance
        assert instance["associatePublicIpAddress"] is False
        assert "ingress" not in group
        assert "egress" not in group
        into = run.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        assert {one.inputs["securityGroupId"] for one in into} == {PRIVATE_ENDPOINT["clusterSecurityGroupId"]}
        assert (out["ipProtocol"], out["fromPort"], out["toPort"]) == ("tcp", 443, 443)

    def test_it_is_let_in_at_the_clusters_private_endpoint_before_it_starts(self, *, preview: bool) -> None:
        run = bastion(preview=preview)
        rule = run.one("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        group = UNKNOWN if preview else "bastion-group-id"

        assert rule.inputs["securityGroupId"] == PRIVATE_ENDPOINT["clusterSecurityGroupId"]
        assert rule.inputs["referencedSecurityGroupId"] == group
        assert (rule.inputs["ipProtocol"], rule.inputs["fromPort"], rule.inputs["toPort"]) == ("tcp", 443, 443)
        assert not {"cidrIpv4", "cidrIpv6", "prefixListId"} & set(rule.inputs)
        assert {rule.name, "bastion-https-out"} <= set(run.one(INSTANCE).dependencies)

    def test_where_the_cluster_has_no_private_endpoint_there_is_no_group_to_be_let_in_by(self) -> None:
        def public(arguments: Mapping[str, Any]) -> dict[str, Any]:
            network = {"endpointPrivateAccess": False, "endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}
            return {**fit_account(settings())[CLUSTER](arguments), "vpcConfig": network}

        run = bastion(answers={CLUSTER: public})

        assert not [one for one in run.resources.values() if "IngressRule" in one.type]
        assert "bastion-https-out" in run.one(INSTANCE).dependencies

    def test_its_credentials_cannot_be_fetched_from_a_container(self, *, preview: bool) -> None:
        instance = bastion(preview=preview).one(INSTANCE).inputs

        assert instance["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }

    def test_its_disk_is_encrypted_with_our_key_which_its_own_role_cannot_open(self, *, preview: bool) -> None:
        run = bastion(preview=preview)
        disk = run.one(INSTANCE).inputs["rootBlockDevice"]
        allowed = statements(run.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])

        assert (disk["encrypted"], disk["kmsKeyId"]) == (True, KEY)
        keys = [one for one in allowed.values() if any(action.startswith("kms:") for action in one["Action"])]
        # A disk is opened through EC2.
        assert [one["Condition"] for one in keys] == [
            {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
        ]

    def test_commands_find_it_by_its_tag(self) -> None:
        assert bastion().one(INSTANCE).inputs["tags"] == {"Name": "orion-bastion", "orion:role": "bastion"}

    def test_the_settings_image_is_the_only_one(self) -> None:
        """A newer image replaces nothing, and a replacement for another reason has the same image."""
        newer = bastion(answers={IMAGE_LOOKUP: lambda _: {"value": "ami-00000000000000002", "name": "x"}})

        instance = newer.one(INSTANCE)
        assert instance.inputs["ami"] == IMAGE
        assert instance.inputs == bastion().one(INSTANCE).inputs
        assert instance.ignored_changes == ()
        assert not [call for call in newer.calls if call.token == IMAGE_LOOKUP]

    def test_without_an_image_in_the_settings_it_has_the_newest(self) -> None:
        dev = settings(Environment.DEV).model_copy(update={"bastion": BastionSettings()})
        run = bastion(stack=dev, answers={IMAGE_LOOKUP: lambda _: {"value": "ami-00000000000000002", "name": "x"}})

        assert run.one(INSTANCE).inputs["ami"] == "ami-00000000000000002"
        assert run.one(INSTANCE).ignored_changes == ()
        (call,) = [call for call in run.calls if call.token == IMAGE_LOOKUP]
        assert call.provider == "providers-aws"

    def test_another_image_makes_another_instance_before_the_first_one_goes(self) -> None:
        machine = ProviderCore(aws_table(Aws(region="us-east-1")))
        instance = bastion().one(INSTANCE)
        changed = {**instance.inputs, "ami": "ami-00000000000000002"}
        request = Request(token=INSTANCE, name=instance.name, id="i-1", old_inputs=instance.inputs, inputs=changed)

        assert machine.diff(request).replaces
        assert not instance.deleted_first

    def test_kubectl_has_the_minor_version_of_the_cluster(self) -> None:
        def upgraded(arguments: Mapping[str, Any]) -> dict[str, Any]:
            return {**fit_account(settings())[CLUSTER](arguments), "version": "1.37"}

        run = bastion(answers={CLUSTER: upgraded})

        assert "/core:/stable:/v1.37/rpm/" in run.one(INSTANCE).inputs["userData"]

    def test_a_new_instance_is_proved_before_up_succeeds(self, *, preview: bool) -> None:
        run = bastion(preview=preview)
        proof = run.one("aws:ssm/association:Association")
        instance = UNKNOWN if preview else "bastion-instance-id"

        assert proof.inputs["targets"] == [{"key": "InstanceIds", "values": [instance]}]
        assert proof.inputs["parameters"] == {"instance": instance}
        assert proof.inputs["waitForSuccessTimeoutSeconds"] > RETRY_SECONDS
        assert {"bastion-orion-binding", "bastion-nodes-binding"} <= set(proof.dependencies)

    def test_every_change_of_the_proof_and_its_failure_make_another(self) -> None:
        """pulumi-aws waits for a new association only: one that is changed may fail, and `up` succeeds."""
        proof = bastion().one("aws:ssm/association:Association")

        assert proof.replacing_changes == ("*",)
        assert proof.deleted_first

    def test_its_role_writes_output_and_reads_the_proof(self) -> None:
        run = bastion()
        allowed = statements(run.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])

        assert {sid: (one["Action"], one["Resource"]) for sid, one in allowed.items() if sid not in AGENT} == {
            "ReadTheProof": (["ssm:GetDocument", "ssm:DescribeDocument"], [f"{SSM}:document/orion-prove-bastion"]),
            "WriteOutput": (
                ["s3:PutObject", "s3:PutObjectAcl"],
                ["arn:aws:s3:::orion-diagnostics-123456789012/commands/*"],
            ),
            "EncryptOutput": (["kms:GenerateDataKey", "kms:Decrypt"], [KEY]),
        }
        assert_narrow(allowed, except_for=AGENT)
        assert not [one for one in run.resources.values() if "PolicyAttachment" in one.type]

    def test_it_starts_when_it_may_do_what_it_does_first(self, *, preview: bool) -> None:
        instance = bastion(preview=preview).one(INSTANCE)

        assert {"bastion-role-policy", "bastion-access"} <= set(instance.dependencies)

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
        role = _in_namespace(run, "Role", "orion")
        binding = _in_namespace(run, "RoleBinding", "orion")

        assert entry["kubernetesGroups"] == ["orion:repairs"]
        assert (role["metadata"]["namespace"], binding["metadata"]["namespace"]) == ("orion", "orion")
        assert [(subject["kind"], subject["name"]) for subject in binding["subjects"]] == [("Group", "orion:repairs")]
        verbs = {resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
        assert verbs == {"pods": {"delete", "get"}}
        everywhere = run.one("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole").inputs["rules"]
        assert everywhere == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]

    def test_of_the_monitoring_namespace_it_may_read_whether_maintenance_is_declared(self, *, preview: bool) -> None:
        run = bastion(preview=preview)
        role = _in_namespace(run, "Role", "monitoring")
        binding = _in_namespace(run, "RoleBinding", "monitoring")

        assert (role["metadata"]["namespace"], binding["metadata"]["namespace"]) == ("monitoring", "monitoring")
        assert [(subject["kind"], subject["name"]) for subject in binding["subjects"]] == [("Group", "orion:repairs")]
        only = {"resourceNames": ["cluster-maintenance"]}
        assert role["rules"] == [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], **only}]
