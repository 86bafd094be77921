"""Documents as the stand-in for Systems Manager accepts them: those deployed, and none that AWS would refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from alerting.repairs.ssm_documents import document_text
from sandbox.clouds.aws.protocol import AwsError
from sandbox.clouds.aws.ssm_documents import parameter_values, read_document, received_values, require_valid
from tests.lambda_events import repair_actions

NAME = "orion-restart-pod"


def deployed() -> dict[str, Any]:
    """Return a deployed document, to be changed."""
    return json.loads(document_text(repair_actions()["restart_pod"].content))


@pytest.mark.parametrize("action", repair_actions().values(), ids=lambda action: action.name)
def test_every_deployed_document_is_accepted(action: Any) -> None:
    require_valid(action.document_name, document_text(action.content))


def renamed(document: dict[str, Any]) -> None:
    document["parameters"]["not_after"] = document["parameters"].pop("notAfter")


def misspelled(document: dict[str, Any]) -> None:
    document["parameters"]["uid"]["interpolationtype"] = "ENV_VAR"


def unknown_element(document: dict[str, Any]) -> None:
    document["steps"] = []


def without_steps(document: dict[str, Any]) -> None:
    document["mainSteps"] = []


def of_another_type(document: dict[str, Any]) -> None:
    document["parameters"]["uid"]["type"] = "Text"


def twice(document: dict[str, Any]) -> None:
    document["mainSteps"] *= 2


@pytest.mark.parametrize("change", [renamed, misspelled, unknown_element, without_steps, of_another_type, twice])
def test_a_document_that_breaks_a_rule_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    document = deployed()
    change(document)

    with pytest.raises(AwsError, match=NAME) as refused:
        require_valid(NAME, json.dumps(document))

    assert refused.value.code == "InvalidDocumentContent"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("orion restart", "{}", "ValidationException"),
        ("AWS-RestartPod", "{}", "ValidationException"),
        (NAME, json.dumps({"schemaVersion": "2.2", "description": "x" * 65_536}), "MaxDocumentSizeExceeded"),
        (NAME, "{", "InvalidDocumentContent"),
        (NAME, "[]", "InvalidDocumentContent"),
    ],
)
def test_a_name_a_size_and_a_text_are_checked(name: str, content: str, code: str) -> None:
    with pytest.raises(AwsError) as refused:
        require_valid(name, content)

    assert refused.value.code == code


def test_the_agent_drops_a_parameter_of_another_name_and_takes_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    document = deployed()
    renamed(document)
    read = read_document(NAME, "1", json.dumps(document))
    given = {"namespace": ["orion"], "pod": ["a"], "uid": ["0" * 8 + "-0000" * 3 + "-" + "0" * 12]}

    values = parameter_values(read, given | {"not_after": ["1700000000"]})

    assert received_values(read, values)["not_after"] == document["parameters"]["not_after"]["default"]
    assert "invalid parameter name not_after" in capsys.readouterr().err
