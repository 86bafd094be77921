"""Where repairs run: an instance that nobody logs in to, whose role may do in the cluster only what repairs need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from alerting.platform import ClusterRight, Repairs
from alerting.repairs import MAINTENANCE_RIGHT
from alerting.settings import Settings
from components.naming import BASTION, BASTION_TAG, BASTION_TAG_VALUE, REPAIRS_GROUP, arn, type_token
from components.policies import Statement, policy_document, trust_policy
from components.security_groups import HTTPS_PORT, let_in, let_out, security_group

INSTANCE_TYPE = "t4g.small"
"""Two gigabytes: each command that runs at once is a worker of the agent and a kubectl, some 100 MB."""
COMMANDS_AT_ONCE = 10
COMMANDS_WAITING = 2000
"""What the agent runs at once, and keeps waiting; the rest it refuses (`BufferFull`). Its own limits are 5 and 5.

The function sends at once what 2 batches of 10 messages ask for, each message of 100 alerts at most.
"""
ROOT_VOLUME_GIGABYTES = 10
IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
KUBERNETES_MINOR = "1.36"
KUBECONFIG = "/etc/orion/kubeconfig"
FIND_AGAIN_SECONDS = 10
OUTPUT_PREFIX = "commands/"
"""Where the function has commands write their output."""
REPAIRS_ROLE = "orion-repairs"
REPAIRS_CLUSTER_ROLE = "orion-repairs-nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class BastionSpec:
    """What is known now: `repairs` says which namespaces may be touched, and which rights that takes."""

    settings: Settings
    repairs: Repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class BastionArgs:
    """What the bastion is made from: its spec, Alertmanager's namespace, and the bucket and key of commands' output.

    The key is its disk's too.
    """

    spec: BastionSpec
    namespace: pulumi.Input[str]
    diagnostics_bucket_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]


class Bastion(pulumi.ComponentResource):
    """The instance, its role, and its rights in the cluster."""

    instance_id: pulumi.Output[str]
    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BastionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Bastion"), name, {}, opts)
        self._name = name
        self._settings = args.spec.settings
        self._child = pulumi.ResourceOptions(parent=self)
        role, policy, profile = self._role(args)
        group, rules = self._security_group()
        access = aws.eks.AccessEntry(
            f"{name}-access",
            cluster_name=self._settings.cluster.name,
            principal_arn=role.arn,
            kubernetes_groups=[REPAIRS_GROUP],
            type="STANDARD",
            opts=self._child,
        )
        instance = self._instance(profile, group, args.key_arn, before=[policy, access, *rules])
        for namespace in args.spec.repairs.namespaces:
            self._rights(namespace, namespace, args.spec.repairs.rights)
        self._rights("maintenance", args.namespace, [MAINTENANCE_RIGHT])
        self._cluster_rights(args.spec.repairs.cluster_rights)
        self.instance_id = instance.id
        self.role_arn = role.arn
        self.register_outputs({"instanceId": self.instance_id, "roleArn": self.role_arn})

    def _role(self, args: BastionArgs) -> tuple[aws.iam.Role, aws.iam.RolePolicy, aws.iam.InstanceProfile]:
        role = aws.iam.Role(
            f"{self._name}-role",
            name=BASTION,
            description="The bastion: takes commands from Systems Manager and runs repairs",
            assume_role_policy=trust_policy("ec2.amazonaws.com"),
            opts=self._child,
        )
        policy = aws.iam.RolePolicy(
            f"{self._name}-role-policy",
            name="repairs",
            role=role.name,
            policy=policy_document(
                # Not AmazonSSMManagedInstanceCore: that reads every parameter of the account, and opens sessions, for
                # which an agent needs data channels.
                Statement(
                    sid="TakeCommands",
                    actions=[
                        "ssm:UpdateInstanceInformation",
                        "ssmmessages:CreateControlChannel",
                        "ssmmessages:OpenControlChannel",
                        "ec2messages:AcknowledgeMessage",
                        "ec2messages:DeleteMessage",
                        "ec2messages:FailMessage",
                        "ec2messages:GetEndpoint",
                        "ec2messages:GetMessages",
                        "ec2messages:SendReply",
                    ],
                    # An agent's own channels and messages have no ARN.
                    resources=["*"],
                ),
                Statement(
                    sid="FindTheCluster",
                    actions=["eks:DescribeCluster"],
                    resources=[arn(self._settings, "eks", f"cluster/{self._settings.cluster.name}")],
                ),
                # The agent gives each file the ACL bucket-owner-full-control, which S3 refuses without the second right
                # although it changes nothing (amazon-ssm-agent, `s3util.S3Upload`).
                Statement(
                    sid="WriteOutput",
                    actions=["s3:PutObject", "s3:PutObjectAcl"],
                    resources=[pulumi.Output.format("{0}/{1}*", args.diagnostics_bucket_arn, OUTPUT_PREFIX)],
                ),
                # A file of more than 5 MB is uploaded in parts, which S3 decrypts to put them together.
                Statement(
                    sid="EncryptOutput",
                    actions=["kms:GenerateDataKey", "kms:Decrypt"],
                    resources=[args.key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"s3.{self._settings.aws.region}.amazonaws.com"}},
                ),
            ),
            opts=self._child,
        )
        profile = aws.iam.InstanceProfile(f"{self._name}-profile", name=BASTION, role=role.name, opts=self._child)
        return role, policy, profile

    def _security_group(self) -> tuple[aws.ec2.SecurityGroup, list[pulumi.Resource]]:
        """Return the group, and the rules without which the instance's first start fails.

        Nothing comes in. Out goes HTTPS only: Systems Manager, EKS, S3, and the packages at its first start.
        """
        group = security_group(
            f"{self._name}-group",
            BASTION,
            "Orion bastion: nothing in, HTTPS out",
            settings=self._settings,
            opts=self._child,
        )
        out = let_out(
            f"{self._name}-https-out", group.id, HTTPS_PORT, "HTTPS to AWS and to the cluster", opts=self._child
        )
        return group, [out, *self._into_the_cluster(group)]

    def _into_the_cluster(self, group: aws.ec2.SecurityGroup) -> list[pulumi.Resource]:
        """Let the bastion in at the cluster's private endpoint, if it has one.

        Inside the network the API's name then resolves to that endpoint only, and the group that EKS puts before it
        lets in nobody but its own members. Without one the bastion goes to the public endpoint, which has no group.
        """
        cluster = aws.eks.get_cluster(name=self._settings.cluster.name, opts=pulumi.InvokeOptions(parent=self))
        network = cluster.vpc_config
        if not network.endpoint_private_access:
            return []
        return [
            let_in(
                f"{self._name}-into-the-cluster",
                network.cluster_security_group_id,
                HTTPS_PORT,
                "Orion bastion to the Kubernetes API",
                from_group_id=group.id,
                opts=self._child,
            )
        ]

    def _instance(
        self,
        profile: aws.iam.InstanceProfile,
        group: aws.ec2.SecurityGroup,
        key_arn: pulumi.Input[str],
        *,
        before: Sequence[pulumi.Resource],
    ) -> aws.ec2.Instance:
        """Make the instance, once there is what its first start needs.

        EC2 opens its disk by a grant that whoever starts it makes: the key's policy leaves to IAM who may, and the
        instance's own role needs nothing of it.
        """
        image = aws.ssm.get_parameter_output(name=IMAGE_PARAMETER, opts=pulumi.InvokeOptions(parent=self))
        return aws.ec2.Instance(
            f"{self._name}-instance",
            ami=image.value,
            instance_type=INSTANCE_TYPE,
            subnet_id=self._settings.network.subnet_ids[0],
            vpc_security_group_ids=[group.id],
            associate_public_ip_address=False,
            iam_instance_profile=profile.name,
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
                encrypted=True,
                kms_key_id=key_arn,
                volume_type="gp3",
                volume_size=ROOT_VOLUME_GIGABYTES,
                delete_on_termination=True,
            ),
            user_data=user_data(self._settings),
            user_data_replace_on_change=True,
            tags={"Name": BASTION, BASTION_TAG: BASTION_TAG_VALUE},
            # A newer image alone replaces nothing; `pulumi up --replace` on this resource takes it.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["ami"], depends_on=before),
        )

    def _rights(self, key: str, namespace: pulumi.Input[str], rights: Sequence[ClusterRight]) -> None:
        metadata = kubernetes.meta.v1.ObjectMetaArgs(name=REPAIRS_ROLE, namespace=namespace)
        role = kubernetes.rbac.v1.Role(
            f"{self._name}-{key}-role", metadata=metadata, rules=policy_rules(rights), opts=self._child
        )
        kubernetes.rbac.v1.RoleBinding(
            f"{self._name}-{key}-binding",
            metadata=metadata,
            role_ref=kubernetes.rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="Role", name=REPAIRS_ROLE
            ),
            subjects=[
                kubernetes.rbac.v1.SubjectArgs(api_group="rbac.authorization.k8s.io", kind="Group", name=REPAIRS_GROUP)
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )

    def _cluster_rights(self, rights: Sequence[ClusterRight]) -> None:
        """Rights to what belongs to no namespace, such as nodes; none are made where no action needs any."""
        if not rights:
            return
        metadata = kubernetes.meta.v1.ObjectMetaArgs(name=REPAIRS_CLUSTER_ROLE)
        role = kubernetes.rbac.v1.ClusterRole(
            f"{self._name}-nodes-role", metadata=metadata, rules=policy_rules(rights), opts=self._child
        )
        kubernetes.rbac.v1.ClusterRoleBinding(
            f"{self._name}-nodes-binding",
            metadata=metadata,
            role_ref=kubernetes.rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=REPAIRS_CLUSTER_ROLE
            ),
            subjects=[
                kubernetes.rbac.v1.SubjectArgs(api_group="rbac.authorization.k8s.io", kind="Group", name=REPAIRS_GROUP)
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )


def policy_rules(rights: Sequence[ClusterRight]) -> list[kubernetes.rbac.v1.PolicyRuleArgs]:
    """Return rights as Kubernetes' rules, one a resource."""
    return [
        kubernetes.rbac.v1.PolicyRuleArgs(
            api_groups=[one.group],
            resources=[one.resource],
            verbs=list(one.verbs),
            resource_names=list(one.names) or None,
        )
        for one in rights
    ]


