"""The names of time zones, as this machine's database of them has them."""

from __future__ import annotations

import zoneinfo
from functools import cache


@cache
def time_zone_names() -> frozenset[str]:
    """Return the IANA names of all time zones. Each is a file that has to be looked for, hence once."""
    return frozenset(zoneinfo.available_timezones())
