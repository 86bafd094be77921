"""A pod is restarted only while its owner has all its others, ready; nothing is changed during maintenance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from alerting.names import MAINTENANCE_CONFIG_MAP, MAINTENANCE_NAMESPACE, MAINTENANCE_SECONDS
from sandbox.clouds.aws.ssm_agent import StepResult
from sandbox.drills.repairs import RESTARTS_AN_HOUR
from sandbox.drills.target import RESTART_LOCK
from tests.alerting_data import DATA, ROOT, fixture_catalog
from tests.lambda_events import LABELS, repair_actions
from tests.repair_scripts import run_script

POD = {name: LABELS[name] for name in ("namespace", "pod", "uid")}
PARAMETERS = POD | {
    "deployment": "orders",
    "replicas": "2",
    "revision": "2",
    "instance": "orion-aurora-1",
    "node": "ip-10-0-1-2.ec2.internal",
    "machine": "ec2a1b2c-0000-4000-8000-000000000001",
}
CHANGING = sorted(name for name, action in fixture_catalog().actions.items() if action.changes_cluster)


def _cluster(
    directory: Path,
    *,
    wanted: int = 3,
    others: Sequence[str] = ("True", "True"),
    controller: str = "ReplicaSet|positions-7d9c5b8f6d",
    above: str = "Deployment|positions",
    evict: str = "exit 0",
) -> str:
    """Return a kubectl that knows one Deployment: what it was asked is written down.

    `others` says of each other pod whether it is ready; after an eviction there is a new one.
    """
    owner, asked = uuid4(), directory / "asked"
    rows = [f"{owner}-x||Running|{POD['uid']}|{POD['pod']}|True"]
    rows += [f"{owner}-x||Running|{uuid4()}|positions-{number}|{ready}" for number, ready in enumerate(others)]
    table = r"\n".join(rows)
    return f"""#!/bin/bash
echo "$*" >> {asked}
case "$*" in
  "get pod "*ownerReferences*) echo "{controller}|{owner}-x" ;;
  "get pod "*) echo "$SSM_uid|" ;;
  "get replicaset "*) echo "{owner}-x|{wanted}|{above}" ;;
  "get replicasets "*) echo "{owner}|{owner}-x" ;;
  "get deployment "* | "get statefulset "* | "get daemonset "*) echo "{owner}|{wanted}" ;;
  "get pods "*)
    printf '{table}\\n'
    if [ -e {directory / "evicted"} ]; then echo "{owner}-x||Running|{uuid4()}|positions-new|True"; fi
    ;;
  "create --raw "*) cat >> {asked}; {evict.replace("exit 0", f"touch {directory / 'evicted'}")} ;;
  *) echo "unknown: $*" >&2; exit 1 ;;
