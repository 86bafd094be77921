"""Names of time zones, held against this machine's database of them."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NO_PLACE = ("Etc/", "posix/", "right/")


@cache
def is_time_zone(name: str) -> bool:
    """Say whether a name is the IANA name of a place's time zone, or `UTC`. It is a file to be read, hence once.

    Left out is what keeps no place's clock: `EST` has no summer time, `Etc/GMT+5` lies west of Greenwich, and
    `localtime` is another zone on each machine.
    """
    if name != "UTC" and ("/" not in name or name.startswith(_NO_PLACE)):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no such zone; no path below the database; a folder of it
        return False
    return True
