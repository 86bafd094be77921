"""Turns teams and services into what PagerDuty is told."""

from __future__ import annotations

from alerting.catalog import Catalog, Team
from alerting.durations import milliseconds
from alerting.platform import EscalationLevel, EscalationPolicy, OnCall, PagedService, Rotation, Schedule


def paged_services(catalog: Catalog) -> tuple[str, ...]:
    """Return the names of PagerDuty's services: one per service of the catalog, and one per team, of its name."""
    return (*catalog.services, *catalog.teams)


def on_call(catalog: Catalog) -> OnCall:
    """Return people, schedules, escalation policies and services. A policy has its team's name."""
    people = sorted({person for team in catalog.teams.values() for person in team.people})
    schedules = [schedule for team in catalog.teams.values() for schedule in _schedules(team)]
    services = [
        PagedService(
            name=name,
            description=(catalog.services if name in catalog.services else catalog.teams)[name].description,
            escalation_policy=catalog.owner(name),
            acknowledgement_timeout_seconds=milliseconds(catalog.teams[catalog.owner(name)].acknowledgement_timeout)
            // 1000,
        )
        for name in paged_services(catalog)
    ]
    return OnCall(
        people=tuple(people),
        schedules=tuple(schedules),
        escalation_policies=tuple(_policy(name, team) for name, team in catalog.teams.items()),
        services=tuple(services),
    )


def _schedules(team: Team) -> list[Schedule]:
    return [
        Schedule(
            name=name,
            time_zone=schedule.time_zone,
            rotations=tuple(
                Rotation(
                    name=rotation_name,
                    people=rotation.people,
                    start=rotation.start.isoformat(),
                    shift_seconds=milliseconds(rotation.shift) // 1000,
                )
                for rotation_name, rotation in schedule.rotations.items()
            ),
        )
        for name, schedule in team.schedules.items()
    ]


def _policy(name: str, team: Team) -> EscalationPolicy:
    levels = tuple(
        EscalationLevel(schedules=level.schedules, people=level.people, timeout_minutes=level.timeout_minutes)
        for level in team.escalation.levels
    )
    return EscalationPolicy(name=name, team=name, levels=levels, repeats=team.escalation.repeats)