esac
"""


def _restarted(directory: Path, kubectl: str) -> StepResult:
    return run_script(directory, "restart_pod", kubectl, POD)


def _evictions(directory: Path) -> int:
    return (directory / "asked").read_text().count("/eviction")


@pytest.mark.parametrize(("wanted", "others"), [(3, ("True", "True")), (1, ()), (2, ("True", "True"))])
def test_a_pod_is_evicted_while_all_others_that_are_wanted_are_ready(
    tmp_path: Path, wanted: int, others: Sequence[str]
) -> None:
    done = _restarted(tmp_path, _cluster(tmp_path, wanted=wanted, others=others))

    assert done.status == "Success", done.errors
    assert done.output.splitlines()[-1].startswith(
        f"replaced: pod {POD['pod']} with UID {POD['uid']} by pod positions-new"
    )
    assert _evictions(tmp_path) == 1
    assert f'"preconditions":{{"uid":"{POD["uid"]}"}}' in (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("wanted", "others", "reason"),
    [
        pytest.param(3, ("False", "False"), "is not ready", id="the only ready one of three"),
        pytest.param(3, ("True", "False"), "is not ready", id="one of two that are ready"),
        pytest.param(2, ("True", "False"), "is not ready", id="a rollout goes on"),
        pytest.param(3, ("True",), "wants 3 pods, and only 1 others are there", id="one is missing"),
        pytest.param(3, (), "wants 3 pods, and only 0 others are there", id="a quota refuses the others"),
    ],
)
def test_a_pod_is_left_alone_while_another_is_missing(
    tmp_path: Path, wanted: int, others: Sequence[str], reason: str
) -> None:
    done = _restarted(tmp_path, _cluster(tmp_path, wanted=wanted, others=others))

    assert done.status == "Failed"
    assert done.errors.startswith("refused: ")
    assert reason in done.errors
    assert _evictions(tmp_path) == 0


@pytest.mark.parametrize(
    ("controller", "above", "reason"),
    [
        pytest.param("Job|migration", "", "belongs to a Job", id="a pod of a Job"),
        pytest.param("Whatever|x", "", "belongs to a Whatever", id="a kind that is not known"),
        pytest.param("StatefulSet|--kubeconfig=/x", "", "whose name is none", id="a name that is an option"),
        pytest.param("ReplicaSet|x", "Deployment|-A", "whose name is none", id="a name above that is an option"),
        pytest.param("ReplicaSet|x", "Deployment|../../x", "whose name is none", id="a name that is a path"),
    ],
)
def test_a_pod_whose_owner_is_not_one_that_is_restarted_is_refused(
    tmp_path: Path, controller: str, above: str, reason: str
) -> None:
    done = _restarted(tmp_path, _cluster(tmp_path, controller=controller, above=above))

    assert done.status == "Failed"
    assert reason in done.errors.splitlines()[-1]
    asked = (tmp_path / "asked").read_text()
    assert "kubeconfig=/x" not in asked
    assert " -A" not in asked
    assert _evictions(tmp_path) == 0


@pytest.mark.parametrize(
    ("answer", "output", "errors"),
    [
        ("(TooManyRequests): Cannot evict pod as it would violate the pod's disruption budget.", "", "refused: "),
        ("(TooManyRequests): The disruption budget orders is still being processed by the server.", "", "refused: "),
        ("(TooManyRequests): too many requests, please try again later", "", "Error from server (TooManyRequests)"),
        ("(NotFound): pods x not found", "gone: ", ""),
        ("(Conflict): the UID in the precondition does not match", "nothing done: ", ""),
        ("(Forbidden): pods x is forbidden", "", "Error from server (Forbidden)"),
    ],
)
def test_an_eviction_that_is_refused_is_told_as_what_it_is(
    tmp_path: Path, answer: str, output: str, errors: str
) -> None:
    done = _restarted(tmp_path, _cluster(tmp_path, evict=f'echo "Error from server {answer}" >&2; exit 1'))

    assert done.output.startswith(output)
    assert done.errors.startswith(errors)
    assert done.status == ("Success" if output else "Failed")


def test_which_actions_change_the_cluster() -> None:
    assert CHANGING == [
        "cordon_node",
        "fail_over_aurora",
        "restart_deployment",
        "restart_pod",
        "rollback_deployment",
        "scale_consumers",
    ]


@pytest.mark.parametrize("action", CHANGING)
@pytest.mark.parametrize("minutes", [0, 239])
def test_nothing_is_changed_during_maintenance(tmp_path: Path, action: str, minutes: int) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - minutes * 60))
    parameters = {
        name: PARAMETERS[name] for name in repair_actions()[action].content["parameters"] if name in PARAMETERS
    }

    done = run_script(tmp_path, action, _asked_is_a_failure(), parameters, maintenance=f"echo {since}; exit 0")

    assert done.code == 3
    assert done.errors.startswith(f"refused: the cluster is under maintenance since {since}")


@pytest.mark.parametrize("action", CHANGING)
def test_nothing_is_changed_when_it_is_unknown_whether_there_is_maintenance(tmp_path: Path, action: str) -> None:
    parameters = {
        name: PARAMETERS[name] for name in repair_actions()[action].content["parameters"] if name in PARAMETERS
    }
    unknown = "echo 'Error from server (Forbidden)' >&2; exit 1"

    done = run_script(tmp_path, action, _asked_is_a_failure(), parameters, maintenance=unknown)

    assert done.status == "Failed"
    assert done.errors == "Error from server (Forbidden)\n"


def test_maintenance_ends_after_four_hours(tmp_path: Path) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - MAINTENANCE_SECONDS - 1))

    done = run_script(tmp_path, "restart_pod", _cluster(tmp_path), POD, maintenance=f"echo {since}; exit 0")

    assert done.status == "Success", done.errors


def test_the_alert_and_the_scripts_speak_of_the_same_maintenance() -> None:
    expression = str(fixture_catalog().rules.alerts["ClusterMaintenance"].rule.expr)

    assert f'namespace="{MAINTENANCE_NAMESPACE}", configmap="{MAINTENANCE_CONFIG_MAP}"' in expression
    assert expression.rstrip().endswith(f"< {MAINTENANCE_SECONDS // 3600} * 3600")


@pytest.mark.own_pages
def test_the_page_of_a_maintenance_makes_what_the_scripts_look_for() -> None:
    page = (ROOT / "runbooks/ClusterMaintenance.md").read_text()

    assert f"kubectl -n {MAINTENANCE_NAMESPACE} create configmap {MAINTENANCE_CONFIG_MAP} " in page


def _asked_is_a_failure() -> str:
    return "#!/bin/bash\necho it was asked >&2\nexit 1\n"


def test_the_drill_holds_the_lock_that_the_script_takes() -> None:
    script = (DATA / "runbooks/actions/restart_pod.yaml").read_text()

    assert f'exec 9>"{str(RESTART_LOCK).format(uid="$owner_uid")}"' in script


def test_the_drill_expects_what_the_catalog_allows() -> None:
    assert fixture_catalog().hourly_limits["restart_pod"].service == RESTARTS_AN_HOUR
