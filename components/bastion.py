"""The bastion: an instance without logins on which repairs run, with only the rights that repairs need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from alerting.platform_repairs import AccountRight, ClusterRight, Repairs
from alerting.repairs import bastion_proof
from alerting.repairs.compile import MAINTENANCE_RIGHT
from alerting.repairs.ssm_documents import document_text
from alerting.settings import Settings
from components.bastion_user_data import ClusterAddress, user_data
from components.naming import BASTION, BASTION_TAG_VALUE, REPAIRS_GROUP, arn, type_token
from components.policies import Statement, policy_document, trust_policy
from components.security_groups import HTTPS_PORT, let_in, let_out, security_group
from orion_common.names import BASTION_TAG, COMMANDS_PREFIX

INSTANCE_TYPE = "t4g.small"
"""Two gigabytes: each command that runs at once is a worker of the agent and a kubectl, some 100 MB."""
ROOT_VOLUME_GIGABYTES = 10
IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
PROOF_SECONDS = 1200
"""How long `up` waits for a new instance to prove itself: to start, to install, and to be asked by Systems Manager."""
REPAIRS_ROLE = "orion-repairs"
REPAIRS_CLUSTER_ROLE = "orion-repairs-nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class BastionSpec:
    """Plain data of the bastion: `repairs` has the namespaces that may be changed and the rights that this takes."""

    settings: Settings
    repairs: Repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class BastionArgs:
    """Arguments of the bastion: its spec, Alertmanager's namespace, and the bucket and key of commands' output.

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
        self._cluster = aws.eks.get_cluster(name=self._settings.cluster.name, opts=pulumi.InvokeOptions(parent=self))
        group, rules = self._security_group()
        access = aws.eks.AccessEntry(
            f"{name}-access",
            cluster_name=self._settings.cluster.name,
            principal_arn=role.arn,
            kubernetes_groups=[REPAIRS_GROUP],
            type="STANDARD",
            opts=self._child,
        )
        rights = [
            *(
                self._rights(namespace, namespace, args.spec.repairs.rights)
                for namespace in args.spec.repairs.namespaces
            ),
            self._rights("maintenance", args.namespace, [MAINTENANCE_RIGHT]),
            *self._cluster_rights(args.spec.repairs.cluster_rights),
        ]
        instance = self._instance(profile, group, args.key_arn, before=[policy, access, *rules])
        self._prove(instance, args.spec.repairs, before=rights)
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
                # The proof of a new instance comes by an association of State Manager, which an agent asks for.
                Statement(
                    sid="TakeTheProof",
                    actions=[
                        "ssm:ListAssociations",
                        "ssm:ListInstanceAssociations",
                        "ssm:DescribeAssociation",
                        "ssm:UpdateAssociationStatus",
                        "ssm:UpdateInstanceAssociationStatus",
                        "ssm:PutComplianceItems",
                    ],
                    resources=[
                        arn(self._settings, "ssm", "association/*"),
                        arn(self._settings, "ssm", f"document/{bastion_proof.DOCUMENT_NAME}"),
                        arn(self._settings, "ec2", "instance/*"),
                    ],
                ),
                Statement(
                    sid="ReadTheProof",
                    actions=["ssm:GetDocument", "ssm:DescribeDocument"],
                    resources=[arn(self._settings, "ssm", f"document/{bastion_proof.DOCUMENT_NAME}")],
                ),
                # The agent gives each file the ACL bucket-owner-full-control, which S3 refuses without the second right
                # although it changes nothing (amazon-ssm-agent, `s3util.S3Upload`).
                Statement(
                    sid="WriteOutput",
                    actions=["s3:PutObject", "s3:PutObjectAcl"],
                    resources=[pulumi.Output.format("{0}/{1}*", args.diagnostics_bucket_arn, COMMANDS_PREFIX)],
                ),
                # A file of more than 5 MB is uploaded in parts, which S3 decrypts to put them together.
                Statement(
                    sid="EncryptOutput",
                    actions=["kms:GenerateDataKey", "kms:Decrypt"],
                    resources=[args.key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"s3.{self._settings.aws.region}.amazonaws.com"}},
                ),
                *self._account_rights(args.spec.repairs.account_rights),
            ),
            opts=self._child,
        )
        profile = aws.iam.InstanceProfile(f"{self._name}-profile", name=BASTION, role=role.name, opts=self._child)
        return role, policy, profile

    def _account_rights(self, rights: Sequence[AccountRight]) -> Iterator[Statement]:
        """Yield what the actions that answer an alert need in the account."""
        for number, right in enumerate(rights, 1):
            yield Statement(
                sid=f"Repair{number}",
                actions=[f"{right.service}:{action}" for action in right.actions],
                resources=[arn(self._settings, right.service, resource) for resource in right.resources],
            )

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
        network = self._cluster.vpc_config
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
        instance's own role needs nothing of it. A new instance is there, and proved, before the one that it replaces
        goes.
        """
        return aws.ec2.Instance(
            f"{self._name}-instance",
            ami=self._image(),
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
            user_data=self._user_data(),
            user_data_replace_on_change=True,
            tags={"Name": BASTION, BASTION_TAG: BASTION_TAG_VALUE},
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )

    def _image(self) -> pulumi.Input[str]:
        """Return the settings' image, or else the newest one of Amazon Linux."""
        if self._settings.bastion.image is not None:
            return self._settings.bastion.image
        return aws.ssm.get_parameter_output(name=IMAGE_PARAMETER, opts=pulumi.InvokeOptions(parent=self)).value

    def _user_data(self) -> str:
        """Return user data for the cluster as it is now: kubectl has its minor version."""
        return user_data(
            ClusterAddress(
                name=self._settings.cluster.name,
                region=self._settings.aws.region,
                endpoint=self._cluster.endpoint,
                authority=self._cluster.certificate_authorities[0].data,
                version=self._cluster.version,
            )
        )

    def _prove(self, instance: aws.ec2.Instance, repairs: Repairs, *, before: Sequence[pulumi.Resource]) -> None:
        """Run one harmless command on a new instance, and wait until it has succeeded: otherwise `up` fails.

        pulumi-aws waits when it makes an association, not when it changes one. So every change makes another, and so
        does an association whose command did not succeed.
        """
        document = aws.ssm.Document(
            f"{self._name}-document-proof",
            name=bastion_proof.DOCUMENT_NAME,
            document_type="Command",
            document_format="JSON",
            content=document_text(bastion_proof.proof_document(repairs)),
            opts=self._child,
        )
        aws.ssm.Association(
            f"{self._name}-proof",
            name=document.name,
            association_name=bastion_proof.DOCUMENT_NAME,
            document_version=document.document_version,
            parameters={bastion_proof.INSTANCE: instance.id},
            targets=[aws.ssm.AssociationTargetArgs(key="InstanceIds", values=[instance.id])],
            wait_for_success_timeout_seconds=PROOF_SECONDS,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*before],
                replace_on_changes=["*"],
                # Two of one name, document and target may be refused.
                delete_before_replace=True,
            ),
        )

    def _rights(self, key: str, namespace: pulumi.Input[str], rights: Sequence[ClusterRight]) -> pulumi.Resource:
        metadata = kubernetes.meta.v1.ObjectMetaArgs(name=REPAIRS_ROLE, namespace=namespace)
        role = kubernetes.rbac.v1.Role(
            f"{self._name}-{key}-role", metadata=metadata, rules=policy_rules(rights), opts=self._child
        )
        return kubernetes.rbac.v1.RoleBinding(
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

    def _cluster_rights(self, rights: Sequence[ClusterRight]) -> list[pulumi.Resource]:
        """Rights to what belongs to no namespace, such as nodes; none are made where no action needs any."""
        if not rights:
            return []
        metadata = kubernetes.meta.v1.ObjectMetaArgs(name=REPAIRS_CLUSTER_ROLE)
        role = kubernetes.rbac.v1.ClusterRole(
            f"{self._name}-nodes-role", metadata=metadata, rules=policy_rules(rights), opts=self._child
        )
        binding = kubernetes.rbac.v1.ClusterRoleBinding(
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
        return [binding]


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
