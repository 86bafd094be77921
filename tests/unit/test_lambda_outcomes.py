"""Outcomes of repairs that were sent, on moto: the command's end, and the notifications."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from orion_common.names import Mode
from runbook_automation.command_results import CommandResults
from runbook_automation.counts import Count
from runbook_automation.outcomes import EventTooEarly
from runbook_automation.repair import Status
from sandbox.clouds.aws.commands import OUTPUT_BYTES
from sandbox.clouds.aws.ssm_agent import shown
from tests.lambda_events import LABELS, notification
from tests.lambda_harness import World, moto_world
from tests.repair_scripts import COMMAND, run_script


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def test_the_outcome_is_published_with_the_commands_output(world: World) -> None:
    world.handle(notification())
    world.answer_of("deleting\nreplaced: pod a by pod b\n")

    world.handle(world.event())

    (result,) = world.told("notifications")
    assert result["subject"] == "Runbook Action Executed: restart_pod"
    assert result["status"] == "succeeded"
    assert result["result"] == "replaced: pod a by pod b"
    assert result["output"] == "deleting\nreplaced: pod a by pod b\n"
    assert result["command_id"] == world.commands()[0]["CommandId"]
    assert result["labels"] == LABELS
    assert result["started"] == "2026-11-24T10:40:11Z"
    assert result["finished"] == "2026-11-24T10:40:11Z"
    (item,) = world.items()
    assert "open" not in item


KUBECTL = """#!/bin/bash
case "$*" in
  *jsonpath*) echo "$SSM_uid|node-1||" ;;
  logs*) printf 'GET /health 200 %.0s\\n' {1..3000} ;;
  *) echo "$1" ;;
