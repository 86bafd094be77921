"""Mistakes in repairs: each is one error with file, line, field and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alerting_data import changed, fixture_catalog, line_of, problems

REMEDIATIONS = "catalog/remediations.yaml"
RESTART = "runbooks/actions/restart_pod.yaml"
SCALE = "runbooks/actions/scale_consumers.yaml"
KAFKA = "rules/kafka.yaml"
PARAMETER = "document.parameters.uid"
STEP = "document.mainSteps.0"
CATALOG = fixture_catalog()
ACTIONS = ", ".join(CATALOG.actions)
ALL_ACTIONS = ", ".join([*CATALOG.actions, *CATALOG.hand_overs])
ALERTS = ", ".join(CATALOG.rules.alerts)


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "message"),
    [
        pytest.param(
            REMEDIATIONS,
            "action: restart_pod",
            "action: restart_pods",
            "restart_pods",
            f'remediations.HighMemoryUsage.action: found "restart_pods"; allowed: {ALL_ACTIONS}. '
            "Name an action of runbooks/actions or `hand_overs`, or write it",
            id="an unknown action",
        ),
        pytest.param(
            REMEDIATIONS,
            "HighMemoryUsage:",
            "HighMemory:",
            "HighMemory:",
            f'remediations.HighMemory: found "HighMemory"; allowed: {ALERTS}. Name an alert of rules/',
            id="an unknown alert",
        ),
        pytest.param(
            REMEDIATIONS,
            "action: restart_pod",
            "acton: restart_pod",
            "acton",
            "remediations.HighMemoryUsage.acton: found an unknown field; allowed: action, triggered_by. "
            "Remove or rename it",
            id="a field misspelled",
        ),
        pytest.param(
            REMEDIATIONS,
            "HighMemoryUsage:",
            "Watchdog:",
            "action: restart_pod",
            'remediations.Watchdog.action: action restart_pod reads the label "namespace", '
            "which alert Watchdog does not carry; allowed: ",
            id="a label that the alert does not carry",
        ),
        pytest.param(
            REMEDIATIONS,
            "label: dbinstance_identifier",
            "label: instance",
            "action: hand_to_database_team",
            'remediations.AuroraHighCPU.action: action hand_to_database_team reads the label "instance", '
            "which alert AuroraHighCPU does not carry; allowed: ",
            id="a hand-over of a label that the alert does not carry",
        ),
        pytest.param(
            REMEDIATIONS,
            "    team: database",
            "    team: databases",
            "team: databases",
            'hand_overs.hand_to_database_team.team: found "databases"; allowed: trading, platform, database. '
            "Name a team of catalog/teams.yaml",
            id="a hand-over to an unknown team",
        ),
        pytest.param(
            REMEDIATIONS,
            "id={value}",
            "id={values}",
            "id={values}",
            'hand_overs.hand_to_database_team.link: found "{values}"; allowed: {region}, {value}. Change it',
            id="an unknown field of a link",
        ),
        pytest.param(
            REMEDIATIONS,
            "id={value}",
            "id={value",
            "id={value",
            "hand_overs.hand_to_database_team.link: is not an address with fields: ",
            id="a link whose field is not closed",
        ),
        pytest.param(
            REMEDIATIONS,
            '"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"',
            '"^[a-z](?$"',
            '"^[a-z](?$"',
            "hand_overs.hand_to_database_team.pattern: is not a regular expression: ",
            id="a pattern that is none",
        ),
        pytest.param(
            REMEDIATIONS,
            "  scale_consumers:",
            "  scale_consumer:",
            "scale_consumer:",
            f'bounds.scale_consumer: found "scale_consumer"; allowed: {ACTIONS}. Name an action of runbooks/actions',
            id="bounds of an unknown action",
        ),
        pytest.param(
            REMEDIATIONS,
            "    factor: 2",
            "    factor: 2\n    minimum: 1",
            "minimum: 1",
            'bounds.scale_consumers.minimum: found "minimum"; allowed: factor, maximum. '
            "Remove it, or have the action read it",
            id="an unknown bound",
        ),
        pytest.param(
            REMEDIATIONS,
            "maximum: 8",
            "maximum: 0",
            "maximum: 0",
            "bounds.scale_consumers.maximum: found 0; allowed: at least 1. Change it",
            id="a bound of nothing",
        ),
        pytest.param(
            RESTART,
            "  uid: uid",
            "  uuid: uid",
            "uuid: uid",
            'parameters_from_labels.uuid: found "uuid"; allowed: namespace, pod, uid. Name a parameter of the document',
            id="a parameter misspelled",
        ),
        pytest.param(
            RESTART,
            "  uid: uid\n",
            "",
            "    uid:",
            f"{PARAMETER}: parameter uid gets no value. "
            "Add it to `parameters_from_labels:` or `parameters_from_annotations:`",
            id="a parameter without a value",
        ),
        pytest.param(
            SCALE,
            "parameters_from_annotations:\n  replicas: replicas",
            "parameters_from_annotations:\n  replicas: replicas\n  namespace: replicas",
            "  namespace: replicas",
            "parameters_from_annotations.namespace: parameter namespace gets its value from a label too. "
            "Keep one of them",
            id="a parameter with two values",
        ),
        pytest.param(
            SCALE,
            "parameters_from_annotations:\n  replicas: replicas",
            "parameters_from_annotations:\n  replica: replicas",
            "  replica: replicas",
            'parameters_from_annotations.replica: found "replica"; allowed: deployment, namespace, replicas. '
            "Name a parameter of the document",
            id="a parameter from an annotation misspelled",
        ),
        pytest.param(
            REMEDIATIONS,
            "KafkaConsumerLag:",
            "KafkaConsumerLagCritical:",
            "action: scale_consumers",
            'remediations.KafkaConsumerLagCritical.action: action scale_consumers reads the annotation "replicas", '
            "which alert KafkaConsumerLagCritical does not have; allowed: description, summary. "
            "Change the action, or the alert",
            id="an annotation that the alert does not have",
        ),
        pytest.param(
            KAFKA,
            'label "replicas"',
            'label "replica"',
            "replicas: >-",
            'groups.0.rules.3.annotations.replicas: found "label \\"replica\\""; allowed: consumer_group, deployment, '
            "namespace, replicas, service, team. Name a label of what it queries",
            id="a label that no series of a query carries",
        ),
        pytest.param(
            RESTART,
            '"$SSM_uid" |',
            '"$SSM_uuid" |',
            "aws:runShellScript",
            f'{STEP}: found "$SSM_uuid"; allowed: $SSM_namespace, $SSM_pod, $SSM_uid. Name a parameter of the document',
            id="a script that reads a parameter which is not there",
        ),
        pytest.param(
            RESTART,
            "kubectl create --raw",
            "kubectl create {{ pod }} --raw",
            "aws:runShellScript",
            f'{STEP}: found "{{{{"; allowed: parameters as environment variables. Read "$SSM_name" instead',
            id="a parameter pasted into a script",
        ),
        pytest.param(
            SCALE,
            "            show_before\n",
            "            :\n",
            "mainSteps:",
            "document.mainSteps: no script calls show_before, and the action changes something; allowed: diagnostics "
            "first. Call `note_before TITLE COMMAND ...` before the change, and `show_before` once it is made",
            id="a change without diagnostics first",
        ),
        pytest.param(
            RESTART,
            "    uid:\n",
            "    pod_uid:\n",
            "pod_uid:",
            'document.parameters.pod_uid: found "pod_uid"; allowed: a text that matches ^[a-zA-Z0-9]+$. Change it',
            id="a parameter name that the agent drops",
        ),
        pytest.param(
            RESTART,
            '"^[0-9a-f]{8}-',
            '"^(?=.{36}$)[0-9a-f]{8}-',
            '"^(?=.{36}$)',
            f'{PARAMETER}.allowedPattern: found "^(?=.{{36}}$)[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-'
            '[0-9a-f]{12}$"; a regular expression of Go is allowed: without look-around, back-references and `++`.',
            id="a pattern that Go cannot read",
        ),
        pytest.param(
            RESTART,
            '"^[0-9a-f]{8}-',
            '"^[0-9a-f]{1,1001}-',
            "{1,1001}",
            f"{PARAMETER}.allowedPattern: ",
            id="a pattern with more repetitions than Go allows",
        ),
        pytest.param(
            RESTART,
            'timeoutSeconds: "300"',
            'timeoutSeconds: "180s"',
            'timeoutSeconds: "180s"',
            f'{STEP}.inputs.timeoutSeconds: found "180s"; allowed: a text that matches ^[1-9][0-9]*$. Change it',
            id="a time that the agent takes for an hour",
        ),
        pytest.param(
            RESTART,
            "      name: restartPod",
            "      name: restart pod",
            "name: restart pod",
            f'{STEP}.name: found "restart pod"; allowed: a text that matches ^[a-zA-Z0-9]{{1,64}}$. Change it',
            id="a name of a step that is no name of a folder",
        ),
        pytest.param(
            RESTART,
            "      inputs:\n",
            "      inputs:\n        workingDirectory: /tmp\n",
            "workingDirectory: /tmp",
            f"{STEP}.inputs.workingDirectory: found an unknown field; allowed: timeoutSeconds, runCommand.",
            id="an input that is not known",
        ),
        pytest.param(
            RESTART,
            "      interpolationType: ENV_VAR",
            "      interpolationtype: ENV_VAR",
            "interpolationtype: ENV_VAR",
            "document.parameters.namespace.interpolationtype: found an unknown field; allowed: ",
            id="a field of a parameter misspelled",
        ),
        pytest.param(
            RESTART,
            "description: The pod's namespace",
            'description: "{{ssm:namespace}}"',
            "    namespace:",
            'document.parameters.namespace: found "{{"; allowed: parameters as environment variables.',
            id="a reference to a parameter of the account",
        ),
        pytest.param(
            RESTART,
            "aws:runShellScript",
            "aws:runPowerShellScript",
            "aws:runPowerShellScript",
            f"{STEP}.action: found \"aws:runPowerShellScript\"; allowed: 'aws:runShellScript'. Change it",
            id="another kind of step",
        ),
        pytest.param(
            RESTART,
            'timeoutSeconds: "300"',
            'timeoutSeconds: "600"',
            'timeoutSeconds: "600"',
            f'{STEP}.inputs.timeoutSeconds: found "600"; allowed: "300". Write what `timeout_seconds:` says',
            id="two times of which one is wrong",
        ),
        pytest.param(
            RESTART,
            "interpolationType: ENV_VAR",
            "interpolationType: REPLACE",
            "interpolationType: REPLACE",
            "document.parameters.namespace.interpolationType: ",
            id="a parameter that would be pasted",
        ),
        pytest.param(
            RESTART,
            'allowedPattern: "^[0-9a-f]{8}',
            'allowedPattern: "[0-9a-f]{8}',
            'allowedPattern: "[0-9a-f]{8}',
            f"{PARAMETER}.allowedPattern: ",
            id="a pattern that a part of a text matches",
        ),
        pytest.param(
            RESTART,
            "verbs: [get, list]",
            "verbs: [get, list, remove]",
            "verbs: [get, list, remove]",
            'rights.0.verbs.2: found "remove"; allowed: ',
            id="an unknown verb",
        ),
        pytest.param(
            RESTART,
            "resource: pods,",
            'resource: "*",',
            'resource: "*",',
            'rights.0.resource: found "*"; ',
            id="a right to everything",
        ),
        pytest.param(
            RESTART,
            "name: restart_pod",
            "name: restart",
            "name: restart",
            'name: found another name; allowed: "restart_pod", as the file. Rename one',
            id="another name than the file's",
        ),
    ],
)
def test_each_mistake_is_told_where_it_was_made(
    tmp_path: Path, file: str, old: str, new: str, where: str, message: str
) -> None:
    root = changed(tmp_path / "root", file, old, new)

    found = problems(root)

    place = f"{file}:{line_of(root, file, where)}: "
    assert any(problem.startswith(place + message) for problem in found), found


def test_an_action_whose_bound_is_not_set_is_told_by_the_alert_that_it_answers(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", RESTART, "rights:\n", "bounds: [pods_at_once]\nrights:\n")

    place = f"{REMEDIATIONS}:{line_of(root, REMEDIATIONS, 'action: restart_pod')}: remediations.HighMemoryUsage.action"
    message = "action restart_pod reads the bound pods_at_once, which is not set. Add it to `bounds.restart_pod:`"
    assert problems(root) == [f"{place}: {message}"]


def test_an_action_without_a_namespace_is_refused(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", SCALE, "  namespace: namespace", "  space: namespace")
    path = root / SCALE
    text = path.read_text().replace("    namespace:", "    space:\n").replace("SSM_namespace", "SSM_space")
    path.write_text(text.replace("[namespace, deployment]", "[space, deployment]"))

    place = f"{SCALE}:{line_of(root, SCALE, '  parameters:')}: document.parameters"
    assert problems(root) == [f"{place}: no parameter namespace: what may be touched could not be checked. Add it"]


def test_an_action_with_a_parameter_that_every_document_is_given_is_refused(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", RESTART, "  uid: uid", "  notAfter: uid")
    path = root / RESTART
    path.write_text(path.read_text().replace("    uid:\n", "    notAfter:\n").replace("SSM_uid", "SSM_notAfter"))

    place = f"{RESTART}:{line_of(root, RESTART, '    notAfter:')}: document.parameters.notAfter"
    message = "parameter notAfter is given to every document already. Name yours otherwise"
    assert problems(root) == [f"{place}: {message}"]


def test_a_document_leaves_room_for_the_values_of_its_parameters(tmp_path: Path) -> None:
    padding = "x" * 61_440
    root = changed(tmp_path / "root", RESTART, "ready_seconds=120", f"ready_seconds=120 # {padding}")

    (found,) = problems(root)

    assert found.startswith(f"{RESTART}:{line_of(root, RESTART, 'document:')}: document: found ")
    assert found.endswith(" bytes as deployed; allowed: 61440, so that parameters have room. Shorten the script")


def test_two_steps_of_one_name_are_refused(tmp_path: Path) -> None:
    """The agent would write both outputs to one folder."""
    step = """    - action: aws:runShellScript
      name: restartPod
      inputs:
        timeoutSeconds: "300"
        runCommand: ["true"]
"""
    root = changed(tmp_path / "root", RESTART, "  mainSteps:\n", f"  mainSteps:\n{step}")

    assert any("document.mainSteps.1.name: found restartPod twice;" in found for found in problems(root))
