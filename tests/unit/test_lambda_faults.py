"""Repairs when AWS fails, time runs out or the outcome is lost, on moto: sent once, never lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError, ReadTimeoutError

from orion_common.aws_answers import WrongAnswer
from orion_common.deadlines import OutOfTime, TryLater
from repair_sweep.sweep import LOOK_AGAIN_SECONDS, SweepIncomplete
from runbook_automation.configuration import CLAIM_SECONDS, MAXIMUM_AGE_SECONDS
from runbook_automation.counts import Count
from runbook_automation.repair import Ending, Repair, Status
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import NOW, SESSION, SWEEP, World, moto_world, refused_by_aws


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def test_a_command_that_is_refused_is_the_teams(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("InvalidParameters", 400))

    world.handle(notification())

    (failure,) = world.told("team-trading")
    assert failure["status"] == "failed"
    assert "InvalidParameters" in failure["result"]


def test_a_throttled_command_is_tried_again_and_sent_once(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(notification())
    assert world.items()[0]["status"] == "released"
    world.mend()

    world.handle(notification())
    world.handle(notification())

    assert len(world.commands()) == 1


def test_a_command_that_is_never_taken_is_told_to_the_team_when_no_message_will_come_again(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(notification())
    world.time = NOW + MAXIMUM_AGE_SECONDS - 1
    world.handle(SWEEP)
    assert world.told("team-trading") == []

    world.time = NOW + MAXIMUM_AGE_SECONDS
    world.handle(SWEEP)
    world.handle(SWEEP)

    (failure,) = world.told("team-trading")
    assert failure["status"] == "failed"
    assert failure["result"].endswith("nothing ran")
    assert "open" not in world.items()[0]


def test_a_repair_that_is_claimed_anew_while_the_sweep_looks_at_it_is_not_called_failed(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(notification())
    world.mend()
    (released,) = (Repair.from_item(item) for item in world.items())
    world.handle(notification())

    failed = released.ended(Ending(status=Status.FAILED, result="nothing ran"), int(NOW))

    assert not world.automation.store.record_ending(failed, was=released.status)
    assert world.items()[0]["status"] == "sent"


def test_a_claim_whose_answer_is_lost_is_still_this_ones_and_sent_once(world: World) -> None:
    tries: list[str] = []

    def lose_the_first_answer(request: AWSPreparedRequest, **_: object) -> None:
        tries.append(request.url)
        if len(tries) == 1:
            SESSION.client("dynamodb").transact_write_items(**json.loads(cast("bytes", request.body)))
            raise ReadTimeoutError(endpoint_url=request.url)

    client = world.table.meta.client
    world.listen(client, "before-send.dynamodb.TransactWriteItems", lose_the_first_answer, first=True)
    world.handle(notification())
    assert len(tries) == 2

    world.handle(notification())

    assert len(world.commands()) == 1
    assert world.items()[0]["status"] == "sent"
    assert world.seen.counts[Count.DUPLICATE] == 1


def takes_seconds(world: World, client: Any, operation: str, seconds: float) -> None:
    """Have an operation take its time."""

    def take(**_: object) -> None:
        world.time += seconds

    world.listen(client, f"before-send.{client.meta.service_model.service_name}.{operation}", take)


def test_what_a_run_has_no_time_for_is_sent_by_the_next_ones(world: World) -> None:
    message = notification(*(LABELS | {"pod": f"positions-{number}"} for number in range(5)))
    takes_seconds(world, world.ssm, "SendCommand", 10)
    sent: list[int] = []
    for _ in range(2):
        world.automation = replace(world.automation, deadline=world.time + 15)
        with pytest.raises(OutOfTime):
            world.handle(message)
        sent.append(len(world.commands()))
    world.automation = replace(world.automation, deadline=world.time + 15)

    world.handle(message)

    assert sent == [2, 4]
    assert [command["Parameters"]["pod"] for command in world.commands()] == [[f"positions-{n}"] for n in range(5)]
    assert {item["status"] for item in world.items()} == {"sent"}


def test_a_claim_that_took_all_the_time_is_given_back(world: World) -> None:
    takes_seconds(world, world.table.meta.client, "TransactWriteItems", 20)
    world.automation = replace(world.automation, deadline=NOW + 15)

    with pytest.raises(OutOfTime):
        world.handle(notification())

    assert world.commands() == []
    assert world.items()[0]["status"] == "released"


def test_what_a_sweep_has_no_time_for_is_left_to_the_next(world: World) -> None:
    world.handle(notification(LABELS, LABELS | {"pod": "positions-2"}))
    world.time = NOW + 10 * 60
    takes_seconds(world, world.ssm, "GetCommandInvocation", 10)
    world.automation = replace(world.automation, deadline=world.time + 5)

    world.handle(SWEEP)
    assert len(world.told("notifications")) == 1
    world.automation = replace(world.automation, deadline=world.time + 5)
    world.handle(SWEEP)

    assert len(world.told("notifications")) == 1


def test_one_throttled_alert_keeps_the_others_from_nothing(world: World) -> None:
    world.fail(world.ssm, "SendCommand", refused_by_aws("ThrottlingException", 400))
    with pytest.raises(TryLater):
        world.handle(notification(LABELS, LABELS | {"pod": "; rm -rf /"}))

    assert len(world.told("team-trading")) == 1


def test_one_alert_that_cannot_be_recorded_keeps_the_others_from_nothing(world: World) -> None:
    other = LABELS | {"pod": "positions-2", "uid": "e7d1f7ce-0000-4000-8000-000000000002"}

    def fail(params: dict[str, Any], **_: object) -> None:
        if LABELS["uid"] in str(params["TransactItems"]):
            raise refused_by_aws("InternalServerError", 500)

    world.listen(world.table.meta.client, "provide-client-params.dynamodb.TransactWriteItems", fail)
    with pytest.raises(ClientError):
        world.handle(notification(LABELS, other))

    assert [command["Parameters"]["uid"] for command in world.commands()] == [[other["uid"]]]


NO_ANSWERS = {
    "time-out": ReadTimeoutError(endpoint_url="https://ssm"),
    "5xx": refused_by_aws("InternalServerError", 500),
    "wrong answer": WrongAnswer(operation="SendCommand", found="an answer without the id of a request"),
}
FAILURES = NO_ANSWERS | {"throttling": refused_by_aws("ThrottlingException", 400)}


@pytest.mark.parametrize("fault", NO_ANSWERS)
def test_a_command_without_an_answer_is_never_sent_again(world: World, fault: str) -> None:
    world.fail(world.ssm, "SendCommand", NO_ANSWERS[fault])
    world.handle(notification())
    world.mend()
    world.handle(notification())
    assert world.commands() == []
    assert world.seen.counts[Count.UNCERTAIN] == 1

    world.time = NOW + CLAIM_SECONDS + 1
    world.handle(SWEEP)
    world.handle(SWEEP)

    assert world.commands() == []
    (lost,) = world.told("team-trading")
    assert lost["status"] == "lost"
    assert "not sent again" in lost["result"]


def test_a_command_whose_answer_is_lost_runs_once(world: World) -> None:
    def lose_the_answer(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://ssm")

    # The answer of `send_command` is read after the command was taken.
    world.listen(world.ssm, "before-parse.ssm.SendCommand", lose_the_answer)
    for _ in range(2):
        world.handle(notification())
    world.time = NOW + CLAIM_SECONDS + 1
    world.handle(SWEEP)

    assert len(world.commands()) == 1
    assert [repair["status"] for repair in world.told("team-trading")] == ["lost"]


@pytest.mark.parametrize("fault", FAILURES)
def test_an_outcome_that_cannot_be_read_for_ten_minutes_is_read_afterwards(world: World, fault: str) -> None:
    world.handle(notification())
    world.fail(world.ssm, "GetCommandInvocation", FAILURES[fault])
    for minutes in (10, 15, 20):
        world.time = NOW + minutes * 60
        with pytest.raises(SweepIncomplete):
            world.handle(SWEEP)
    world.mend()

    world.time += LOOK_AGAIN_SECONDS
    world.handle(SWEEP)

    assert [repair["status"] for repair in world.told("notifications")] == ["succeeded"]
    assert len(world.commands()) == 1


def test_a_claim_is_left_alone_while_its_function_may_live(world: World) -> None:
    world.fail(world.ssm, "SendCommand", ReadTimeoutError(endpoint_url="https://ssm"))
    world.handle(notification())

    world.time = NOW + CLAIM_SECONDS - 1
    world.handle(SWEEP)

    assert world.told("team-trading") == []


def test_the_sweep_finds_an_outcome_that_was_never_heard_of(world: World) -> None:
    world.handle(notification())
    world.time = NOW + 10 * 60

    world.handle(SWEEP)
    world.handle(SWEEP)

    (result,) = world.told("notifications")
    assert result["status"] == "succeeded"


def test_a_command_that_no_instance_took_is_the_teams(world: World) -> None:
    world.ec2.terminate_instances(InstanceIds=[world.instance])
    world.handle(notification())
    world.invocations_of = lambda _: []
    world.time = NOW + 10 * 60

    world.handle(SWEEP)

    (failure,) = world.told("team-trading")
    assert failure["result"].startswith("No instance took the command")


def test_a_command_that_never_ends_is_given_up_in_the_end(world: World) -> None:
    world.handle(notification())
    world.answer_of("", "InProgress")
    for minutes in (6, 8, 10):
        world.time = NOW + minutes * 60
        world.handle(SWEEP)
    assert world.told("team-trading") == []

    world.time = NOW + 60 * 60
    world.handle(SWEEP)

    (failure,) = world.told("team-trading")
    assert failure["status"] == "timed out"


@pytest.mark.parametrize("fault", FAILURES)
def test_an_end_that_could_not_be_published_for_ten_minutes_is_published_by_the_sweep(world: World, fault: str) -> None:
    world.handle(notification())
    world.fail(world.sns, "Publish", FAILURES[fault])
    with pytest.raises(type(FAILURES[fault])):
        world.handle(world.event())
    world.time = NOW + 10 * 60
    with pytest.raises(SweepIncomplete):
        world.handle(SWEEP)
    world.mend()

    world.time += LOOK_AGAIN_SECONDS
    world.handle(SWEEP)
    world.handle(SWEEP)

    assert [one["status"] for one in world.told("notifications")] == ["succeeded"]


def test_an_end_whose_publication_was_not_answered_is_published_again_under_its_id(world: World) -> None:
    world.handle(notification())
    event, lost = world.event(), list[object]()

    def lose_the_answer(**_: object) -> None:
        lost.append(None)
        raise ReadTimeoutError(endpoint_url="https://sns")

    unregister = world.listen(world.sns, "before-parse.sns.Publish", lose_the_answer)
    with pytest.raises(ReadTimeoutError):
        world.handle(event)
    unregister()
    world.time = NOW + 10 * 60
    world.handle(SWEEP)

    first, second = world.told("notifications")
    assert first == second  # whoever reads them knows by the id that it is one repair


def test_one_repair_that_cannot_be_looked_after_does_not_keep_the_others(world: World) -> None:
    world.handle(notification(LABELS, LABELS | {"pod": "positions-2"}))
    ids = [command["CommandId"] for command in world.commands()]

    def fail_for_first(command_id: str) -> list[dict[str, Any]]:
        if command_id == ids[0]:
            raise ReadTimeoutError(endpoint_url="https://ssm")
        return [{"CommandId": command_id, "InstanceId": world.instance}]

    world.invocations_of = fail_for_first
    world.time = NOW + 10 * 60
    with pytest.raises(SweepIncomplete):
        world.handle(SWEEP)

    (result,) = world.told("notifications")
    assert result["command_id"] == ids[1]
