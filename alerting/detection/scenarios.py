"""Scenarios of the detection matrix as teams write them in rules/scenarios/: faults, and what must page nobody.

docs/detection.md is the format in words, docs/scenarios.schema.json its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from alerting.catalog import Catalog
from alerting.loader import validated
from alerting.oncall.teams import Moment
from alerting.rules.series import SERVICE, SEVERITY
from alerting.source.durations import Duration, DurationOverZero, milliseconds
from alerting.source.fields import ClosedModel, LabelName, Name, Severity
from alerting.source.problems import CatalogError, Problem, not_allowed
from alerting.source.yaml_source import Document, FieldPath, read_document

FOLDER = "rules/scenarios"
EACH = "each"
OWNER = "owner"
MOST_REPLICAS = 50
Text = Annotated[str, Field(min_length=1)]


class Urgency(StrEnum):
    """The way by which a person hears of an alert: a page at once, or a ticket: a message to read within the day."""

    PAGE = "page"
    TICKET = "ticket"


URGENCIES: Mapping[str, Urgency] = {
    Severity.CRITICAL: Urgency.PAGE,
    Severity.HIGH: Urgency.PAGE,
    Severity.WARNING: Urgency.TICKET,
}
"""The urgency of each severity that asks a person for something. The others inform, and ask for nothing."""


class Step(ClosedModel):
    """A fault of the sandbox's metrics source, or an event of the cluster, some time after the scenario begins.

    Without `lasts` it goes on until the scenario ends. `labels` are the fault's, beside `service`.
    """

    fault: str | None = None
    event: str | None = None
    after: Duration = "0s"
    lasts: DurationOverZero | None = None
    labels: Mapping[LabelName, Text] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.fault is None) == (self.event is None):
            raise ValueError("one of `fault:` and `event:` is allowed")
        return self


class Expectation(ClosedModel):
    """The one notification that a fault must cause. `within` counts from the scenario's beginning.

    `team` is who must get it: a team of the catalog, or `owner`, the service's own.
    """

    alert: str
    urgency: Urgency
    within: DurationOverZero
    team: str = OWNER


class Scenario(ClosedModel):
    """Steps at a date, and the notification that they must cause: none at all without `expect`.

    With `services`, each of them is a run of its own, in which what happens, happens to it. Without, it is one run, in
    which what needs a service happens to all. A run is observed for `watched` after the steps have ended.
    `known` are further alerts that notify, and why that is accepted.
    """

    description: Text
    begins: Moment
    lasts: DurationOverZero
    watched: DurationOverZero = "30m"
    services: Literal["each"] | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    replicas: int = Field(default=4, ge=1, le=MOST_REPLICAS)
    requests_per_minute: float = Field(default=2400, ge=0)
    orders_per_minute: float = Field(default=300, ge=0)
    steps: tuple[Step, ...] = ()
    expect: Expectation | None = None
    known: Mapping[str, Text] = Field(default_factory=dict)

    @property
    def ends_at(self) -> datetime:
        """The moment at which the steps have ended."""
        return self.begins + timedelta(milliseconds=milliseconds(self.lasts))


class ScenariosFile(ClosedModel):
    """A file of rules/scenarios/."""

    scenarios: Mapping[Name, Scenario] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A scenario as it is simulated once: for one service, or for none in particular."""

    name: str
    service: str | None
    scenario: Scenario

    def team(self, catalog: Catalog) -> str | None:
        """Return the team that must be notified."""
        expected = self.scenario.expect
        if expected is None or expected.team != OWNER:
            return None if expected is None else expected.team
        return catalog.owner(self.service or catalog.operating_team)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSteps:
    """The names that steps may have: events, and faults with their labels, of which some are required."""

    events: Collection[str]
    faults: Mapping[str, Collection[str]]
    required: Mapping[str, Collection[str]]


