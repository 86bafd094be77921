"""State Manager's associations: each runs a document once on its targets, when it is made and when it is changed."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.session

from sandbox.clouds.aws.commands import SystemsManager
from sandbox.clouds.aws.protocol import Answer, AwsError, Request, json_answer
from sandbox.clouds.aws.ssm_agent import Agent
from sandbox.clouds.aws.ssm_documents import Document, parameter_values, received_values
from sandbox.journal import Journal, Kind

SOURCE = "systems manager"
TARGET_PREFIX = "AmazonSSM."
JSON = "application/x-amz-json-1.1"
OPERATIONS = ("CreateAssociation", "UpdateAssociation", "DescribeAssociation", "DeleteAssociation")


@dataclass(slots=True, kw_only=True)
class Association:
    """One association. `statuses` are those of its newest run, by instance."""

    id: str
    request: dict[str, Any]
    version: int = 1
    statuses: dict[str, str] = field(default_factory=dict[str, str])


class Associations:
    """Answers the requests that are about associations. It is asked from many threads."""

    def __init__(self, systems_manager: SystemsManager, agent_of: Callable[[str], Agent], journal: Journal) -> None:
        """`agent_of` returns an instance's agent."""
        self._systems_manager = systems_manager
        self._agent_of = agent_of
        self._journal = journal
        self._associations: dict[str, Association] = {}
        self._lock = threading.Lock()
        self._model = botocore.session.get_session().get_service_model("ssm")

    def answer(self, request: Request) -> Answer | None:
        """Answer a request about associations, or return None for any other."""
        operation = request.target.removeprefix(TARGET_PREFIX)
        if operation not in OPERATIONS:
            return None
        content = request.input(self._model, operation)
        if operation == "CreateAssociation":
            association = Association(id=str(uuid.uuid4()), request=dict(content))
            self._run(association)
            with self._lock:
                self._associations[association.id] = association
            return self._described(association)
        association = self._association(content.get("AssociationId", ""))
        if operation == "UpdateAssociation":
            association.request |= content
            association.version += 1
            self._run(association)
        elif operation == "DeleteAssociation":
            with self._lock:
                del self._associations[association.id]
            return json_answer({}, kind=JSON)
        return self._described(association)

    def _association(self, name: str) -> Association:
        with self._lock:
            if name not in self._associations:
                raise AwsError("AssociationDoesNotExist", "The specified association does not exist.")
            return self._associations[name]

    def _run(self, association: Association) -> None:
        request = association.request
        document = self._systems_manager.document(
            {"DocumentName": request["Name"]}
            | ({"DocumentVersion": request["DocumentVersion"]} if "DocumentVersion" in request else {})
        )
        values = received_values(document, parameter_values(document, request.get("Parameters", {})))
        instances = self._systems_manager.instances(_named(request), _tagged(request))
        association.statuses = dict.fromkeys(instances, "Pending")
        for instance in instances:
            agent = self._agent_of(instance)
            agent.submit(
                lambda agent=agent, instance=instance: self._run_on(association, document, values, instance, agent)
            )

    def _run_on(
        self, association: Association, document: Document, values: Mapping[str, str], instance: str, agent: Agent
    ) -> None:
        results = [agent.run(association.id, step, values) for step in document.steps]
        succeeded = all(result.status == "Success" for result in results)
        self._journal.append(
            SOURCE,
            Kind.COMMAND_FINISHED,
            {"command": association.id, "document": document.name, "status": "Success" if succeeded else "Failed"},
            parameters=dict(values),
            output="".join(result.output for result in results),
            errors="".join(result.errors for result in results),
        )
        with self._lock:
            association.statuses[instance] = "Success" if succeeded else "Failed"

    def _described(self, association: Association) -> Answer:
        with self._lock:
            statuses = set(association.statuses.values())
            ended = "Success" if statuses else "Pending"
            status = next((one for one in ("Failed", "Pending") if one in statuses), ended)
            request = association.request
            described = {
                **{name: request[name] for name in ("Name", "AssociationName", "Parameters") if name in request},
                "AssociationId": association.id,
                "AssociationVersion": str(association.version),
                "DocumentVersion": request.get("DocumentVersion", "$DEFAULT"),
                "Targets": request.get("Targets", []),
                "Date": time.time(),
                "Overview": {"Status": status, "DetailedStatus": status},
            }
        return json_answer({"AssociationDescription": described}, kind=JSON)


def _named(request: Mapping[str, Any]) -> list[str]:
    """Return the instances that an association names."""
    return [value for one in request.get("Targets", []) if one["Key"] == "InstanceIds" for value in one["Values"]]


def _tagged(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in request.get("Targets", []) if one["Key"] != "InstanceIds"]