esac
"""


def test_the_result_of_long_diagnostics_is_not_a_piece_of_a_log(world: World, tmp_path: Path) -> None:
    given = {name: LABELS[name] for name in ("namespace", "pod", "uid")}
    done = run_script(tmp_path, "collect_diagnostics", KUBECTL, given)
    assert done.output.endswith(f"collected: diagnostics of pod orion/{LABELS['pod']} with UID {LABELS['uid']}\n")
    told = shown(done.output, OUTPUT_BYTES)
    assert len(told) == OUTPUT_BYTES
    world.handle(notification(LABELS | {"alertname": "PodNotReady"}))
    world.answer_of(told)

    world.handle(world.event())

    (result,) = world.told("notifications")
    assert result["result"].startswith(
        f"diagnostics of pod orion/{LABELS['pod']} with UID {LABELS['uid']} on node node-1"
    )
    assert "output_location" in result["result"]
    assert result["output"].endswith("--output truncated--")


@pytest.mark.parametrize(("length", "told"), [(99, "x" * 99), (100, "x" * 80 + "--output truncated--")])
def test_the_sandboxes_agent_cuts_an_output_as_the_real_one(length: int, told: str) -> None:
    assert shown("x" * length, 100) == told


def test_an_outcome_told_twice_is_published_once(world: World) -> None:
    world.handle(notification())
    world.handle(world.event())
    world.handle(world.event())

    assert len(world.told("notifications")) == 1


def test_an_event_of_a_command_under_way_changes_nothing(world: World) -> None:
    world.handle(notification())
    world.handle(world.event("InProgress"))

    assert world.told("notifications") == []
    assert world.items()[0]["status"] == "sent"


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("nothing done: pod orion/x with UID y was replaced\n", "nothing done"),
        ("gone: pod orion/x with UID y is not there any more\nits last events\n", "gone"),
    ],
)
def test_a_changed_state_and_a_target_that_is_gone_are_the_teams(world: World, output: str, status: str) -> None:
    world.handle(notification())
    world.answer_of(output)

    world.handle(world.event())

    (said,) = world.told("team-trading")
    assert said["subject"] == "Runbook Action Not Needed: restart_pod"
    assert said["status"] == status
    assert said["result"] == output.splitlines()[0]
    assert world.told("notifications") == []
    (item,) = world.items()
    assert item["status"] == status


def test_what_a_script_refuses_is_a_refusal_and_the_teams(world: World) -> None:
    world.handle(notification())
    world.answer_of("", "Failed", "refused: pod orion/x with UID y has no owner that would replace it\n")

    world.handle(world.event("Failed"))

    (said,) = world.told("team-trading")
    assert said["subject"] == "Runbook Action Refused: restart_pod"
    assert (said["status"], world.items()[0]["status"]) == ("refused", "refused")


DATABASE = {"alertname": "AuroraHighCPU", "service": "database", "team": "trading"}


def test_what_is_handed_over_reaches_that_team_once_with_a_link(world: World) -> None:
    for _ in range(3):
        world.handle(notification(DATABASE | {"dbinstance_identifier": "orion-aurora-1"}))

    (said,) = world.told("team-database")
    assert said["subject"] == "Runbook Action Executed: hand_to_database_team"
    assert said["status"] == "handed over"
    assert said["parameters"] == {"dbinstance_identifier": "orion-aurora-1"}
    assert said["link"].startswith("https://us-east-1.console.aws.amazon.com/rds/home?region=us-east-1#database:")
    assert "id=orion-aurora-1;" in said["link"]
    assert world.told("team-trading") == []
    assert world.commands() == []
    (item,) = world.items()
    assert item["status"] == "handed over"
    assert item["link"] == said["link"]


@pytest.mark.parametrize("identifier", ["", "x;tab=y", "x#y", "../x", "{region}", "x" * 300])
def test_a_hostile_identifier_makes_no_link(world: World, identifier: str) -> None:
    world.handle(notification(DATABASE | {"dbinstance_identifier": identifier}))

    (refusal,) = world.told("team-trading")
    assert refusal["status"] == "refused"
    assert refusal["link"] == ""
    assert world.told("team-database") == []


def test_dry_run_hands_nothing_over(world: World) -> None:
    world.in_mode(Mode.DRY_RUN)

    world.handle(notification(DATABASE | {"dbinstance_identifier": "orion-aurora-1"}))

    (said,) = world.told("notifications")
    assert said["result"] == "would hand AuroraHighCPU to the team database"
    assert world.told("team-database") == []
    assert world.items()[0]["status"] == "dry run"


@pytest.mark.parametrize(("said", "status"), [("Failed", "failed"), ("TimedOut", "timed out")])
def test_a_failure_goes_to_the_team(world: World, said: str, status: str) -> None:
    world.handle(notification())
    world.answer_of("", said, "error: Forbidden\n")

    world.handle(world.event(said))

    (failure,) = world.told("team-trading")
    assert failure["subject"] == "Runbook Action Failed: restart_pod"
    assert failure["status"] == status
    assert failure["result"] == f"{said}: error: Forbidden"
    assert world.told("notifications") == []


@pytest.mark.parametrize(
    ("status", "details", "began", "ending", "result"),
    [
        ("TimedOut", "DeliveryTimedOut", "", "failed", "DeliveryTimedOut: never delivered, nothing ran"),
        ("TimedOut", "Delivery Timed Out", "", "failed", "DeliveryTimedOut: never delivered, nothing ran"),
        ("Failed", "Undeliverable", "", "failed", "Undeliverable: could not be delivered, nothing ran"),
        ("Cancelled", "Terminated", "", "failed", "Terminated: ended before its turn, nothing ran"),
        (
            "TimedOut",
            "DeliveryTimedOut",
            "2026-11-24T10:40:12Z",
            "timed out",
            "DeliveryTimedOut: had begun, and nothing is known of its end; it wrote last: deleting",
        ),
        (
            "TimedOut",
            "ExecutionTimedOut",
            "2026-11-24T10:40:12Z",
            "timed out",
            "ExecutionTimedOut: timed out while running, and may have done a part; it wrote last: deleting",
        ),
    ],
)
def test_the_team_hears_whether_anything_ran(
    world: World, status: str, details: str, began: str, ending: str, result: str
) -> None:
    world.handle(notification())
    written = {"StandardOutputContent": "deleting\n" if began else "", "StandardErrorContent": ""}
    told = {"Status": status, "StatusDetails": details, "ExecutionStartDateTime": began}
    world.change_answer("GetCommandInvocation", told | written)

    world.handle(world.event(status))

    (said,) = world.told("team-trading")
    assert (said["status"], said["result"]) == (ending, result)
    assert said["subject"] == "Runbook Action Failed: restart_pod"


def test_an_event_that_comes_before_its_command_is_known_comes_again(world: World) -> None:
    world.handle(notification())
    event = world.event()
    world.table.update_item(Key={"id": world.items()[0]["id"]}, UpdateExpression="REMOVE command_id")

    with pytest.raises(EventTooEarly):
        world.handle(event)


def test_an_old_event_of_a_command_that_no_repair_sent_is_counted(world: World) -> None:
    world.ssm.send_command(DocumentName="orion-restart-pod", InstanceIds=[world.instance])

    world.handle(world.event(age=61))

    assert world.seen.counts[Count.UNKNOWN_COMMAND] == 1
    assert world.told("notifications") == []


def outcomes_of(statuses: dict[str, tuple[str, str]]) -> CommandResults:
    """Return commands whose every command went to these instances, each with its status and output."""
    client = boto3.client("ssm", region_name="us-east-1")
    stub = Stubber(client)
    stub.add_response("list_command_invocations", {"CommandInvocations": [{"InstanceId": one} for one in statuses]})
    for instance in sorted(statuses):
        status, output = statuses[instance]
        answer = {"Status": status, "StandardOutputContent": output, "StandardErrorContent": ""}
        asked = {"CommandId": COMMAND, "InstanceId": instance}
        stub.add_response("get_command_invocation", answer, asked)
    stub.activate()
    return CommandResults(client=client)


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (("Success", "replaced"), ("Failed", "no"), Status.SUCCEEDED),
        (("Failed", "no"), ("Success", "replaced"), Status.SUCCEEDED),
        (("Success", "gone: no pod"), ("Failed", "no"), Status.FAILED),
        (("Success", "nothing done: another pod"), ("Success", "replaced"), Status.SUCCEEDED),
        (("Success", "gone: no pod"), ("Success", "nothing done: another pod"), Status.GONE),
        (("Success", "replaced"), ("TimedOut", ""), Status.SUCCEEDED),
        (("Success", "nothing done: another pod"), ("TimedOut", ""), Status.TIMED_OUT),
        (("Success", "replaced"), ("InProgress", ""), None),
    ],
)
def test_where_two_instances_took_a_command_none_is_left_out(
    first: tuple[str, str], second: tuple[str, str], status: Status | None
) -> None:
    ending = outcomes_of({"i-1": first, "i-2": second}).ending(COMMAND)

    assert (None if ending is None else ending.status) == status
    if ending is not None:
        assert "i-1" in ending.result
        assert "i-2" in ending.result


def test_an_instance_that_only_an_event_has_named_is_asked_too(world: World) -> None:
    world.handle(notification())
    answers = {world.instance: "replaced: pod a by pod b", "i-2": "gone: no pod"}
    world.invocations_of = lambda _: [{"InstanceId": "i-2"}]

    def asked(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
        instance = json.loads(params["body"])["InstanceId"]
        content = {"Status": "Success", "StandardOutputContent": answers[instance], "StandardErrorContent": ""}
        return SimpleNamespace(status_code=200), content

    world.listen(world.ssm, "before-call.ssm.GetCommandInvocation", asked)
    world.handle(world.event())  # of an instance that the list does not have yet

    (result,) = world.told("notifications")
    assert result["status"] == "succeeded"
    assert "i-2: gone" in result["result"]


@pytest.mark.parametrize("characters", ["x", "\u20ac", "\n"])
def test_a_long_output_still_fits_a_message(world: World, characters: str) -> None:
    world.handle(notification())
    world.answer_of(characters * 24_000, "Failed", characters * 24_000)

    world.handle(world.event("Failed"))

    (failure,) = world.told("team-trading")
    assert failure["status"] == Status.FAILED


def test_the_tables_item_of_hostile_labels_stays_small(world: World) -> None:
    labels = {f"label_{number}": "\u20ac" * 5_000 for number in range(100)}

    world.handle(notification(LABELS | labels))

    (item,) = world.items()
    assert len(json.dumps(item, default=str)) < 300_000
    assert len(world.commands()) == 1
