"""Mutates the fixture's routes and inhibitions, as they are written in catalog/routing.yaml."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alerting.source.durations import milliseconds, written
from tests.mutants.mutant import Kind, Mutant

Routing = Mapping[str, Any]
"""What catalog/routing.yaml holds."""
_TIMINGS = ("group_wait", "group_interval", "repeat_interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingMutant(Mutant):
    """Contents of catalog/routing.yaml after the change."""

    routing: Routing


def routing_mutants(routing: Routing) -> Iterator[RoutingMutant]:
    """Yield the mutants of all routes and inhibitions."""
    for change, entry in _timings(routing["default"]):
        yield _mutant(routing, Kind.ROUTE, "default route", change, default=entry)
    for change, entry in _fewer(routing["default"], "group_by"):
        yield _mutant(routing, Kind.ROUTE, "default route", change, default=entry)
    yield _mutant(routing, Kind.ROUTE, "file", "`resolve_timeout` is doubled", resolve_timeout="10m")
    routes = routing["routes"]
    for at, route in enumerate(routes):
        where = f"route {route['receiver']}"
        for change, changed in _changed_routes(routes, at):
            yield _mutant(routing, Kind.ROUTE, where, change, routes=changed)
    inhibitions = routing["inhibitions"]
    for at, inhibition in enumerate(inhibitions):
        source = ", ".join(next(iter(inhibition["source"].values())))
        target = ", ".join(next(iter(inhibition["target"].values())))
        yield _mutant(
            routing,
            Kind.INHIBITION,
            f"inhibition {source} of {target}",
            "it is removed",
            inhibitions=[*inhibitions[:at], *inhibitions[at + 1 :]],
        )
        for change, entry in _inhibitions(inhibition):
            changed = [*inhibitions[:at], entry, *inhibitions[at + 1 :]]
            yield _mutant(routing, Kind.INHIBITION, f"inhibition {source} of {target}", change, inhibitions=changed)


def _mutant(routing: Routing, kind: Kind, where: str, change: str, **fields: Any) -> RoutingMutant:
    return RoutingMutant(kind=kind, where=where, change=change, routing=copy.deepcopy({**routing, **fields}))


def _changed_routes(routes: list[dict[str, Any]], at: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    route, before, after = routes[at], routes[:at], routes[at + 1 :]
    yield "it is removed", [*before, *after]
    later = [at for at, other in enumerate(after) if _overlap(route, other)]
    for place in sorted({*later[:1], *later[-1:]}):
        moved = [*before, *after[: place + 1], route, *after[place + 1 :]]
        yield f"it stands behind {after[place]['receiver']}", moved
    if after:
        exchanged = {**route, "receiver": after[0]["receiver"]}, {**after[0], "receiver": route["receiver"]}
        yield f"its receiver is exchanged with {after[0]['receiver']}", [*before, *exchanged, *after[1:]]
    for label, values in route["match"].items():
        rest = {name: value for name, value in route["match"].items() if name != label}
        entries = [(f"`{label}` is not matched", rest)]
        entries += [
            (f"`{value}` is not among the matched values of `{label}`", {**route["match"], label: fewer})
            for value, fewer in _each_left_out(values)
        ]
        entries.append((f"`{label}` matches another value", {**route["match"], label: ["another"]}))
        for change, match in entries:
            yield change, [*before, {**route, "match": match}, *after]
    for change, entry in _timings(route):
        yield change, [*before, entry, *after]


def _overlap(route: Routing, other: Routing) -> bool:
    """Say whether both may take the same alert: only then their order means anything."""
    return all(set(values) & set(other["match"].get(label, values)) for label, values in route["match"].items())


def _timings(entry: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for field in _TIMINGS:
        if field not in entry:
            yield f"`{field}` is a minute and a second", {**entry, field: "1m1s"}
            continue
        own = milliseconds(entry[field])
        yield f"`{field}: {entry[field]}` is doubled", {**entry, field: written(own * 2) if own else "1s"}
        if own:
            yield f"`{field}: {entry[field]}` is halved", {**entry, field: written(own // 2)}
        if "match" in entry:
            yield f"`{field}: {entry[field]}` is dropped", {key: one for key, one in entry.items() if key != field}


def _inhibitions(inhibition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _fewer(inhibition, "equal")
    for side in ("source", "target"):
        ((kind, values),) = inhibition[side].items()
        for value, fewer in _each_left_out(values):
            yield f"`{value}` is dropped of {side}", {**inhibition, side: {kind: fewer}}
    yield (
        "source and target are exchanged",
        {
            **inhibition,
            "source": inhibition["target"],
            "target": inhibition["source"],
        },
    )
    yield "its targets are all of severity high", {**inhibition, "target": {"severities": ["high"]}}


def _fewer(entry: dict[str, Any], field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in entry[field]:
        yield f"`{value}` is dropped of {field}", {**entry, field: [one for one in entry[field] if one != value]}


def _each_left_out(values: list[str]) -> Iterator[tuple[str, list[str]]]:
    if len(values) > 1:
        for value in values:
            yield value, [one for one in values if one != value]
