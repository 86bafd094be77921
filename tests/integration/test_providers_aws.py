"""The real engine on the embedded AWS provider: one of each type that moto can hold, written with pulumi-aws itself."""

from __future__ import annotations

import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import DeploymentFailed, Engine
from sandbox.providers.aws.client import Aws
from sandbox.providers.plugins import installed
from tests.aws_account import moto_account

pytestmark = pytest.mark.integration

PROVIDER = [plugin for plugin in installed() if plugin.name == "aws"]
HEAD = """
import json
import pulumi
import pulumi_aws as aws

provider = aws.Provider(
    "aws",
    region="us-east-1",
    allowed_account_ids=["123456789012"],
    default_tags=aws.ProviderDefaultTagsArgs(tags={"project": "orion"}),
)
opts = pulumi.ResourceOptions(provider=provider)
lookup = pulumi.InvokeOptions(provider=provider)
"""
PROGRAM = """
def policy(*statements):
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})

def trust(service):
    return policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})

identity = aws.get_caller_identity(opts=lookup)
image = aws.ssm.get_parameter_output(
    name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64", opts=lookup
)
key = aws.kms.Key("key", description="KEY", enable_key_rotation=True, deletion_window_in_days=7, opts=opts)
aws.kms.Alias("alias", name="alias/orion", target_key_id=key.key_id, opts=opts)
topic = aws.sns.Topic("topic", name="orion-alerts", kms_master_key_id=key.arn, opts=opts)
aws.sns.TopicPolicy("topic-policy", arn=topic.arn, opts=opts, policy=policy(
    {"Effect": "Allow", "Principal": {"AWS": identity.account_id}, "Action": "sns:Publish", "Resource": topic.arn}
))
dead = aws.sqs.Queue("dead", name="orion-dead-letters", message_retention_seconds=1209600, opts=opts)
queue = aws.sqs.Queue("queue", name="orion-queue", visibility_timeout_seconds=180, opts=opts,
    redrive_policy=pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 5}))
queue_policy = aws.sqs.QueuePolicy("queue-policy", queue_url=queue.url, opts=opts, policy=policy(
    {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
     "Resource": queue.arn}
))
aws.sns.TopicSubscription("subscription", topic=topic.arn, protocol="sqs", endpoint=queue.arn,
    raw_message_delivery=False, opts=opts)
bucket = aws.s3.Bucket("bucket", bucket="orion-functions-123456789012", opts=opts)
versioning = aws.s3.BucketVersioning("versioning", bucket=bucket.id, opts=opts,
    versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"))
aws.s3.BucketServerSideEncryptionConfiguration("encryption", bucket=bucket.id, opts=opts, rules=[
    aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
        bucket_key_enabled=True,
        apply_server_side_encryption_by_default=
            aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                sse_algorithm="aws:kms", kms_master_key_id=key.arn))])
access = aws.s3.BucketPublicAccessBlock("access", bucket=bucket.id, block_public_acls=True, block_public_policy=True,
    ignore_public_acls=True, restrict_public_buckets=True, opts=opts)
aws.s3.BucketLifecycleConfiguration("lifecycle", bucket=bucket.id, opts=opts, rules=[
    aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="clean-up", status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        noncurrent_version_expiration=
            aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=90))])
tls = aws.s3.BucketPolicy("tls", bucket=bucket.id, opts=opts, policy=policy(
    {"Effect": "Deny", "Principal": "*", "Action": ["s3:*"],
     "Resource": [bucket.arn, pulumi.Output.format("{0}/*", bucket.arn)],
     "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
))
locked = aws.s3.Bucket("locked", bucket="orion-audit-123456789012", object_lock_enabled=True, force_destroy=True,
    opts=opts)
aws.s3.BucketObjectLockConfiguration("lock", bucket=locked.id, object_lock_enabled="Enabled", opts=opts,
    rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
        default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(mode="GOVERNANCE", days=400)))
code = aws.s3.BucketObjectv2("code", bucket=bucket.bucket, key="function.zip", source=pulumi.FileAsset("ZIP"),
    source_hash="HASH", opts=pulumi.ResourceOptions(provider=provider, depends_on=[versioning, tls]))
aws.s3.BucketObjectv2("text", bucket=bucket.bucket, key="text", content="{}",
    opts=pulumi.ResourceOptions(provider=provider, depends_on=[versioning]))
role = aws.iam.Role("role", name="orion-role", assume_role_policy=trust("lambda.amazonaws.com"), opts=opts)
aws.iam.RolePolicy("role-policy", name="repairs", role=role.name, opts=opts,
    policy=policy({"Effect": "Allow", "Action": "sns:Publish", "Resource": topic.arn}))
aws.iam.RolePolicyAttachment("attachment", role=role.name, opts=opts,
    policy_arn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
aws.iam.Policy("own-policy", name="orion-policy", opts=opts,
    policy=policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}))
profile = aws.iam.InstanceProfile("profile", name="orion-bastion", role=role.name, opts=opts)
logs = aws.cloudwatch.LogGroup("logs", name="/aws/lambda/orion", retention_in_days=30, opts=opts)
function = aws.lambda_.Function("function", name="orion-function", role=role.arn, runtime="python3.13",
    architectures=["arm64"], handler="handler.handler", timeout=30, memory_size=256, s3_bucket=code.bucket,
    s3_key=code.key, s3_object_version=code.version_id, source_code_hash="HASH", opts=opts,
    environment=aws.lambda_.FunctionEnvironmentArgs(variables={"TOPIC": topic.arn}),
    logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name))
aws.lambda_.EventSourceMapping("mapping", event_source_arn=queue.arn, function_name=function.arn, batch_size=10,
    function_response_types=["ReportBatchItemFailures"], opts=opts,
    scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(maximum_concurrency=2))
aws.lambda_.Permission("permission", action="lambda:InvokeFunction", function=function.name,
    principal="events.amazonaws.com", opts=opts)
aws.lambda_.FunctionUrl("url", function_name=function.name, authorization_type="NONE", opts=opts)
aws.lambda_.Permission("url-permission", action="lambda:InvokeFunction", function=function.name, principal="*",
    statement_id="InvokeByUrl", invoked_via_function_url=True, opts=opts)
aws.dynamodb.Table("table", name="orion-state", billing_mode="PAY_PER_REQUEST", hash_key="id", opts=opts,
    attributes=[aws.dynamodb.TableAttributeArgs(name=name, type=kind)
                for name, kind in (("id", "S"), ("command_id", "S"), ("open", "S"), ("due_at", "N"))],
    global_secondary_indexes=[
        aws.dynamodb.TableGlobalSecondaryIndexArgs(name="by-command", hash_key="command_id", projection_type="ALL"),
        aws.dynamodb.TableGlobalSecondaryIndexArgs(
            name="by-status", hash_key="open", range_key="due_at", projection_type="ALL")],
    ttl=aws.dynamodb.TableTtlArgs(attribute_name="expires_at", enabled=True),
    point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
    server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=key.arn))
rule = aws.cloudwatch.EventRule("rule", name="orion-sweep", schedule_expression="rate(1 minute)", opts=opts)
aws.cloudwatch.EventTarget("target", rule=rule.name, target_id="queue", arn=queue.arn, opts=opts,
    input=json.dumps({"source": "orion.sweep"}),
    dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=dead.arn))
aws.cloudwatch.MetricAlarm("alarm", name="orion-dead-letters", namespace="AWS/SQS", statistic="Maximum", period=60,
    metric_name="ApproximateNumberOfMessagesVisible", dimensions={"QueueName": "orion-dead-letters"},
    evaluation_periods=1, comparison_operator="GreaterThanThreshold", threshold=0,
    treat_missing_data="notBreaching", alarm_actions=[topic.arn], opts=opts)
aws.ssm.Document("document", name="orion-restart-pod", document_type="Command", document_format="JSON", opts=opts,
    content=json.dumps({"schemaVersion": "2.2", "description": "x", "parameters": {}, "mainSteps": [
        {"action": "aws:runShellScript", "name": "run", "inputs": {"runCommand": ["true"]}}]}))
group = aws.ec2.SecurityGroup("group", name="orion-bastion", description="nothing in", opts=opts)
aws.vpc.SecurityGroupEgressRule("egress", security_group_id=group.id, ip_protocol="tcp", from_port=443, to_port=443,
    cidr_ipv4="0.0.0.0/0", opts=opts)
aws.vpc.SecurityGroupIngressRule("ingress", security_group_id=group.id, ip_protocol="tcp", from_port=9093, to_port=9093,
    referenced_security_group_id=group.id, opts=opts)
instance = aws.ec2.Instance("instance", ami=image.value, instance_type="t4g.micro", vpc_security_group_ids=[group.id],
    associate_public_ip_address=False, iam_instance_profile=profile.name, user_data="#!/bin/bash",
    user_data_replace_on_change=True, tags={"Name": "orion-bastion"},
    metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
        http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1),
    root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
        encrypted=True, volume_type="gp3", volume_size=10, delete_on_termination=True),
    opts=pulumi.ResourceOptions(provider=provider, ignore_changes=["ami"]))
secret = aws.secretsmanager.Secret("secret", name="orion-slack", recovery_window_in_days=0, opts=opts)
version = aws.secretsmanager.SecretVersion("secret-value", secret_id=secret.id, secret_string="correct-horse-battery",
    opts=opts)

pulumi.export("topic", topic.id)
pulumi.export("queue", queue.id)
pulumi.export("object", code.version_id)
pulumi.export("secret", version.secret_string)
"""
RESOURCES = 42
"""Those of the program, with the provider and the stack itself."""


