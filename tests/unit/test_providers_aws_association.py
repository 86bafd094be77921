"""Associations of the embedded AWS provider against the front's State Manager: moto has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from alerting.repairs.bastion_proof import proof_document
from alerting.repairs.ssm_documents import content_problems, document_text
from sandbox.clouds.aws.associations import Associations
from sandbox.clouds.aws.commands import SystemsManager
from sandbox.clouds.aws.ssm_agent import Agent
from sandbox.clouds.aws.ssm_documents import Document, read_document, require_valid
from sandbox.journal import Journal
from sandbox.providers.aws.client import Aws
from sandbox.providers.provider_table import Incomplete
from tests.aws_account import ACCOUNT, REGION, Provider, served
from tests.component_data import repairs

PROOF = "aws:ssm/association:Association"
INSTANCE = "i-0123456789abcdef0"
DOCUMENT = document_text(proof_document(repairs()))
INPUTS: Mapping[str, Any] = {
    "name": "orion-prove-bastion",
    "associationName": "orion-prove-bastion",
    "documentVersion": "1",
    "parameters": {"instance": INSTANCE},
    "targets": [{"key": "InstanceIds", "values": [INSTANCE]}],
    "waitForSuccessTimeoutSeconds": 30,
}
ALLOWED = '#!/bin/bash\necho "$*" >> "${0%/*}/../../asked"\n'
REFUSED = '#!/bin/bash\n[ "$1" != auth ]\n'


class Commands:
    """Systems Manager for associations: a document, and the instances."""

    def document(self, content: Mapping[str, Any]) -> Document:
        return read_document(content["DocumentName"], content["DocumentVersion"], DOCUMENT)

    def instances(self, named: Sequence[str], targets: Sequence[Mapping[str, Any]]) -> list[str]:
        assert not targets
        return list(named)


@pytest.fixture
def kubectl(tmp_path: Path) -> Path:
    program = tmp_path / "kubectl"
    program.write_text(ALLOWED)
    program.chmod(0o755)
    return program


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kubectl: Path) -> Iterator[Provider]:
    agent = Agent(INSTANCE, kubectl=kubectl, kubeconfig=lambda: "", region=REGION)
    manager = cast("SystemsManager", Commands())
    associations = Associations(manager, lambda _: agent, Journal(tmp_path / "journal.jsonl"))
    monkeypatch.setattr(Aws, "account_id", ACCOUNT)
    with served(associations.answer, monkeypatch):
        yield Provider(Aws(region=REGION))
    agent.stop()


def test_the_proof_is_a_document_that_aws_takes() -> None:
    content = proof_document(repairs())

    require_valid("orion-prove-bastion", document_text(content))
    assert list(content_problems(content)) == []


def test_the_proof_asks_for_every_right_that_the_actions_need() -> None:
    (step,) = proof_document(repairs())["mainSteps"]
    asked = [line for line in step["inputs"]["runCommand"][0].splitlines() if line.startswith("may ")]

    assert asked == ["may delete pods --namespace=orion", "may get pods --namespace=orion", "may get nodes"]


def test_a_bastion_that_can_run_commands_is_proved(provider: Provider) -> None:
    made = provider.create(PROOF, dict(INPUTS))

    found = provider.read(made)
    assert found is not None
    assert found[0] == made.inputs
    provider.delete(made)
    assert provider.read(made) is None
    provider.delete(made)  # of one that is gone: nothing


def test_a_bastion_whose_command_fails_fails_the_deployment(provider: Provider, kubectl: Path) -> None:
    kubectl.write_text(REFUSED)

    with pytest.raises(Incomplete, match="to be Success: unexpected state 'Failed'"):
        provider.create(PROOF, dict(INPUTS))


def test_a_change_waits_for_nothing(provider: Provider, kubectl: Path) -> None:
    """As with pulumi-aws: so the program has every change make another association."""
    made = provider.create(PROOF, dict(INPUTS))
    kubectl.write_text(REFUSED)

    changed = provider.update(made, {**INPUTS, "documentVersion": "2"})

    read = provider.read(changed)
    assert read is not None
    assert read[0]["documentVersion"] == "2"
