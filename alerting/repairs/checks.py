"""A repair answers an alert that is there by an action that is there, from labels that the alert carries."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import PurePosixPath

from alerting.catalog import Catalog
from alerting.repairs.compile import NAMESPACE, NOT_AFTER, NOTE_BEFORE, SHOW_BEFORE, repair_action
from alerting.repairs.model import ActionFile, HandOverEntry, RemediationEntry
from alerting.repairs.modes import REMEDIATIONS, mode_problems
from alerting.repairs.ssm_documents import VARIABLE_PREFIX, content_problems
from alerting.source.problems import Place, Problem, listed, not_allowed
from alerting.source.yaml_source import Document, FieldPath

LINK_FIELDS = ("region", "value")


def repair_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with catalog/remediations.yaml and runbooks/actions."""
    for file, document in catalog.documents.items():
        if file.startswith("runbooks/actions/"):
            yield from _action_problems(catalog, document)
    yield from _remediation_problems(catalog)
    yield from _hand_over_problems(catalog)
    yield from _bound_problems(catalog)
    yield from _limit_problems(catalog)
    yield from _cooldown_problems(catalog)
    yield from mode_problems(catalog)


def _remediation_problems(catalog: Catalog) -> Iterator[Problem]:
    document = catalog.documents[REMEDIATIONS]
    labels = catalog.rules.alert_labels
    actions = [*catalog.actions, *catalog.hand_overs]
    for alert, entry in catalog.remediations.items():
        path = ("remediations", alert)
        if alert not in catalog.rules.alerts:
            yield not_allowed(document.place(path), alert, catalog.rules.alerts, "Name an alert of rules/")
        if entry.action not in actions:
            advice = "Name an action of runbooks/actions or `hand_overs`, or write it"
            yield not_allowed(document.place((*path, "action")), entry.action, actions, advice)
            continue
        trigger = entry.triggered_by or alert
        yield from _trigger_problems(catalog, alert, entry, document.place((*path, "triggered_by")))
        for label in _labels_read(catalog, entry.action):
            if trigger in labels and label not in labels[trigger]:
                carried = listed(labels[trigger].names())
                message = (
                    f'action {entry.action} reads the label "{label}", which alert {trigger} does not carry; '
                    f"allowed: {carried}. Change the action, or the alert"
                )
                yield Problem(document.place((*path, "action")), message)
        yield from _annotation_problems(catalog, trigger, entry.action, document.place((*path, "action")))


def _trigger_problems(catalog: Catalog, alert: str, entry: RemediationEntry, place: Place) -> Iterator[Problem]:
    """Yield that the alert which triggers an action is not there, or triggers another one already."""
    trigger = entry.triggered_by
    if trigger is None:
        return
    if trigger not in catalog.rules.alerts:
        yield not_allowed(place, trigger, catalog.rules.alerts, "Name an alert of rules/")
    others = [other for other, one in catalog.remediations.items() if trigger in {other, one.triggered_by}]
    if others != [alert]:
        message = f"{trigger} has an action already ({listed(others)}); allowed: one for each alert. Name another alert"
        yield Problem(place, message)


def _annotation_problems(catalog: Catalog, alert: str, action: str, place: Place) -> Iterator[Problem]:
    """Yield the annotations that an action reads and that the alert which it answers does not have."""
    if action not in catalog.actions or alert not in catalog.rules.alerts:
        return
    written = catalog.rules.alerts[alert].rule.annotations
    for annotation in catalog.actions[action].parameters_from_annotations.values():
        if annotation not in written:
            message = (
                f'action {action} reads the annotation "{annotation}", which alert {alert} does not have; '
                f"allowed: {listed(sorted(written))}. Change the action, or the alert"
            )
            yield Problem(place, message)


def _labels_read(catalog: Catalog, action: str) -> tuple[str, ...]:
    if action in catalog.actions:
        return tuple(catalog.actions[action].parameters_from_labels.values())
    return (catalog.hand_overs[action].label,)


