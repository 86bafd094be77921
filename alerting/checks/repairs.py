"""A repair answers an alert that is there by an action that is there, from labels that the alert carries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from alerting.catalog import ActionFile, Catalog
from alerting.checks.rules import alert_labels
from alerting.documents import Document
from alerting.problems import Problem, listed, not_allowed

REMEDIATIONS = "catalog/remediations.yaml"


def repair_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with catalog/remediations.yaml and runbooks/actions."""
    for file, document in catalog.documents.items():
        if file.startswith("runbooks/actions/"):
            yield from _action_problems(catalog, document)
    document = catalog.documents[REMEDIATIONS]
    labels = alert_labels(catalog)
    for alert, entry in catalog.remediations.items():
        path = ("remediations", alert)
        if alert not in catalog.alerts():
            yield not_allowed(document.place(path), alert, catalog.alerts(), "Name an alert of rules/")
        if entry.action not in catalog.actions:
            advice = "Name an action of runbooks/actions, or write it"
            yield not_allowed(document.place((*path, "action")), entry.action, catalog.actions, advice)
            continue
        for label in catalog.actions[entry.action].parameters_from_labels.values():
            if alert in labels and label not in labels[alert]:
                carried = listed(labels[alert].names())
                message = (
                    f'action {entry.action} reads the label "{label}", which alert {alert} does not carry; '
                    f"allowed: {carried}. Change the action, or the alert"
                )
                yield Problem(document.place((*path, "action")), message)


def _action_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    name = PurePosixPath(document.file).stem
    action = catalog.actions.get(name)
    if action is None:
        yield Problem(document.place(("name",)), f'found another name; allowed: "{name}", as the file. Rename one')
        return
    written, read = set(action.document.parameters), set(action.parameters_from_labels)
    for parameter in sorted(written - read):
        message = f"parameter {parameter} gets no label. Add it to `parameters_from_labels:`"
        yield Problem(document.place(("document", "parameters", parameter)), message)
    for parameter in sorted(read - written):
        place = document.place(("parameters_from_labels", parameter))
        yield not_allowed(place, parameter, sorted(written), "Name a parameter of the document")
    yield from _document_problems(action, document)


def _document_problems(action: ActionFile, document: Document) -> Iterator[Problem]:
    for name, parameter in action.document.parameters.items():
        try:
            re.compile(parameter.allowedPattern)
        except re.error as error:
            place = document.place(("document", "parameters", name, "allowedPattern"))
            yield Problem(place, f"is not a regular expression: {error}. Put it right")
    for index, step in enumerate(action.document.mainSteps):
        # {{ name }} pastes a parameter's text into the script before a shell reads it.
        if "{{" in json.dumps(step, default=str):
            place = document.place(("document", "mainSteps", index))
            yield Problem(place, 'found "{{"; allowed: parameters as environment variables. Read "$SSM_name" instead')