def user_data(settings: Settings) -> str:
    """Return what the instance does at its first start: kubectl from a signed repository, and the way to the cluster.

    The agent is updated because documents that take values as environment variables need 3.3.2746.0 or newer. What its
    file leaves out has its own default: Amazon Linux brings a template only, and no such file. The way to the cluster
    comes last, and is asked for until AWS tells it: rights just given take a while to hold, and this runs only once.
    """
    find = (
        f"aws eks update-kubeconfig --region {settings.aws.region} --name {settings.cluster.name} "
        f"--kubeconfig {KUBECONFIG}"
    )
    limits = {"CommandWorkersLimit": COMMANDS_AT_ONCE, "CommandWorkerBufferLimit": COMMANDS_WAITING}
    packages = f"https://pkgs.k8s.io/core:/stable:/v{KUBERNETES_MINOR}/rpm/"
    return f"""#!/bin/bash
set -euo pipefail
cat > /etc/yum.repos.d/kubernetes.repo <<'REPOSITORY'
[kubernetes]
name=Kubernetes
baseurl={packages}
enabled=1
gpgcheck=1
gpgkey={packages}repodata/repomd.xml.key
REPOSITORY
dnf install -y kubectl
dnf update -y amazon-ssm-agent
mkdir -p /etc/orion /etc/systemd/system/amazon-ssm-agent.service.d
cat > /etc/systemd/system/amazon-ssm-agent.service.d/kubeconfig.conf <<'UNIT'
[Service]
Environment=KUBECONFIG={KUBECONFIG}
UNIT
cat > /etc/amazon/ssm/amazon-ssm-agent.json <<'AGENT'
{json.dumps({"Mds": limits})}
AGENT
systemctl daemon-reload
systemctl restart amazon-ssm-agent
until {find}; do
  sleep {FIND_AGAIN_SECONDS}
done
"""
