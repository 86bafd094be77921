"""What the models of several files share: how names are written, how severe an alert is, and no unknown fields."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Channel = Annotated[str, StringConstraints(pattern=r"^#[a-z0-9_-]{1,79}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_:][A-Za-z0-9_:]*$")]


class Severity(StrEnum):
    """How fast a person has to act. It says nothing of which service, team or environment is concerned.

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
