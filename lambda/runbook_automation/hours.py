"""Hours of a week by the clock of a place, summer time included. Pure: the time is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Self

from dateutil import tz


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Hours that begin on each of `days` (0 is Monday). Those that end no later than they begin end the next day."""

    zone: tzinfo
    days: frozenset[int]
    begins: time
    ends: time

    def contain(self, now: float) -> bool:
        """Return whether a time (Unix seconds) is within the hours."""
        local = datetime.fromtimestamp(now, self.zone)
        at, today = local.time(), local.weekday()
        if self.begins < self.ends:
            return today in self.days and self.begins <= at < self.ends
        yesterday = (local.date() - timedelta(days=1)).weekday()
        return (today in self.days and at >= self.begins) or (yesterday in self.days and at < self.ends)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read hours of `remediations.json`. Raises `ValueError` for a time zone that is not known here.

        dateutil comes with botocore. It reads the machine's time zones, or its own where the machine has none.
        """
        zone = tz.gettz(data["time_zone"])
        if zone is None:
            raise ValueError(f"time_zone: found {data['time_zone']!r}, which is in no database of time zones here")
        return cls(
            zone=zone,
            days=frozenset(data["days"]),
            begins=time.fromisoformat(data["begins"]),
            ends=time.fromisoformat(data["ends"]),
        )
