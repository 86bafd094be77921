"""The drill of a full disk: Prometheus goes on, says that it is ready, and stores nothing that an alert could read."""

from __future__ import annotations

from sandbox.drills.chapter import Chapter
from sandbox.drills.drill import Drill
from sandbox.drills.silence import HEARTBEAT_SECONDS, SILENCE_SECONDS, pages_meanwhile
from sandbox.drills.story import MINUTE

WATCHDOG_SECONDS = 2 * MINUTE
"""How long Watchdog fires after the last sample (rules/meta.yaml)."""


def disk_is_full(drill: Drill) -> None:
    """With Prometheus' disk full no alert could fire, though it runs: CloudWatch pages, and ends the page after it."""
    (prometheus,) = drill.target.prometheuses()
    pages_meanwhile(
        drill,
        f"with the disk of {prometheus} full",
        drill.target.full_disk(prometheus),
        within=WATCHDOG_SECONDS + HEARTBEAT_SECONDS + SILENCE_SECONDS,
    )


FULL_DISK = Chapter(sequences=((disk_is_full,),))
"""It comes after the story, which could show nothing meanwhile, and before a Prometheus that is killed waits longer."""
