"""Diagnostics are taken before anything is changed, and are in the output, whose address the thread has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from alerting.repairs.compile import NOTED_BYTES
from chatops.inputs import read_input
from orion_common.object_pages import page_of_address
from orion_common.repair_messages import RepairReport
from runbook_automation.chat_queue import ChatQueue
from runbook_automation.item_ids import earlier_id
from runbook_automation.repair import Ending, Origin, Repair, Status
from tests.lambda_events import LABELS
from tests.lambda_harness import moto_world, with_chat
from tests.repair_scripts import run_script

POD = {name: LABELS[name] for name in ("namespace", "pod", "uid")}
DEPLOYMENT = {"namespace": "orion", "deployment": "orders", "revision": "2"}
SCALED = {"namespace": "orion", "deployment": "orders", "replicas": "2"}
NODE = {"node": "node-1", "machine": "ec2a1b2c-0000-4000-8000-000000000001"}
CHANGES = ("create --raw", "patch ", "scale ")
KUBECTL = """#!/bin/bash
echo "$*" >> ASKED
case "$*" in
  "describe "*) echo "described: $*" ;;
  "logs "*"--previous") exit 1 ;;
  "logs "*) echo "said before it was changed" ;;
  "get events "*) echo "happened before it was changed" ;;
  "get nodes --output=wide") echo "node-1 Ready" ;;
  "get node "*conditions*) echo "Ready: True" ;;
  "get nodes "*) printf 'node-1||True\\nnode-2||True\\n' ;;
  "get node "*) echo "u|$SSM_machine|" ;;
  "get pod "*ownerReferences*) echo "StatefulSet|orders|aaaaaaaa-0000-4000-8000-000000000001" ;;
  "get pod "*) echo "$SSM_uid|" ;;
  "get statefulset "*) echo "aaaaaaaa-0000-4000-8000-000000000001|1" ;;
  "get pods "*) echo "aaaaaaaa-0000-4000-8000-000000000001||Running|$SSM_uid|$SSM_pod|True" ;;
  "get replicasets "*) printf '1|orders-1|MADE|\\n2|orders-2|MADE|\\n' ;;
  "get replicaset "*) echo '{}' ;;
  "get deployment "*annotations}) echo "" ;;
  "get deployment "*lastUpdateTime*) echo "u|4|4||2|2|2|NewReplicaSetAvailable|MADE" ;;
  "get deployment "*Progressing*) echo "u|4|4||2|2|2|2|NewReplicaSetAvailable" ;;
  "get deployment "*replicas}) echo 2 ;;
  "get deployment "*) echo "u|4" ;;
  *) echo "Error from server: CHANGED" >&2; exit 1 ;;
esac
"""
"""A cluster in which each change fails: what was taken before is written all the same."""


def _run(directory: Path, action: str, parameters: Mapping[str, str], kubectl: str = KUBECTL) -> tuple[str, list[str]]:
    asked = directory / "asked"
    made = "$(date --utc --date='20 minutes ago' +%Y-%m-%dT%H:%M:%SZ)"
    script = kubectl.replace("ASKED", str(asked)).replace(
        "'1|orders-1|MADE|\\n2|orders-2|MADE|\\n'", f'"1|orders-1|{made}|\\n2|orders-2|{made}|\\n"'
    )
    done = run_script(directory, action, script.replace("MADE", made), parameters)
    assert done.status == "Failed"
    assert done.errors.splitlines()[-1] == "Error from server: CHANGED"
    return done.output, asked.read_text().splitlines()


@pytest.mark.parametrize(
    ("action", "parameters", "parts"),
    [
        ("restart_pod", POD, ["pod", "logs", "logs of the containers before"]),
        ("restart_deployment", DEPLOYMENT, ["deployment", "events", "logs of one of its pods"]),
        ("rollback_deployment", DEPLOYMENT, ["deployment", "events", "logs of one of its pods"]),
        ("scale_consumers", SCALED, ["deployment", "events", "logs of one of its pods"]),
        ("cordon_node", NODE, ["its conditions", "nodes"]),
    ],
)
def test_diagnostics_are_taken_before_a_change(
    tmp_path: Path, action: str, parameters: Mapping[str, str], parts: list[str]
) -> None:
    output, asked = _run(tmp_path, action, parameters)

    taken = output.split("=== before: ")[1:]
    assert [part.splitlines()[0] for part in taken] == parts
    change = next(number for number, line in enumerate(asked) if line.startswith(CHANGES))
    last = max(
        number
        for number, line in enumerate(asked)
        if line.startswith(("describe ", "logs ", "get nodes --output=wide"))
    )
    assert last < change


def test_what_cannot_be_read_is_said_and_keeps_nothing_from_being_done(tmp_path: Path) -> None:
    output, asked = _run(tmp_path, "restart_pod", POD)

    assert "=== before: logs of the containers before\n(could not be read)\n" in output
    assert any(line.startswith("create --raw") for line in asked)


def test_a_part_that_is_long_leaves_room_for_the_result(tmp_path: Path) -> None:
    long = KUBECTL.replace('echo "said before it was changed"', "head --bytes=1000000 /dev/zero | tr '\\0' x")

    output, _ = _run(tmp_path, "scale_consumers", SCALED, long)

    assert NOTED_BYTES <= len(output) < 3 * NOTED_BYTES


LOCATION = "https://s3.us-east-1.amazonaws.com/orion-diagnostics-1/commands/restart_pod/c-1/i-1/awsrunShellScript/restartPod/stdout"
PAGE = (
    "https://us-east-1.console.aws.amazon.com/s3/object/orion-diagnostics-1?region=us-east-1"
    "&prefix=commands%2Frestart_pod%2Fc-1%2Fi-1%2FawsrunShellScript%2FrestartPod%2Fstdout"
)


REPAIR = Repair(
    id="repair#f#restart_pod#t",
    alert="HighMemoryUsage",
    action="restart_pod",
    team="platform",
    labels={},
    status=Status.SENT,
    seen_at=0,
    started_at=0,
    due_at=0,
    timeout_seconds=60,
    origin=Origin(fingerprint="f", group="g", receiver="r", group_labels={}),
)


@pytest.mark.parametrize("changes_cluster", [True, False])
def test_the_thread_is_given_the_page_of_a_commands_output(*, changes_cluster: bool) -> None:
    with moto_world() as world:
        chat = with_chat(world)
        queue: ChatQueue = world.automation.chat
        repair = replace(REPAIR, changes_cluster=changes_cluster)

        queue.report(repair.ended(Ending(status=Status.SUCCEEDED, result="replaced", location=LOCATION), 1))

        (report,) = chat.messages()
    what = "its output, with diagnostics from before" if changes_cluster else "its output"
    assert report["result"] == f"replaced ({what}: {PAGE} )"


def test_an_address_of_another_form_stays_as_it_is() -> None:
    assert page_of_address("https://example.com/a") == "https://example.com/a"


def test_chat_is_told_of_a_record_that_a_newer_one_has_replaced_by_the_id_that_it_knows() -> None:
    """The sweep publishes its end later, when the record is under another id. Chat gave such a report up."""
    with moto_world() as world:
        chat = with_chat(world)
        earlier = replace(REPAIR, id=earlier_id(REPAIR.id, REPAIR.claim))

        world.automation.chat.report(earlier.ended(Ending(status=Status.FAILED, result="no"), 1))

        (body,) = chat.bodies()
    report = read_input(body)
    assert isinstance(report, RepairReport)
    assert (report.facts.repair, report.facts.proposal) == (REPAIR.id, REPAIR.claim)
