"""PagerDuty: teams, schedules, escalation policies, services, and the event orchestration that routes pages to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_pagerduty as pagerduty

from alerting.platform import (
    EscalationLevel,
    EscalationPolicy,
    EventOrchestration,
    OnCall,
    PagedService,
    PagedTeam,
    Rotation,
    RouterRule,
    Schedule,
)
from components.naming import type_token

NEVER = "null"
"""How PagerDuty's provider is told that a timeout is off. Left out, a service resolves its incidents after 4 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyOnCallArgs:
    """Everything is known now: PagerDuty needs nothing of the other components."""

    on_call: OnCall
    paging: bool


class PagerDutyOnCall(pulumi.ComponentResource):
    """Schedules, policies, services, and the event orchestration in PagerDuty. Its integration keys are secret.

    Without `paging` there is nothing of it. Names are PagerDuty's account's own: two stacks that made all of this would
    need an account each.
    """

    integration_keys: Mapping[str, pulumi.Output[str]]
    service_ids: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: PagerDutyOnCallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("PagerDutyOnCall"), name, {}, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self._people: Mapping[str, pulumi.Output[str]] = {}
        self._teams: Mapping[str, pulumi.Output[str]] = {}
        self._schedules: Mapping[str, pagerduty.Schedulev2] = {}
        self._policies: Mapping[str, pagerduty.EscalationPolicy] = {}
        self.service_ids, self.integration_keys = {}, {}
        if args.paging:
            self._make(args.on_call)
        self.register_outputs({"integrationKeys": dict(self.integration_keys)})

    def _make(self, on_call: OnCall) -> None:
        # People are managed where they are hired; here they are only looked up.
        self._people = {
            email: pagerduty.get_user_output(email=email, opts=pulumi.InvokeOptions(parent=self)).id
            for email in on_call.people
        }
        # Who is a member of a team stays what people set in PagerDuty: a membership that this program kept would take
        # over what was given by hand or by single sign-on, its role too, and end it when the person leaves the catalog.
        self._teams = {team.name: self._team(team).id for team in on_call.teams}
        self._schedules = {schedule.name: self._schedule(schedule) for schedule in on_call.schedules}
        self._policies = {policy.name: self._policy(policy) for policy in on_call.escalation_policies}
        services = {service.name: self._service(service) for service in on_call.services}
        self.service_ids = {service: made.id for service, made in services.items()}
        self.integration_keys = self._orchestrate(on_call.orchestration)

    def _team(self, team: PagedTeam) -> pagerduty.Team:
        return pagerduty.Team(
            f"{self._name}-team-{team.name}", name=team.name, description=team.description, opts=self._child
        )

    def _schedule(self, schedule: Schedule) -> pagerduty.Schedulev2:
        return pagerduty.Schedulev2(
            f"{self._name}-schedule-{schedule.name}",
            name=schedule.name,
            time_zone=schedule.time_zone,
            description="Managed in catalog/teams.yaml",
            teams=[self._teams[schedule.team]],
            rotations=[
                pagerduty.Schedulev2RotationArgs(events=[self._event(rotation)]) for rotation in schedule.rotations
            ],
            opts=self._child,
        )

    def _event(self, rotation: Rotation) -> pagerduty.Schedulev2RotationEventArgs:
        return pagerduty.Schedulev2RotationEventArgs(
            name=rotation.name,
            start_time=rotation.start,
            end_time=rotation.end,
            effective_since=rotation.effective_since,
            recurrences=list(rotation.recurrences),
            assignment_strategies=[
                pagerduty.Schedulev2RotationEventAssignmentStrategyArgs(
                    type="rotating_member_assignment_strategy",
                    shifts_per_member=rotation.shifts_per_turn,
                    members=[
                        pagerduty.Schedulev2RotationEventAssignmentStrategyMemberArgs(
                            type="user_member", user_id=self._people[rotation.person]
                        )
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
            teams=self._teams[policy.team],
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

    def _service(self, service: PagedService) -> pagerduty.Service:
        return pagerduty.Service(
            f"{self._name}-service-{service.name}",
            name=service.name,
            description=service.description,
            escalation_policy=self._policies[service.escalation_policy].id,
            # Alertmanager resolves; nothing is resolved or un-acknowledged by a default.
            auto_resolve_timeout=NEVER,
            acknowledgement_timeout=str(service.acknowledgement_timeout_seconds),
            alert_creation="create_alerts_and_incidents",
            # Alerts are not grouped: Alertmanager has done so. A service is made without grouping, and the provider has
            # no word for none: it does not send an empty `alert_grouping_parameters`, which is deprecated besides, and
            # an `AlertGroupingSetting` is always of a kind that groups.
            incident_urgency_rule=pagerduty.ServiceIncidentUrgencyRuleArgs(type="constant", urgency="severity_based"),
            opts=self._child,
        )

    def _orchestrate(self, described: EventOrchestration) -> Mapping[str, pulumi.Output[str]]:
        """Make the orchestration with its router, and return the keys that Alertmanager is given, by name."""
        orchestration = pagerduty.EventOrchestration(
            f"{self._name}-orchestration",
            name=described.name,
            description="Routes every page to the service that it is about; managed in catalog/",
            team=self._teams[described.team],
            # PagerDuty adds an integration of its own, whose key nobody uses: whoever has it can open incidents.
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["integrations"]),
        )
        router = pagerduty.EventOrchestrationRouter(
            f"{self._name}-router",
            event_orchestration=orchestration.id,
            set=pagerduty.EventOrchestrationRouterSetArgs(
                id="start", rules=[self._router_rule(rule) for rule in described.rules]
            ),
            catch_all=pagerduty.EventOrchestrationRouterCatchAllArgs(
                actions=pagerduty.EventOrchestrationRouterCatchAllActionsArgs(
                    route_to=self.service_ids[described.catch_all]
                )
            ),
            opts=self._child,
        )
        return {key: self._integrations(key, described.key_numbers, orchestration, router) for key in described.keys}

    def _router_rule(self, rule: RouterRule) -> pagerduty.EventOrchestrationRouterSetRuleArgs:
        return pagerduty.EventOrchestrationRouterSetRuleArgs(
            label=rule.service,
            conditions=[
                pagerduty.EventOrchestrationRouterSetRuleConditionArgs(expression=condition)
                for condition in rule.conditions
            ],
            actions=pagerduty.EventOrchestrationRouterSetRuleActionsArgs(route_to=self.service_ids[rule.service]),
        )

    def _integrations(
        self,
        key: str,
        numbers: tuple[int, ...],
        orchestration: pagerduty.EventOrchestration,
        router: pagerduty.EventOrchestrationRouter,
    ) -> pulumi.Output[str]:
        """Make a key in each of its numbers and return the last, which Alertmanager is given.

        The engine makes a new one before the cluster's Secret has it, and ends an old one after that. No key is handed
        out before the router knows the services: until then it would open every incident nowhere.
        """
        made = [self._integration(key, number, orchestration, router) for number in numbers]
        return made[-1]

    def _integration(
        self,
        key: str,
        number: int,
        orchestration: pagerduty.EventOrchestration,
        router: pagerduty.EventOrchestrationRouter,
    ) -> pulumi.Output[str]:
        first = number == 1
        integration = pagerduty.EventOrchestrationIntegration(
            # No name of a key holds a dot.
            f"{self._name}-{key}" + ("" if first else f".{number}"),
            event_orchestration=orchestration.id,
            label=f"Alertmanager {key}" if first else f"Alertmanager {key}, number {number}",
            # The SDK does not know that whoever has this key can open and close incidents.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[router], additional_secret_outputs=["parameters"]),
        )
        return pulumi.Output.secret(integration.parameters.apply(_routing_key))


def _routing_key(parameters: Sequence[Any]) -> str:
    return parameters[0].routing_key
