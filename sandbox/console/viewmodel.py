"""The page's view model: rows made from the state and the back ends' answers, ready for the templates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlsplit

from sandbox.console.backends import Active, BackendAnswers, Held, OnCall
from sandbox.console.objectives import BURN_WINDOW, DRAWN_STORY_SECONDS
from sandbox.console.state import Alert, ConsoleState, Group, Incident, Message, Repair

SHOWN_RESOLVED = 5
SHOWN_INCIDENTS = 40
SHOWN_REPAIRS = 40
SHOWN_ALERTS_OF_A_ROW = 30
SEVERITIES = ("critical", "high", "warning", "info", "none")
"""From the worst on; whatever else an alert says comes last."""
_SHOWN_ELSEWHERE = {"alertname", "service", "severity", "team"}
_NAMES = {
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
    "pagerduty": "PagerDuty",
    "slack": "Slack",
    "aws": "AWS",
    "metrics": "The metrics source",
    "runbooks": "Runbooks",
}
_LINKED = ("prometheus", "alertmanager", "pagerduty", "slack", "runbooks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Went:
    """The notifications of a group of alerts: its receiver, its destinations, and the incidents that it opened."""

    receiver: str
    targets: Sequence[str]
    incidents: Sequence[Incident]
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Alerts of one name, service and severity. `resolved` is when the last of them did, None while one fires.

    `waiting` are the receivers whose routes have taken them.
    """

    name: str
    service: str
    severity: str
    team: str
    since: float
    resolved: float | None
    alerts: Sequence[tuple[Mapping[str, str], Mapping[str, str]]]
    more: int
    count: int
    summary: str
    links: Sequence[tuple[str, str]]
    held: Sequence[str]
    waiting: Sequence[str]
    went: Sequence[Went]

    @property
    def key(self) -> str:
        """The key of the row on the page, which never changes."""
        return f"{'firing' if self.resolved is None else 'resolved'}:{self.name}:{self.service}:{self.severity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that the templates show."""

    firing: Sequence[Row]
    resolved: Sequence[Row]
    incidents: Sequence[Incident]
    repairs: Sequence[Repair]
    messages: Sequence[Message]
    on_call: Sequence[tuple[str, Sequence[OnCall]]]
    answers: BackendAnswers
    console_state: ConsoleState
    links: Sequence[tuple[str, str]]

    @property
    def burn_window(self) -> str:
        """The window of the burn rates that are drawn."""
        return BURN_WINDOW

    @property
    def drawn_hours(self) -> int:
        """The number of the story's hours that are drawn."""
        return DRAWN_STORY_SECONDS // 3600

    @property
    def title(self) -> str:
        """The title of the page."""
        return f"{self.firing_count} firing, {self.open_count} open · Orion Alerting"

    @property
    def silent(self) -> Sequence[str]:
        """The names of the back ends that do not answer."""
        return [_named(one.name) for one in self.answers.back_ends if not one.answers]

    @property
    def faults(self) -> Sequence[tuple[str, str, int]]:
        """The faults switched on: each fault, its service, and the number of places."""
        counts = Counter(
            (event.ids["fault"], event.ids.get("service", "")) for event in self.console_state.faults.values()
        )
        return [(fault, service, count) for (fault, service), count in counts.items()]

    @property
    def firing_count(self) -> int:
        """The number of firing alerts, heartbeats excluded."""
        return sum(row.count for row in self.firing if row.severity != "none")

    @property
    def open_count(self) -> int:
        """The number of incidents that are not resolved."""
        return sum(incident.status != "resolved" for incident in self.console_state.incidents.values())

    @property
    def running_count(self) -> int:
        """The number of running repairs."""
        return sum(repair.finished is None for repair in self.console_state.repairs.values())

    def at(self, receiver: str) -> Mapping[str, int]:
        """Return how many alerts of each name are with a receiver now."""
        return self.answers.active.by_receiver.get(receiver, {}) if self.answers.active else {}


