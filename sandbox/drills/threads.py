"""Threads in Slack as drills see them: their root messages, what those show, and their replies."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.drills.drill import Drill
from sandbox.drills.story import MINUTE
from sandbox.journal import Event, Kind

CHANNEL = {"channel": "#orion-alerts"}
DIGEST = "incidents at once"
"""The words of a digest's title: it may name the alert, and is no thread of it."""


def text_of(event: Event) -> str:
    """Return all of a message's text."""
    return f"{event.details['title']} {event.details['message']}"


def is_root(alert: str, service: str) -> Callable[[Event], bool]:
    """Return what says whether a message is the first of a thread about the alert of a service, or a webhook's."""

    def holds(event: Event) -> bool:
        text = text_of(event)
        return event.details.get("thread") is None and DIGEST not in text and alert in text and service in text

    return holds


def thread(drill: Drill, alert: str, service: str, after: Event) -> Event:
    """Return the root message of the thread about the alert of a service, once it is there."""
    return drill.expect(
        "Slack shows its thread",
        Kind.MESSAGE_POSTED,
        ids=CHANNEL,
        where=is_root(alert, service),
        after=after,
        within=10 * MINUTE,
    )


def shows(
    drill: Drill, what: str, root: Event, text: str, *, after: Event | None = None, within: float = 5 * MINUTE
) -> Event:
    """Return the edit by which the root message shows a text. `within` is in story seconds."""
    return drill.expect(
        f"the thread shows {what}",
        Kind.MESSAGE_UPDATED,
        ids=CHANNEL,
        where=lambda event: event.details["ts"] == root.details["ts"] and text in text_of(event),
        after=after or root,
        within=within,
    )


def replies(
    drill: Drill, what: str, root: Event, text: str, *, after: Event | None = None, within: float = 5 * MINUTE
) -> Event:
    """Return the reply in the thread that holds a text. `within` is in story seconds."""
    return drill.expect(
        f"the thread tells {what}",
        Kind.MESSAGE_POSTED,
        ids=CHANNEL,
        where=lambda event: event.details.get("thread") == root.details["ts"] and text in text_of(event),
        after=after or root,
        within=within,
    )


def click(drill: Drill, person: str, root: Event, button: str) -> None:
    """Have a person click a button of the root message."""
    drill.target.click(person, CHANNEL["channel"], root.details["ts"], button)
