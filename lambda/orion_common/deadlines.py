"""The time after which a function begins nothing more, and the error with which the queue delivers a message again.

TryLater     nothing was done yet; the queue delivers the message again
OutOfTime    the invocation is nearly over
"""

from __future__ import annotations

MARGIN_SECONDS = 8
"""How long before its end a function begins nothing more: `SendCommand`, tried once, takes seven seconds at most (two
to connect, five to answer), and its command is written down after it.
"""


class TryLater(RuntimeError):
    """Nothing was done, and a later delivery of the message may succeed."""


class OutOfTime(TryLater):
    """The invocation is nearly over, so nothing more is begun."""


def deadline_of(now: float, remaining_milliseconds: int) -> float:
    """Return the time after which an invocation begins nothing more, in the seconds of `now`."""
    return now + remaining_milliseconds / 1000 - MARGIN_SECONDS


def need_time(now: float, deadline: float) -> None:
    """Return while there is time to begin something. Raises `OutOfTime`."""
    if now > deadline:
        raise OutOfTime("the function's time is nearly over")
