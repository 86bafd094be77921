"""The journal as a person reads it: a line per event that matters, with the time since the sandbox was ready."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alerting.names import ALERT_TOPIC
from sandbox.drills.runner import Result
from sandbox.journal import Event, Journal, Kind

FOLLOW_SECONDS = 0.2
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
    Kind.MESSAGE_POSTED: "[cyan]Slack[/]       {channel}: {title}",
    Kind.RESULT_PUBLISHED: "[yellow]SNS[/]         {topic}: {subject}",
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
    if sentence is None or event.ids.get("topic") == ALERT_TOPIC:
        return None
    where = ", ".join(f"{name} {event.ids[name]}" for name in _PLACES if name in event.ids)
    words = {"where": where, "source": event.source, **event.details, **event.ids}
    shown = {name: escape(str(word)[:TEXT_WIDTH]) for name, word in words.items()}
    return sentence.format_map(defaultdict(str, shown))


class Timeline:
    """Follows the journal and prints it, from now on until it is stopped.

    Many events of one kind in a row are told as the first and a count: twenty-five alerts are no twenty-five lines.
    """

    def __init__(self, journal: Journal, console: Console, wanted: Callable[[Event], bool] = lambda _: True) -> None:
        self._journal = journal
        self._console = console
        self._wanted = wanted
        self._started = time.time()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="timeline", daemon=True)
        self._printed = 0

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
        events = self._journal.events()
        fresh = [event for event in events[self._printed :] if event.time >= self._started and self._wanted(event)]
        self._printed = len(events)
        for event, count in _collapsed(fresh):
            said = describe(event)
            if said is None:
                continue
            more = f" [dim](and {count - 1} more)[/]" if count > 1 else ""
            self._console.print(f"[dim]{event.time - self._started:7.2f} s[/]  {said}{more}")


def _collapsed(events: list[Event]) -> list[tuple[Event, int]]:
    """Put neighbours together that differ in nothing but which pod or command they are about."""
    groups: list[tuple[Event, int]] = []
    for event in (one for one in events if describe(one) is not None):
        if groups and _alike(groups[-1][0], event):
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
        else:
            groups.append((event, 1))
    return groups


def _alike(one: Event, other: Event) -> bool:
    if one.kind is not other.kind:
        return False
    match one.kind:
        case Kind.ALERT_FIRING | Kind.ALERT_RESOLVED:
            return (one.ids["alertname"], one.ids.get("service")) == (other.ids["alertname"], other.ids.get("service"))
        case Kind.POD_READY | Kind.POD_DELETED:
            return True
        case Kind.COMMAND_STARTED | Kind.COMMAND_FINISHED:
            return one.ids["document"] == other.ids["document"]
        case _:
            return False


def print_results(console: Console, results: list[Result], scale: float) -> None:
    """Print each drill with its hops, and how it went."""
    table = Table(title="The drills", title_justify="left", show_lines=False, pad_edge=False, box=None)
    table.add_column("drill")
    table.add_column("what was seen")
    table.add_column("after", justify="right", no_wrap=True)
    for result in results:
        outcome = "[green]held[/]" if result.failure is None else "[bold red]FAILED[/]"
        table.add_row(
            f"[bold]{result.name}[/] {outcome}", f"[bold]{result.promise}[/]", f"[bold]{result.seconds:.1f} s[/]"
        )
        for hop in result.hops:
            table.add_row("", escape(hop.what), f"{hop.seconds:.2f} s since {hop.since}")
        if result.failure is not None:
            table.add_row("", f"[red]{escape(result.failure)}[/]", "")
    console.print(table)
    if scale > 1:
        console.print(f"Times are this machine's own. Waits and intervals ran {scale:g} times faster than the story's.")
