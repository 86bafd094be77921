"""Automatic repairs: the function with its code, role and queue, its state, SSM documents and diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from alerting.names import STATE_TABLE
from alerting.platform import RepairAction, Repairs
from alerting.repairs.ssm_documents import document_text
from alerting.settings import RetainedResource, Settings
from components.function_alarms import make_function_alarms
from components.function_network import FunctionNetwork, make_function_network, network_statements
from components.function_package import FunctionPackage, build_function_package
from components.naming import (
    BASTION_TAG_VALUE,
    FUNCTION,
    FUNCTION_HANDLER,
    FUNCTION_RUNTIME,
    FUNCTION_TIMEOUT_SECONDS,
    arn,
    diagnostics_bucket,
    functions_bucket,
    type_token,
)
from components.policies import Statement, policy_document, trust_policy
from components.private_bucket import PrivateBucket, PrivateBucketArgs, PrivateBucketSpec
from components.protection import kept
from orion_common.names import (
    BASTION_TAG,
    BY_COMMAND,
    BY_STATUS,
    COMMAND_ID,
    DUE_AT,
    EXPIRES_AT,
    KEY,
    OPEN,
    REMEDIATIONS_FILE,
    UNREADABLE_PREFIX,
    Variable,
)

FUNCTION_MEMORY_MEGABYTES = 256
BATCH_SIZE = 1
"""A message may hold 100 alerts, which is a run's work. Others beside it would wait for it, and fail with it."""
MAXIMUM_CONCURRENCY = 2
"""The least that a mapping allows, and enough: a repair is claimed and sent in well under a second."""
LOG_DAYS = 30
DIAGNOSTICS_DAYS = 90
OLD_CODE_DAYS = 90


PACKAGES = ("orion_common", "runbook_automation")
"""The packages of `lambda/` that the function's zip holds."""


def build_repair_package(source_root: Path, folder: Path, data: Mapping[str, Any]) -> FunctionPackage:
    """Build the repair function's zip in `folder`, with `data` as the remediations that it reads."""
    return build_function_package(source_root, PACKAGES, folder / f"{FUNCTION}.zip", data={REMEDIATIONS_FILE: data})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookAutomationSpec:
    """Plain data, known before the deployment."""

    settings: Settings
    repairs: Repairs
    package: FunctionPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookAutomationArgs:
    """Arguments: its spec, Alertmanager's namespace, the event bus' outputs, and the topic of its alarms."""

    spec: RunbookAutomationSpec
    namespace: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    queue_arn: pulumi.Input[str]
    notification_topic_arn: pulumi.Input[str]
    team_topic_arns: Mapping[str, pulumi.Input[str]]
    alarm_topic_arn: pulumi.Input[str]


