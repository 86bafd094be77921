"""PagerDuty as the simulation has it: incidents that hold alerts, a log, notes, merges and webhooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from chatops.clients import Refused
from chatops.effects import CLICK_SECONDS
from chatops.episode import Group, Incident, IncidentNote, IncidentStatus
from tests.simulation.world import Violation, World

LEEWAY_SECONDS = 60.0
"""An effect that began in time may be done this much later."""


def email_of(person: str) -> str:
    """Return the email of a Slack user."""
    return f"{person}@example.com"


@dataclass(slots=True)
class SimulatedAlert:
    """One alert of an incident."""

    opened_at: float
    resolved: bool = False


@dataclass(slots=True)
class SimulatedIncident:
    """One incident. `log` are acknowledgements: by whom, and when."""

    id: str
    alerts: dict[str, SimulatedAlert]
    acknowledged_by: tuple[str, ...] = ()
    assigned_to: tuple[str, ...] = ("on-call@example.com",)
    resolved: bool = False
    log: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    notes: dict[str, str] = field(default_factory=dict[str, str])
    notes_by_hand: tuple[IncidentNote, ...] = ()
    priority: str = ""
    by_policy: bool = True
    escalations: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Click:
    """A person asked in Slack to acknowledge, at a time. `used` are the incidents that were acknowledged for it."""

    person: str
    at: float
    used: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class PagerDutyService:
    """One account. `clicks` are what people asked for in Slack: each acknowledges an incident once at most."""

    world: World
    groups: dict[str, Group]
    mapped: frozenset[str]
    webhook: Callable[[tuple[str, ...]], None]
    may_resolve: Callable[[str], bool]
    incidents: list[SimulatedIncident] = field(default_factory=list[SimulatedIncident])
    clicks: list[Click] = field(default_factory=list["Click"])

    # What Alertmanager and people do.

    def event(self, key: str, *, trigger: bool) -> None:
        """Take an event of Alertmanager's."""
        incident = self.newest(key)
        open_ = incident is not None and not incident.resolved and not incident.alerts[key].resolved
        if trigger and not open_:
            id_ = f"P{len(self.incidents) + 1}"
            incident = SimulatedIncident(id_, {key: SimulatedAlert(self.world.now)})
            self.incidents.append(incident)
            self.changed(incident, "triggered")
        elif not trigger and incident is not None and open_:
            self._resolve(incident, key, "resolved by Alertmanager")

    def newest(self, key: str) -> SimulatedIncident | None:
        """Return the incident in which an alert opened last."""
        holding = [incident for incident in self.incidents if key in incident.alerts]
        return max(holding, key=lambda incident: incident.alerts[key].opened_at, default=None)

    def acknowledge_by_hand(self, key: str, person: str) -> None:
        """Acknowledge in PagerDuty itself."""
        incident = self.newest(key)
        if incident is not None and not incident.resolved:
            self._acknowledged(incident, person)

    def unacknowledge(self, key: str) -> None:
        """Let the acknowledgement time out."""
        incident = self.newest(key)
        if incident is not None and not incident.resolved and incident.acknowledged_by:
            incident.acknowledged_by = ()
            self.changed(incident, "acknowledgement timed out")

    def resolve_by_hand(self, key: str) -> None:
        """Resolve the whole incident."""
        incident = self.newest(key)
        if incident is not None and not incident.resolved:
            for alert in incident.alerts.values():
                alert.resolved = True
            incident.resolved, incident.acknowledged_by = True, ()
            self.changed(incident, "resolved by hand")

    def reassign(self, key: str, person: str) -> None:
        """Assign to someone else, which ends an acknowledgement."""
        incident = self.newest(key)
        if incident is not None and not incident.resolved:
            incident.assigned_to, incident.acknowledged_by, incident.by_policy = (email_of(person),), (), False
            self.changed(incident, f"reassigned to {person}")

    def change_by_hand(self, key: str, person: str, number: int) -> None:
        """Change the priority, or add a note."""
        incident = self.newest(key)
        if incident is None or incident.resolved:
            return
        if number % 2:
            incident.priority = f"P{number}"
        else:
            note = IncidentNote(id=f"N{len(incident.notes_by_hand)}", by=email_of(person), text=f"note {number}")
            incident.notes_by_hand = (*incident.notes_by_hand, note)
        self.changed(incident, "changed by hand")

    def merge(self, source_key: str, target_key: str) -> None:
        """Merge the incident of one alert into that of another."""
        source, target = self.newest(source_key), self.newest(target_key)
        if source is None or target is None or source is target or source.resolved or target.resolved:
            return
        for key, alert in source.alerts.items():
            if key not in target.alerts or target.alerts[key].resolved:
                target.alerts[key] = alert
        kept = {key: alert for key, alert in source.alerts.items() if target.alerts.get(key) is not alert}
        source.alerts, source.resolved, source.acknowledged_by = kept, True, ()
        self.changed(source, f"merged into {target.id}")
        self.changed(target, f"took over {source.id}")

    def changed(self, incident: SimulatedIncident, what: str) -> None:
        """Send a webhook."""
        self.world.note(f"pagerduty: {incident.id} {sorted(incident.alerts)} {what}")
        self.webhook(tuple(incident.alerts))

    def _acknowledged(self, incident: SimulatedIncident, person: str) -> None:
        incident.log.append((email_of(person), self.world.now))
        if email_of(person) not in incident.acknowledged_by:
            incident.acknowledged_by = (*incident.acknowledged_by, email_of(person))
        self.changed(incident, f"acknowledged by {person}")

    def _resolve(self, incident: SimulatedIncident, key: str, what: str) -> None:
        incident.alerts[key].resolved = True
        if all(alert.resolved for alert in incident.alerts.values()):
            incident.resolved, incident.acknowledged_by = True, ()
        self.changed(incident, what)

    def view(self, key: str) -> Incident | None:
        """Return an incident as the API does, with its notes."""
        incident = self.newest(key)
        if incident is None:
            return None
        status = IncidentStatus.ACKNOWLEDGED if incident.acknowledged_by else IncidentStatus.TRIGGERED
        alert = incident.alerts[key]
        return Incident(
            id=incident.id,
            status=IncidentStatus.RESOLVED if incident.resolved or alert.resolved else status,
            opened_at=alert.opened_at,
            acknowledged_by=incident.acknowledged_by,
            assigned_to=incident.assigned_to,
            by_policy=incident.by_policy,
            priority=incident.priority,
            notes=incident.notes_by_hand,
        )

    def _by_id(self, id_: str) -> SimulatedIncident:
        return next(incident for incident in self.incidents if incident.id == id_)

    # What the functions call.

    def incident_of(self, alert_key: str) -> Incident | None:
        """Return the newest incident of an alert, without its notes."""

        def act() -> Incident | None:
            incident = self.view(alert_key)
            return None if incident is None else replace(incident, notes=())

        return self.world.call("pagerduty get", act, limited=True)

    def notes_of(self, incident: str) -> tuple[IncidentNote, ...]:
        """Return people's notes."""
        return self.world.call("pagerduty notes", lambda: self._by_id(incident).notes_by_hand, limited=True)

    def open_alerts(self) -> Sequence[tuple[Group, float]]:
        """Return what is open."""

        def act() -> list[tuple[Group, float]]:
            return [
                (self.groups[key], alert.opened_at)
                for incident in self.incidents
                if not incident.resolved
                for key, alert in incident.alerts.items()
                if not alert.resolved
            ]

        return self.world.call("pagerduty list", act)

    def acknowledge(self, incident: str, person: str) -> None:
        """Acknowledge in a person's name."""

        def act() -> None:
            if person not in self.mapped:
                raise Refused("no PagerDuty user has your email")
            known = self._by_id(incident)
            if known.resolved:
                raise Refused("the incident is resolved")
            oldest = self.world.now - CLICK_SECONDS - LEEWAY_SECONDS
            asked = [click for click in self.clicks if click.person == person and incident not in click.used]
            if not any(click.at >= oldest for click in asked):
                raise Violation(
                    f"{incident} is acknowledged for {person}, who did not ask, or long ago, or once before"
                )
            asked[-1].used.add(incident)
            self._acknowledged(known, person)

        self.world.call("pagerduty acknowledge", act, limited=True)

    def has_acknowledged(self, incident: str, person: str, since: float) -> bool:
        """Read the log."""

        def act() -> bool:
            return any(who == email_of(person) and at >= since for who, at in self._by_id(incident).log)

        return self.world.call("pagerduty log", act, limited=True)

    def note(self, incident: str, key: str, text: str) -> None:
        """Add a note."""

        def act() -> None:
            self._add_note(self._by_id(incident), key, text)

        self.world.call("pagerduty note", act, limited=True)

    def escalate(self, incident: str, key: str, text: str) -> None:
        """Escalate."""

        def act() -> None:
            known = self._by_id(incident)
            self._add_note(known, key, text)
            known.escalations.append(text)
            self.changed(known, f"escalated: {text}")

        self.world.call("pagerduty escalate", act, limited=True)

    def _add_note(self, incident: SimulatedIncident, key: str, text: str) -> None:
        if key in incident.notes:
            raise Violation(f"a note is added twice: {key} {text}")
        incident.notes[key] = text

    def has_note(self, incident: str, key: str) -> bool:
        """Look for a note."""
        return self.world.call("pagerduty notes", lambda: key in self._by_id(incident).notes, limited=True)

    def resolve_alert(self, incident: str, alert_key: str) -> None:
        """Resolve one alert of an incident."""

        def act() -> None:
            known = self._by_id(incident)
            if known.resolved or alert_key not in known.alerts or known.alerts[alert_key].resolved:
                return
            if not self.may_resolve(alert_key):
                raise Violation(f"{incident} is resolved while {alert_key} fires")
            self._resolve(known, alert_key, "resolved by chatops")

        self.world.call("pagerduty resolve", act, limited=True)
