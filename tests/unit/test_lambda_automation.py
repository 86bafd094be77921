"""The function's reactions to a message, on moto: acts once, rejects, runs dry, or does nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting.repairs.compile import NOT_AFTER
from orion_common.alertmanager import AlertmanagerApi
from orion_common.envelope import NotOurs, Unreadable
from orion_common.names import Mode
from repair_sweep.sweep import RepairSweep
from runbook_automation.configuration import BEGIN_SECONDS, MAXIMUM_AGE_SECONDS
from runbook_automation.counts import Count
from sandbox.service import HttpService, wait_until_ready
from tests.lambda_events import (
    FUNCTION_OPERATIONS,
    LABELS,
    SWEEP_OPERATIONS,
    notification,
    recorded,
)
from tests.lambda_harness import BUCKET, NOW, SENT, SWEEP, World, moto_world, refused_by_aws


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def test_an_alert_becomes_one_command_on_the_bastion(world: World) -> None:
    world.handle(notification())

    (command,) = world.commands()
    assert command["DocumentName"] == "orion-restart-pod"
    assert command["Targets"] == [{"Key": "tag:orion:role", "Values": ["bastion"]}]
    (sent,) = world.sent
    document = world.ssm.describe_document(Name="orion-restart-pod")["Document"]
    pinned = (sent["DocumentVersion"], sent["DocumentHash"], sent["DocumentHashType"])
    assert pinned == ("1", document.get("Hash"), "Sha256")
    given = {name: [LABELS[name]] for name in ("namespace", "pod", "uid")}
    assert command["Parameters"] == given | {NOT_AFTER: [str(int(NOW) + BEGIN_SECONDS)]}
    assert command["OutputS3BucketName"] == BUCKET
    (item,) = world.items()
    assert item["command_id"] == command["CommandId"]
    assert item["status"] == "sent"
    assert item["expires_at"] > NOW
    assert world.seen.counts[Count.SENT] == 1


def test_it_asks_of_aws_exactly_what_its_role_allows(world: World) -> None:
    world.answer_of("replaced: pod a by pod b\n")
    found = world.operations(notification(LABELS, LABELS | {"pod": "positions-2"}), "not JSON")
    found |= world.operations(world.event())

    assert found == FUNCTION_OPERATIONS


def test_the_sweep_asks_of_aws_exactly_what_its_role_allows(world: World) -> None:
    world.answer_of("replaced: pod a by pod b\n")
    world.handle(notification())
    world.time = NOW + 10 * 60

    assert world.operations(SWEEP) == SWEEP_OPERATIONS


def test_the_sweep_takes_the_messages_of_its_schedule_alone(world: World) -> None:
    sweep = RepairSweep(outcomes=world.automation.outcomes)

    with pytest.raises(NotOurs, match=r"orion\.sweep"):
        sweep.handle('{"source": "aws.ssm"}')


def test_the_same_message_ten_times_is_one_command(world: World) -> None:
    for _ in range(10):
        world.handle(notification())

    assert len(world.commands()) == 1
    assert world.seen.counts[Count.DUPLICATE] == 9


def test_each_alert_is_answered_by_itself(world: World) -> None:
    world.handle(
        notification(
            LABELS,
            LABELS | {"pod": "; rm -rf /"},
            LABELS | {"alertname": "CriticalLatency"},
            LABELS | {"alertname": "PodNotReady", "pod": "orders-1"},
        )
    )

    assert [command["DocumentName"] for command in world.commands()] == [
        "orion-restart-pod",
        "orion-collect-diagnostics",
    ]
    assert world.seen.counts[Count.REFUSED] == 1


def test_a_repeat_is_no_reason_to_act(world: World) -> None:
    world.handle(json.dumps(recorded("notification_repeat")))

    assert world.commands() == []
    assert world.items() == []


def test_a_message_that_was_held_up_touches_nothing_and_the_team_is_told_once(world: World) -> None:
    world.time = SENT + MAXIMUM_AGE_SECONDS + 1

    for _ in range(3):
        world.handle(notification())

    assert world.commands() == []
    (said,) = world.told("team-trading")
    assert said["subject"] == "Runbook Action Not Taken: restart_pod"
    assert said["status"] == "too late"
    assert said["labels"] == LABELS
    assert "2026-11-24T10:46:03Z" in said["result"]
    assert "follow its runbook" in said["result"]
    (item,) = world.items()
    assert "open" not in item
    assert world.seen.counts[Count.TOO_LATE] == 1


@pytest.mark.parametrize("age", [-60 * 60, 0, MAXIMUM_AGE_SECONDS])
def test_a_message_is_acted_on_while_the_queue_itself_may_still_bring_it(world: World, age: float) -> None:
    world.time = SENT + age

    world.handle(notification())

    assert len(world.commands()) == 1


def test_a_new_message_about_an_alert_is_acted_on_after_an_old_one_came_too_late(world: World) -> None:
    world.time = SENT + 4 * 24 * 60 * 60
    world.handle(notification())

    world.handle(notification(envelope={"Timestamp": "2026-11-28T10:45:00.000Z"}))
    world.handle(notification())

    assert len(world.commands()) == 1
    assert len(world.told("team-trading")) == 1
    assert {item["status"]: item.get("open") for item in world.items()} == {"too late": None, "sent": "repair"}


def test_a_command_sent_in_time_is_ended_by_an_outcome_that_was_held_up(world: World) -> None:
    world.handle(notification())
    world.time = SENT + 4 * 24 * 60 * 60

    world.handle(notification())
    world.handle(world.event(age=4 * 24 * 60 * 60))

    assert [one["status"] for one in world.told("notifications")] == ["succeeded"]
    assert world.told("team-trading") == []


@pytest.mark.parametrize("pod", ["; rm -rf /", "$(reboot)", "{{ pod }}", "a\nb", "x" * 10_000, ""])
def test_a_hostile_label_is_refused_once_and_the_team_told(world: World, pod: str) -> None:
    for _ in range(3):
        world.handle(notification(LABELS | {"pod": pod}))

    assert world.commands() == []
    (refusal,) = world.told("team-trading")
    assert refusal["subject"] == "Runbook Action Refused: restart_pod"
    assert refusal["status"] == "refused"
    assert refusal["labels"]["pod"][:500] == pod[:500]
    assert refusal["parameters"] == {}
    assert world.told("notifications") == []
    assert world.seen.counts[Count.REFUSED] == 1
    (item,) = world.items()
    assert "open" not in item


def test_dry_run_says_what_it_would_do_and_does_nothing(world: World) -> None:
    world.in_mode(Mode.DRY_RUN)

    world.handle(notification())
    world.handle(notification())

    assert world.commands() == []
    (said,) = world.told("notifications")
    assert said["subject"] == "Runbook Action Dry Run: restart_pod"
    assert LABELS["pod"] in said["result"]
    (item,) = world.items()
    assert item["status"] == "dry run"


def test_a_message_cut_at_256_kib_is_kept_raw_and_becomes_a_dead_letter(world: World) -> None:
    envelope = recorded("notification_firing")
    envelope["MessageAttributes"]["truncated"] = {"Type": "String", "Value": "true"}
    envelope["Message"] = envelope["Message"][:100]
    body = json.dumps(envelope)

    with pytest.raises(Unreadable, match="256 KiB"):
        world.handle(body)

    (kept,) = world.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert kept.get("Key", "").startswith("unreadable/")
    assert world.s3.get_object(Bucket=BUCKET, Key=kept.get("Key", ""))["Body"].read().decode() == body
    assert world.seen.counts[Count.UNREADABLE] == 1


def test_what_is_none_of_ours_is_counted_and_kept_and_not_tried_again(world: World) -> None:
    world.handle('{"source": "aws.ec2"}')

    assert world.seen.counts[Count.NOT_OURS] == 1
    assert len(world.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])) == 1


def test_what_cannot_be_kept_stays_in_the_queue(world: World) -> None:
    world.s3.delete_bucket(Bucket=BUCKET)

    with pytest.raises(ClientError):
        world.handle("not JSON")


def test_alerts_that_came_in_no_message_are_told_to_the_team_once(world: World) -> None:
    for _ in range(3):
        world.handle(notification(total=120))

    (said,) = world.told("team-platform")
    assert said["status"] == "left out"
    assert "119 alerts" in said["result"]
    assert "alertmanager_api" in said["result"]
    assert said["subject"] == "Runbook Actions Left Out: restart_pod"
    assert said["labels"] == {"alertname": "HighMemoryUsage", "service": "positions"}
    assert world.seen.counts[Count.LEFT_OUT] == 3 * 119
    assert world.seen.counts[Count.NOTICE] == 1
    assert len(world.commands()) == 1


def test_of_a_group_that_has_resolved_nothing_was_left_out(world: World) -> None:
    world.handle(notification(total=120, status="resolved"))

    assert world.told("team-platform") == []
    assert world.seen.counts[Count.LEFT_OUT] == 0


def test_a_notice_that_cannot_be_published_keeps_no_alert_from_its_answer_and_comes_with_the_sweep(
    world: World,
) -> None:
    world.fail(world.sns, "Publish", refused_by_aws("Throttling", 400))
    with pytest.raises(ClientError):
        world.handle(notification(total=120))
    assert len(world.commands()) == 1
    world.mend()

    world.handle(notification(total=120))
    world.time = NOW + 2 * 60
    world.handle(SWEEP)
    world.handle(SWEEP)

    assert [one["status"] for one in world.told("team-platform")] == ["left out"]


def test_what_a_message_that_was_held_up_left_out_is_told_as_too_late(world: World) -> None:
    world.time = SENT + MAXIMUM_AGE_SECONDS + 1

    world.handle(notification(total=120))

    (left_out,) = world.told("team-platform")
    assert "119 alerts" in left_out["result"]
    assert "more than 15 minutes later" in left_out["result"]


def test_alerts_that_came_in_no_message_are_fetched_and_answered_once(world: World) -> None:
    rest = [
        {
            "labels": LABELS | {"pod": f"positions-{number}"},
            "fingerprint": f"{number:016x}",
            "startsAt": "2026-11-24T10:46:02.819Z",
            "annotations": {},
            "status": {"state": "active"},
        }
        for number in range(3)
    ]
    labels = {"alertname": "HighMemoryUsage", "service": "positions"}

    def groups(_: Request) -> JSONResponse:
        return JSONResponse([{"labels": labels, "alerts": rest}])

    application = Starlette(routes=[Route("/api/v2/alerts/groups", groups)])
    service = HttpService("alertmanager", application)
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    try:
        world.automation = replace(world.automation, alertmanager=AlertmanagerApi(address=service.address))
        for _ in range(2):
            world.handle(notification(total=3))
    finally:
        service.stop()

    # The first of them came in the message, by the same fingerprint.
    assert [one["Parameters"]["pod"] for one in world.commands()] == [[LABELS["pod"]], ["positions-1"], ["positions-2"]]
    assert world.seen.counts[Count.FETCHED] == 4
    assert world.seen.counts[Count.LEFT_OUT] == 0
    assert world.told("team-platform") == []


def test_nothing_is_fetched_for_alerts_that_nothing_answers(world: World) -> None:
    labels = LABELS | {"alertname": "CriticalLatency"}

    world.handle(notification(labels, total=120, commonLabels=labels))

    assert world.seen.counts[Count.LEFT_OUT] == 0
