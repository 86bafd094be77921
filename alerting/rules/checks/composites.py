"""Composite objectives have members that are there, have the same period, count the same, and end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from alerting.catalog import Catalog
from alerting.rules.composites import Composite, Member
from alerting.rules.objectives import OWN_OBJECTIVE, Sli, burn_windows
from alerting.source.problems import Place, Problem, listed, not_allowed

Key = tuple[str, str]
"""Service and name of an objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """An objective that may be a member: its period, and what it counts or of which members it is."""

    period: str
    sli: Sli | None
    composite: Composite | None


def composite_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with composites, each valid by itself."""
    if catalog.objectives is None:
        return
    known = _known(catalog)
    for file, name, objective in catalog.objectives.named():
        key = (objective.service, name)
        if objective.composite is None or key not in known:
            continue
        document, path = catalog.documents[file], ("objectives", name, "composite", "members")
        for position, member in enumerate(objective.composite.members):
            place = document.place((*path, position))
            yield from _member_problems(known, place, key, member)
        if not any(_found(known, member) is None for member in objective.composite.members):
            yield from _kind_problems(known, document.place(path), objective.composite)


def _known(catalog: Catalog) -> Mapping[Key, _Known]:
    if catalog.objectives is None:
        return {}
    tiers = catalog.objectives.tiers
    found: dict[Key, _Known] = {}
    for name, service in catalog.services.items():
        if service.tier in tiers.tiers:
            windows = burn_windows(tiers.tiers[service.tier])
            found[name, OWN_OBJECTIVE] = _Known(
                period=windows.period_name(), sli=tiers.default(service.tier).sli, composite=None
            )
    for _, name, one in catalog.objectives.named():
        if one.tier in tiers.tiers:
            windows = burn_windows(tiers.tiers[one.tier], one)
            found[one.service, name] = _Known(period=windows.period_name(), sli=one.sli, composite=one.composite)
    return found


def _found(known: Mapping[Key, _Known], member: Member) -> Key | None:
    if member.objective == OWN_OBJECTIVE and member.service is None:
        return None
    keys = (key for key in known if key[1] == member.objective and member.service in {None, key[0]})
    return next(keys, None)


def _member_problems(known: Mapping[Key, _Known], place: Place, key: Key, member: Member) -> Iterator[Problem]:
    found = _found(known, member)
    if found is None:
        names = [name if name != OWN_OBJECTIVE else f"{name} with service {service}" for service, name in sorted(known)]
        others = [name for name in names if name != key[1]]
        yield not_allowed(place, member.name, others, "Name an objective")
        return
    if known[found].period != known[key].period:
        yield Problem(
            place,
            f"{member.name} has the period {known[found].period}; allowed: members with that of the composite, "
            f"{known[key].period}. Change one of them",
        )
    cycle = _cycle(known, key, (found,))
    if cycle is not None:
        through = " -> ".join(name for _, name in (key, *cycle))
        yield Problem(place, f"found a cycle: {through}; allowed: members that do not lead back. Remove one")


def _cycle(known: Mapping[Key, _Known], start: Key, path: tuple[Key, ...]) -> tuple[Key, ...] | None:
    """Return the members that lead back to a composite, or None."""
    if path[-1] == start:
        return path
    composite = known[path[-1]].composite
    for member in () if composite is None else composite.members:
        following = _found(known, member)
        if following is not None and following not in path:
            found = _cycle(known, start, (*path, following))
            if found is not None:
                return found
    return None


def _kind_problems(known: Mapping[Key, _Known], place: Place, composite: Composite) -> Iterator[Problem]:
    slices: list[str] = []
    events: list[str] = []
    for member in composite.members:
        key = _found(known, member)
        sli = None if key is None else known[key].sli
        if sli is not None:
            (events if sli.slices is None else slices).append(member.name)
    if slices and events:
        yield Problem(
            place,
            f"{listed(slices)} counts time slices, and {listed(events)} events; allowed: members that count the same. "
            "Make two composites",
        )
