"""The documents' scripts with a kubectl that answers as the real one does when something goes wrong."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting.repairs.compile import NOT_AFTER
from tests.lambda_events import LABELS, repair_actions
from tests.repair_scripts import run_script

POD = {name: LABELS[name] for name in ("namespace", "pod", "uid")}
SCALED = {"namespace": "orion", "deployment": "orders", "replicas": "2"}
NODE = {"node": "ip-10-0-1-2.ec2.internal", "machine": "ec2a1b2c-0000-4000-8000-000000000001"}
INSTANCE = {"instance": "orion-aurora-1"}
ROLLED_BACK = {"namespace": "orion", "deployment": "orders", "revision": "2"}


LOGS = """#!/bin/bash
case "$*" in
  *jsonpath*) echo "$SSM_uid|node-1||" ;;
  "logs "*"--ignore-errors"*)
    echo 'error: container "sidecar" has none'
    echo "[main] why it crashed"
    ;;
  "logs "*)
    echo 'Error from server (BadRequest): container "sidecar" has none' >&2
    exit 1
    ;;
  *) echo "$1" ;;
esac
"""


def test_a_container_without_logs_does_not_keep_those_of_the_others_out(tmp_path: Path) -> None:
    done = run_script(tmp_path, "collect_diagnostics", LOGS, POD)

    now, before = done.output.split("=== logs")[1:]
    assert "[main] why it crashed" in now
    assert "[main] why it crashed" in before


PROGRESS = 'status.conditions[?(@.type=="Progressing")].reason'
PROGRESSED = 'status.conditions[?(@.type=="Progressing")].lastUpdateTime'


def ago(minutes: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60 * minutes))


def deployments(directory: Path, *, patching: str, **fields: Any) -> str:
    """Return a kubectl that knows one deployment, and how `patching` it ends (Python; `state` is kept)."""
    state = {
        "metadata.uid": "u",
        "metadata.generation": 4,
        "status.observedGeneration": 4,
        r"metadata.annotations.deployment\.kubernetes\.io/revision": 2,
        "status.replicas": 10,
        "status.updatedReplicas": 10,
        PROGRESS: "NewReplicaSetAvailable",
        PROGRESSED: ago(11),
        **fields,
    }
    kept = directory / "deployment.json"
    kept.write_text(json.dumps(state))
    made = ago(20)
    return f"""#!{sys.executable}
import json, pathlib, re, sys
kept = pathlib.Path({str(kept)!r})
state = json.loads(kept.read_text())
said = " ".join(sys.argv[1:])
if said.startswith("get replicasets"):
    print("1|orders-1|{made}|\\n2|orders-2|{made}|")
elif said.startswith("get replicaset "):
    print('{{"spec": {{}}}}')
elif said.startswith("get deployment"):
    fields = said.partition("jsonpath=")[2]
    print(re.sub(r"{{\\.([^}}]*)}}", lambda field: str(state.get(field[1], "")), fields))
elif said.startswith("patch"):
    {patching}
else:
    sys.exit("unknown: " + said)
"""


CHANGED = 'state["metadata.generation"] += 1; kept.write_text(json.dumps(state)); '


def test_a_rollback_whose_answer_is_lost_is_not_said_to_be_nothing(tmp_path: Path) -> None:
    patching = CHANGED + 'sys.exit("error: unexpected EOF")'

    done = run_script(tmp_path, "rollback_deployment", deployments(tmp_path, patching=patching), ROLLED_BACK)

    assert "nothing done" not in done.output
    assert done.status == "Failed"
    assert "error: unexpected EOF" in done.errors
    assert done.errors.splitlines()[-1].startswith("failed: deployment orion/orders may have been rolled back")


def test_a_rollback_that_meets_a_change_does_nothing(tmp_path: Path) -> None:
    refusal = "The request is invalid: the server rejected our request due to an error in our request"
    patching = CHANGED + f"sys.exit({refusal!r})"

    done = run_script(tmp_path, "rollback_deployment", deployments(tmp_path, patching=patching), ROLLED_BACK)

    assert done.status == "Success"
    assert done.output == "nothing done: deployment orion/orders was changed by somebody else at that moment\n"


@pytest.mark.parametrize(
    ("refusal", "output", "errors"),
    [
        ("error: unexpected EOF", "", "failed: deployment orion/orders may have been restarted"),
        ("The request is invalid: the server rejected our request", "nothing done: deployment orion/orders was", ""),
    ],
)
def test_a_restart_that_meets_a_change_says_what_is_known(
    tmp_path: Path, refusal: str, output: str, errors: str
) -> None:
    kubectl = deployments(tmp_path, patching=CHANGED + f"sys.exit({refusal!r})", **{"spec.replicas": 10})

    done = run_script(tmp_path, "restart_deployment", kubectl, ROLLED_BACK)

    assert done.output.startswith(output)
    assert errors in done.errors
    assert done.status == ("Success" if output else "Failed")


DEPLOYMENT_THAT_IS_SCALED = """#!/bin/bash
case "$*" in
  "get "*) echo 2 ;;
  "scale "*)
    echo 'error: Expected replicas to be 2, was 3' >&2
    exit 1
    ;;
