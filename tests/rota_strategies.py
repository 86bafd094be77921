"""Random schedules, for the tests that hold our reckoning of turns against somebody else's."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from alerting.oncall.shifts import clock_change_at
from alerting.oncall.teams import OverrideEntry, RotationEntry, ScheduleEntry, Turn

ZONES = ("Europe/London", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "America/Santiago")
"""Clock changes of an hour and of half an hour, at midnight too, on both halves of the world, and none."""
PEOPLE = tuple(f"{name}@example.com" for name in ("ann", "bob", "cid", "dot"))
CHANGES = tuple(datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 8), (3, 29), (4, 5), (9, 6), (10, 25)))
"""Days at or near which the zones change their clocks."""
FIRST, LAST = date(2025, 1, 1), date(2028, 1, 1)
MINUTES = 15


@cache
def steady_times(zone: str) -> tuple[time, ...]:
    """Return the quarters of an hour that the zone's clock shows once on every day."""
    quarters = (time(minute // 60, minute % 60) for minute in range(0, 24 * 60, MINUTES))
    return tuple(each for each in quarters if clock_change_at(each, ZoneInfo(zone), FIRST, LAST) is None)


@st.composite
def rotations(draw: st.DrawFn, zone: str) -> RotationEntry:
    """Return a rotation of any kind that the catalog allows."""
    first = draw(st.dates(date(2025, 6, 1), date(2026, 10, 1)))
    length = draw(st.none() | st.integers(0, 300))
    times = st.sampled_from(steady_times(zone))
    return RotationEntry(
        turn=draw(st.sampled_from(Turn)),
        first_day=first.isoformat(),  # pyright: ignore[reportArgumentType] - as YAML has it
        last_day=None if length is None else (first + timedelta(days=length)).isoformat(),  # pyright: ignore[reportArgumentType]
        handoff=f"{draw(times):%H:%M}",  # pyright: ignore[reportArgumentType]
        until=f"{draw(times):%H:%M}" if draw(st.booleans()) else None,  # pyright: ignore[reportArgumentType]
        people=tuple(draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5))),
    )


@st.composite
def overrides(draw: st.DrawFn, around: datetime) -> OverrideEntry:
    """Return an override near a time."""
    since = around + draw(st.integers(-40, 80)) * timedelta(hours=6) + timedelta(minutes=draw(st.integers(0, 59)))
    return OverrideEntry(
        person=draw(st.sampled_from(PEOPLE)),
        instead_of=draw(st.none() | st.sampled_from(PEOPLE)),
        since=since,
        until=since + timedelta(minutes=draw(st.integers(1, 20_000))),
        reason="asked for",
    )


@st.composite
def schedules(draw: st.DrawFn, around: datetime, *, most_rotations: int = 3) -> ScheduleEntry:
    """Return a schedule of one or more rotations, which may overlap, with a few overrides."""
    zone = draw(st.sampled_from(ZONES))
    return ScheduleEntry(
        time_zone=zone,
        rotations={f"r{number}": draw(rotations(zone)) for number in range(draw(st.integers(1, most_rotations)))},
        overrides=tuple(draw(st.lists(overrides(around), max_size=3))),
    )