def read_scenarios(root: Path, catalog: Catalog, known: KnownSteps) -> Mapping[str, Scenario]:
    """Return the scenarios of a repository by name, none where it has no such folder.

    Raises `CatalogError` with every problem of all files.
    """
    found: dict[str, Scenario] = {}
    problems: list[Problem] = []
    for path in sorted((root / FOLDER).glob("*.yaml")):
        try:
            document = read_document(root, f"{FOLDER}/{path.name}")
            file = validated(document, ScenariosFile)
        except CatalogError as error:
            problems += error.problems
            continue
        for name, scenario in file.scenarios.items():
            if name in found:
                place = document.place(("scenarios", name))
                problems.append(Problem(place, "is the name of a scenario of another file too. Rename one"))
            problems += _problems(document, ("scenarios", name), scenario, catalog, known)
            found[name] = scenario
    if problems:
        raise CatalogError(problems)
    return found


def runs(scenarios: Mapping[str, Scenario], catalog: Catalog) -> Iterator[Run]:
    """Yield each run of each scenario."""
    for name, scenario in scenarios.items():
        services = catalog.services if scenario.services == EACH else scenario.services
        for service in services or (None,):
            yield Run(name=name, service=service, scenario=scenario)


def _problems(
    document: Document,
    path: FieldPath,
    scenario: Scenario,
    catalog: Catalog,
    known: KnownSteps,
) -> Iterator[Problem]:
    for number, step in enumerate(scenario.steps):
        yield from _step_problems(document, (*path, "steps", number), scenario, step, known)
    if isinstance(scenario.services, tuple):
        for number, service in enumerate(scenario.services):
            if service not in catalog.services:
                place = document.place((*path, "services", number))
                yield not_allowed(place, service, catalog.services, "Name a service of the catalog")
    for alert in scenario.known:
        if alert not in catalog.rules.alerts:
            yield not_allowed(document.place((*path, "known", alert)), alert, catalog.rules.alerts, "Name an alert")
    if scenario.expect is not None:
        yield from _expectation_problems(document, (*path, "expect"), scenario, scenario.expect, catalog)


def _step_problems(
    document: Document, path: FieldPath, scenario: Scenario, step: Step, known: KnownSteps
) -> Iterator[Problem]:
    if step.event is not None and step.event not in known.events:
        yield not_allowed(document.place((*path, "event")), step.event, sorted(known.events), "Name one of these")
    if step.fault is not None and step.fault not in known.faults:
        yield not_allowed(document.place((*path, "fault")), step.fault, sorted(known.faults), "Name one of these")
    labels = known.faults.get(step.fault or "", ())
    for label in step.labels:
        if label not in labels:
            yield not_allowed(document.place((*path, "labels", label)), label, sorted(labels), "Name one of these")
    for label in sorted({*known.required.get(step.fault or "", ())} - {SERVICE, *step.labels}):
        yield Problem(document.place((*path, "fault")), f"the fault needs the label {label}. Add it to `labels:`")
    if milliseconds(step.after) + milliseconds(step.lasts or "0") > milliseconds(scenario.lasts):
        message = f"the step ends after the scenario, which lasts {scenario.lasts}. Let that last longer"
        yield Problem(document.place((*path, "after")), message)


def _expectation_problems(
    document: Document, path: FieldPath, scenario: Scenario, expect: Expectation, catalog: Catalog
) -> Iterator[Problem]:
    if expect.team not in (OWNER, *catalog.teams):
        yield not_allowed(document.place((*path, "team")), expect.team, (OWNER, *catalog.teams), "Name one of these")
    if expect.team == OWNER and scenario.services is None:
        place = document.place((*path, "team"))
        yield Problem(
            place, "the scenario has no service, which alone has an owner. Name a team, or give it `services:`"
        )
    located = catalog.rules.alerts.get(expect.alert)
    if located is None:
        yield not_allowed(document.place((*path, "alert")), expect.alert, catalog.rules.alerts, "Name an alert")
        return
    severity = located.rule.labels.get(SEVERITY, "")
    if URGENCIES.get(severity) is not expect.urgency:
        place = document.place((*path, "urgency"))
        told = URGENCIES.get(severity, "neither a page nor a ticket")
        yield Problem(
            place, f'found "{expect.urgency}"; severity {severity} of {expect.alert} makes {told}. Change one'
        )
