"""The names of time zones, as this machine's database of them has them."""

from __future__ import annotations

import zoneinfo
from functools import cache


@cache
def time_zone_names() -> frozenset[str]:
    """Return the IANA names of the time zones of places, and `UTC`. Each is a file to be looked for, hence once.

    Left out is what keeps no place's clock: `EST` has no summer time, `Etc/GMT+5` lies west of Greenwich, and
    `localtime` is another zone on each machine.
    """
    names = zoneinfo.available_timezones()
    return frozenset(name for name in names if name == "UTC" or ("/" in name and not name.startswith("Etc/")))
