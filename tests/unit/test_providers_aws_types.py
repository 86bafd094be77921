"""Each type of the AWS table, made, read, changed and ended in an account of moto, as the engine would have it done."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.s3 import enforced
from sandbox.providers.aws.table import TYPES
from sandbox.providers.provider_table import ProviderFailed, Request
from sandbox.providers.provider_values import UNKNOWN, Asset
from tests.aws_account import ACCOUNT, Made, Provider, moto_account
from tests.aws_example import Everything, Example, policy, tls_only
from tests.aws_examples import IMAGE, examples

NOT_IN_MOTO = {
    "aws:eks/accessEntry:AccessEntry",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:ssm/association:Association",
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with moto_account():
        yield Provider()


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Example]:
    file = tmp_path_factory.mktemp("zip") / "function.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): ...\n")
    return {one.name: one for one in examples(file)}


@pytest.fixture(scope="module")
def made(provider: Provider, every: dict[str, Example]) -> Everything:
    made: Everything = {}
    for one in every.values():
        made[one.name] = provider.create(one.token, one.inputs(made))
    return made


NAMES = [one.name for one in examples(Path("unused.zip"))]


def test_every_type_has_an_example_but_what_moto_lacks(every: dict[str, Example]) -> None:
    assert {one.token for one in TYPES} - {one.token for one in every.values()} == NOT_IN_MOTO


@pytest.mark.parametrize("name", NAMES)
class TestEachType:
    def test_outputs_and_id_are_as_pulumi_aws_has_them(
        self, name: str, every: dict[str, Example], made: Everything
    ) -> None:
        assert every[name].outputs.items() <= made[name].outputs.items()
        assert every[name].identity in {None, made[name].id}

    def test_outputs_hold_everything_that_is_computed(self, name: str, provider: Provider, made: Everything) -> None:
        computed = set(provider.core.resource_type(made[name].token).computed)

        assert computed - made[name].outputs.keys() == set()

    def test_reading_finds_what_the_program_said(self, name: str, provider: Provider, made: Everything) -> None:
        found = provider.read(made[name])

        assert found is not None
        assert found[0] == made[name].inputs
        assert {**made[name].outputs, **found[1]} == made[name].outputs

    def test_the_same_again_changes_nothing(
        self, name: str, provider: Provider, every: dict[str, Example], made: Everything
    ) -> None:
        assert provider.diff(made[name], every[name].inputs(made)).changes == {}

    def test_what_cannot_be_changed_is_replaced(
        self, name: str, provider: Provider, every: dict[str, Example], made: Everything
    ) -> None:
        difference = provider.diff(made[name], {**every[name].inputs(made), **every[name].replace})

        assert {str(path[0]) for path in difference.replaces} == set(every[name].replace)


def test_a_change_made_by_others_is_read(provider: Provider) -> None:
    topic = provider.create("aws:sns/topic:Topic", {"name": "drifting", "displayName": "ours"})
    provider.aws.sns.set_topic_attributes(TopicArn=topic.id, AttributeName="DisplayName", AttributeValue="theirs")
    found = provider.read(topic)
    provider.delete(topic)

    assert found is not None
    assert found[0]["displayName"] == "theirs"


def test_what_is_there_already_can_be_imported(provider: Provider) -> None:
    provider.aws.sqs.create_queue(QueueName="theirs", Attributes={"VisibilityTimeout": "77"})
    address = provider.aws.sqs.get_queue_url(QueueName="theirs")["QueueUrl"]
    found = provider.read(Made("aws:sqs/queue:Queue", address, {}, {}))

    assert found is not None
    assert found[0]["name"] == "theirs"
    assert found[0]["visibilityTimeoutSeconds"] == 77
    assert found[1]["arn"] == f"arn:aws:sqs:us-east-1:{ACCOUNT}:theirs"


class TestTags:
    def test_default_tags_are_on_everything_and_give_way(self, provider: Provider) -> None:
        topic = provider.create("aws:sns/topic:Topic", {"name": "tagged", "tags": {"a": "b", "project": "own"}})
        there = provider.aws.sns.list_tags_for_resource(ResourceArn=topic.id)["Tags"]
        provider.delete(topic)

        assert topic.outputs["tagsAll"] == {"project": "own", "a": "b"}
        assert {tag["Key"]: tag["Value"] for tag in there} == {"project": "own", "a": "b"}

    def test_other_default_tags_change_what_has_tags(self, provider: Provider) -> None:
        topic = provider.create("aws:sns/topic:Topic", {"name": "tagged"})
        other = Provider(Aws(region="us-east-1", default_tags={"project": "orion", "environment": "dev"}))
        difference = other.diff(topic, {"name": "tagged"})
        changed = other.update(topic, {"name": "tagged"})
        provider.delete(topic)

        assert difference.changes.keys() == {("tags", "environment")}
        assert not difference.replaces
        assert changed.outputs["tagsAll"] == {"project": "orion", "environment": "dev"}


class TestBuckets:
    def test_a_tls_only_bucket_takes_objects_and_keeps_the_program_s_policy(self, provider: Provider) -> None:
        bucket = provider.create("aws:s3/bucket:Bucket", {"bucket": "tls-only-bucket", "forceDestroy": True})
        said = tls_only("tls-only-bucket")
        kept = provider.create("aws:s3/bucketPolicy:BucketPolicy", {"bucket": bucket.id, "policy": said})
        provider.aws.s3.put_object(Bucket=bucket.id, Key="key", Body=b"text")
        found = provider.read(kept)
        for one in (kept, bucket):
            provider.delete(one)

        assert kept.outputs["policy"] == said
        assert found is not None
        assert found[0]["policy"] == said

    def test_other_refusals_are_kept(self) -> None:
        refusal = policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"})

        assert enforced(refusal) == refusal

    def test_a_bucket_with_objects_is_only_deleted_when_the_program_says_so(self, provider: Provider) -> None:
        bucket = provider.create("aws:s3/bucket:Bucket", {"bucket": "full-bucket"})
        provider.aws.s3.put_object(Bucket=bucket.id, Key="key", Body=b"text")
        with pytest.raises(ClientError, match="BucketNotEmpty"):
            provider.delete(bucket)
        bucket = provider.update(bucket, {"bucket": "full-bucket", "forceDestroy": True})
        provider.delete(bucket)

        assert provider.read(bucket) is None

    def test_a_bucket_with_locked_objects_goes_with_its_lock(self, provider: Provider) -> None:
        inputs = {"bucket": "locked-bucket", "forceDestroy": True, "objectLockEnabled": True}
        bucket = provider.create("aws:s3/bucket:Bucket", inputs)
        rule = {"defaultRetention": {"mode": "GOVERNANCE", "days": 400}}
        lock = provider.create(
            "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
            {"bucket": bucket.id, "objectLockEnabled": "Enabled", "rule": rule},
        )
        provider.aws.s3.put_object(Bucket=bucket.id, Key="key", Body=b"text")

        provider.delete(lock)
        provider.delete(bucket)

        assert provider.read(bucket) is None

    def test_an_object_whose_file_is_gone_says_so(self, provider: Provider, made: Everything) -> None:
        inputs = {"bucket": made["bucket"].id, "key": "k", "source": Asset(path="/nowhere/function.zip")}

        with pytest.raises(ProviderFailed, match=r"/nowhere/function\.zip"):
            provider.create("aws:s3/bucketObjectv2:BucketObjectv2", inputs)

    def test_another_source_has_an_unknown_version_in_a_preview(self, provider: Provider, made: Everything) -> None:
        object_ = made["zip"]
        request = Request(
            token=object_.token,
            name="zip",
            id=object_.id,
            inputs={**object_.inputs, "sourceHash": "second"},
            old_inputs=object_.inputs,
            state=object_.outputs,
            preview=True,
        )

        assert provider.core.update(request)["versionId"] is UNKNOWN
        assert provider.core.update(replace(request, inputs=object_.inputs))["versionId"] != UNKNOWN


class TestInstances:
    def test_new_user_data_replaces_only_when_the_program_says_so(self, provider: Provider, made: Everything) -> None:
        instance = made["instance"]
        said = {name: value for name, value in instance.inputs.items() if not name.startswith("__")}
        kept = {**said, "userData": "#!/bin/sh", "userDataReplaceOnChange": False}

        assert provider.diff(instance, {**said, "userData": "#!/bin/sh"}).replaces == {("userData",)}
        assert provider.diff(instance, kept).replaces == frozenset()

    def test_an_instance_that_was_terminated_is_gone(self, provider: Provider) -> None:
        instance = provider.create("aws:ec2/instance:Instance", {"ami": IMAGE, "instanceType": "t4g.micro"})
        provider.aws.ec2.terminate_instances(InstanceIds=[instance.id])

        assert provider.read(instance) is None


def test_nothing_goes_out_of_a_new_security_group_but_what_the_program_allows(
    provider: Provider, made: Everything
) -> None:
    (group,) = provider.aws.ec2.describe_security_groups(GroupIds=[made["group"].id])["SecurityGroups"]

    assert [(rule.get("FromPort"), rule.get("ToPort")) for rule in group.get("IpPermissionsEgress", [])] == [(443, 443)]


def test_a_secret_s_value_is_marked(provider: Provider) -> None:
    described = provider.core.resource_type("aws:secretsmanager/secretVersion:SecretVersion")

    assert "secretString" in described.secret_outputs


def test_one_with_a_name_of_its_own_goes_before_its_replacement_comes(provider: Provider, made: Everything) -> None:
    table = made["table"]
    inputs = {**table.inputs, "hashKey": "command_id"}

    assert provider.diff(table, inputs).delete_before_replace


def test_one_without_a_name_gets_one_that_stays(provider: Provider) -> None:
    first = provider.create("aws:sns/topic:Topic", {})
    difference = provider.diff(first, {})
    provider.delete(first)

    assert first.outputs["name"].startswith("example-")
    assert difference.changes == {}
