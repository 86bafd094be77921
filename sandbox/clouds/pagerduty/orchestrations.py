"""Event orchestrations: one stream of events, and a router that picks the service by conditions on each event.

Of PagerDuty's Condition Language there is what the program's router uses: `event.FIELD matches 'TEXT'`, joined by
`and`. Any other expression is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

UNROUTED = "unrouted"
"""Where a router sends events that go to no service."""
START = "start"
"""The id of a router's only set of rules."""
CONDITIONS_OF_A_RULE = 20
"""How many conditions a rule may have. The API's error for more is quoted in its Terraform provider's issue 633."""

_TERM = re.compile(r"event\.(?P<path>[a-z_]+(?:\.[a-z_]+)*) matches '(?P<text>[^'\\]*)'")
_AND = " and "


class ConditionRefused(ValueError):
    """An expression that this stand-in cannot evaluate. The message names it and what is supported."""


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that holds when every field that it names has exactly the text beside it."""

    expression: str
    terms: tuple[tuple[tuple[str, ...], str], ...]

    def holds(self, event: Mapping[str, Any]) -> bool:
        """Report whether an event's payload satisfies the condition. A field that is missing matches nothing."""
        return all(_value(event, path) == text for path, text in self.terms)


def parse_condition(expression: str) -> Condition:
    """Return the condition of an expression. Raises `ConditionRefused`."""
    terms: list[tuple[tuple[str, ...], str]] = []
    position = 0
    while True:
        term = _TERM.match(expression, position)
        if term is None:
            raise ConditionRefused(
                f"condition {expression!r}: this stand-in evaluates event.FIELD matches 'TEXT' joined by `and`; "
                f"found {expression[position:]!r}"
            )
        terms.append((tuple(term["path"].split(".")), term["text"]))
        position = term.end()
        if position == len(expression):
            return Condition(expression, tuple(terms))
        if not expression.startswith(_AND, position):
            raise ConditionRefused(
                f"condition {expression!r}: this stand-in joins comparisons by `and` only; "
                f"found {expression[position:]!r}"
            )
        position += len(_AND)


def _value(event: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = event
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterRule:
    """Sends events to a service if any of its conditions holds; without conditions it takes every event."""

    id: str
    label: str | None
    conditions: tuple[Condition, ...]
    route_to: str
    disabled: bool

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Report whether the rule applies to an event's payload."""
        return not self.disabled and (
            not self.conditions or any(condition.holds(event) for condition in self.conditions)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """The rules in order, and the service, or `unrouted`, for what no rule takes."""

    rules: tuple[RouterRule, ...] = ()
    catch_all: str = UNROUTED
    updated_at: datetime
    version: str

    def service_for(self, event: Mapping[str, Any]) -> str | None:
        """Return the id of the service that an event's payload is routed to, or None."""
        route_to = next((rule.route_to for rule in self.rules if rule.takes(event)), self.catch_all)
        return None if route_to == UNROUTED else route_to


@dataclass(slots=True, kw_only=True)
class GlobalIntegration:
    """A way for events into an orchestration. `key` is the routing key."""

    id: str
    label: str
    key: str


@dataclass(slots=True, kw_only=True)
class Orchestration:
    """A global event orchestration with its integrations, by id, and its router."""

    id: str
    name: str
    description: str
    team: str | None
    created_at: datetime
    updated_at: datetime
    version: str
    router: Router
    integrations: dict[str, GlobalIntegration] = field(default_factory=dict[str, GlobalIntegration])

    @property
    def summary(self) -> str:
        """The orchestration's name."""
        return self.name


def find_by_key(orchestrations: Iterable[Orchestration], key: str) -> tuple[Orchestration, GlobalIntegration] | None:
    """Return the orchestration and its integration that a routing key belongs to."""
    return next(
        (
            (orchestration, integration)
            for orchestration in orchestrations
            for integration in orchestration.integrations.values()
            if integration.key == key
        ),
        None,
    )


def label_of(orchestrations: Iterable[Orchestration], integration: str) -> str | None:
    """Return the label of an orchestration's integration, or None if it is gone."""
    for orchestration in orchestrations:
        if integration in orchestration.integrations:
            return orchestration.integrations[integration].label
    return None
