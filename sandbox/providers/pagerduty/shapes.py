"""Shapes of nested properties, under the names that pulumi_pagerduty 4.37 sends. Any other is rejected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

NEVER = "null"
"""How the SDK says that a timeout is off."""


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class Target(_Shape):
    """A target of an escalation rule."""

    id: str
    type: Literal["user_reference", "schedule_reference"] = "user_reference"


class Strategy(_Shape):
    """The strategy by which a rule's targets share incidents."""

    type: Literal["assign_to_everyone"] = "assign_to_everyone"


class Rule(_Shape):
    """One level of an escalation policy."""

    id: str | None = None
    escalation_delay_in_minutes: int
    targets: tuple[Target, ...]
    escalation_rule_assignment_strategy: Strategy | None = None


class UrgencyRule(_Shape):
    """The urgency of a service's incidents."""

    type: Literal["constant"]
    urgency: Literal["low", "high", "severity_based"]


class Member(_Shape):
    """A place in a shift."""

    type: Literal["user_member", "empty_member"]
    user_id: str | None = None


class Assignment(_Shape):
    """The assignment of an event's occurrences."""

    type: Literal["rotating_member_assignment_strategy", "every_member_assignment_strategy"]
    shifts_per_member: int | None = None
    members: tuple[Member, ...]


class Event(_Shape):
    """A recurring window of a rotation."""

    id: str | None = None
    name: str
    start_time: AwareDatetime
    end_time: AwareDatetime
    effective_since: AwareDatetime
    effective_until: AwareDatetime | None = None
    recurrences: tuple[str, ...]
    assignment_strategies: tuple[Assignment, ...] = Field(min_length=1, max_length=1)


class Rotation(_Shape):
    """A rotation of a schedule."""

    id: str | None = None
    events: tuple[Event, ...] = ()


class RouteTo(_Shape):
    """The service that a router's rule sends events to, or `unrouted`."""

    route_to: str


class Condition(_Shape):
    """A condition of a router's rule."""

    expression: str


class RouterRule(_Shape):
    """A rule of an orchestration's router."""

    id: str | None = None
    label: str | None = None
    conditions: tuple[Condition, ...] = ()
    actions: RouteTo
    disabled: bool = False


class RouterSet(_Shape):
    """The one set of rules that a router has."""

    id: Literal["start"]
    rules: tuple[RouterRule, ...] = ()


class CatchAll(_Shape):
    """The actions on events that no rule of a router takes."""

    actions: RouteTo


class CustomHeader(_Shape):
    """A header that every webhook carries."""

    name: str
    value: str


class DeliveryMethod(_Shape):
    """The address that webhooks go to."""

    type: Literal["http_delivery_method"] = "http_delivery_method"
    url: str
    custom_headers: tuple[CustomHeader, ...] = ()
    temporarily_disabled: bool = False
    secret: str | None = None


class SubscriptionFilter(_Shape):
    """The object whose incidents send webhooks."""

    type: Literal["account_reference", "service_reference", "team_reference"]
    id: str | None = None


DELIVERY_METHODS = TypeAdapter(Annotated[tuple[DeliveryMethod, ...], Field(min_length=1, max_length=1)])
SUBSCRIPTION_FILTERS = TypeAdapter(Annotated[tuple[SubscriptionFilter, ...], Field(min_length=1, max_length=1)])
EVENTS = TypeAdapter(Annotated[tuple[str, ...], Field(min_length=1)])
TRUTH = TypeAdapter(bool)
ROUTER_SET = TypeAdapter(RouterSet)
CATCH_ALL = TypeAdapter(CatchAll)
RULES = TypeAdapter(tuple[Rule, ...])
URGENCY_RULE = TypeAdapter(UrgencyRule)
ROTATIONS = TypeAdapter(tuple[Rotation, ...])
TEXT = TypeAdapter(str)
COUNT = TypeAdapter(int)


def has_shape(shape: TypeAdapter[Any]) -> Callable[[Any], str | None]:
    """Return a check that says what of a value does not have a shape, by path."""

    def check(value: Any) -> str | None:
        try:
            shape.validate_python(value)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in error.errors()]
            return "; ".join(wrong)
        return None

    return check


def is_timeout(value: Any) -> str | None:
    """Say what is wrong with a timeout: a text of whole seconds, or "null" for never."""
    if value == NEVER or (isinstance(value, str) and value.isdigit()):
        return None
    return f'found {value!r}; allowed: a text of whole seconds, or "{NEVER}" for never'