class Project:
    """A program, and an engine on it in an account of moto."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory / "project"
        self.directory.mkdir()
        self.zip = directory / "function.zip"
        with zipfile.ZipFile(self.zip, "w") as archive:
            archive.writestr("handler.py", "def handler(event, context): ...\n")
        (self.directory / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
        (self.directory / "Pulumi.sandbox.yaml").write_text("config: {}\n")
        self.program("")
        self.engine = Engine(directory / "engine", environment, project=self.directory, providers=PROVIDER)

    def program(self, text: str, *, description: str = "first", content_hash: str = "one") -> None:
        written = HEAD + textwrap.dedent(text)
        written = written.replace("ZIP", str(self.zip)).replace("KEY", description).replace("HASH", content_hash)
        (self.directory / "__main__.py").write_text(written)

    def kept(self) -> list[str]:
        """Return the state's files as they are on the disk."""
        folder = self.engine.directory / "state"
        texts = [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]
        assert any("orion-slack" in text for text in texts)
        return texts


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with moto_account() as environment:
        yield Project(tmp_path, environment)


def test_one_of_each_is_previewed_made_kept_changed_and_removed(project: Project) -> None:
    project.program(PROGRAM)
    aws = Aws(region="us-east-1")

    preview = project.engine.preview()
    assert preview.changes == {"create": RESOURCES}
    assert aws.sns.list_topics()["Topics"] == []
    assert aws.s3.list_buckets()["Buckets"] == []

    made = project.engine.up()
    assert made.changes == {"create": RESOURCES}
    assert made.outputs["topic"] == "arn:aws:sns:us-east-1:123456789012:orion-alerts"
    assert made.outputs["queue"].endswith("/123456789012/orion-queue")
    assert made.outputs["secret"] == "correct-horse-battery"
    assert not any("correct-horse-battery" in text for text in project.kept())

    assert project.engine.preview().changes == {"same": RESOURCES}
    assert project.engine.up().changes == {"same": RESOURCES}
    assert not project.engine.refresh().changed

    with zipfile.ZipFile(project.zip, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): return 2\n")
    project.program(PROGRAM, description="second", content_hash="two")
    assert project.engine.preview().changes == {"update": 3, "same": RESOURCES - 3}
    changed = project.engine.up()
    assert changed.changes == {"update": 3, "same": RESOURCES - 3}
    assert changed.outputs["object"] != made.outputs["object"]

    project.program(
        PROGRAM.replace('name="orion-alerts"', 'name="orion-alarms"'), description="second", content_hash="two"
    )
    replaced = project.engine.up()
    assert replaced.changes["replace"] >= 1
    assert replaced.outputs["topic"] == "arn:aws:sns:us-east-1:123456789012:orion-alarms"

    assert project.engine.destroy().changes == {"delete": RESOURCES}
    assert project.engine.state().get("resources", []) == []
    assert aws.sns.list_topics()["Topics"] == []
    assert aws.sqs.list_queues().get("QueueUrls", []) == []
    assert aws.s3.list_buckets()["Buckets"] == []
    assert aws.iam.list_roles()["Roles"] == []
    assert aws.lambda_.list_functions()["Functions"] == []
    assert aws.dynamodb.list_tables()["TableNames"] == []
    assert aws.ssm.list_documents(Filters=[{"Key": "Owner", "Values": ["Self"]}])["DocumentIdentifiers"] == []
    assert aws.secretsmanager.list_secrets()["SecretList"] == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (
            'aws.sqs.Queue("q", name="q", visibility_timeout_seconds=99999, opts=opts)',
            "visibilityTimeoutSeconds: found",
        ),
        ('aws.rds.Cluster("c", engine="aurora-postgresql", opts=opts)', "aws:rds/cluster:Cluster"),
        ('aws.s3.Bucket("b", bucket="orion-b", acl="private", opts=opts)', "has no property acl"),
    ],
)
def test_a_preview_refuses_by_name_what_cannot_work(project: Project, program: str, said: str) -> None:
    project.program(program)

    with pytest.raises(DeploymentFailed, match=said):
        project.engine.preview()


def test_what_aws_refuses_is_said_in_its_own_words(project: Project) -> None:
    project.program('aws.iam.RolePolicy("p", name="p", role="nobody", policy="{}", opts=opts)')

    with pytest.raises(DeploymentFailed, match="nobody"):
        project.engine.up()


def test_another_account_is_refused(project: Project) -> None:
    project.program('aws.sns.Topic("t", opts=opts)')
    text = (project.directory / "__main__.py").read_text()
    (project.directory / "__main__.py").write_text(text.replace('["123456789012"]', '["999999999999"]'))

    with pytest.raises(DeploymentFailed, match="found account 123456789012; allowed: 999999999999"):
        project.engine.preview()
