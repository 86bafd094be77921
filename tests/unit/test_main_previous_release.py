"""The state that the previous release wrote in prod is taken over by this one: nothing with data is made anew.

`tests/recorded/previous_release.json` holds the URNs of that release's resources in AWS, and the inputs of those that
hold data or messages.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.mocked_program import Registered, Run
from tests.alerting_data import ROOT
from tests.program_harness import deployed

PREVIOUS: dict[str, dict[str, Any]] = json.loads((ROOT / "tests" / "recorded" / "previous_release.json").read_text())
MADE_ANEW = {"event-bus-sweep-to-queue"}
"""The sweep's events go to a queue of its own now, and a target is known by its queue."""


@pytest.fixture
def run() -> Run:
    return deployed("prod")


def known_as(run: Run, urn: str) -> list[Registered]:
    return [resource for resource in run.resources.values() if urn in resource.urns]


def test_every_resource_in_aws_is_known_by_its_previous_urn(run: Run) -> None:
    lost = {urn.split("::")[-1] for urn in PREVIOUS if not known_as(run, urn)}

    assert lost == MADE_ANEW, "name the resource's old place in components/protection.py"


def test_no_two_resources_claim_one_of_the_previous_state(run: Run) -> None:
    assert {urn: names for urn in PREVIOUS if len(names := [one.name for one in known_as(run, urn)]) > 1} == {}


def test_a_resource_keeps_its_type(run: Run) -> None:
    changed = {urn for urn in PREVIOUS for resource in known_as(run, urn) if resource.type not in urn}

    assert changed == set()


def test_table_buckets_queues_and_key_have_the_inputs_that_they_had(run: Run) -> None:
    kept = {urn: inputs for urn, inputs in PREVIOUS.items() if inputs}

    assert {urn.split("::")[2].split("$")[-1] for urn in kept} == {
        "aws:dynamodb/table:Table",
        "aws:kms/key:Key",
        "aws:s3/bucket:Bucket",
        "aws:sqs/queue:Queue",
    }
    for urn, inputs in kept.items():
        (resource,) = known_as(run, urn)
        assert resource.inputs == inputs, urn
        assert not resource.deleted_first


def test_a_moved_resource_without_an_alias_is_noticed(run: Run) -> None:
    """An alias of a parent gives its children one too, and a resource that nobody moved is known by its own URN."""
    table, bucket = run.resources["state-table"], run.resources["state-code-bucket"]

    assert any(urn.endswith("::runbook-automation-state") for urn in table.urns)
    assert any(urn.endswith("::runbook-automation-code-bucket") for urn in bucket.urns)
    assert not any("runbook-automation" in urn for urn in run.resources["bastion-instance"].urns)
