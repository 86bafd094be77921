"""Field types of a place's clock: days of the week, times of a day, and time zones."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator

from alerting.source.time_zones import is_time_zone


class Weekday(StrEnum):
    """A day of the week by its name."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


def _a_time_zone(text: str) -> str:
    if not is_time_zone(text):
        raise ValueError("an IANA name such as America/New_York is allowed")
    return text


def _a_time(text: str) -> str:
    try:
        found = datetime.strptime(text, "%H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError('a time such as "09:30" is allowed') from None
    if found.strftime("%H:%M") != text:
        raise ValueError('a time such as "09:30" is allowed')
    return text


TimeZone = Annotated[str, AfterValidator(_a_time_zone)]
"""The IANA name of a place's time zone."""
Time = Annotated[str, AfterValidator(_a_time)]
"""A time of a day, such as 09:30."""
