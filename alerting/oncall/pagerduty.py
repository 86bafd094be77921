"""Turns teams and services into what PagerDuty is told."""

from __future__ import annotations

from collections.abc import Mapping

from alerting.catalog import Catalog
from alerting.oncall.event_orchestration import event_orchestration
from alerting.oncall.pagerduty_rotations import pagerduty_rotations
from alerting.oncall.teams import Team
from alerting.platform import EscalationLevel, EscalationPolicy, OnCall, PagedService, PagedTeam, Schedule
from alerting.source.durations import milliseconds


def paged_services(catalog: Catalog) -> tuple[str, ...]:
    """Return the names of PagerDuty's services: one per service of the catalog, and one per team, of its name."""
    return (*catalog.services, *catalog.teams)


def on_call(catalog: Catalog) -> OnCall:
    """Return people, teams, schedules, escalation policies and services. A policy has its team's name."""
    people = sorted({person for team in catalog.teams.values() for person in team.people})
    services = [
        PagedService(
            name=name,
            description=entry.description,
            escalation_policy=catalog.owner(name),
            acknowledgement_timeout_seconds=milliseconds(catalog.teams[catalog.owner(name)].acknowledgement_timeout)
            // 1000,
        )
        for name in paged_services(catalog)
        for entry in (catalog.services[name] if name in catalog.services else catalog.teams[name],)
    ]
    return OnCall(
        operating_team=catalog.operating_team,
        people=tuple(people),
        teams=tuple(PagedTeam(name=name, description=team.description) for name, team in catalog.teams.items()),
        schedules=tuple(
            Schedule(name=name, team=owner, time_zone=schedule.time_zone, rotations=pagerduty_rotations(schedule))
            for owner, team in catalog.teams.items()
            for name, schedule in team.schedules.items()
        ),
        escalation_policies=tuple(escalation_policy(name, catalog.teams) for name in catalog.teams),
        services=tuple(services),
        orchestration=event_orchestration(catalog),
    )


def escalation_chain(name: str, teams: Mapping[str, Team]) -> tuple[str, ...]:
    """Return the teams whose levels an escalation goes through: the team itself, then each `then` of the one before.

    The chain ends where a team names nobody, a team that is not there, or one that had its turn; so it always ends.
    """
    chain: list[str] = []
    following: str | None = name
    while following is not None and following in teams and following not in chain:
        chain.append(following)
        following = teams[following].escalation.then
    return tuple(chain)


def escalation_policy(name: str, teams: Mapping[str, Team]) -> EscalationPolicy:
    """Return a team's policy. PagerDuty's policies can't refer to each other: the levels of all teams are in it."""
    levels = tuple(
        EscalationLevel(schedules=level.schedules, people=level.people, timeout_minutes=level.timeout_minutes)
        for team in escalation_chain(name, teams)
        for level in teams[team].escalation.levels
    )
    return EscalationPolicy(name=name, team=name, levels=levels, repeats=teams[name].escalation.repeats)
