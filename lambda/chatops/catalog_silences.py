"""Keeps the catalog's maintenance windows in Alertmanager, each as one silence, and touches no other silence.

The silence's comment names its window. One that shows its window as it is stays, with its id. One that differs, that is
there twice, or whose window was removed is expired, and what is missing is created, also before its start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chatops.clients import ListedSilence, Matcher, NewSilence, Refused, Unavailable

AUTHOR = "Orion catalog, team "
"""The start of the author of a window's silence. Its owner follows."""
_WINDOW = re.compile(r"\[catalog/silences\.yaml: (?P<name>[a-z0-9-]+)\]$")
"""The end of the comment of a window's silence."""
CLOCK_SECONDS = 60.0
"""How far Alertmanager's clock, which gives a silence that is created late its start, may be ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A maintenance window: its alerts have, of each label in `match`, one of the values. Times are Unix seconds."""

    name: str
    owner: str
    reason: str
    match: Mapping[str, Sequence[str]]
    since: float
    until: float

    def silence(self) -> NewSilence:
        """Return the silence of the window."""
        return NewSilence(
            matchers=tuple(_matcher(label, values) for label, values in sorted(self.match.items())),
            starts_at=self.since,
            ends_at=self.until,
            created_by=f"{AUTHOR}{self.owner}",
            comment=f"{self.reason} [catalog/silences.yaml: {self.name}]",
        )


def _matcher(label: str, values: Sequence[str]) -> Matcher:
    if len(values) == 1:
        return Matcher(name=label, value=values[0], is_regex=False)
    return Matcher(name=label, value="|".join(re.escape(value) for value in values), is_regex=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changes in Alertmanager: windows that lack a silence, and silences that show no window."""

    create: tuple[Window, ...]
    expire: tuple[ListedSilence, ...]


def changes(windows: Iterable[Window], listed: Iterable[ListedSilence], now: float) -> Changes:
    """Compare the windows with the silences that have not expired."""
    own = sorted((silence for silence in listed if window_of(silence) is not None), key=lambda silence: silence.id)
    kept: set[str] = set()
    create: list[Window] = []
    for window in windows:
        if window.until <= now:
            continue
        shown = next((silence.id for silence in own if shows(silence, window, now)), None)
        if shown is None:
            create.append(window)
        else:
            kept.add(shown)
    return Changes(create=tuple(create), expire=tuple(silence for silence in own if silence.id not in kept))


def window_of(silence: ListedSilence) -> str | None:
    """Return the name of the window that a silence was created for, or None for a person's silence."""
    mark = _WINDOW.search(silence.comment)
    return mark["name"] if mark is not None and silence.created_by.startswith(AUTHOR) else None


def shows(silence: ListedSilence, window: Window, now: float) -> bool:
    """Return whether a silence is that of a window as it is now."""
    wanted = window.silence()
    started = wanted.starts_at <= now and silence.starts_at <= now + CLOCK_SECONDS
    return (
        (frozenset(silence.matchers), silence.ends_at) == (frozenset(wanted.matchers), wanted.ends_at)
        and (silence.created_by, silence.comment) == (wanted.created_by, wanted.comment)
        and (started or silence.starts_at == wanted.starts_at)
    )


class SilenceWriter(Protocol):
    """The operations of `chatops.clients.Alertmanager` that change silences."""

    def create_silence(self, silence: NewSilence) -> None:
        """Create a silence."""
        ...

    def expire_silence(self, id_: str) -> None:
        """Expire a silence."""
        ...


def keep_windows(
    alertmanager: SilenceWriter,
    windows: Iterable[Window],
    listed: Iterable[ListedSilence],
    now: float,
    say: Callable[..., None],
) -> None:
    """Create and expire what has to be. A window that Alertmanager refuses keeps the silence that it has."""
    wanted = changes(windows, listed, now)
    failed: set[str] = set()
    for window in wanted.create:
        try:
            alertmanager.create_silence(window.silence())
        except (Refused, Unavailable) as error:
            failed.add(window.name)
            say("silence of the catalog not created", window=window.name, reason=str(error))
        else:
            say("silence of the catalog created", window=window.name)
    for silence in wanted.expire:
        name = window_of(silence)
        if name not in failed:
            alertmanager.expire_silence(silence.id)
            say("silence of the catalog expired", window=name, silence=silence.id)
