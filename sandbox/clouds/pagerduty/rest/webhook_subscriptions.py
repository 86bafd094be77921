"""Webhook subscriptions by REST. The secret is given out once, with the answer to the request that makes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.rest.call import Body, Call, RestApi, invalid
from sandbox.clouds.pagerduty.rest.render import Json
from sandbox.clouds.pagerduty.subscriptions import FilterKind, Subscription, Subscriptions, new_secret

EVENT_TYPES = frozenset(
    {
        "incident.acknowledged",
        "incident.annotated",
        "incident.delegated",
        "incident.escalated",
        "incident.priority_updated",
        "incident.reassigned",
        "incident.reopened",
        "incident.resolved",
        "incident.responder.added",
        "incident.responder.replied",
        "incident.status_update_published",
        "incident.triggered",
        "incident.unacknowledged",
        "service.created",
        "service.deleted",
        "service.updated",
    }
)
"""The events that may be subscribed to. Those of responders and services are never sent here, nor `incident.reopened`:
a resolved incident stays resolved."""
REDACTED = "-- redacted --"
SIGNING_SECRETS = 2


class HeaderBody(Body):
    """A header that every webhook carries."""

    name: str = Field(min_length=1)
    value: str


class DeliveryBody(Body):
    """The address that webhooks go to."""

    type: Literal["http_delivery_method"]
    url: str = Field(pattern=r"^https?://[^\s/]+", max_length=2_000)
    custom_headers: tuple[HeaderBody, ...] = ()


class FilterBody(Body):
    """The object whose incidents send events: a service, a team, or the account."""

    id: str | None = None
    type: FilterKind


class SubscriptionBody(Body):
    """The body of a new subscription."""

    type: Literal["webhook_subscription"]
    active: bool = True
    delivery_method: DeliveryBody
    description: str | None = None
    events: tuple[str, ...] = Field(min_length=1)
    filter: FilterBody


class UpdateBody(Body):
    """The body of an update: the delivery method can't be changed."""

    active: bool | None = None
    description: str | None = None
    events: tuple[str, ...] | None = Field(default=None, min_length=1)
    filter: FilterBody | None = None


@dataclass(frozen=True, slots=True)
class _SubscriptionsApi:
    """Answers requests about subscriptions."""

    subscriptions: Subscriptions

    def get(self, call: Call) -> Response:
        return _answer(self._named(call))

    def create(self, call: Call) -> Response:
        body = call.parse("webhook_subscription", SubscriptionBody)
        _check_events(body.events)
        _check_filter(call, body.filter)
        names = [header.name.casefold() for header in body.delivery_method.custom_headers]
        if len(set(names)) < len(names):
            raise invalid("delivery_method.custom_headers: names must be unique")
        subscription = self.subscriptions.add(
            url=body.delivery_method.url,
            headers=[(header.name, header.value) for header in body.delivery_method.custom_headers],
            description=body.description,
            events=body.events,
            filter_kind=body.filter.type,
            filter_id=body.filter.id,
            active=body.active,
            base=str(call.request.base_url).rstrip("/"),
        )
        return _answer(subscription, secret=subscription.secrets[-1])

    def update(self, call: Call) -> Response:
        subscription = self._named(call)
        body = call.parse("webhook_subscription", UpdateBody)
        if body.events is not None:
            _check_events(body.events)
            subscription.events = body.events
        if body.filter is not None:
            _check_filter(call, body.filter)
            subscription.filter_kind, subscription.filter_id = body.filter.type, body.filter.id
        if body.active is not None:
            subscription.active = body.active
        if "description" in body.model_fields_set:
            subscription.description = body.description
        return _answer(subscription)

    def delete(self, call: Call) -> Response:
        del self.subscriptions.by_id[self._named(call).id]
        return Response(status_code=204)

    def enable(self, call: Call) -> Response:
        subscription = self._named(call)
        self.subscriptions.enable(subscription)
        return _answer(subscription)

    def ping(self, call: Call) -> Response:
        self.subscriptions.ping(self._named(call))
        return Response(status_code=202)

    def rotate(self, call: Call) -> Response:
        """Give out another secret; webhooks are signed with the last two."""
        subscription = self._named(call)
        subscription.secrets = [*subscription.secrets, new_secret()][-SIGNING_SECRETS:]
        return _answer(subscription, secret=subscription.secrets[-1])

    def list(self, call: Call) -> Response:
        kind, wanted = (call.request.query_params.get(name) for name in ("filter_type", "filter_id"))
        listed = [
            each
            for each in self.subscriptions.by_id.values()
            if kind is None or each.filter_kind == f"{kind}_reference"
            if wanted is None or each.filter_id == wanted
        ]
        return call.page("webhook_subscriptions", listed, _rendered)

    def _named(self, call: Call) -> Subscription:
        """Return the subscription that the path names. Raises `Refused` (404)."""
        return call.named("id", self.subscriptions.by_id)


def routes(api: RestApi, subscriptions: Subscriptions) -> list[Route]:
    """Return the routes of this part of the API."""
    answers = _SubscriptionsApi(subscriptions)
    path = "/webhook_subscriptions"
    return [
        api.route(path, get=answers.list, post=answers.create),
        api.route(f"{path}/{{id}}", get=answers.get, put=answers.update, delete=answers.delete),
        api.route(f"{path}/{{id}}/enable", post=answers.enable),
        api.route(f"{path}/{{id}}/ping", post=answers.ping),
        api.route(f"/sandbox{path}/{{id}}/rotate", post=answers.rotate),
    ]


def _check_events(events: tuple[str, ...]) -> None:
    for event in events:
        if event not in EVENT_TYPES:
            raise invalid(f"events: {event!r} is none of {', '.join(sorted(EVENT_TYPES))}")
    if len(set(events)) < len(events):
        raise invalid("events must be unique")


def _check_filter(call: Call, wanted: FilterBody) -> None:
    stored: dict[str, Any] = {
        "service_reference": call.account.services,
        "team_reference": call.account.teams,
    }
    if wanted.type in stored and wanted.id not in stored[wanted.type]:
        raise invalid(f"filter: there is no {wanted.type.removesuffix('_reference')} {wanted.id}")


def _answer(subscription: Subscription, *, secret: str | None = None) -> Response:
    return JSONResponse({"webhook_subscription": _rendered(subscription, secret=secret)})


def _rendered(subscription: Subscription, *, secret: str | None = None) -> Json:
    return {
        "id": subscription.id,
        "type": "webhook_subscription",
        "active": subscription.active,
        "delivery_method": {
            "id": subscription.delivery_id,
            "secret": secret,
            "temporarily_disabled": subscription.disabled,
            "type": "http_delivery_method",
            "url": subscription.url,
            "custom_headers": [{"name": name, "value": REDACTED} for name, _ in subscription.headers],
        },
        "description": subscription.description or "",
        "events": list(subscription.events),
        "filter": {
            "type": subscription.filter_kind,
            **({"id": subscription.filter_id} if subscription.filter_id is not None else {}),
        },
    }
