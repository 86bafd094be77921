"""Deployments of a real cluster that repairs act on: made, rolled out and looked at."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.cluster.kubectl import apply
from sandbox.cluster.workloads import NAMESPACE, service_manifests
from sandbox.journal import Journal
from tests.integration.repair_harness import Stage, running_aws, running_cluster
from tests.waiting import until

REVISION = "deployment.kubernetes.io/revision"


@contextmanager
def repairs_stage(directory: Path) -> Generator[Stage]:
    """Run a cluster and AWS with the bastion that the repairs' documents run on."""
    journal = Journal(directory / "journal.jsonl")
    with running_cluster(directory / "cluster") as plane, running_aws(plane, directory, journal) as address:
        stage = Stage(address, plane)
        stage.deploy_bastion()
        yield stage


def deployment_of(stage: Stage, name: str) -> dict[str, Any]:
    """Return a deployment of the services' namespace."""
    return json.loads(stage.kubectl("get", "deployment", name, f"--namespace={NAMESPACE}", "--output=json"))


def made_deployment(stage: Stage, name: str) -> str:
    """Make a deployment and return its revision."""
    deployment, _ = service_manifests(name)
    apply(stage.plane.kubeconfig, [deployment])
    until(f"{name} is available", lambda: is_settled(stage, name))
    return revision_of(stage, name)


def rolled_out(stage: Stage, name: str, image: str) -> str:
    """Give a deployment another image and return its new revision."""
    stage.kubectl("set", "image", f"deployment/{name}", f"{name}={image}", f"--namespace={NAMESPACE}")
    until(f"{name} runs {image}", lambda: is_settled(stage, name))
    return revision_of(stage, name)


def is_settled(stage: Stage, name: str) -> bool:
    """Return whether every pod of a deployment is of its newest revision and available."""
    found = deployment_of(stage, name)
    status, wanted = found["status"], found["spec"]["replicas"]
    counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration") == found["metadata"]["generation"] and counts == [wanted] * 3


def revision_of(stage: Stage, name: str) -> str:
    """Return a deployment's revision."""
    return deployment_of(stage, name)["metadata"]["annotations"][REVISION]


def image_of(stage: Stage, name: str) -> str:
    """Return the image of a deployment's container."""
    return deployment_of(stage, name)["spec"]["template"]["spec"]["containers"][0]["image"]


def replicas_of(stage: Stage, name: str) -> int:
    """Return how many replicas a deployment wants."""
    return deployment_of(stage, name)["spec"]["replicas"]
