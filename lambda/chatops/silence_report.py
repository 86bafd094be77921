"""Finds silences that match no alert: some never did, and others have outlived their alerts.

A silence is reported once, an hour after it last matched. What was seen of each is one item of the state table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chatops.clients import ListedSilence
from chatops.counts import Count
from chatops.record import SeenSilence, SeenSilences
from chatops.store import Conflict, Put, Store
from orion_common.observer import Observer

KEY = "silences"
"""The key of the item in the state table."""
QUIET_SECONDS = 3600
"""How long a silence matches nothing until it is reported. Restarted Alertmanagers lack alerts for minutes."""
MOST_SILENCES = 1000
"""How many silences are looked after, so that the item stays below the table's limit of 400 KB."""
NEVER_MATCHED = "it has matched no alert"
OUTLIVED = "it has outlived its alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A silence that matches nothing, and why it is listed."""

    silence: ListedSilence
    why: str


def seen_after(seen: SeenSilences, listed: Iterable[ListedSilence], now: float) -> tuple[SeenSilences, list[Stale]]:
    """Return what is known of the silences after a look at them, and those to be reported now."""
    known = {silence.id: silence for silence in seen.silences}
    after: list[SeenSilence] = []
    stale: list[Stale] = []
    started = sorted((silence for silence in listed if silence.starts_at <= now), key=lambda silence: silence.id)
    for silence in started[:MOST_SILENCES]:
        before = known.get(silence.id, SeenSilence(id=silence.id, quiet_since=now))
        if silence.alerts:
            after.append(SeenSilence(id=silence.id, matched=True))
            continue
        quiet_since = now if before.quiet_since is None else before.quiet_since
        is_new = is_quiet(quiet_since, now) and not before.reported
        if is_new:
            stale.append(Stale(silence=silence, why=OUTLIVED if before.matched else NEVER_MATCHED))
        after.append(replace(before, quiet_since=quiet_since, reported=before.reported or is_new))
    return SeenSilences(silences=tuple(after)), stale


def is_quiet(quiet_since: float, now: float) -> bool:
    """Return whether a silence has matched nothing for so long that it is reported."""
    return now - quiet_since >= QUIET_SECONDS


def report_stale_silences(store: Store, listed: Sequence[ListedSilence], now: float, observer: Observer) -> None:
    """Report the silences that have become stale, and count all that are. Whoever writes first reports."""
    stored = store.read(KEY)
    seen = stored.value if stored is not None and isinstance(stored.value, SeenSilences) else SeenSilences()
    after, stale = seen_after(seen, listed, now)
    if after != seen:
        try:
            store.write(Put(KEY, after, 0 if stored is None else stored.version))
        except Conflict:
            return
    for item in stale:
        silence = item.silence
        observer.say(
            "silence is stale",
            silence=silence.id,
            reason=item.why,
            created_by=silence.created_by,
            comment=silence.comment,
            ends_at=silence.ends_at,
        )
    observer.count(Count.SILENCES_STALE, sum(silence.reported for silence in after.silences))
