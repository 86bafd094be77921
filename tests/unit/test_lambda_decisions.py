"""Decisions about an alert, above all with hostile labels."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.platform_repairs import RepairAction
from alerting.repairs.compile import NAMESPACE, NOT_AFTER, repairs
from orion_common.envelope import Alert
from runbook_automation.configuration import Remediations
from runbook_automation.decisions import Plan, Refusal, decide, previous_repair_id, repair_id
from tests.alerting_data import fixture_catalog
from tests.lambda_events import LABELS, function_data, repair_actions

REMEDIATIONS = Remediations.from_json(
    json.dumps(
        function_data(
            {
                "HighMemoryUsage": "restart_pod",
                "PodNotReady": "collect_diagnostics",
                "KafkaConsumerLag": "scale_consumers",
            }
        )
    )
)
TEAMS = frozenset({"trading", "platform"})
REGION = "us-east-1"
HOSTILE = {
    "shell": "; rm -rf /",
    "substitution": "$(touch /tmp/owned)",
    "backquotes": "`id`",
    "template": "{{ pod }}",
    "newline": "positions\nreboot",
    "newline at the end": "positions\n",
    "long": "a" * 10_000,
    "empty": "",
    "path": "../../secrets/x",
    "slash": "a/b",
    "query": "a?b",
    "upper case": "Positions",
    "null": "a\x00b",
    "option": "-rf",
    "dots": "a..b",
    "wide": "\uff50\uff4f\uff44",
}


def _alert(**labels: str) -> Alert:
    return Alert(
        name=labels.get("alertname", "HighMemoryUsage"),
        firing=True,
        labels=LABELS | labels,
        starts_at="2026-11-24T10:00:00Z",
        fingerprint="0123456789abcdef",
    )


def test_an_alert_becomes_its_documents_parameters() -> None:
    decision = decide(_alert(), REMEDIATIONS, TEAMS, REGION)

    assert isinstance(decision, Plan)
    assert decision.action.document == "orion-restart-pod"
    assert decision.team == "trading"
    assert decision.parameters == {name: LABELS[name] for name in ("namespace", "pod", "uid")}


def test_an_alert_that_nothing_answers_is_left_alone() -> None:
    assert decide(_alert(alertname="CriticalLatency"), REMEDIATIONS, TEAMS, REGION) is None


@pytest.mark.parametrize("label", ["namespace", "pod", "uid"])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_label_is_refused_and_not_repeated(label: str, value: str) -> None:
    decision = decide(_alert(**{label: value}), REMEDIATIONS, TEAMS, REGION)

    assert isinstance(decision, Refusal)
    assert decision.reason.startswith(f"label {label}:")
    assert not value or value not in decision.reason


def _lag(replicas: str | None) -> Alert:
    return replace(
        _alert(alertname="KafkaConsumerLag", deployment="orders"),
        annotations={"summary": "; reboot"} if replicas is None else {"replicas": replicas},
    )


def test_what_an_alert_saw_is_taken_from_its_annotation_and_part_of_the_identity() -> None:
    decision, later = (decide(_lag(replicas), REMEDIATIONS, TEAMS, REGION) for replicas in ("2", "4"))

    assert isinstance(decision, Plan)
    assert isinstance(later, Plan)
    assert decision.parameters == {"namespace": "orion", "deployment": "orders", "replicas": "2"}
    assert later.parameters["replicas"] == "4"
    ids = {repair_id(_lag("2"), one.action, one.parameters) for one in (decision, later)}
    assert len(ids) == 2


@pytest.mark.parametrize("replicas", [None, "", "0", "2\n", "-1", "2; reboot", "{{ 2 }}", "9" * 10_000])
def test_a_hostile_annotation_is_refused_and_a_label_of_its_name_is_not_taken_for_it(replicas: str | None) -> None:
    alert = _lag(replicas)
    alert = replace(alert, labels={**alert.labels, "replicas": "2"})

    decision = decide(alert, REMEDIATIONS, TEAMS, REGION)

    assert isinstance(decision, Refusal)
    assert decision.reason.startswith("annotation replicas: ")


def test_a_label_that_is_missing_is_refused() -> None:
    alert = Alert(
        name="HighMemoryUsage",
        firing=True,
        labels={"alertname": "HighMemoryUsage"},
        starts_at="2026-11-24T10:00:00Z",
        fingerprint="0123456789abcdef",
    )

    assert isinstance(decide(alert, REMEDIATIONS, TEAMS, REGION), Refusal)


@pytest.mark.parametrize("namespace", ["kube-system", "monitoring", "orion-2"])
def test_another_namespace_is_refused(namespace: str) -> None:
    decision = decide(_alert(namespace=namespace), REMEDIATIONS, TEAMS, REGION)

    assert isinstance(decision, Refusal)
    assert "namespace" in decision.reason


@pytest.mark.parametrize("team", ["", "nobody", "x" * 1000])
def test_a_team_without_a_topic_falls_back_to_the_remediations(team: str) -> None:
    decision = decide(_alert(team=team), REMEDIATIONS, TEAMS, REGION)

    assert isinstance(decision, Plan)
    assert decision.team == "platform"


@given(st.text(max_size=300))
def test_no_pod_is_planned_that_kubernetes_could_not_have(pod: str) -> None:
    decision = decide(_alert(pod=pod), REMEDIATIONS, TEAMS, REGION)

    if isinstance(decision, Plan):
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", pod)
        assert len(pod) <= 253


def test_a_repair_is_known_by_alert_action_and_target_whenever_the_alert_began() -> None:
    action = REMEDIATIONS.by_alert["HighMemoryUsage"].action
    target = {"pod": "positions-1", "uid": "u-1"}
    known = repair_id(_alert(), action, target)

    assert known.startswith("repair#0123456789abcdef#restart_pod#")
    assert (
        repair_id(replace(_alert(), starts_at="2026-11-25T00:00:00Z"), action, dict(reversed(target.items()))) == known
    )
    assert repair_id(_alert(), action, target | {"uid": "u-2"}) != known
    assert repair_id(replace(_alert(), fingerprint="f" * 16), action, target) != known


def test_a_record_of_an_earlier_version_is_found_by_the_id_that_it_has() -> None:
    action = REMEDIATIONS.by_alert["HighMemoryUsage"].action

    assert previous_repair_id(_alert(), action) == "repair#0123456789abcdef#2026-11-24T10:00:00.000Z#restart_pod"


def test_what_the_catalog_puts_into_the_zip_is_understood() -> None:
    data = repairs(fixture_catalog()).as_function_data()

    read = Remediations.from_json(json.dumps(data))

    assert {name: one.action.name for name, one in read.by_alert.items()} == {
        "HighMemoryUsage": "restart_pod",
        "PodCrashLooping": "collect_diagnostics",
        "KafkaConsumerLag": "scale_consumers",
        "HighErrorRateAfterRollout": "rollback_deployment",
        "AuroraHighCPU": "hand_to_database_team",
    }


@pytest.mark.parametrize("action", repair_actions().values(), ids=lambda action: action.name)
def test_scripts_check_their_values_and_namespaces_themselves(action: RepairAction) -> None:
    beginning, *_ = action.content["mainSteps"][0]["inputs"]["runCommand"]
    given = " ".join(f'"${{SSM_{name}:?}}"' for name in [*(one.name for one in action.parameters), NOT_AFTER])
    lines = beginning.splitlines()

    assert lines[:3] == ["#!/bin/bash", "set -euo pipefail", f": {given}"]
    namespaced = {NAMESPACE} & {one.name for one in action.parameters}
    assert (lines[7:9] == ['case "$SSM_namespace" in', "  orion) ;;"]) is bool(namespaced)
    assert namespaced or action.target