def view(console_state: ConsoleState, answers: BackendAnswers) -> View:
    """Return what the page shows."""
    maker = _RowMaker(console_state, answers)
    firing = maker.rows(alert for alert in console_state.alerts.values() if alert.resolved is None)
    resolved = maker.rows(alert for alert in console_state.alerts.values() if alert.resolved is not None)
    return View(
        firing=sorted(firing, key=lambda row: (_rank(row.severity), -row.since)),
        resolved=sorted(resolved, key=lambda row: row.resolved or 0.0, reverse=True)[:SHOWN_RESOLVED],
        incidents=sorted(
            console_state.incidents.values(), key=lambda one: (one.status == "resolved", -one.opened, -one.number)
        )[:SHOWN_INCIDENTS],
        repairs=sorted(console_state.repairs.values(), key=lambda one: one.started, reverse=True)[:SHOWN_REPAIRS],
        messages=list(reversed(console_state.messages)),
        on_call=_on_call(answers.on_call or ()),
        answers=answers,
        console_state=console_state,
        links=[
            (_named(one.name), one.address)
            for one in answers.back_ends
            if one.name.startswith(_LINKED) and is_link(one.address)
        ],
    )


def _named(back_end: str) -> str:
    """Return the name of a back end as its maker writes it, with its number if it has one."""
    kind, space, number = back_end.partition(" ")
    return _NAMES.get(kind, kind) + space + number


def is_link(address: str) -> bool:
    """Say whether an address may stand in a link: no script, no local file."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


class _RowMaker:
    """Puts alerts of a kind together, with where they went."""

    def __init__(self, console_state: ConsoleState, answers: BackendAnswers) -> None:
        self._console_state = console_state
        self._answers = answers
        self._held: dict[tuple[str, str], list[Held]] = defaultdict(list)
        self._active = answers.active or Active()
        for one in self._active.held:
            self._held[one.labels.get("alertname", ""), one.labels.get("service", "")].append(one)

    def rows(self, alerts: Iterable[Alert]) -> list[Row]:
        """Return a row for each name, service and severity."""
        ordered = sorted(alerts, key=lambda alert: (alert.row, alert.since))
        return [self._row(key, list(members)) for key, members in groupby(ordered, lambda alert: alert.row)]

    def _row(self, key: tuple[str, str, str], alerts: list[Alert]) -> Row:
        first = alerts[0]
        groups = {
            group.dedup_key: group for alert in (first, alerts[-1]) for group in self._console_state.groups_of(alert)
        }
        resolved = [alert.resolved for alert in alerts if alert.resolved is not None]
        annotated = (("Runbook", "runbook_url"), ("Dashboard", "dashboard_url"))
        return Row(
            name=key[0],
            service=key[1],
            severity=key[2] or "none",
            team=first.labels.get("team", ""),
            since=first.since,
            resolved=max(resolved) if len(resolved) == len(alerts) else None,
            alerts=[
                (
                    {name: value for name, value in sorted(one.labels.items()) if name not in _SHOWN_ELSEWHERE},
                    one.annotations,
                )
                for one in alerts[:SHOWN_ALERTS_OF_A_ROW]
            ],
            more=max(0, len(alerts) - SHOWN_ALERTS_OF_A_ROW),
            count=len(alerts),
            summary=first.annotations.get("summary", ""),
            links=[
                (text, first.annotations[name]) for text, name in annotated if is_link(first.annotations.get(name, ""))
            ],
            held=sorted({one.by for one in self._held[key[0], key[1]] if any(_is(one, alert) for alert in alerts)}),
            waiting=sorted(self._active.taken.get(key, ())),
            went=[self._went(group, first) for group in groups.values()],
        )

    def _went(self, group: Group, alert: Alert) -> Went:
        routing = self._answers.routing
        targets = routing.targets(group.receiver) if routing else ()
        threads = [one for one in self._console_state.messages if one.is_thread_of(group)]
        channels = {target.removeprefix("Slack ") for target in targets if target.startswith("Slack ")}
        name, service = alert.labels.get("alertname", ""), alert.labels.get("service", "")
        return Went(
            receiver=group.receiver,
            targets=[
                *targets,
                *(f"a thread in Slack {channel}" for channel in sorted({one.channel for one in threads})),
            ],
            incidents=[
                one
                for one in self._console_state.incidents_of(group)
                if one.status != "resolved" or one.changed >= alert.since
            ],
            messages=[
                one
                for one in self._console_state.messages
                if one in threads
                or (one.channel in channels and one.time >= alert.since and name in one.title and service in one.text)
            ],
        )


def _is(held: Held, alert: Alert) -> bool:
    """Say whether Alertmanager's alert is Prometheus': the first has the labels of the second, and some more."""
    return alert.resolved is None and all(held.labels.get(name) == value for name, value in alert.labels.items())


def _on_call(entries: Sequence[OnCall]) -> list[tuple[str, list[OnCall]]]:
    ordered = sorted(entries, key=lambda one: (one.policy, one.level, one.person))
    return [(policy, list(people)) for policy, people in groupby(ordered, lambda one: one.policy)]
