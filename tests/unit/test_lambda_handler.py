"""The function's entry: a batch in, the failed messages out, metrics and logs beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from orion_common.deadlines import MARGIN_SECONDS
from repair_sweep import handler as sweep_module
from runbook_automation import handler as module
from tests.lambda_events import LABELS, create_state_table, function_data, notification, recorded, sqs_event
from tests.lambda_harness import SESSION


@dataclass(frozen=True)
class _Context:
    function_name: str = "orion-runbook-automation"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:orion-runbook-automation"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"
    remaining_seconds: float = 30

    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining_seconds * 1000)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    remediations = tmp_path / "remediations.json"
    remediations.write_text(json.dumps(function_data({"HighMemoryUsage": "restart_pod"})))
    monkeypatch.setattr(module, "REMEDIATIONS", remediations)
    with mock_aws():
        topic = SESSION.client("sns").create_topic(Name="orion-notifications")["TopicArn"]
        for name, value in {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "REPAIR_TABLE": "orion-state",
            "NOTIFICATION_TOPIC_ARN": topic,
            "TEAM_TOPIC_ARNS": json.dumps({"platform": topic}),
            "BASTION_TAG_VALUE": "bastion",
            "DIAGNOSTICS_BUCKET": "orion-diagnostics",
            "REPAIR_MODE": "dry-run",
            "REPAIR_DOCUMENTS": json.dumps({"restart_pod": {"version": "1", "hash": "0" * 64}}),
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        create_state_table(SESSION.client("dynamodb"))
        bucket = SESSION.resource("s3").Bucket("orion-diagnostics")
        bucket.create()
        module.automation.cache_clear()
        yield bucket
    module.automation.cache_clear()


def _new(*labels: Mapping[str, str], fingerprints: Sequence[str] = ()) -> str:
    """Return a notification of this moment."""
    return notification(*labels, fingerprints=fingerprints, envelope={"Timestamp": datetime.now(UTC).isoformat()})


def _handle(event: dict[str, Any], *, remaining_seconds: float = 30) -> Any:
    return module.handler(event, _Context(remaining_seconds=remaining_seconds))


@pytest.mark.usefixtures("bucket")
def test_only_what_failed_comes_again() -> None:
    event = recorded("command_success")
    event["time"] = "2999-01-01T00:00:00Z"  # younger than any: it may have come before its command is known

    answer = _handle(sqs_event(_new(), json.dumps(event), json.dumps({"source": "aws.ec2"})))

    assert answer == {"batchItemFailures": [{"itemIdentifier": "00000000-0000-4000-8000-000000000001"}]}


def test_what_there_is_no_time_for_comes_again_untouched(bucket: Any) -> None:
    answer = _handle(sqs_event(_new(), "kept if it were read"), remaining_seconds=MARGIN_SECONDS - 1)

    assert len(answer["batchItemFailures"]) == 2
    assert list(bucket.objects.all()) == []
    assert _handle(sqs_event(_new()), remaining_seconds=MARGIN_SECONDS + 1) == {"batchItemFailures": []}


def test_a_batch_in_which_all_failed_is_reported_too(bucket: Any) -> None:
    bucket.delete()

    answer = _handle(sqs_event("neither", "nor"))

    assert len(answer["batchItemFailures"]) == 2


@pytest.mark.usefixtures("bucket")
def test_what_was_counted_becomes_metrics_and_no_secret_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    _handle(sqs_event(_new(), _new(LABELS | {"pod": "; rm -rf /"}, fingerprints=["f" * 16]), "{}"))

    said = capsys.readouterr().out
    lines = [json.loads(line) for line in said.splitlines()]
    (metrics,) = (line for line in lines if "_aws" in line)
    assert metrics["RepairsDryRun"] == [1.0]
    assert metrics["RepairsRefused"] == [1.0]
    assert metrics["MessagesNotOurs"] == [1.0]
    assert metrics["service"] == "runbook_automation"
    assert "secret-of-the-test" not in said


def test_why_a_message_failed_is_in_the_log(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    monkeypatch.setattr(module.OBSERVER.logger.logger_handler, "stream", written)
    bucket.delete()

    _handle(sqs_event("neither"))

    (said,) = (json.loads(line) for line in written.getvalue().splitlines())
    assert (said["level"], said["message"]) == ("ERROR", "message failed")
    assert said["message_id"] == "00000000-0000-4000-8000-000000000000"
    assert said["exception_name"] == "NoSuchBucket"


@pytest.mark.usefixtures("bucket")
def test_the_sweeps_handler_takes_its_own_messages_and_fails_others() -> None:
    sweep_module.repair_sweep.cache_clear()

    answer = sweep_module.handler(sqs_event(json.dumps({"source": "orion.sweep"}), "{}"), _Context())

    assert answer == {"batchItemFailures": [{"itemIdentifier": "00000000-0000-4000-8000-000000000001"}]}
    sweep_module.repair_sweep.cache_clear()
