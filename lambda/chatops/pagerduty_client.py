"""PagerDuty as the executor sees it: incidents by their alert's key, changed in the names of people.

An incident with one alert is found by its incident key, which is its alert's. A merged one is resolved, and names the
incident that holds its alerts now; one with several alerts has no incident key.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chatops.clients import Refused, Unavailable
from chatops.episode import Group, Incident, IncidentNote, IncidentStatus
from chatops.http_json import as_object, listed, objects, text_in
from chatops.pagerduty_api import NotFound, PagerDutyApi

BY_POLICY = "escalation_policy"
OPEN_STATUSES = ("triggered", "acknowledged")
ACKNOWLEDGED_ENTRY = "acknowledge_log_entry"
NO_USER = "no PagerDuty user has your email"
NO_EMAIL = "Slack does not tell your email, by which your PagerDuty user is found"
LAST_LEVEL = "the incident is at the last level of its escalation policy"
MOST_MERGES = 5
RESOLVED_SECONDS = 24 * 3600
"""How old an incident of several alerts may be to be found after it was resolved."""
NOTE_LIMIT = 20_000
OWN_NOTE = "[orion:"
"""The beginning of the mark in each note of the platform's own."""
MOST_NOTES = 10
SHOWN_NOTE_LIMIT = 1000
"""How much of a note is kept and shown: an item of the table has 400 KB. All of it is on the incident's page."""

_Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyClient:
    """The account. `email_of` returns a Slack user's email, and `group_of` the group of an alert's key, if it is known.

    `users` keeps the users that were asked for, by email and by id, as long as the function's process lives.
    """

    api: PagerDutyApi
    email_of: Callable[[str], str | None]
    group_of: Callable[[str], Group | None]
    now: Callable[[], float] = time.time
    users: dict[str, _Json] = field(default_factory=dict[str, "_Json"])

    def incident_of(self, alert_key: str) -> Incident | None:
        """Return the newest incident that holds an alert with the key, without its notes."""
        held = max(self._holding(alert_key), key=lambda pair: _opened_at(pair[1]), default=None)
        return None if held is None else self._incident(*held)

    def notes_of(self, incident: str) -> tuple[IncidentNote, ...]:
        """Return people's newest notes on an incident, the oldest first. The platform's own are left out."""
        notes = [note for note in self._notes(incident) if OWN_NOTE not in str(note.get("content"))]
        newest = sorted(notes, key=lambda note: _time(note.get("created_at")))[-MOST_NOTES:]
        return tuple(
            IncidentNote(
                id=_id(note),
                by=self._email(as_object(note.get("user"))) if as_object(note.get("user")).get("id") else "somebody",
                text=str(note.get("content"))[:SHOWN_NOTE_LIMIT],
            )
            for note in newest
        )

    def alert_keys(self, incident: str) -> tuple[str, ...]:
        """Return the keys of the alerts that an incident holds, or held when it was merged into another."""
        try:
            known = as_object(self.api.get(f"/incidents/{incident}").get("incident"))
        except NotFound:
            return ()
        keys = [str(alert.get("alert_key")) for alert in self._alerts({"id": incident}, {})]
        own = known.get("incident_key")
        return tuple(dict.fromkeys([*keys, *([str(own)] if own else [])]))

    def open_alerts(self) -> Sequence[tuple[Group, float]]:
        """Return the groups whose alerts are open in an incident, and when each opened."""
        alerts: list[tuple[str, float]] = []
        for incident in self._open_incidents():
            key = incident.get("incident_key")
            if key:
                alerts.append((str(key), _time(incident.get("created_at"))))
            else:
                held = self._alerts(incident, {"statuses[]": "triggered"})
                alerts += [(str(alert.get("alert_key")), _opened_at(alert)) for alert in held]
        groups = ((self.group_of(key), opened_at) for key, opened_at in alerts)
        return [(group, opened_at) for group, opened_at in groups if group is not None]

    def acknowledge(self, incident: str, person: str) -> None:
        """Acknowledge an incident in a person's name. Raises `Refused` for who has no PagerDuty user."""
        user = self._user_of(person)
        self._change(incident, {"status": "acknowledged"}, str(user.get("email")))

    def has_acknowledged(self, incident: str, person: str, since: float) -> bool:
        """Return whether the incident's log says that a person acknowledged it since a time."""
        user = self._user_of(person)
        return any(
            entry.get("type") == ACKNOWLEDGED_ENTRY
            and as_object(entry.get("agent")).get("id") == _id(user)
            and _time(entry.get("created_at")) >= math.floor(since)  # PagerDuty's times are whole seconds
            for entry in self.api.pages(f"/incidents/{incident}/log_entries", {}, "log_entries")
        )

    def note(self, incident: str, key: str, text: str) -> None:
        """Add a note."""
        content = f"{text[:NOTE_LIMIT]}\n{mark_of(key)}"
        self.api.post(f"/incidents/{incident}/notes", {"note": {"content": content}})

    def escalate(self, incident: str, key: str, text: str) -> None:
        """Escalate to the next level, with a note.

        The note comes second: one without an escalation would have the next attempt do nothing.
        """
        level = self._next_level(as_object(self.api.get(f"/incidents/{incident}").get("incident")))
        self._change(incident, {"escalation_level": level}, None)
        self.note(incident, key, f"Escalated to level {level}: {text}")

    def has_note(self, incident: str, key: str) -> bool:
        """Return whether the incident has the note of a key."""
        return any(mark_of(key) in str(note.get("content")) for note in self._notes(incident))

    def resolve_alert(self, incident: str, alert_key: str) -> None:
        """Resolve one alert of an incident, and the incident with its last one.

        By the REST API: a resolve event names no service, and a router drops events that no rule takes.
        """
        for alert in self._alerts({"id": incident}, {"alert_key": alert_key, "statuses[]": "triggered"}):
            resolved = {"alert": {"type": "alert", "status": "resolved"}}
            self.api.put(f"/incidents/{incident}/alerts/{_id(alert)}", resolved)

    def _notes(self, incident: str) -> list[_Json]:
        path = f"/incidents/{incident}/notes"
        return list(listed(self.api.get(path), "notes", f"PagerDuty {path}"))

    def _holding(self, alert_key: str) -> Iterator[tuple[_Json, _Json]]:
        """Yield incidents that hold an alert with a key, each with that alert."""
        query = {"incident_key": alert_key, "date_range": "all", "sort_by": "created_at:desc", "limit": "5"}
        held = False
        for incident in self._followed(listed(self.api.get("/incidents", query), "incidents", "PagerDuty /incidents")):
            for alert in self._alerts(incident, {"alert_key": alert_key}):
                held = True
                yield incident, alert
        if held:
            return
        for incident in (*self._open_incidents(), *self._recently_resolved()):
            if not incident.get("incident_key"):
                yield from ((incident, alert) for alert in self._alerts(incident, {"alert_key": alert_key}))

    def _followed(self, incidents: Iterable[_Json]) -> Iterator[_Json]:
        """Yield incidents and those that they were merged into."""
        seen: set[str] = set()
        waiting = list(incidents)
        most = len(waiting) + MOST_MERGES
        while waiting and len(seen) < most:
            incident = waiting.pop(0)
            id_ = str(incident.get("id"))
            if id_ in seen:
                continue
            seen.add(id_)
            yield incident
            reason = as_object(incident.get("resolve_reason"))
            into = as_object(reason.get("incident")).get("id")
            if reason.get("type") == "merge_resolve_reason" and into:
                waiting.append(as_object(self.api.get(f"/incidents/{into}").get("incident")))

    def _open_incidents(self) -> Iterator[_Json]:
        query = {"statuses[]": OPEN_STATUSES, "date_range": "all"}
        return self.api.pages("/incidents", query, "incidents")

    def _recently_resolved(self) -> Iterator[_Json]:
        since = datetime.fromtimestamp(self.now() - RESOLVED_SECONDS, UTC).isoformat()
        return self.api.pages("/incidents", {"statuses[]": "resolved", "since": since}, "incidents")

    def _alerts(self, incident: _Json, query: Mapping[str, str]) -> list[_Json]:
        try:
            alerts = list(self.api.pages(f"/incidents/{_id(incident)}/alerts", query, "alerts"))
        except NotFound:
            return []
        key = query.get("alert_key")
        return [alert for alert in alerts if key is None or alert.get("alert_key") == key]

    def _incident(self, incident: _Json, alert: _Json) -> Incident:
        status = _status(incident)
        acknowledgers = [as_object(each.get("acknowledger")) for each in objects(incident.get("acknowledgements"))]
        assignees = [as_object(each.get("assignee")) for each in objects(incident.get("assignments"))]
        return Incident(
            id=_id(incident),
            status=IncidentStatus.RESOLVED if alert.get("status") == "resolved" else status,
            opened_at=_opened_at(alert),
            acknowledged_by=self._emails(acknowledgers),
            assigned_to=self._emails(assignees),
            by_policy=incident.get("assigned_via") == BY_POLICY,
            priority=_priority(incident),
            url=str(incident.get("html_url") or ""),
        )

    def _emails(self, references: Iterable[_Json]) -> tuple[str, ...]:
        """Return the emails of users, each once; integrations acknowledge too, and have a name."""
        return tuple(dict.fromkeys(self._email(reference) for reference in references if reference.get("id")))

    def _email(self, reference: _Json) -> str:
        id_ = str(reference["id"])
        if id_ not in self.users and str(reference.get("type", "")).startswith("user"):
            try:
                self.users[id_] = as_object(self.api.get(f"/users/{id_}").get("user"))
            except NotFound:
                self.users[id_] = {}
        return str(self.users.get(id_, {}).get("email") or reference.get("summary") or id_)

    def _user_of(self, person: str) -> _Json:
        """Return the PagerDuty user of a Slack user. Raises `Refused`."""
        email = self.email_of(person)
        if email is None:
            raise Refused(NO_EMAIL)
        if email not in self.users:
            matching = self.api.pages("/users", {"query": email}, "users")
            user = next((user for user in matching if str(user.get("email")).casefold() == email.casefold()), None)
            if user is None:
                raise Refused(NO_USER)
            self.users[email] = user
        return self.users[email]

    def _next_level(self, incident: _Json) -> int:
        """Return the level after that of the people assigned. Raises `Refused` at the last one."""
        policy = as_object(incident.get("escalation_policy")).get("id")
        if not policy:
            raise Unavailable("PagerDuty's incident names no escalation policy")
        on_call = list(self.api.pages("/oncalls", {"escalation_policy_ids[]": str(policy)}, "oncalls"))
        assigned = {as_object(each.get("assignee")).get("id") for each in objects(incident.get("assignments"))}
        levels = sorted({int(each.get("escalation_level") or 0) for each in on_call})
        reached = [
            int(each.get("escalation_level") or 0)
            for each in on_call
            if as_object(each.get("user")).get("id") in assigned
        ]
        current = min(reached, default=0)
        following = next((level for level in levels if level > current), None)
        if following is None:
            raise Refused(LAST_LEVEL)
        return following

    def _change(self, incident: str, change: Mapping[str, object], sender: str | None) -> None:
        content = {"incident": {"type": "incident_reference", **change}}
        self.api.put(f"/incidents/{incident}", content, sender)


def mark_of(key: str) -> str:
    """Return the mark by which a note is found again."""
    return f"{OWN_NOTE}{hashlib.sha256(key.encode()).hexdigest()[:16]}]"


def _id(content: _Json) -> str:
    return text_in(content, "id", "PagerDuty")


def _status(incident: _Json) -> IncidentStatus:
    """Return the status of an incident. Raises `Unavailable`: an incident without it is none."""
    try:
        return IncidentStatus(text_in(incident, "status", "PagerDuty"))
    except ValueError as error:
        raise Unavailable(f"PagerDuty's incident has another status: {error}") from error


def _priority(incident: _Json) -> str:
    priority = as_object(incident.get("priority"))
    return str(priority.get("summary") or priority.get("name") or "")


def _opened_at(alert: _Json) -> float:
    return _time(alert.get("created_at"))


def _time(text: object) -> float:
    """Return a time of PagerDuty's. Raises `Unavailable`: an answer without it is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Unavailable(f"PagerDuty's answer has no time: {text!r:.100}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