esac
"""


def test_a_scaling_that_comes_second_says_so_first(tmp_path: Path) -> None:
    done = run_script(tmp_path, "scale_consumers", DEPLOYMENT_THAT_IS_SCALED, SCALED)

    assert done.status == "Success"
    assert done.output.startswith("nothing done: ")


def test_a_rollback_that_is_refused_and_meets_no_change_has_failed(tmp_path: Path) -> None:
    kubectl = deployments(tmp_path, patching='sys.exit("Error from server: admission webhook denied the request")')

    done = run_script(tmp_path, "rollback_deployment", kubectl, ROLLED_BACK)

    assert done.status == "Failed"
    assert done.errors == "Error from server: admission webhook denied the request\n"


def test_a_paused_deployment_is_not_rolled_back(tmp_path: Path) -> None:
    kubectl = deployments(tmp_path, patching='sys.exit("it was patched")', **{"spec.paused": "true"})

    done = run_script(tmp_path, "rollback_deployment", kubectl, ROLLED_BACK)

    assert done.status == "Failed"
    assert done.errors.startswith("refused: deployment orion/orders is paused")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param(
            {"status.updatedReplicas": 5, "status.replicas": 13, PROGRESS: "ReplicaSetUpdated"},
            "is being rolled out: 5 of 13 pods are of revision 2 (ReplicaSetUpdated)",
            id="a rollout goes on",
        ),
        pytest.param(
            {"status.updatedReplicas": 9},
            "is being rolled out: 9 of 10 pods are of revision 2 (NewReplicaSetAvailable)",
            id="a pod of the revision before is left",
        ),
        pytest.param(
            {PROGRESS: "ProgressDeadlineExceeded"},
            "is being rolled out: 10 of 10 pods are of revision 2 (ProgressDeadlineExceeded)",
            id="a rollout that hangs",
        ),
        pytest.param(
            {PROGRESS: "", PROGRESSED: ""},
            "is being rolled out: 10 of 10 pods are of revision 2 (no progress is reported)",
            id="nobody knows when it ended",
        ),
        pytest.param(
            {PROGRESSED: timedelta(minutes=9)},
            "has been rolled out at revision 2 for ",
            id="it ended nine minutes ago",
        ),
    ],
)
def test_a_revision_is_not_taken_back_before_it_can_be_judged(
    tmp_path: Path, fields: Mapping[str, Any], reason: str
) -> None:
    """Its hotfix was rolled back while the window still held the errors of the revision before."""
    # How long ago is counted from this test, and not from when the tests were collected.
    said = {name: ago(value.seconds / 60) if isinstance(value, timedelta) else value for name, value in fields.items()}
    kubectl = deployments(tmp_path, patching='sys.exit("it was patched")', **said)

    done = run_script(tmp_path, "rollback_deployment", kubectl, ROLLED_BACK)

    assert done.status == "Failed"
    assert done.errors.startswith(f"refused: deployment orion/orders {reason}")


@pytest.mark.parametrize("action", sorted(repair_actions()))
def test_a_command_whose_time_is_over_when_its_turn_comes_touches_nothing(tmp_path: Path, action: str) -> None:
    given = POD | SCALED | ROLLED_BACK | NODE | INSTANCE | {NOT_AFTER: str(int(time.time()) - 1)}
    parameters = {name: given[name] for name in repair_actions()[action].content["parameters"]}

    done = run_script(tmp_path, action, "#!/bin/bash\necho it was asked\nexit 1\n", parameters)

    assert done.code == 3
    assert done.errors.startswith("refused: this was to begin by ")
    assert done.output == ""
