"""catalog/silences.yaml: maintenance windows, in which the alerts that they match notify nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from alerting.oncall.teams import Moment
from alerting.source.fields import MOMENT, ClosedModel, LabelName, Name, Reason, each_once

SILENCES = "catalog/silences.yaml"
LONGEST = timedelta(days=7)
"""The ceiling of a window's length. An alert that nobody needs for longer is to be changed, not silenced."""


def _or_none(value: object) -> object:
    # The last window was removed, and its key was left.
    return {} if value is None else value


Values = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(each_once)]


class SilenceEntry(ClosedModel):
    """A maintenance window: alerts whose every label named in `match` has one of the values notify nobody."""

    match: Mapping[LabelName, Values] = Field(
        min_length=1,
        description="labels with values, such as {alertname: [HighCPUUsage]}; a silence without any matches everything",
    )
    owner: str = Field(description="a team of catalog/teams.yaml")
    reason: Reason
    since: Moment = Field(description=MOMENT)
    until: Moment = Field(description=f"{MOMENT}, after `since` and at most {LONGEST.days} days later")


class SilencesFile(ClosedModel):
    """catalog/silences.yaml: the windows by name. The name is part of the silence's comment in Alertmanager."""

    silences: Annotated[Mapping[Name, SilenceEntry], BeforeValidator(_or_none)]
