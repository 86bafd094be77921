"""Field types that the models of several files share: names, severities, and a base model without unknown fields."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Channel = Annotated[str, StringConstraints(pattern=r"^#[a-z0-9_-]{1,80}$")]
"""A channel with its #, named as Slack lets one be (`conversations.create`)."""
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_:][A-Za-z0-9_:]*$")]


def _one_key_or_two(numbers: tuple[int, ...]) -> tuple[int, ...]:
    old = numbers[0] if numbers else 0
    if old >= 1 and numbers in {(old,), (old, old + 1)}:
        return numbers
    raise ValueError("the number of one key, such as [1], or of two that follow each other, such as [1, 2], is allowed")


KeyNumbers = Annotated[tuple[int, ...], AfterValidator(_one_key_or_two)]
"""The numbers of the integration keys of PagerDuty's event orchestration. Alertmanager uses the keys of the last one.

Keys are exchanged in two steps, so that what is sent with the old ones while the new ones are on their way arrives:
from `[1]` to `[1, 2]`, and from there to `[2]`.
"""
FIRST_KEY = (1,)

YEARS = range(2000, 2101)
"""The years in which a date may lie: no clock or calendar is reckoned beyond what a computer's dates hold."""


def each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values. Raises `ValueError` with the first that is there twice."""
    twice = next((one for at, one in enumerate(values) if one in values[:at]), None)
    if twice is not None:
        raise ValueError(f"each once is allowed, and {twice} is there twice")
    return values


def _on_one_line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("a text on one line is allowed")
    return text


Reason = Annotated[str, Field(max_length=300), AfterValidator(_on_one_line)]
"""The reason that a person gives for a span of time, such as a maintenance window."""
MOMENT = "a time with its offset, such as 2026-12-05T01:00:00+00:00"
"""What is allowed of a moment, as schemas and errors call it."""


def require_known_year(year: int) -> None:
    """Do nothing if a year is one of `YEARS`.

    Raises `ValueError` otherwise.
    """
    if year not in YEARS:
        raise ValueError(f"a year from {YEARS[0]} to {YEARS[-1]} is allowed")


class Severity(StrEnum):
    """The urgency of an alert. It does not depend on the service, team or environment concerned.

    `none` is for alerts that say nothing is wrong, such as `Watchdog`.
    """

    CRITICAL = "critical"
    HIGH = "high"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"


class ClosedModel(BaseModel):
    """A value that cannot be changed, and that takes no field but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
