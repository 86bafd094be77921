"""Inputs that the embedded AWS provider rejects before anything is created, and its messages. No account is needed."""

from __future__ import annotations

import json

import pytest

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.table import SETTINGS, configure
from sandbox.providers.provider_values import UNKNOWN, Properties
from tests.aws_account import Provider
from tests.aws_example import tls_only

ROLE = "arn:aws:iam::123456789012:role/orion"
TOPIC = "aws:sns/topic:Topic"
FUNCTION = "aws:lambda/function:Function"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
BUCKET_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


@pytest.fixture(scope="module")
def provider() -> Provider:
    return Provider(Aws(region="us-east-1"))


@pytest.mark.parametrize(
    ("token", "inputs", "wrong", "allowed"),
    [
        (TOPIC, {"fifoTopic": "yes"}, "fifoTopic: found 'yes'", "allowed: a value of type boolean"),
        (TOPIC, {"policy": "{"}, "policy: found '{', which is not JSON", "allowed: a JSON document"),
        (TOPIC, {"tags": {"a": 5}}, "tags: found 5", "allowed: a value of type string"),
        (
            FUNCTION,
            {"role": ROLE, "runtime": "python2.0"},
            "runtime: found 'python2.0'",
            "python3.13",
        ),
        (FUNCTION, {"role": "orion"}, "role: found 'orion'", "allowed: what matches ^arn:"),
        (FUNCTION, {}, "role: missing", "required"),
        (
            FUNCTION,
            {"role": ROLE, "architectures": ["arm"]},
            "architectures: found 'arm'",
            "allowed: x86_64, arm64",
        ),
        (
            FUNCTION,
            {"role": ROLE, "loggingConfig": {"logFormat": "XML"}},
            "loggingConfig.logFormat: found 'XML'",
            "allowed: Text, JSON",
        ),
        (
            "aws:lambda/eventSourceMapping:EventSourceMapping",
            {"functionName": "f", "scalingConfig": {"maximumConcurrency": 1}},
            "scalingConfig.maximumConcurrency: found 1",
            "allowed: 2 or more",
        ),
        (
            "aws:sqs/queue:Queue",
            {"visibilityTimeoutSeconds": 99999},
            "visibilityTimeoutSeconds: found 99999",
            "allowed: at most 43200",
        ),
        ("aws:s3/bucket:Bucket", {"bucket": "UPPER"}, "bucket: found 'UPPER'", "allowed: what matches"),
        (
            "aws:s3/bucketVersioning:BucketVersioning",
            {"bucket": "orion", "versioningConfiguration": {"status": "On"}},
            "versioningConfiguration.status: found 'On'",
            "allowed: Enabled, Suspended",
        ),
        (
            BUCKET_ENCRYPTION,
            {"bucket": "orion", "rules": [{"applyServerSideEncryptionByDefault": {}}]},
            "rules[0].applyServerSideEncryptionByDefault: sseAlgorithm: missing",
            "required",
        ),
        (
            "aws:dynamodb/table:Table",
            {"hashKey": "id", "attributes": [{"name": "id", "type": "Z"}]},
            "attributes[0].type: found 'Z'",
            "allowed: B, N, S",
        ),
        (
            "aws:cloudwatch/eventRule:EventRule",
            {"name": "a"},
            "found none",
            "allowed: at least one of eventPattern, scheduleExpression",
        ),
        (
            "aws:cloudwatch/eventTarget:EventTarget",
            {"rule": "r", "arn": "arn:aws:sqs:us-east-1:123456789012:q", "targetId": "not allowed"},
            "targetId: found 'not allowed'",
            "allowed: what matches",
        ),
        (
            "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
            {"securityGroupId": "sg-1", "ipProtocol": "tcp"},
            "found none",
            "exactly one of cidrIpv4, cidrIpv6, prefixListId, referencedSecurityGroupId",
        ),
        ("aws:kms/alias:Alias", {"name": "orion", "targetKeyId": "k"}, "name: found 'orion'", "what matches ^(alias/)"),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 31}, "retentionInDays: found 31", "allowed: 1, 3, 5"),
        (
            ALARM,
            {"metricName": "m", "evaluationPeriods": 1, "comparisonOperator": "More"},
            "comparisonOperator: found 'More'",
            "GreaterThanThreshold",
        ),
        (
            "aws:s3/bucketObjectv2:BucketObjectv2",
            {"key": "a"},
            "bucket: missing",
            "required",
        ),
        (
            "aws:s3/bucketObjectv2:BucketObjectv2",
            {"bucket": "orion", "content": "a", "contentBase64": "YQ=="},
            "found content, contentBase64",
            "only one of source, content, contentBase64",
        ),
        (
            "aws:secretsmanager/secret:Secret",
            {"recoveryWindowInDays": 3},
            "recoveryWindowInDays",
            "",
        ),
        (
            "aws:eks/accessEntry:AccessEntry",
            {"clusterName": "orion"},
            "principalArn: missing",
            "required",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    provider: Provider, token: str, inputs: Properties, wrong: str, allowed: str
) -> None:
    failures = provider.failures(token, inputs)

    assert any(wrong in failure and allowed in failure for failure in failures), failures


