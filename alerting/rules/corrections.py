"""catalog/corrections.yaml: times that error budgets leave out, such as a maintenance or false data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from alerting.oncall.teams import Moment
from alerting.rules.objectives import OWN_OBJECTIVE, BurnWindows
from alerting.source.fields import MOMENT, ClosedModel, Name, Reason

CORRECTIONS = "catalog/corrections.yaml"
BEFORE, AFTER = timedelta(seconds=30), timedelta(minutes=6)
"""How long after a span begins and ends the stages of five minutes are recorded that hold its first and last event.

A stage holds the ticks of the five minutes that end 30 seconds before it, and a tick the events of 30 seconds.
"""
APART = BEFORE + AFTER
"""How far apart two corrections of one objective are: closer ones would leave out the same stage twice."""


def _or_none(value: object) -> object:
    # The last correction was removed, and its key was left.
    return {} if value is None else value


class CorrectionEntry(ClosedModel):
    """A span of time that the budgets of one objective, or of all of a service, leave out: bad and other events."""

    service: str | None = None
    objective: str | None = None
    since: Moment = Field(description=MOMENT)
    until: Moment = Field(description=f"{MOMENT}, after `since`")
    reason: Reason
    owner: str = Field(description="a team of catalog/teams.yaml")

    @model_validator(mode="after")
    def _names_an_objective(self) -> Self:
        if self.service is None and self.objective is None:
            raise ValueError("`objective:`, `service:` or both are allowed")
        if self.service is None and self.objective == OWN_OBJECTIVE:
            raise ValueError(f"`service:` beside `objective: {OWN_OBJECTIVE}` is allowed: each service has one")
        return self

    @property
    def first_stage_after(self) -> float:
        """The Unix second after which the stages are recorded that hold events of the span."""
        return (self.since + BEFORE).timestamp()

    @property
    def last_stage(self) -> float:
        """The Unix second at which the last of these stages is recorded, or before."""
        return (self.until + AFTER).timestamp()

    def matches(self, service: str, objective: str) -> bool:
        """Say whether the span is left out of an objective's budget."""
        return self.service in {None, service} and self.objective in {None, objective}

    def overlaps(self, other: CorrectionEntry) -> bool:
        """Say whether a stage may hold events of both spans."""
        return self.since < other.until + APART and other.since < self.until + APART


class CorrectionsFile(ClosedModel):
    """catalog/corrections.yaml: the corrections by name. The name is a label of what they leave out."""

    corrections: Annotated[Mapping[Name, CorrectionEntry], BeforeValidator(_or_none)]


def affected(entry: CorrectionEntry, objectives: Mapping[tuple[str, str], BurnWindows]) -> Iterator[BurnWindows]:
    """Yield the windows of each objective that a correction is about, of all by service and name."""
    return (windows for (service, name), windows in objectives.items() if entry.matches(service, name))
