"""One resource of each type that moto can hold, made, changed in place and ended again, in an account of its own."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.aws_account import Provider, moto_account
from tests.aws_example import Everything
from tests.aws_examples import examples

REMAINS = {
    "topic-policy": "a topic always has one: the default comes back",
    "versioning": "a bucket's versioning can be suspended, never taken away",
    "secret-value": "a value goes with its secret",
}


def test_everything_is_changed_in_place_and_goes_without_a_trace(tmp_path: Path) -> None:
    file = tmp_path / "function.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): ...\n")
    every = examples(file)
    with moto_account():
        provider = Provider()
        made: Everything = {}
        for one in every:
            made[one.name] = provider.create(one.token, one.inputs(made))

        for one in reversed(every):  # first what needs the others as they were
            if one.update is None:
                continue
            inputs = {**one.inputs(made), **one.update(made)}
            difference = provider.diff(made[one.name], inputs)
            assert difference.changes, one.name
            assert not difference.replaces, one.name
            made[one.name] = provider.update(made[one.name], inputs)
            found = provider.read(made[one.name])
            assert found is not None, one.name
            assert found[0] == made[one.name].inputs, one.name

        for one in reversed(every):
            provider.delete(made[one.name])
            found = provider.read(made[one.name])
            assert (found is not None) == (one.name in REMAINS), one.name
            provider.delete(made[one.name])  # of one that is gone: nothing
        aws = provider.aws
        assert aws.sns.list_topics()["Topics"] == []
        assert aws.sqs.list_queues().get("QueueUrls", []) == []
        assert aws.s3.list_buckets()["Buckets"] == []
        assert aws.dynamodb.list_tables()["TableNames"] == []
        assert aws.iam.list_roles()["Roles"] == []
        assert aws.lambda_.list_functions()["Functions"] == []
        assert aws.events.list_rules()["Rules"] == []
