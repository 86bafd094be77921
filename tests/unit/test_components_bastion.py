"""The bastion: what it may do, who may reach it, and that nobody logs in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.bastion import user_data
from components.runbook_automation import BATCH_SIZE, MAXIMUM_CONCURRENCY
from sandbox.clouds.aws.agent import COMMANDS_AT_ONCE
from sandbox.mocked_account import fit_account
from sandbox.mocked_program import PRIVATE_ENDPOINT, Run
from sandbox.providers.machine_values import UNKNOWN
from tests.component_data import settings
from tests.component_stage import KEY, assert_narrow, bastion, statements

CLUSTER = "aws:eks/getCluster:getCluster"
INSTANCE = "aws:ec2/instance:Instance"
ALERTS_OF_A_MESSAGE = 100
"""At most, by the template of SNS messages (`alerting/alertmanager.py`)."""


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

    def test_commands_find_it_by_its_tag_and_a_new_image_does_not_replace_it(self) -> None:
        instance = bastion().one(INSTANCE)

        assert instance.inputs["tags"] == {"Name": "orion-bastion", "orion:role": "bastion"}
        assert instance.ignored_changes == ("ami",)

    def test_its_role_finds_the_cluster_and_writes_output(self) -> None:
        run = bastion()
        allowed = statements(run.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])

        assert {sid: (one["Action"], one["Resource"]) for sid, one in allowed.items() if sid != "TakeCommands"} == {
            "FindTheCluster": (["eks:DescribeCluster"], ["arn:aws:eks:us-east-1:123456789012:cluster/orion"]),
            "WriteOutput": (
                ["s3:PutObject", "s3:PutObjectAcl"],
                ["arn:aws:s3:::orion-diagnostics-123456789012/commands/*"],
            ),
            "EncryptOutput": (["kms:GenerateDataKey", "kms:Decrypt"], [KEY]),
        }
        assert_narrow(allowed, except_for=("TakeCommands",))
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

    def test_the_image_is_looked_up_by_the_explicit_provider(self) -> None:
        (call,) = [call for call in bastion().calls if call.token == "aws:ssm/getParameter:getParameter"]

        assert call.provider == "providers-aws"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a new machine's `/etc`, and beside it what the first start calls: AWS refuses the first two calls."""
    for name in ("etc/yum.repos.d", "etc/systemd/system", "etc/amazon/ssm", "bin"):
        (tmp_path / name).mkdir(parents=True)
    said = f'echo "${{0##*/}} $*" >> {tmp_path}/said'
    for name in ("dnf", "systemctl", "sleep"):
        write_program(tmp_path / "bin" / name, said)
    write_program(
        tmp_path / "bin" / "aws",
        f"""{said}
[ "$(grep -c '^aws' {tmp_path}/said)" -gt 2 ]
while [ "$1" != --kubeconfig ]; do shift; done
echo made > "$2\"""",
    )
    return tmp_path


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/bash\nset -e\n{script}\n")
    path.chmod(0o700)


def first_start(machine: Path) -> list[str]:
    """Run the instance's script there, and return what it called."""
    script = user_data(settings()).replace("/etc/", f"{machine}/etc/")
    environment = {"PATH": f"{machine}/bin:/usr/bin:/bin"}
    subprocess.run(["/bin/bash", "-c", script], env=environment, check=True, timeout=30)
    return (machine / "said").read_text().splitlines()


class TestFirstStart:
    def test_the_agent_takes_a_storm_of_repairs_and_is_started_with_that(self, machine: Path) -> None:
        called = first_start(machine)
        limits = json.loads((machine / "etc/amazon/ssm/amazon-ssm-agent.json").read_text())["Mds"]

        assert limits["CommandWorkersLimit"] == COMMANDS_AT_ONCE
        assert limits["CommandWorkerBufferLimit"] >= BATCH_SIZE * MAXIMUM_CONCURRENCY * ALERTS_OF_A_MESSAGE
        assert "systemctl restart amazon-ssm-agent" in called[called.index("dnf update -y amazon-ssm-agent") :]
        unit = (machine / "etc/systemd/system/amazon-ssm-agent.service.d/kubeconfig.conf").read_text()
        assert f"Environment=KUBECONFIG={machine}/etc/orion/kubeconfig" in unit

    def test_the_way_to_the_cluster_is_asked_for_until_it_is_told(self, machine: Path) -> None:
        find = f"aws eks update-kubeconfig --region us-east-1 --name orion --kubeconfig {machine}/etc/orion/kubeconfig"

        assert first_start(machine)[-5:] == [find, "sleep 10", find, "sleep 10", find]
        assert (machine / "etc/orion/kubeconfig").read_text() == "made\n"
