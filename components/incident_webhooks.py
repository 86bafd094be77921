"""PagerDuty's webhooks of incidents: the subscription by which it reports changes to chat's ingress."""

from __future__ import annotations

import pulumi
import pulumi_pagerduty as pagerduty

from components.naming import type_token
from orion_common.names import PAGERDUTY_PATH

EVENTS = tuple(
    f"incident.{name}"
    for name in (
        "acknowledged",
        "annotated",
        "delegated",
        "escalated",
        "priority_updated",
        "reassigned",
        "resolved",
        "status_update_published",
        "triggered",
        "unacknowledged",
    )
)
"""The events of incidents that a thread shows."""


class IncidentWebhooks(pulumi.ComponentResource):
    """The subscription to every incident of the account. `secret` is what PagerDuty signs the webhooks with.

    PagerDuty gives the secret out once, when it makes the subscription: one that was imported has none.
    """

    secret: pulumi.Output[str]

    def __init__(self, name: str, ingress: pulumi.Output[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("IncidentWebhooks"), name, {}, opts)
        subscription = pagerduty.WebhookSubscription(
            f"{name}-subscription",
            description="Reports changes of incidents to chat",
            events=list(EVENTS),
            filters=[pagerduty.WebhookSubscriptionFilterArgs(type="account_reference")],
            delivery_methods=[
                pagerduty.WebhookSubscriptionDeliveryMethodArgs(
                    type="http_delivery_method", url=ingress.apply(lambda address: address.rstrip("/") + PAGERDUTY_PATH)
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["deliveryMethods"]),
        )
        self.secret = pulumi.Output.secret(subscription.delivery_methods.apply(lambda methods: methods[0].secret or ""))
        self.register_outputs({"secret": self.secret})