def _hand_over_problems(catalog: Catalog) -> Iterator[Problem]:
    document = catalog.documents[REMEDIATIONS]
    for name, entry in catalog.hand_overs.items():
        path = ("hand_overs", name)
        if entry.team not in catalog.teams:
            place = document.place((*path, "team"))
            yield not_allowed(place, entry.team, catalog.teams, "Name a team of catalog/teams.yaml")
        if name in catalog.actions:
            message = f"{name} is an action of runbooks/actions already; allowed: another name. Rename one"
            yield Problem(document.place(path), message)
        yield from _pattern_problems(document, (*path, "pattern"), entry.pattern)
        yield from _link_problems(document, (*path, "link"), entry)


def _link_problems(document: Document, path: FieldPath, entry: HandOverEntry) -> Iterator[Problem]:
    try:
        fields = [part[1:] for part in string.Formatter().parse(entry.link) if part[1] is not None]
    except ValueError as error:
        yield Problem(document.place(path), f"is not an address with fields: {error}. Put it right")
        return
    for name, specification, conversion in fields:
        if name not in LINK_FIELDS or specification or conversion:
            yield not_allowed(document.place(path), f"{{{name}}}", [f"{{{one}}}" for one in LINK_FIELDS], "Change it")


def _bound_problems(catalog: Catalog) -> Iterator[Problem]:
    document = catalog.documents[REMEDIATIONS]
    for name, bounds in catalog.bounds.items():
        path = ("bounds", name)
        if name not in catalog.actions:
            yield not_allowed(document.place(path), name, catalog.actions, "Name an action of runbooks/actions")
            continue
        read = catalog.actions[name].bounds
        for bound in bounds:
            if bound not in read:
                advice = "Remove it, or have the action read it"
                yield not_allowed(document.place((*path, bound)), bound, read, advice)
    for alert, entry in catalog.remediations.items():
        if entry.action not in catalog.actions:
            continue
        for bound in catalog.actions[entry.action].bounds:
            if bound not in catalog.bounds.get(entry.action, {}):
                message = (
                    f"action {entry.action} reads the bound {bound}, which is not set. "
                    f"Add it to `bounds.{entry.action}:`"
                )
                yield Problem(document.place(("remediations", alert, "action")), message)


def _limit_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield an action that nothing limits, a limit of no action, and one that a service can't reach."""
    document = catalog.documents[REMEDIATIONS]
    for name, limit in catalog.hourly_limits.items():
        path = ("hourly_limits", name)
        if name not in catalog.actions:
            yield not_allowed(document.place(path), name, catalog.actions, "Name an action of runbooks/actions")
        if limit.service > limit.platform:
            message = (
                f"found service {limit.service}, platform {limit.platform}; allowed: a service's limit that is not "
                "over the platform's. Lower the first, or raise the second"
            )
            yield Problem(document.place(path), message)
    for alert, entry in catalog.remediations.items():
        if entry.action in catalog.actions and entry.action not in catalog.hourly_limits:
            message = (
                f"nothing limits how often action {entry.action} may begin within an hour. "
                f"Add `hourly_limits.{entry.action}:` with `service:` and `platform:`"
            )
            yield Problem(document.place(("remediations", alert, "action")), message)


def _cooldown_problems(catalog: Catalog) -> Iterator[Problem]:
    document = catalog.documents[REMEDIATIONS]
    for name in catalog.cooldown_seconds:
        if name not in catalog.actions:
            place = document.place(("cooldown_seconds", name))
            yield not_allowed(place, name, catalog.actions, "Name an action of runbooks/actions")


def _action_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    name = PurePosixPath(document.file).stem
    action = catalog.actions.get(name)
    if action is None:
        message = f'found another name; allowed: "{name}", as the file. Rename one'
        yield Problem(document.place(("name",)), message, comes_first=True)
        return
    yield from _parameter_problems(action, document)
    written = set(action.document.parameters)
    if NOT_AFTER in written:
        message = f"parameter {NOT_AFTER} is given to every document already. Name yours otherwise"
        yield Problem(document.place(("document", "parameters", NOT_AFTER)), message)
    if NAMESPACE not in written and action.rights:
        message = f"no parameter {NAMESPACE}: what may be touched could not be checked. Add it"
        yield Problem(document.place(("document", "parameters")), message)
    if NAMESPACE not in written and not action.target:
        message = f"no `target:`, nor a parameter {NAMESPACE}: what is repaired has no name. Name its parameters"
        yield Problem(document.place(("name",)), message)
    yield from _script_problems(action, document)
    if {*action.parameters_from_labels, *action.parameters_from_annotations} <= written:
        yield from _content_problems(catalog, action, document)


