"""Composite objectives: one target for the events of several objectives, as teams write them and as they refer."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from alerting.source.fields import ClosedModel, Name


class Member(ClosedModel):
    """An objective whose events are some of a composite's: `weight` is how many events each of them counts as.

    `service` is needed where the name is that of the services' own objective.
    """

    objective: Name
    service: str | None = None
    weight: float = Field(default=1, gt=0)

    @property
    def name(self) -> str:
        """The name in errors."""
        return self.objective if self.service is None else f"{self.service} {self.objective}"


class Composite(ClosedModel):
    """The events of several objectives, each with its weight. Bad is what is bad for the member."""

    members: Annotated[tuple[Member, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [(one.service, one.objective) for one in self.members]
        twice = next((one.name for at, one in enumerate(self.members) if names[at] in names[:at]), None)
        if twice is not None:
            raise ValueError(f"each member once is allowed, and {twice} is there twice")
        return self
