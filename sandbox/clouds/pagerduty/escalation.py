"""Escalation of incidents: notifies people level by level, and applies the timers of services.

Timers are in the story's seconds, on the sandbox's clock; time stamps and schedules are in real time. Methods take the
account's lock themselves, so that an appointment may call them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, assert_never

from sandbox.clouds.pagerduty.agents import agent_name
from sandbox.clouds.pagerduty.model import (
    INCIDENT_ID_LENGTH,
    Account,
    Agent,
    Alert,
    EscalationPolicy,
    Incident,
    Integration,
    LogEntry,
    Note,
    Service,
    Status,
    StatusUpdate,
    Urgency,
    User,
    by_id,
)
from sandbox.clouds.pagerduty.oncall import on_call
from sandbox.clouds.pagerduty.scheduler import Scheduler, Timers
from sandbox.clouds.pagerduty.trigger import Trigger, urgency
from sandbox.journal import Journal, Kind

SOURCE = "pagerduty"
MINUTE_SECONDS = 60


Listener = Callable[[str, Incident, Agent, Note | StatusUpdate | None], None]
"""Takes the type of an event, its incident, who caused it, and what it is about if not the incident itself."""


@dataclass(slots=True)
class Responders:
    """Opens, escalates, acknowledges and resolves an account's incidents, and notifies people."""

    account: Account
    journal: Journal
    scheduler: Scheduler
    listeners: list[Listener] = field(default_factory=list[Listener])
    _timers: dict[str, Timers] = field(default_factory=dict[str, Timers])

    def now(self) -> datetime:
        """Return the present."""
        return datetime.fromtimestamp(self.scheduler.now(), UTC)

    def trigger(self, integration: Integration, trigger: Trigger) -> Incident | None:
        """Open an incident, or add to the open one with this key.

        Returns None where nobody is on call on any level: PagerDuty then opens no incident.
        """
        with self.account.lock:
            agent = Agent(kind="integration", id=integration.id)
            known = self.account.open_alert(integration, trigger.key)
            channel = {"type": "api", "summary": trigger.summary, "client": trigger.client, "details": trigger.details}
            if known is not None:
                incident = self.account.incidents[known.incident]
                self.record(incident, "trigger", f"Triggered again by {integration.name}", agent, channel=channel)
                return incident
            service = self.account.services[integration.service]
            policy = self.account.policies[service.escalation_policy]
            if not any(self._reached(policy, level) for level in range(1, len(policy.rules) + 1)):
                return None
            incident = self._open(service, policy, integration, trigger)
            self.record(incident, "trigger", f"Triggered by {integration.name}", agent, channel=channel)
            self._assign_level(incident, 1)
            if service.auto_resolve_timeout is not None:
                self._of(incident).resolve = self.scheduler.after(
                    service.auto_resolve_timeout, lambda: self.resolve(incident, self._service_agent(incident))
                )
            self.publish("triggered", incident, agent)
            return incident

    def acknowledge(self, incident: Incident, by: Agent) -> None:
        """Stop the escalation; the acknowledgement runs out after the service's timeout."""
        with self.account.lock:
            if incident.status is Status.RESOLVED:
                return  # one request may have resolved it a moment before: what is resolved stays so
            self._change(incident, Status.ACKNOWLEDGED, by)
            incident.acknowledged = (
                *((agent, at) for agent, at in incident.acknowledged if agent != by),
                (by, self.now()),
            )
            self.record(incident, "acknowledge", f"Acknowledged by {self.named(by)}", by)
            timers = self._of(incident)
            timers.cancel("escalate", "unacknowledge")
            timeout = self.account.services[incident.service].acknowledgement_timeout
            if timeout is not None:
                timers.unacknowledge = self.scheduler.after(timeout, lambda: self.unacknowledge(incident))
            self.publish("acknowledged", incident, by)

    def unacknowledge(self, incident: Incident, by: Agent | None = None) -> None:
        """Make an acknowledged incident a triggered one again, and notify who it is assigned to."""
        with self.account.lock:
            if incident.status is not Status.ACKNOWLEDGED:
                return
            agent = by or self._service_agent(incident)
            self._change(incident, Status.TRIGGERED, agent)
            incident.acknowledged = ()
            how = "" if by else " due to timeout"
            self.record(
                incident, "unacknowledge", f"Unacknowledged{how}", agent, channel={"type": "api" if by else "timeout"}
            )
            self._notify(incident)
            self._plan_escalation(incident)
            self.publish("unacknowledged", incident, agent)

    def resolve(self, incident: Incident, by: Agent, *, into: Incident | None = None) -> None:
        """End an incident and its alerts, or leave these, open, to the incident that it is merged `into`."""
        with self.account.lock:
            if incident.status is Status.RESOLVED:
                return
            self._change(incident, Status.RESOLVED, by)
            if into is None:
                for alert in incident.alerts:
                    alert.resolved = True
            else:
                self._move_alerts(incident, into)
            incident.assignees = ()
            incident.acknowledged = ()
            self.record(incident, "resolve", f"Resolved by {self.named(by)}", by)
            self._of(incident).cancel("escalate", "unacknowledge", "resolve")
            self.publish("resolved", incident, by)

    @staticmethod
    def _move_alerts(incident: Incident, into: Incident) -> None:
        for alert in incident.alerts:
            alert.incident = into.id
        into.alerts += incident.alerts
        incident.alerts = []
        incident.merged_into = into.id

    def resolve_alert(self, incident: Incident, alert: Alert, by: Agent) -> None:
        """Resolve an alert of an incident, and the incident with the last of them."""
        with self.account.lock:
            alert.resolved = True
            if all(each.resolved for each in incident.alerts):
                self.resolve(incident, by)

    def escalate(self, incident: Incident, level: int, by: Agent) -> None:
        """Give an incident to a level of its policy."""
        with self.account.lock:
            self.record(incident, "escalate", f"Escalated to level {level} by {self.named(by)}", by)
            self._assign_level(incident, level)
            self.publish("escalated", incident, by)

    def delegate(self, incident: Incident, policy: EscalationPolicy, by: Agent) -> None:
        """Give an incident to another escalation policy, from its first level on."""
        with self.account.lock:
            incident.escalation_policy, incident.snapshot = policy.id, policy
            incident.loops_left = policy.num_loops
            self.record(incident, "delegate", f"Delegated to {policy.name} by {self.named(by)}", by)
            self._assign_level(incident, 1)
            self.publish("delegated", incident, by)

    def assign(self, incident: Incident, people: Sequence[User], by: Agent) -> None:
        """Give an incident to people, outside of its policy: it escalates no further."""
        with self.account.lock:
            self._of(incident).cancel("escalate")
            self._assign(incident, tuple(user.id for user in people), by)
            incident.directly_assigned = True
            self._notify(incident)
            self.publish("reassigned", incident, by)

    def set_urgency(self, incident: Incident, urgency: Urgency, by: Agent) -> None:
        """Change an incident's urgency."""
        with self.account.lock:
            incident.urgency = urgency
            self.record(incident, "urgency_change", f"Urgency changed to {urgency} by {self.named(by)}", by)
            self._plan_escalation(incident)

    def annotate(self, incident: Incident, user: User, content: str) -> Note:
        """Add a note to an incident."""
        with self.account.lock:
            note = Note(id=self.account.new_id(), incident=incident.id, user=user.id, content=content, at=self.now())
            incident.notes.append(note)
            agent = Agent(kind="user", id=user.id)
            channel = {"type": "note", "summary": content}
            self.record(incident, "annotate", f"Note added by {user.name}", agent, channel=channel)
            self.publish("annotated", incident, agent, note)
            return note

    def publish(self, event: str, incident: Incident, agent: Agent, about: Note | StatusUpdate | None = None) -> None:
        """Tell the listeners what has happened to an incident, once all of it has."""
        for listener in self.listeners:
            listener(f"incident.{event}", incident, agent, about)

    def record(
        self,
        incident: Incident,
        kind: str,
        summary: str,
        agent: Agent,
        *,
        channel: Mapping[str, Any] | None = None,
        people: tuple[str, ...] = (),
    ) -> None:
        """Add an entry to an incident's log."""
        incident.log.append(
            LogEntry(
                id=self.account.new_id("R", INCIDENT_ID_LENGTH),
                kind=kind,
                at=self.now(),
                incident=incident.id,
                summary=summary,
                agent=agent,
                channel=channel or {"type": "api"},
                people=people,
            )
        )

    def named(self, agent: Agent) -> str:
        """Return what people call an agent."""
        return agent_name(self.account, agent)

    def _of(self, incident: Incident) -> Timers:
        return self._timers.setdefault(incident.id, Timers())

    @staticmethod
    def _service_agent(incident: Incident) -> Agent:
        return Agent(kind="service", id=incident.service)

    def _open(self, service: Service, policy: EscalationPolicy, integration: Integration, trigger: Trigger) -> Incident:
        now = self.now()
        incident_id, number = self.account.new_incident()
        incident = Incident(
            id=incident_id,
            number=number,
            title=trigger.summary,
            first_key=trigger.key,
            service=service.id,
            escalation_policy=policy.id,
            snapshot=policy,
            urgency=urgency(service, trigger.severity),
            created_at=now,
            changed_at=now,
            assigned_at=now,
            loops_left=policy.num_loops,
        )
        contexts = [{"type": "link", **link} for link in trigger.links]
        contexts += [{"type": "image", **image} for image in trigger.images]
        if trigger.client_url:
            contexts.append({"type": "link", "href": trigger.client_url, "text": trigger.client or trigger.client_url})
        incident.alerts.append(
            Alert(
                id=self.account.new_id("Q", INCIDENT_ID_LENGTH),
                key=trigger.key,
                integration=integration.id,
                service=service.id,
                incident=incident_id,
                resolved=False,
                severity=trigger.severity,
                summary=trigger.summary,
                created_at=now,
                details=trigger.details,
                payload=trigger.payload,
                contexts=contexts,
            )
        )
        service.last_incident_at = now
        self.account.incidents[incident_id] = incident
        self.journal.append(
            SOURCE,
            Kind.INCIDENT_TRIGGERED,
            {"incident": incident_id, "service": service.name, "dedup_key": trigger.key},
            number=number,
            severity=trigger.severity,
            urgency=incident.urgency,
            summary=trigger.summary,
            event_source=trigger.source,
            custom_details=trigger.details,
            links=trigger.links,
            images=trigger.images,
            client=trigger.client,
            client_url=trigger.client_url,
        )
        return incident

    def _change(self, incident: Incident, status: Status, by: Agent) -> None:
        incident.status = status
        incident.changed_at = self.now()
        incident.changed_by = by
        kinds: dict[Status, Kind] = {
            Status.TRIGGERED: Kind.INCIDENT_TRIGGERED,
            Status.ACKNOWLEDGED: Kind.INCIDENT_ACKNOWLEDGED,
            Status.RESOLVED: Kind.INCIDENT_RESOLVED,
        }
        service = self.account.services.get(incident.service)
        alert = incident.alerts[0]
        self.journal.append(
            SOURCE,
            kinds[status],
            {"incident": incident.id, "service": service.name if service else "", "dedup_key": incident.first_key},
            number=incident.number,
            severity=alert.severity,
            summary=incident.title,
            by=self.named(by),
            again=status is Status.TRIGGERED,
        )

    def _reached(self, policy: EscalationPolicy, level: int) -> tuple[str, ...]:
        """Return the people that a level reaches now."""
        people: dict[str, None] = {}
        for target in policy.rules[level - 1].targets:
            match target.kind:
                case "user":
                    people[target.id] = None
                case "schedule":
                    schedule = self.account.schedules.get(target.id)
                    for shift in on_call(schedule, self.now()) if schedule else []:
                        people[shift.member.user or ""] = None
                case _:
                    assert_never(target.kind)
        return tuple(user.id for user in by_id(self.account.users, people))

    def _assign_level(self, incident: Incident, level: int) -> None:
        """Assign to a level, or to the next one that reaches anybody."""
        policy = incident.snapshot
        while level < len(policy.rules) and not self._reached(policy, level):
            level += 1
        level = min(level, len(policy.rules))
        people = self._reached(policy, level)
        incident.level = level
        incident.directly_assigned = False
        self._assign(incident, people, self._service_agent(incident))
        self._notify(incident)
        self._plan_escalation(incident)

    def _assign(self, incident: Incident, people: tuple[str, ...], by: Agent) -> None:
        incident.assignees = people
        incident.assigned_at = self.now()
        names = ", ".join(user.name for user in by_id(self.account.users, people)) or "nobody"
        self.record(incident, "assign", f"Assigned to {names}", by, channel={"type": "auto"}, people=people)

    def _plan_escalation(self, incident: Incident) -> None:
        timers = self._of(incident)
        timers.cancel("escalate")
        policy = incident.snapshot
        if incident.status is not Status.TRIGGERED or incident.urgency is Urgency.LOW or incident.directly_assigned:
            return
        delay = policy.rules[min(incident.level, len(policy.rules)) - 1].delay_minutes * MINUTE_SECONDS
        timers.escalate = self.scheduler.after(delay, self._escalation_of(incident))

    def _escalation_of(self, incident: Incident) -> Callable[[], None]:
        def escalate() -> None:
            with self.account.lock:
                if incident.status is Status.TRIGGERED:
                    self._escalate_by_time(incident)

        return escalate

    def _escalate_by_time(self, incident: Incident) -> None:
        agent = self._service_agent(incident)
        policy = incident.snapshot
        channel = {"type": "timeout"}
        if incident.level < len(policy.rules):
            level = incident.level + 1
            self.record(incident, "escalate", f"Escalated to level {level}", agent, channel=channel)
        elif incident.loops_left > 0:
            incident.loops_left -= 1
            level = 1
            self.record(incident, "repeat_escalation_path", "Escalation policy repeated", agent, channel=channel)
        else:
            self.record(incident, "exhaust_escalation_path", "Escalation policy exhausted", agent, channel=channel)
            return
        self._assign_level(incident, level)
        self.publish("escalated", incident, agent)

    def _notify(self, incident: Incident) -> None:
        service = self.account.services[incident.service]
        for user in by_id(self.account.users, incident.assignees):
            channel = {"type": "auto", "notification": {"type": "push_notification", "status": "success"}}
            agent = self._service_agent(incident)
            self.record(incident, "notify", f"Notified {user.name}", agent, channel=channel, people=(user.id,))
            self.journal.append(
                SOURCE,
                Kind.PERSON_NOTIFIED,
                {
                    "incident": incident.id,
                    "person": user.email,
                    "level": str(incident.level),
                    "service": service.name,
                },
                number=incident.number,
                urgency=incident.urgency,
                summary=incident.title,
            )
