"""Runs a document's script as the bastion's agent does, with a kubectl of the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alerting.names import MAINTENANCE_CONFIG_MAP
from alerting.repairs.ssm_documents import document_text
from sandbox.clouds.aws.ssm_agent import Agent, StepResult
from sandbox.clouds.aws.ssm_documents import parameter_values, read_document, received_values
from tests.lambda_events import repair_actions

COMMAND = "11111111-2222-3333-4444-555555555555"
NO_MAINTENANCE = "exit 0"


def run_script(
    directory: Path,
    action: str,
    kubectl: str,
    parameters: Mapping[str, str],
    *,
    maintenance: str = NO_MAINTENANCE,
    aws: str | None = None,
) -> StepResult:
    """Run an action's script with the text of a program as kubectl, and of one as aws, which are put into `directory`.

    `maintenance` are shell commands that answer for the ConfigMap that declares maintenance.
    """
    program = _program(directory / "kubectl-of-the-test", kubectl)
    asked = f'"get configmap {MAINTENANCE_CONFIG_MAP} --namespace=monitoring "*'
    shim = f'#!/bin/bash\ncase "$*" in {asked}) {maintenance} ;; esac\nexec {program} "$@"\n'
    deployed = repair_actions()[action]
    document = read_document(deployed.document_name, "1", document_text(deployed.content))
    (step,) = document.steps
    agent = Agent(
        "i-1",
        kubectl=_program(directory / "kubectl", shim),
        aws=None if aws is None else _program(directory / "aws", aws),
        kubeconfig=lambda: "",
        region="us-east-1",
    )
    try:
        given = parameter_values(document, {name: [value] for name, value in parameters.items()})
        return agent.run(COMMAND, step, received_values(document, given))
    finally:
        agent.stop()


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path
