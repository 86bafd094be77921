"""Holds what a program registered to what the embedded providers take: AWS's own schemas, and PagerDuty's shapes.

That is what `orion preview` does on the real engine, here without anything being started. Kubernetes objects are held
to a real API server there, and here to its limits (`sandbox/kubernetes_limits.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from sandbox.mocked_program import Registered, Run
from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.table import table as aws_table
from sandbox.providers.pagerduty.table import TABLE as PAGERDUTY_TABLE
from sandbox.providers.provider_core import ProviderCore
from sandbox.providers.provider_table import Failure, Request

AWS_PROVIDER = "pulumi:providers:aws"


def checkers(run: Run) -> dict[str, ProviderCore]:
    """Return who checks the resources of each package that there are some of.

    AWS's are held to what they are with the tags that the program's provider adds to all.
    """
    settings = run.one(AWS_PROVIDER).inputs
    tags = json.loads(settings["defaultTags"])["tags"]
    machines = {
        "aws": ProviderCore(aws_table(Aws(region=settings["region"], default_tags=tags))),
        "pagerduty": ProviderCore(PAGERDUTY_TABLE),
    }
    return {package: machine for package, machine in machines.items() if resources_of(run, package)}


def resources_of(run: Run, package: str) -> list[Registered]:
    """Return the resources of a package, in the order in which the program made them."""
    return [one for one in run.resources.values() if one.custom and one.type.startswith(f"{package}:")]


def refusals(machine: ProviderCore, resources: list[Registered]) -> Iterator[str]:
    """Return what is wrong, a sentence each: the resource, where in it, what was found, what is allowed."""
    for one in resources:
        _, failures = machine.check(Request(token=one.type, name=one.name, inputs=one.inputs, preview=True))
        yield from (f"{one.name} ({one.type}): {_told(failure)}" for failure in failures)


def _told(failure: Failure) -> str:
    """Return a failure with the name of its property, which the engine prints beside the reason."""
    return failure.reason if failure.property in failure.reason else f"{failure.property}: {failure.reason}"