class RunbookAutomation(pulumi.ComponentResource):
    """The function and everything that is its own."""

    function_arn: pulumi.Output[str]
    table_name: pulumi.Output[str]
    diagnostics_bucket_name: pulumi.Output[str]
    diagnostics_bucket_arn: pulumi.Output[str]
    documents: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: RunbookAutomationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("RunbookAutomation"), name, {}, opts)
        self._name = name
        self._args = args
        self._settings = args.spec.settings
        self._child = pulumi.ResourceOptions(parent=self)
        documents = {action.name: self._document(action) for action in args.spec.repairs.actions}
        diagnostics = self._bucket(
            "diagnostics",
            RetainedResource.DIAGNOSTICS_BUCKET,
            diagnostics_bucket(self._settings),
            expire_days=DIAGNOSTICS_DAYS,
        )
        code = self._bucket(
            "code", RetainedResource.FUNCTIONS_BUCKET, functions_bucket(self._settings), expire_days=None
        )
        table = self._table()
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=f"/aws/lambda/{FUNCTION}",
            retention_in_days=LOG_DAYS,
            kms_key_id=args.key_arn,
            opts=self._child,
        )
        role, role_policy = self._role(documents, table, log_group, diagnostics)
        function = self._function(
            code=code,
            role=role,
            role_policy=role_policy,
            table=table,
            log_group=log_group,
            diagnostics=diagnostics,
            documents=documents,
        )
        aws.lambda_.EventSourceMapping(
            f"{name}-queue-to-function",
            event_source_arn=args.queue_arn,
            function_name=function.arn,
            batch_size=BATCH_SIZE,
            function_response_types=["ReportBatchItemFailures"],
            # Reserved concurrency would throttle messages towards the dead-letter queue instead.
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(maximum_concurrency=MAXIMUM_CONCURRENCY),
            opts=self._child,
        )
        make_function_alarms(name, topic_arn=args.alarm_topic_arn, opts=self._child)

        self.function_arn = function.arn
        self.table_name = table.name
        self.diagnostics_bucket_name = diagnostics.name
        self.diagnostics_bucket_arn = diagnostics.arn
        self.documents = {action: document.name for action, document in documents.items()}
        self.register_outputs(
            {
                "functionArn": self.function_arn,
                "tableName": self.table_name,
                "diagnosticsBucketName": self.diagnostics_bucket_name,
                "diagnosticsBucketArn": self.diagnostics_bucket_arn,
                "documents": dict(self.documents),
            }
        )

    def _bucket(self, key: str, resource: RetainedResource, bucket: str, *, expire_days: int | None) -> PrivateBucket:
        spec = PrivateBucketSpec(
            bucket=bucket,
            account_id=self._settings.aws.account_id,
            require_tls=self._settings.aws.require_tls,
            empty_on_delete=not self._settings.aws.keep_data,
            expire_days=expire_days,
            old_versions_days=OLD_CODE_DAYS,
        )
        holding = kept(self._settings, resource, found_as=bucket)
        return PrivateBucket(
            f"{self._name}-{key}",
            PrivateBucketArgs(spec=spec, key_arn=self._args.key_arn, holding=holding),
            opts=self._child,
        )

    def _document(self, action: RepairAction) -> aws.ssm.Document:
        return aws.ssm.Document(
            f"{self._name}-document-{action.name}",
            name=action.document_name,
            document_type="Command",
            document_format="JSON",
            content=document_text(action.content),
            opts=self._child,
        )

    def _table(self) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            f"{self._name}-state",
            name=STATE_TABLE,
            billing_mode="PAY_PER_REQUEST",
            hash_key=KEY,
            attributes=[
                aws.dynamodb.TableAttributeArgs(name=KEY, type="S"),
                aws.dynamodb.TableAttributeArgs(name=COMMAND_ID, type="S"),
                aws.dynamodb.TableAttributeArgs(name=OPEN, type="S"),
                aws.dynamodb.TableAttributeArgs(name=DUE_AT, type="N"),
            ],
            global_secondary_indexes=[
                # Only repairs that have the attribute are in an index: those sent, and those still open.
                _index(BY_COMMAND, hash_key=COMMAND_ID),
                _index(BY_STATUS, hash_key=OPEN, range_key=DUE_AT),
            ],
            ttl=aws.dynamodb.TableTtlArgs(attribute_name=EXPIRES_AT, enabled=True),
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(
                enabled=True, kms_key_arn=self._args.key_arn
            ),
            opts=pulumi.ResourceOptions.merge(
                self._child, kept(self._settings, RetainedResource.STATE_TABLE, found_as=STATE_TABLE)
            ),
        )

    def _role(
        self,
        documents: Mapping[str, aws.ssm.Document],
        table: aws.dynamodb.Table,
        log_group: aws.cloudwatch.LogGroup,
        diagnostics: PrivateBucket,
    ) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        args = self._args
        role = aws.iam.Role(
            f"{self._name}-role",
            name=FUNCTION,
            description="Runbook automation: reads alerts, sends repairs, publishes results",
            assume_role_policy=trust_policy("lambda.amazonaws.com"),
            opts=self._child,
        )
        policy = policy_document(
            Statement(
                sid="WriteLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[pulumi.Output.format("{0}:*", log_group.arn)],
            ),
            Statement(
                sid="TakeMessages",
                actions=[
                    "sqs:ReceiveMessage",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                ],
                resources=[args.queue_arn],
            ),
            Statement(
                sid="KeepState",
                actions=[
                    "dynamodb:BatchGetItem",
                    "dynamodb:ConditionCheckItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                ],
                resources=[table.arn],
            ),
            Statement(
                sid="FindState",
                actions=["dynamodb:Query"],
                resources=[
                    pulumi.Output.format("{0}/index/{1}", table.arn, BY_COMMAND),
                    pulumi.Output.format("{0}/index/{1}", table.arn, BY_STATUS),
                ],
            ),
            Statement(
                sid="SendOurDocuments",
                actions=["ssm:SendCommand"],
                resources=[document.arn for document in documents.values()],
            ),
            Statement(
                sid="SendToTheBastion",
                actions=["ssm:SendCommand"],
                # Which instance it is changes whenever it is replaced; its tag says that it is the one.
                resources=[arn(self._settings, "ec2", "instance/*")],
                conditions={"StringEquals": {f"ssm:resourceTag/{BASTION_TAG}": BASTION_TAG_VALUE}},
            ),
            Statement(
                sid="AskForOutcomes",
                actions=["ssm:ListCommandInvocations", "ssm:GetCommandInvocation"],
                # A command has no ARN.
                resources=["*"],
            ),
            Statement(
                sid="PublishResults",
                actions=["sns:Publish"],
                resources=[args.notification_topic_arn, *args.team_topic_arns.values()],
            ),
            Statement(
                sid="KeepUnreadableMessages",
                actions=["s3:PutObject"],
                resources=[pulumi.Output.format("{0}/{1}*", diagnostics.arn, UNREADABLE_PREFIX)],
            ),
            Statement(sid="UseTheKey", actions=["kms:GenerateDataKey*", "kms:Decrypt"], resources=[args.key_arn]),
            *network_statements(self._settings),
        )
        role_policy = aws.iam.RolePolicy(
            f"{self._name}-role-policy", name="repairs", role=role.name, policy=policy, opts=self._child
        )
        return role, role_policy

    def _function(
        self,
        *,
        code: PrivateBucket,
        role: aws.iam.Role,
        role_policy: aws.iam.RolePolicy,
        table: aws.dynamodb.Table,
        log_group: aws.cloudwatch.LogGroup,
        diagnostics: PrivateBucket,
        documents: Mapping[str, aws.ssm.Document],
    ) -> aws.lambda_.Function:
        args = self._args
        package = args.spec.package
        network = self._network(role_policy)
        # Not BucketObject: that always sends the ACL `private`, and the bucket's ACLs are off.
        zip_object = aws.s3.BucketObjectv2(
            f"{self._name}-zip",
            bucket=code.name,
            key=f"{FUNCTION}.zip",
            source=pulumi.FileAsset(str(package.path)),
            source_hash=package.sha256,
            opts=pulumi.ResourceOptions(parent=self, depends_on=code.before_objects),
        )
        return aws.lambda_.Function(
            f"{self._name}-function",
            name=FUNCTION,
            description="Answers alerts with the repairs that the catalog allows",
            runtime=FUNCTION_RUNTIME,
            architectures=["arm64"],
            handler=FUNCTION_HANDLER,
            role=role.arn,
            timeout=FUNCTION_TIMEOUT_SECONDS,
            memory_size=FUNCTION_MEMORY_MEGABYTES,
            s3_bucket=zip_object.bucket,
            s3_key=zip_object.key,
            s3_object_version=zip_object.version_id,
            source_code_hash=package.source_code_hash,
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=log_group.name),
            environment=aws.lambda_.FunctionEnvironmentArgs(
                variables={
                    Variable.REPAIR_TABLE.value: table.name,
                    Variable.NOTIFICATION_TOPIC_ARN.value: args.notification_topic_arn,
                    Variable.TEAM_TOPIC_ARNS.value: pulumi.Output.json_dumps(
                        dict(args.team_topic_arns), sort_keys=True
                    ),
                    Variable.BASTION_TAG_VALUE.value: BASTION_TAG_VALUE,
                    Variable.DIAGNOSTICS_BUCKET.value: diagnostics.name,
                    Variable.REPAIR_MODE.value: self._settings.repairs.value,
                    # A document that was changed since is not run.
                    Variable.REPAIR_DOCUMENTS.value: pulumi.Output.json_dumps(
                        {
                            action: {"version": document.document_version, "hash": document.hash}
                            for action, document in documents.items()
                        },
                        sort_keys=True,
                    ),
                    **({} if network is None else {Variable.ALERTMANAGER_API.value: network.alertmanager_api}),
                }
            ),
            vpc_config=None if network is None else network.vpc_config,
            # A function that starts without its permissions fails its first messages.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role_policy]),
        )

    def _network(self, role_policy: aws.iam.RolePolicy) -> FunctionNetwork | None:
        return make_function_network(
            self._name, settings=self._settings, namespace=self._args.namespace, role_policy=role_policy, parent=self
        )


def _index(name: str, *, hash_key: str, range_key: str | None = None) -> aws.dynamodb.TableGlobalSecondaryIndexArgs:
    schema = [aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=hash_key, key_type="HASH")]
    if range_key is not None:
        schema.append(aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=range_key, key_type="RANGE"))
    return aws.dynamodb.TableGlobalSecondaryIndexArgs(name=name, key_schemas=schema, projection_type="ALL")
