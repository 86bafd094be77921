"""An alert's labels are its identity: none may change while what the alert is about goes on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from tests.alerting_data import fixture_catalog
from tests.lambda_events import ROOT

TRIGGERS_TEST = ROOT / "tests" / "rules" / "annotations_repairs_test.yaml"
NAMES_OF_WHAT_AN_ALERT_IS_ABOUT = {
    "condition",  # of a node
    "configmap",
    "consumer_group",
    "container",
    "dbinstance_identifier",
    "deployment",
    "exported_namespace",
    "exporter",
    "instance",
    "integration",
    "job",
    "job_name",
    "kind",  # what can be full
    "name",
    "namespace",
    "node",
    "objective",
    "part",
    "persistentvolumeclaim",
    "pod",
    "pool",
    "remote_name",
    "resource",
    "rule_group",
    "series",  # the name of a metric that should be there
    "service",
    "severity",
    "statefulset",
    "team",
    "url",
    "topic",
    "uid",  # another UID is another pod
}
ALSO = {"HighErrorRateAfterRollout": {"revision"}}
"""Which revision failed does not change: another one is another alert."""


def test_no_alert_has_a_label_that_changes_while_it_lasts() -> None:
    """Each label that is new here: does its value stay for as long as the alert's cause does? Else: an annotation."""
    labels = {alert: {*carried.fixed, *carried.read} for alert, carried in fixture_catalog().rules.alert_labels.items()}

    changing = {
        alert: names - NAMES_OF_WHAT_AN_ALERT_IS_ABOUT - ALSO.get(alert, set()) for alert, names in labels.items()
    }

    assert {alert: names for alert, names in changing.items() if names} == {}


def test_every_annotation_that_a_repair_reads_is_seen_with_a_value_that_its_pattern_takes() -> None:
    said = yaml.safe_load(Path(TRIGGERS_TEST).read_text())["tests"]
    seen = {
        (case["alertname"], name, text)
        for test in said
        for case in test["alert_rule_test"]
        for alert in case["exp_alerts"]
        for name, text in alert["exp_annotations"].items()
    }
    actions = fixture_catalog().actions
    read = {
        (alert, annotation, actions[entry.action].document.parameters[parameter].allowedPattern)
        for alert, entry in fixture_catalog().triggers().items()
        if entry.action in actions
        for parameter, annotation in actions[entry.action].parameters_from_annotations.items()
    }

    assert read
    for alert, annotation, pattern in read:
        values = {text for one, name, text in seen if (one, name) == (alert, annotation)}
        assert any(re.fullmatch(pattern, value) for value in values), json.dumps([alert, annotation, sorted(values)])
