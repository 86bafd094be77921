"""Turns what the account holds into the JSON of PagerDuty's REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sandbox.clouds.pagerduty.model import (
    Account,
    Agent,
    Alert,
    EscalationPolicy,
    EscalationRule,
    Incident,
    Integration,
    LogEntry,
    Named,
    Note,
    Priority,
    Service,
    Status,
    Target,
    Team,
    User,
    by_id,
)
from sandbox.clouds.pagerduty.oncall import Shift, coverage_percent, shifts
from sandbox.clouds.pagerduty.schedule_model import Member, Schedule

Json = dict[str, Any]


def moment(at: datetime) -> str:
    """Return a time as PagerDuty writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders an account's things. `base` is the address under which it is reached."""

    account: Account
    base: str

    def head(self, kind: str, path: str, thing_id: str, summary: str | None) -> Json:
        """Return what every object begins with. A person who follows an incident's `html_url` gets to the page."""
        address = f"{self.base}{path}"
        page = f"{self.base}/#incident-{thing_id}" if kind in ("incident", "incident_reference") else address
        return {"id": thing_id, "type": kind, "summary": summary, "self": address, "html_url": page}

    def reference(self, kind: str, collection: str, thing: Named) -> Json:
        """Return a reference to something."""
        return self.head(f"{kind}_reference", f"/{collection}/{thing.id}", thing.id, thing.summary)

    def user_reference(self, user: User) -> Json:
        """Return a reference to a person."""
        return self.reference("user", "users", user)

    def users(self, ids: tuple[str, ...]) -> list[Json]:
        """Return references to people."""
        return [self.user_reference(user) for user in by_id(self.account.users, ids)]

    def team_references(self, ids: tuple[str, ...]) -> list[Json]:
        """Return references to teams."""
        return [self.reference("team", "teams", team) for team in by_id(self.account.teams, ids)]

    def service_reference(self, service_id: str) -> Json:
        """Return a reference to a service, also to one that has been deleted since."""
        service = self.account.services.get(service_id)
        summary = service.name if service else None
        return self.head("service_reference", f"/services/{service_id}", service_id, summary)

    def policy_reference(self, policy_id: str) -> Json:
        """Return a reference to an escalation policy, also to one that has been deleted since."""
        policy = self.account.policies.get(policy_id)
        summary = policy.name if policy else None
        return self.head("escalation_policy_reference", f"/escalation_policies/{policy_id}", policy_id, summary)

    def incident_reference(self, incident: Incident) -> Json:
        """Return a reference to an incident."""
        return self.reference("incident", "incidents", incident)

    def agent(self, agent: Agent) -> Json:
        """Return a reference to who did something."""
        match agent.kind:
            case "user":
                return self.user_reference(self.account.users[agent.id])
            case "service":
                return self.service_reference(agent.id)
            case "integration":
                integration = self.account.integrations.get(agent.id)
                service = integration.service if integration else ""
                return self.head(
                    "integration_reference",
                    f"/services/{service}/integrations/{agent.id}",
                    agent.id,
                    self.account.integration_name(agent.id),
                )

    def user(self, user: User) -> Json:
        """Return a person."""
        teams = tuple(policy.teams[0] for policy in self.account.policies_with("user", user.id) if policy.teams)
        return {
            **self.head("user", f"/users/{user.id}", user.id, user.name),
            "name": user.name,
            "email": user.email,
            "time_zone": user.time_zone,
            "color": "green",
            "role": user.role,
            "avatar_url": f"{self.base}/avatars/{user.id}.png",
            "description": user.description,
            "invitation_sent": False,
            "created_via_sso": False,
            "job_title": user.job_title or "",
            "teams": self.team_references(teams),
            "contact_methods": [],
            "notification_rules": [],
        }

    def team(self, team: Team) -> Json:
        """Return a team."""
        return {
            **self.head("team", f"/teams/{team.id}", team.id, team.name),
            "name": team.name,
            "description": team.description,
        }

    def integration(self, integration: Integration) -> Json:
        """Return an integration, routing key included."""
        path = f"/services/{integration.service}/integrations/{integration.id}"
        return {
            **self.head(integration.type, path, integration.id, integration.name),
            "name": integration.name,
            "service": self.service_reference(integration.service),
            "created_at": moment(integration.created_at),
            "integration_key": integration.key,
        }

    def integration_reference(self, integration: Integration) -> Json:
        """Return a reference to an integration."""
        path = f"/services/{integration.service}/integrations/{integration.id}"
        return self.head(f"{integration.type}_reference", path, integration.id, integration.name)

    def service(self, service: Service, *, whole_integrations: bool = False) -> Json:
        """Return a service."""
        render = self.integration if whole_integrations else self.integration_reference
        policy = self.account.policies[service.escalation_policy]
        found: Json = {
            **self.head("service", f"/services/{service.id}", service.id, service.name),
            "name": service.name,
            "description": service.description,
            "auto_resolve_timeout": service.auto_resolve_timeout,
            "acknowledgement_timeout": service.acknowledgement_timeout,
            "created_at": moment(service.created_at),
            "status": self._status(service),
            "alert_creation": "create_alerts_and_incidents",
            "alert_grouping_parameters": {"type": None},
            "integrations": [render(each) for each in self.account.integrations_of(service.id)],
            "escalation_policy": self.policy_reference(service.escalation_policy),
            "teams": self.team_references(policy.teams),
            "incident_urgency_rule": {"type": "constant", "urgency": service.urgency},
            "support_hours": None,
            "scheduled_actions": [],
            "addons": [],
        }
        if service.last_incident_at is not None:
            found["last_incident_timestamp"] = moment(service.last_incident_at)
        return found

    def _status(self, service: Service) -> str:
        if not service.enabled:
            return "disabled"
        states = {incident.status for incident in self.account.incidents.values() if incident.service == service.id}
        if Status.TRIGGERED in states:
            return "critical"
        return "warning" if Status.ACKNOWLEDGED in states else "active"

    def policy(self, policy: EscalationPolicy) -> Json:
        """Return an escalation policy."""
        return {
            **self.head("escalation_policy", f"/escalation_policies/{policy.id}", policy.id, policy.name),
            "name": policy.name,
            "description": policy.description,
            "num_loops": policy.num_loops,
            "on_call_handoff_notifications": policy.handoff_notifications,
            "escalation_rules": [self._rule(rule) for rule in policy.rules],
            "services": [self.service_reference(service.id) for service in self.account.services_of(policy.id)],
            "teams": self.team_references(policy.teams),
        }

    def _rule(self, rule: EscalationRule) -> Json:
        return {
            "id": rule.id,
            "escalation_delay_in_minutes": rule.delay_minutes,
            "targets": [self.target(target) for target in rule.targets],
            # The published schema has a string here; the clients read an object.
            "escalation_rule_assignment_strategy": {"type": "assign_to_everyone"},
        }

    def target(self, target: Target) -> Json:
        """Return a reference to whom a level reaches."""
        stored: Mapping[str, Named] = self.account.users if target.kind == "user" else self.account.schedules
        summary = stored[target.id].summary
        return self.head(f"{target.kind}_reference", f"/{target.kind}s/{target.id}", target.id, summary)

    def incident(self, incident: Incident) -> Json:
        """Return an incident."""
        policy = self.account.policies.get(incident.escalation_policy)
        states = [alert.resolved for alert in incident.alerts]
        found: Json = {
            **self.head("incident", f"/incidents/{incident.id}", incident.id, incident.summary),
            "incident_number": incident.number,
            "title": incident.title,
            "description": incident.title,
            "created_at": moment(incident.created_at),
            "updated_at": moment(incident.log[-1].at if incident.log else incident.changed_at),
            "status": incident.status,
            "incident_key": incident.key,
            "service": self.service_reference(incident.service),
            "assignments": [
                {"at": moment(incident.assigned_at), "assignee": assignee}
                for assignee in self.users(incident.assignees)
            ],
            "assigned_via": "direct_assignment" if incident.directly_assigned else "escalation_policy",
            "last_status_change_at": moment(incident.changed_at),
            "last_status_change_by": self.agent(incident.changed_by or Agent(kind="service", id=incident.service)),
            "alert_counts": {"all": len(states), "triggered": states.count(False), "resolved": states.count(True)},
            "is_mergeable": True,
            "incident_type": {"name": "incident_default"},
            "escalation_policy": self.policy_reference(incident.escalation_policy),
            "teams": self.team_references(policy.teams if policy else ()),
            "pending_actions": [],
            "acknowledgements": [
                {"at": moment(at), "acknowledger": self.agent(agent)} for agent, at in incident.acknowledged
            ],
            "first_trigger_log_entry": self.log_entry_reference(incident, incident.log[0]),
            "incidents_responders": [],
            "responder_requests": [],
            "urgency": incident.urgency,
            "resolve_reason": self.resolve_reason(incident),
        }
        if incident.priority in self.account.priorities:
            found["priority"] = self.priority(self.account.priorities[incident.priority])
        if incident.status is Status.RESOLVED:
            found["resolved_at"] = moment(incident.changed_at)
        return found

    def priority(self, priority: Priority) -> Json:
        """Return a priority."""
        head = self.head("priority", f"/priorities/{priority.id}", priority.id, priority.name)
        return {**head, "name": priority.name, "description": priority.description}

    def priority_reference(self, priority_id: str | None) -> Json | None:
        """Return a reference to an incident's priority, or None if it has none."""
        priority = self.account.priorities.get(priority_id or "")
        return None if priority is None else self.reference("priority", "priorities", priority)

    def resolve_reason(self, incident: Incident) -> Json | None:
        """Return the reason for which an incident was resolved: that it was merged, or None."""
        target = self.account.incidents.get(incident.merged_into or "")
        if target is None:
            return None
        return {"type": "merge_resolve_reason", "incident": self.incident_reference(target)}

    def alert(self, incident: Incident, alert: Alert) -> Json:
        """Return an alert: `alert_key` is the event's dedup key."""
        integration = self.account.integrations.get(alert.integration)
        found: Json = {
            **self.head("alert", f"/incidents/{incident.id}/alerts/{alert.id}", alert.id, alert.summary),
            "created_at": moment(alert.created_at),
            "status": "resolved" if alert.resolved else "triggered",
            "alert_key": alert.key,
            "service": self.service_reference(alert.service),
            "body": {
                "type": "alert_body",
                "contexts": list(alert.contexts),
                "details": dict(alert.details),
                "cef_details": {**alert.payload, "dedup_key": alert.key},
            },
            "incident": self.incident_reference(incident),
            "first_trigger_log_entry": self.log_entry_reference(incident, incident.log[0]),
            "suppressed": False,
            "severity": alert.severity,
        }
        if integration is not None:
            found["integration"] = self.integration_reference(integration)
        return found

    def log_entry_reference(self, incident: Incident, entry: LogEntry) -> Json:
        """Return a reference to an entry of an incident's log."""
        found = self.head(f"{entry.kind}_log_entry_reference", f"/log_entries/{entry.id}", entry.id, entry.summary)
        return {**found, "html_url": f"{self.base}/incidents/{incident.id}/log_entries/{entry.id}"}

    def log_entry(self, incident: Incident, entry: LogEntry) -> Json:
        """Return an entry of an incident's log."""
        policy = self.account.policies.get(incident.escalation_policy)
        found: Json = {
            **self.log_entry_reference(incident, entry),
            "type": f"{entry.kind}_log_entry",
            "created_at": moment(entry.at),
            "agent": self.agent(entry.agent),
            "channel": {name: value for name, value in entry.channel.items() if value is not None},
            "service": self.service_reference(incident.service),
            "incident": self.incident_reference(incident),
            "teams": self.team_references(policy.teams if policy else ()),
            "contexts": [*self._contexts(incident)] if entry.kind == "trigger" else [],
        }
        if entry.kind == "trigger":
            found["event_details"] = {"description": incident.title}
        people = self.users(entry.people)
        if entry.kind == "notify" and people:
            found["user"] = people[0]
        elif entry.kind == "assign":
            found["assignees"] = people
        return found

    @staticmethod
    def _contexts(incident: Incident) -> Sequence[Mapping[str, str]]:
        return incident.alerts[0].contexts if incident.alerts else ()

    def note(self, note: Note) -> Json:
        """Return a note."""
        return {
            "id": note.id,
            "user": self.user_reference(self.account.users[note.user]),
            "channel": {"summary": "The PagerDuty website or APIs"},
            "content": note.content,
            "created_at": moment(note.at),
            "updated_at": moment(note.at),
        }


def member_json(member: Member) -> Json:
    """Return a member."""
    return {"type": "user_member", "user_id": member.user} if member.user else {"type": "empty_member"}


def final_schedule(schedule: Schedule, since: datetime, until: datetime, *, whole: bool) -> Json:
    """Return the shifts of a schedule in a time, each cut to it unless they are wanted `whole`."""
    found = shifts(schedule, since, until)
    return {
        "type": "final_schedule",
        "rendered_coverage_percentage": coverage_percent(found, since, until),
        "computed_shift_assignments": [
            _computed(shift if whole else replace(shift, start=max(shift.start, since), end=min(shift.end, until)))
            for shift in found
            if shift.start < until
        ],
    }


def _computed(shift: Shift) -> Json:
    return {
        "type": "computed_shift_assignment",
        "start_time": moment(shift.start),
        "end_time": moment(shift.end),
        "member": member_json(shift.member),
        "source": {"type": "schedule_rotation", "rotation_id": shift.rotation},
    }
