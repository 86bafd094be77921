"""PagerDuty: schedules, escalation policies, and a service with an integration for all that people are paged about."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_pagerduty as pagerduty

from alerting.platform import EscalationLevel, EscalationPolicy, OnCall, PagedService, Rotation, Schedule
from components.naming import type_token

MAXIMUM_MEMBERS = 20
"""PagerDuty's limit for one rotation."""
DAY_SECONDS = 24 * 60 * 60
WEEK_SECONDS = 7 * DAY_SECONDS
NEVER = "null"
"""How PagerDuty's provider is told that a timeout is off. Left out, a service resolves its incidents after 4 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyOnCallArgs:
    """Everything is known now: PagerDuty needs nothing of the other components."""

    on_call: OnCall


class PagerDutyOnCall(pulumi.ComponentResource):
    """Who is on call, who is next, and the integration keys by service, which are secret."""

    integration_keys: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: PagerDutyOnCallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("PagerDutyOnCall"), name, {}, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        # People are managed where they are hired; here they are only looked up.
        self._people = {
            email: pagerduty.get_user_output(email=email, opts=pulumi.InvokeOptions(parent=self)).id
            for email in args.on_call.people
        }
        self._schedules = {schedule.name: self._schedule(schedule) for schedule in args.on_call.schedules}
        self._policies = {policy.name: self._policy(policy) for policy in args.on_call.escalation_policies}
        self.integration_keys = {service.name: self._service(service) for service in args.on_call.services}
        self.register_outputs({"integrationKeys": dict(self.integration_keys)})

    def _schedule(self, schedule: Schedule) -> pagerduty.Schedulev2:
        return pagerduty.Schedulev2(
            f"{self._name}-schedule-{schedule.name}",
            name=schedule.name,
            time_zone=schedule.time_zone,
            description="Managed in catalog/teams.yaml",
            rotations=[
                pagerduty.Schedulev2RotationArgs(events=[self._event(rotation)]) for rotation in schedule.rotations
            ],
            opts=self._child,
        )

    def _event(self, rotation: Rotation) -> pagerduty.Schedulev2RotationEventArgs:
        if len(rotation.people) > MAXIMUM_MEMBERS:
            raise ValueError(
                f"rotation {rotation.name}: found {len(rotation.people)} people; allowed: at most {MAXIMUM_MEMBERS}"
            )
        start = datetime.datetime.fromisoformat(rotation.start).astimezone(datetime.UTC)
        return pagerduty.Schedulev2RotationEventArgs(
            name=rotation.name,
            start_time=_utc(start),
            end_time=_utc(start + datetime.timedelta(seconds=rotation.shift_seconds)),
            # PagerDuty moves a start in the past to now: who is on call is certain only from a start that lies ahead.
            effective_since=_utc(start),
            recurrences=[recurrence(rotation)],
            assignment_strategies=[
                pagerduty.Schedulev2RotationEventAssignmentStrategyArgs(
                    type="rotating_member_assignment_strategy",
                    shifts_per_member=1,
                    members=[
                        pagerduty.Schedulev2RotationEventAssignmentStrategyMemberArgs(
                            type="user_member", user_id=self._people[email]
                        )
                        for email in rotation.people
                    ],
                )
            ],
        )

    def _policy(self, policy: EscalationPolicy) -> pagerduty.EscalationPolicy:
        return pagerduty.EscalationPolicy(
            f"{self._name}-policy-{policy.name}",
            name=policy.name,
            description=f"Escalation of team {policy.team}, managed in catalog/teams.yaml",
            num_loops=policy.repeats,
            rules=[
                pagerduty.EscalationPolicyRuleArgs(
                    escalation_delay_in_minutes=level.timeout_minutes, targets=self._targets(level)
                )
                for level in policy.levels
            ],
            opts=self._child,
        )

    def _targets(self, level: EscalationLevel) -> list[pagerduty.EscalationPolicyRuleTargetArgs]:
        return [
            *(
                pagerduty.EscalationPolicyRuleTargetArgs(type="schedule_reference", id=self._schedules[name].id)
                for name in level.schedules
            ),
            *(
                pagerduty.EscalationPolicyRuleTargetArgs(type="user_reference", id=self._people[email])
                for email in level.people
            ),
        ]

    def _service(self, service: PagedService) -> pulumi.Output[str]:
        made = pagerduty.Service(
            f"{self._name}-service-{service.name}",
            name=service.name,
            description=service.description,
            escalation_policy=self._policies[service.escalation_policy].id,
            # Alertmanager resolves; nothing is resolved or un-acknowledged by a default.
            auto_resolve_timeout=NEVER,
            acknowledgement_timeout=str(service.acknowledgement_timeout_seconds),
            alert_creation="create_alerts_and_incidents",
            incident_urgency_rule=pagerduty.ServiceIncidentUrgencyRuleArgs(type="constant", urgency="severity_based"),
            opts=self._child,
        )
        integration = pagerduty.ServiceIntegration(
            f"{self._name}-integration-{service.name}",
            name="Alertmanager",
            type="events_api_v2_inbound_integration",
            service=made.id,
            # The SDK does not know that whoever has this key can open and close incidents.
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["integration_key"]),
        )
        return pulumi.Output.secret(integration.integration_key)


def recurrence(rotation: Rotation) -> str:
    """Return the rule by which a rotation's shifts follow each other without a gap.

    Raises `ValueError` for a shift that is no whole number of days.
    """
    if rotation.shift_seconds % WEEK_SECONDS == 0:
        return f"RRULE:FREQ=WEEKLY;INTERVAL={rotation.shift_seconds // WEEK_SECONDS}"
    if rotation.shift_seconds % DAY_SECONDS == 0:
        return f"RRULE:FREQ=DAILY;INTERVAL={rotation.shift_seconds // DAY_SECONDS}"
    raise ValueError(
        f"rotation {rotation.name}: found a shift of {rotation.shift_seconds} s; allowed: whole days or weeks"
    )


def _utc(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
