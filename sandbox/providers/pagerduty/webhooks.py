"""Webhook subscriptions: the type `WebhookSubscription` of pulumi_pagerduty 4.37.

The secret is an output inside `deliveryMethods`. The API gives it out once, when the subscription is made; from then on
it is what the state holds. As in the SDK, it is not marked secret by itself. The API can't change where webhooks go:
another address needs another subscription.
"""

from __future__ import annotations

from sandbox.providers.pagerduty.client import PagerDuty
from sandbox.providers.pagerduty.schedules import MANAGED
from sandbox.providers.pagerduty.shapes import (
    DELIVERY_METHODS,
    EVENTS,
    SUBSCRIPTION_FILTERS,
    TEXT,
    TRUTH,
    has_shape,
)
from sandbox.providers.provider_table import Created, Property, Request, ResourceType
from sandbox.providers.provider_values import Properties

WEBHOOK_SUBSCRIPTION = "pagerduty:index/webhookSubscription:WebhookSubscription"
TYPE = "webhook_subscription"


def webhook_subscription_type(api: PagerDuty) -> ResourceType:
    """Return the description of `WebhookSubscription`."""

    def create(request: Request) -> Created:
        (method,) = DELIVERY_METHODS.validate_python(request.inputs["deliveryMethods"])
        delivery: Properties = {
            "type": method.type,
            "url": method.url,
            "custom_headers": [{"name": header.name, "value": header.value} for header in method.custom_headers],
        }
        body = {"webhook_subscription": {"type": TYPE, "delivery_method": delivery, **_changeable(request.inputs)}}
        made = api.post("/webhook_subscriptions", body)["webhook_subscription"]
        secret = made["delivery_method"]["secret"]
        return Created(id=made["id"], outputs={"deliveryMethods": [_delivery(request.inputs, made, secret)]})

    def read(request: Request) -> Properties | None:
        answer = api.get(f"/webhook_subscriptions/{request.id}")
        if answer is None:
            return None
        found = answer["webhook_subscription"]
        known = (request.state.get("deliveryMethods") or [{}])[0]
        return {
            "active": found["active"],
            "description": found["description"],
            "events": found["events"],
            "filters": [found["filter"]],
            "type": found["type"],
            "deliveryMethods": [_delivery(request.state, found, known.get("secret"))],
        }

    def update(request: Request) -> Properties:
        api.put(f"/webhook_subscriptions/{request.id}", {"webhook_subscription": _changeable(request.inputs)})
        return {}

    return ResourceType(
        token=WEBHOOK_SUBSCRIPTION,
        properties={
            "active": Property(check=has_shape(TRUTH), default=True),
            "deliveryMethods": Property(
                required=True, replaces=True, check=has_shape(DELIVERY_METHODS), same=_same_delivery
            ),
            "description": Property(check=has_shape(TEXT), default=MANAGED),
            "events": Property(required=True, check=has_shape(EVENTS), same=_same_events),
            "filters": Property(required=True, check=has_shape(SUBSCRIPTION_FILTERS)),
            "type": Property(check=_kind, default=TYPE),
        },
        computed=("deliveryMethods",),
        create=create,
        read=read,
        update=update,
        delete=lambda request: api.delete(f"/webhook_subscriptions/{request.id}"),
    )


def _changeable(inputs: Properties) -> Properties:
    """Return the parts of a subscription that can be changed, as the API takes them."""
    (wanted,) = SUBSCRIPTION_FILTERS.validate_python(inputs["filters"])
    return {
        "active": inputs["active"],
        "description": inputs["description"],
        "events": list(inputs["events"]),
        "filter": wanted.model_dump(exclude_none=True),
    }


def _delivery(given: Properties, found: Properties, secret: str | None) -> Properties:
    """Return the delivery method as an output: the API does not tell the values of headers, nor the secret again."""
    method = found["delivery_method"]
    known = (given.get("deliveryMethods") or [{}])[0]
    output: Properties = {
        "type": method["type"],
        "url": method["url"],
        "temporarilyDisabled": method["temporarily_disabled"],
        "secret": secret or "",
    }
    if known.get("customHeaders"):
        output["customHeaders"] = known["customHeaders"]
    return output


def _same_delivery(old: object, new: object) -> bool:
    """Say whether webhooks go to the same address with the same headers."""
    meanings = [
        [(method.url, method.type, method.custom_headers) for method in DELIVERY_METHODS.validate_python(methods)]
        for methods in (old, new)
    ]
    return meanings[0] == meanings[1]


def _same_events(old: object, new: object) -> bool:
    return sorted(EVENTS.validate_python(old)) == sorted(EVENTS.validate_python(new))


def _kind(value: object) -> str | None:
    return None if value == TYPE else f"found {value!r}; allowed: {TYPE}"