@pytest.mark.parametrize(
    ("token", "inputs", "property_"),
    [
        (TOPIC, {"nme": "orion"}, "nme"),
        (FUNCTION, {"role": ROLE, "environment": {"values": {}}}, "environment.values"),
        (
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            {"bucket": "orion", "rules": [{"status": "Enabled", "filter": {"size": 1}}]},
            "rules[0].filter.size",
        ),
        # What pulumi-aws has and this provider has not is refused as well, never taken and forgotten.
        ("aws:s3/bucket:Bucket", {"bucket": "orion", "acl": "private"}, "acl"),
    ],
)
def test_an_unknown_property_is_refused_by_name(
    provider: Provider, token: str, inputs: Properties, property_: str
) -> None:
    failures = provider.failures(token, inputs)

    assert len(failures) == 1
    assert failures[0].startswith(f"{property_}: ")
    assert "allowed: " in failures[0]


def test_an_unknown_type_is_refused_by_name(provider: Provider) -> None:
    (failure,) = provider.failures("aws:rds/cluster:Cluster", {})

    assert "aws:rds/cluster:Cluster" in failure


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        (TOPIC, {"kmsMasterKeyId": UNKNOWN}),
        (FUNCTION, {"role": UNKNOWN, "s3Bucket": UNKNOWN, "environment": {"variables": {"MODE": UNKNOWN}}}),
        (FUNCTION, {"role": UNKNOWN, "environment": UNKNOWN, "architectures": UNKNOWN}),
        (
            "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
            {"securityGroupId": UNKNOWN, "ipProtocol": "tcp", "cidrIpv4": UNKNOWN},
        ),
        ("aws:sns/topicPolicy:TopicPolicy", {"arn": UNKNOWN, "policy": UNKNOWN}),
        ("aws:dynamodb/table:Table", {"hashKey": UNKNOWN, "attributes": [{"name": UNKNOWN, "type": "S"}]}),
    ],
)
def test_what_is_not_known_yet_is_nothing_wrong(provider: Provider, token: str, inputs: Properties) -> None:
    assert provider.failures(token, inputs) == []


def test_what_is_wrong_is_found_beside_what_is_not_known_yet(provider: Provider) -> None:
    (failure,) = provider.failures(FUNCTION, {"role": UNKNOWN, "timeout": 0})

    assert failure.startswith("timeout: timeout: found 0; allowed: 1 or more")


class TestChanges:
    @pytest.mark.parametrize(
        ("token", "old", "new", "replaces"),
        [
            (TOPIC, {"name": "a"}, {"name": "b"}, {"name"}),
            (TOPIC, {"name": "a", "displayName": "x"}, {"name": "a", "displayName": "y"}, set[str]()),
            (
                "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
                {"securityGroupId": "sg-1", "ipProtocol": "tcp", "cidrIpv4": "0.0.0.0/0"},
                {"securityGroupId": "sg-1", "ipProtocol": "tcp", "cidrIpv4": "10.0.0.0/8"},
                set[str](),  # CloudFormation would replace it: one of the listed exceptions
            ),
            (
                "aws:eks/accessEntry:AccessEntry",
                {"clusterName": "c", "principalArn": ROLE, "type": "STANDARD"},
                {"clusterName": "c", "principalArn": ROLE, "type": "EC2_LINUX"},
                {"type"},
            ),
            (
                "aws:eks/podIdentityAssociation:PodIdentityAssociation",
                {"clusterName": "c", "namespace": "n", "serviceAccount": "s", "roleArn": ROLE},
                {"clusterName": "c", "namespace": "n", "serviceAccount": "s", "roleArn": f"{ROLE}2"},
                set[str](),
            ),
        ],
    )
    def test_aws_own_schema_says_what_is_replaced(
        self, provider: Provider, token: str, old: Properties, new: Properties, replaces: set[str]
    ) -> None:
        made = provider.as_if_made(token, old)
        difference = provider.diff(made, new)

        assert difference.changes
        assert {str(path[0]) for path in difference.replaces} == replaces

    def test_json_that_is_only_written_another_way_is_no_change(self, provider: Provider) -> None:
        said = tls_only("orion")
        made = provider.as_if_made("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "orion", "policy": said})
        other = json.dumps(json.loads(said), indent=2, sort_keys=True)

        assert provider.diff(made, {"bucket": "orion", "policy": other}).changes == {}

    def test_the_order_of_what_has_none_is_no_change(self, provider: Provider) -> None:
        made = provider.as_if_made(
            "aws:eks/accessEntry:AccessEntry",
            {"clusterName": "c", "principalArn": ROLE, "kubernetesGroups": ["a", "b"]},
        )
        other = {"clusterName": "c", "principalArn": ROLE, "kubernetesGroups": ["b", "a"]}

        assert provider.diff(made, other).changes == {}


class TestSettings:
    def test_region_and_default_tags_are_taken(self) -> None:
        aws = Aws(region="us-east-1")
        configure(aws, {"region": "eu-central-1", "defaultTags": {"tags": {"a": "b"}}})

        assert (aws.region, aws.default_tags) == ("eu-central-1", {"a": "b"})

    def test_what_would_be_ignored_is_not_taken(self) -> None:
        assert SETTINGS.keys().isdisjoint({"endpoints", "assumeRoles", "ignoreTags", "profile"})