def _parameter_problems(action: ActionFile, document: Document) -> Iterator[Problem]:
    """Yield the parameters that get no value, or two, and the values that are no parameter's."""
    written = set(action.document.parameters)
    labels, annotations = set(action.parameters_from_labels), set(action.parameters_from_annotations)
    for parameter in sorted(written - labels - annotations):
        message = (
            f"parameter {parameter} gets no value. "
            "Add it to `parameters_from_labels:` or `parameters_from_annotations:`"
        )
        yield Problem(document.place(("document", "parameters", parameter)), message)
    for field, read in (("parameters_from_labels", labels), ("parameters_from_annotations", annotations)):
        for parameter in sorted(read - written):
            place = document.place((field, parameter))
            yield not_allowed(place, parameter, sorted(written), "Name a parameter of the document")
    for index, parameter in enumerate(action.target):
        if parameter not in written:
            place = document.place(("target", index))
            yield not_allowed(place, parameter, sorted(written), "Name a parameter of the document")
    for parameter in sorted(labels & annotations):
        message = f"parameter {parameter} gets its value from a label too. Keep one of them"
        yield Problem(document.place(("parameters_from_annotations", parameter)), message)


def _pattern_problems(document: Document, path: FieldPath, pattern: str) -> Iterator[Problem]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield Problem(document.place(path), f"is not a regular expression: {error}. Put it right")


def _script_problems(action: ActionFile, document: Document) -> Iterator[Problem]:
    parameters = action.document.parameters
    read: set[str] = set()
    for index, step in enumerate(action.document.mainSteps):
        path: FieldPath = ("document", "mainSteps", index)
        named = set(re.findall(rf"\b{VARIABLE_PREFIX}(\w+)", "\n".join(step.inputs.runCommand)))
        for parameter in sorted(named - set(parameters)):
            allowed = [f"${VARIABLE_PREFIX}{name}" for name in parameters]
            advice = "Name a parameter of the document"
            yield not_allowed(document.place(path), f"${VARIABLE_PREFIX}{parameter}", allowed, advice)
        read |= named
        if step.inputs.timeoutSeconds != str(action.timeout_seconds):
            place = document.place((*path, "inputs", "timeoutSeconds"))
            allowed = [f'"{action.timeout_seconds}"']
            yield not_allowed(place, step.inputs.timeoutSeconds, allowed, "Write what `timeout_seconds:` says")
    yield from _diagnostics_problems(action, document)
    for parameter in sorted(set(parameters) - read):
        message = f"parameter {parameter} is read by no script, as ${VARIABLE_PREFIX}{parameter}. Read it, or remove it"
        yield Problem(document.place(("document", "parameters", parameter)), message)


def _diagnostics_problems(action: ActionFile, document: Document) -> Iterator[Problem]:
    """Yield that an action changes something of which nobody could see afterwards how it was."""
    lines = [
        line.split() for step in action.document.mainSteps for line in "\n".join(step.inputs.runCommand).split("\n")
    ]
    called = {words[0] for words in lines if words}
    missing = [name for name in (NOTE_BEFORE, SHOW_BEFORE) if name not in called]
    if action.changes_cluster and missing:
        message = (
            f"no script calls {listed(missing)}, and the action changes something; allowed: diagnostics first. "
            f"Call `{NOTE_BEFORE} TITLE COMMAND ...` before the change, and `{SHOW_BEFORE}` once it is made"
        )
        yield Problem(document.place(("document", "mainSteps")), message)


def _content_problems(catalog: Catalog, action: ActionFile, document: Document) -> Iterator[Problem]:
    """Yield the rules of Systems Manager that the document breaks as it is deployed, its generated lines included."""
    bounds = dict.fromkeys(action.bounds, 1) | dict(catalog.bounds.get(action.name, {}))
    namespaces = {service.namespace for service in catalog.services.values()}
    deployed = repair_action(action, namespaces=namespaces, bounds=bounds)
    for path, message in content_problems(deployed.content):
        yield Problem(document.place(("document", *path)), message)
