"""The journal as a person reads it: a line per event that matters, with the time since the sandbox was ready."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape

from alerting.names import ALERT_TOPIC, WATCHDOG_TOPIC
from sandbox.drills.runner import Result
from sandbox.journal import Event, Journal, Kind

FOLLOW_SECONDS = 1.0
"""How long events are gathered, so that twenty-five of a kind are told as one."""
TEXT_WIDTH = 110


_SENTENCES: Mapping[Kind, str] = {
    Kind.FAULT_STARTED: "[bold red]broken[/]      {fault}: {where}",
    Kind.FAULT_ENDED: "[green]mended[/]      {fault}: {where}",
    Kind.ALERT_FIRING: "[red]firing[/]      {alertname}: {where}",
    Kind.ALERT_RESOLVED: "[green]resolved[/]    {alertname}: {where}",
    Kind.INCIDENT_TRIGGERED: "[bold magenta]PagerDuty[/]   incident {incident} in {service}: {summary}",
    Kind.INCIDENT_ACKNOWLEDGED: "[magenta]PagerDuty[/]   incident {incident} acknowledged",
    Kind.INCIDENT_RESOLVED: "[magenta]PagerDuty[/]   incident {incident} resolved",
    Kind.PERSON_NOTIFIED: "[bold magenta]PagerDuty[/]   {person} is notified of incident {incident}",
    Kind.MESSAGE_POSTED: "[cyan]Slack[/]       {channel}{in_thread}: {title}",
    Kind.BUTTON_CLICKED: "[cyan]Slack[/]       {channel}: somebody clicks {action}",
    Kind.TOPIC_PUBLISHED: "[yellow]SNS[/]         {topic}: {subject}",
    Kind.ALARM_CHANGED: "[yellow]CloudWatch[/]  alarm {alarm}: {state}",
    Kind.COMMAND_STARTED: "[yellow]repair[/]      {document} starts",
    Kind.COMMAND_FINISHED: "[yellow]repair[/]      {document} ended: {status}",
    Kind.POD_DELETED: "[blue]cluster[/]     pod {pod} is gone",
    Kind.POD_READY: "[blue]cluster[/]     pod {pod} is ready",
    Kind.REQUEST_REFUSED: "[red]refused[/]     {source}: {reason}",
}
"""How a person is told of each kind. Kinds that are not here only matter to machines."""
_PLACES = ("service", "pod", "dbinstance_identifier")


def describe(event: Event) -> str | None:
    """Return what happened in a person's words, or None for what only a machine wants to know."""
    sentence = _SENTENCES.get(event.kind)
    if sentence is None or event.ids.get("topic") in {ALERT_TOPIC, WATCHDOG_TOPIC}:
        return None
    where = ", ".join(f"{name} {event.ids[name]}" for name in _PLACES if name in event.ids)
    in_thread = ", in a thread" if event.details.get("thread") else ""
    words = {"where": where, "in_thread": in_thread, "source": event.source, **event.details, **event.ids}
    shown = {name: escape(str(word)[:TEXT_WIDTH]) for name, word in words.items()}
    return sentence.format_map(defaultdict(str, shown))


class Timeline:
    """Follows the journal and prints it, from now on until it is stopped.

    Many events of one kind in a row are told as the first and a count: twenty-five alerts are no twenty-five lines.
    """

    def __init__(self, journal: Journal, console: Console) -> None:
        self._journal = journal
        self._console = console
        self._started = time.time()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="timeline", daemon=True)
        self._offset = 0

    def start(self) -> None:
        """Begin to print."""
        self._thread.start()

    def stop(self) -> None:
        """Print what is left, and no more."""
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(FOLLOW_SECONDS):
            self._print_new()
        self._print_new()

    def _print_new(self) -> None:
        events, self._offset = self._journal.events_from(self._offset)
        fresh = [event for event in events if event.time >= self._started]
        for event, count in _collapsed(fresh):
            said = describe(event)
            if said is None:
                continue
            more = f" [dim](and {count - 1} more)[/]" if count > 1 else ""
            self._console.print(f"[dim]{event.time - self._started:7.2f} s[/]  {said}{more}")


def _collapsed(events: list[Event]) -> list[tuple[Event, int]]:
    """Put those together that differ in nothing but which pod or command they are about, in the place of the first."""
    first: dict[tuple[str, ...], Event] = {}
    counts: Counter[tuple[str, ...]] = Counter()
    for event in (one for one in events if describe(one) is not None):
        key = _key(event)
        first.setdefault(key, event)
        counts[key] += 1
    return [(event, counts[key]) for key, event in first.items()]


def _key(event: Event) -> tuple[str, ...]:
    """Return what makes an event one of many."""
    match event.kind:
        case Kind.ALERT_FIRING | Kind.ALERT_RESOLVED:
            return (event.kind, event.ids["alertname"], event.ids.get("service", ""))
        case Kind.POD_READY | Kind.POD_DELETED:
            return (event.kind, event.ids["pod"].rsplit("-", 2)[0])
        case Kind.COMMAND_STARTED | Kind.COMMAND_FINISHED:
            return (event.kind, event.ids["document"], str(event.details.get("status", "")))
        case Kind.TOPIC_PUBLISHED:
            return (event.kind, event.ids["topic"], str(event.details.get("subject", "")))
        case _:
            return (event.kind, describe(event) or "")


def print_results(console: Console, results: list[Result], scale: float) -> None:
    """Print each drill with its hops, and how it went."""
    for result in results:
        outcome = "[green]held[/]" if result.failure is None else "[bold red]FAILED[/]"
        console.print(f"[bold]{result.name}[/] {outcome} ({result.seconds:.1f} s): {result.promise}")
        for hop in result.hops:
            console.print(f"  {hop.seconds:8.2f} s since {hop.since:<20} {escape(hop.what)}")
        if result.failure is not None:
            console.print(f"  [red]{escape(result.failure)}[/]")
    if scale > 1:
        console.print(f"Times are this machine's own. Waits and intervals ran {scale:g} times faster than the story's.")
