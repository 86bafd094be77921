"""Webhook subscriptions of the third version: what is sent, signed how, tried how often, and when it is given up.

Documented: a receiver has five seconds. After a timeout, 429 or 5xx a webhook is tried up to four times more, over some
twenty minutes; any other answer than 2xx drops it. Meanwhile up to 4,000 wait, in their order. Three dropped in a row
disable the subscription for a day and drop what waits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import httpx

from sandbox.clouds.pagerduty.escalation import SOURCE
from sandbox.clouds.pagerduty.model import Account, Agent, Incident, Note, StatusUpdate
from sandbox.clouds.pagerduty.rest.render import Renderer
from sandbox.clouds.pagerduty.rest.webhook_render import event_data
from sandbox.clouds.pagerduty.scheduler import Appointment, Scheduler
from sandbox.journal import Journal, Kind

ANSWER_SECONDS = 5.0
"""Real seconds: it is a program that has to answer, not the story."""
RETRY_SECONDS = (80, 160, 320, 640)
"""The story's seconds before each retry. Only their number and sum are documented."""
WAITING_MOST = 4_000
DROPPED_IN_A_ROW = 3
DISABLED_SECONDS = 24 * 60 * 60
SECRET_BYTES = 32
OK = range(200, 300)
RETRIED = frozenset({0, 429, *range(500, 600)})
"""The statuses after which a webhook is tried again; 0 is no answer at all."""

FilterKind = Literal["account_reference", "service_reference", "team_reference"]
Send = Callable[[str, bytes, Mapping[str, str]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One event on its way to one subscription."""

    id: str
    event_type: str
    body: bytes


@dataclass(slots=True, kw_only=True)
class Subscription:
    """A subscription. `base` is the address under which the account was reached when it was made.

    The newest of `secrets` is the one that was given out last; while there are two, webhooks carry both signatures.
    """

    id: str
    delivery_id: str
    url: str
    headers: Sequence[tuple[str, str]]
    description: str | None
    events: tuple[str, ...]
    filter_kind: FilterKind
    filter_id: str | None
    active: bool
    base: str
    secrets: list[str]
    disabled: bool = False
    dropped: int = 0
    tried: int = 0
    waiting: deque[Webhook] = field(default_factory=deque[Webhook])

    def wants(self, event_type: str, incident: Incident, teams: Sequence[str]) -> bool:
        """Return whether an incident's event is one of this subscription."""
        if not self.active or event_type not in self.events:
            return False
        match self.filter_kind:
            case "account_reference":
                return True
            case "service_reference":
                return incident.service == self.filter_id
            case "team_reference":
                return self.filter_id in teams

    def signature(self, body: bytes) -> str:
        """Return the header that proves to the receiver that a webhook comes from PagerDuty."""
        digests = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in reversed(self.secrets)]
        return ",".join(f"v1={digest}" for digest in digests)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send a webhook and return the status of the answer, 0 for none."""
    try:
        return httpx.post(url, content=body, headers=dict(headers), timeout=ANSWER_SECONDS, trust_env=False).status_code
    except httpx.HTTPError:
        return 0


@dataclass(slots=True)
class Subscriptions:
    """The account's subscriptions, and what is on its way to them. Whoever reads or writes them holds its lock.

    Appointments of `scheduler` send; they do not hold the lock while they wait for an answer.
    """

    account: Account
    journal: Journal
    scheduler: Scheduler
    send: Send = post
    by_id: dict[str, Subscription] = field(default_factory=dict[str, Subscription])
    _enabling: dict[str, Appointment] = field(default_factory=dict[str, Appointment])

    def add(self, **settings: Any) -> Subscription:
        """Make a subscription with a secret of its own."""
        subscription = Subscription(
            id=self.account.new_id(), delivery_id=self.account.new_id(), secrets=[new_secret()], **settings
        )
        self.by_id[subscription.id] = subscription
        return subscription

    def publish(self, event_type: str, incident: Incident, agent: Agent, about: Note | StatusUpdate | None) -> None:
        """Send an incident's event to every subscription that wants it."""
        policy = self.account.policies.get(incident.escalation_policy)
        teams = policy.teams if policy else ()
        for subscription in self.by_id.values():
            if subscription.wants(event_type, incident, teams):
                render = Renderer(self.account, subscription.base)
                self._enqueue(
                    subscription,
                    event_type,
                    resource_type="incident",
                    agent=render.agent(agent),
                    client={"name": "PagerDuty"} if agent.kind == "user" else None,
                    data=event_data(render, incident, about),
                )

    def ping(self, subscription: Subscription) -> None:
        """Send a test event."""
        data = {"message": "Hello from your friend Pagey!", "type": "ping"}
        self._enqueue(subscription, "pagey.ping", resource_type="pagey", agent=None, client=None, data=data)

    def enable(self, subscription: Subscription) -> None:
        """Take a subscription into use again that had been disabled for a day."""
        subscription.disabled = False
        subscription.dropped = 0
        planned = self._enabling.pop(subscription.id, None)
        if planned is not None:
            planned.cancel()

    def _enqueue(self, subscription: Subscription, event_type: str, **event: Any) -> None:
        event_id = str(uuid.uuid4())
        occurred_at = datetime.fromtimestamp(self.scheduler.now(), UTC).isoformat(timespec="milliseconds")
        whole = {"id": event_id, "event_type": event_type, "occurred_at": occurred_at.replace("+00:00", "Z"), **event}
        body = json.dumps({"event": whole}).encode()
        webhook = Webhook(id=str(uuid.uuid4()), event_type=event_type, body=body)
        if subscription.disabled or len(subscription.waiting) >= WAITING_MOST:
            self._note(subscription, webhook, 0, "dropped: the subscription is disabled, or too much waits")
            return
        subscription.waiting.append(webhook)
        if len(subscription.waiting) == 1:
            self.scheduler.after(0, lambda: self._try(subscription))

    def _try(self, subscription: Subscription) -> None:
        """Send the webhook that has waited longest, and plan what comes next."""
        with self.account.lock:
            if not subscription.waiting or subscription.id not in self.by_id:
                return
            webhook = subscription.waiting[0]
            headers = {
                **dict(subscription.headers),
                "Content-Type": "application/json",
                "User-Agent": "PagerDuty-Webhook/V3.0",
                "X-PagerDuty-Signature": subscription.signature(webhook.body),
                "X-Webhook-Id": webhook.id,
                "X-Webhook-Subscription": subscription.id,
            }
        status = self.send(subscription.url, webhook.body, headers)
        with self.account.lock:
            if not subscription.waiting or subscription.waiting[0] is not webhook:
                return  # the subscription was disabled or deleted meanwhile
            if status in RETRIED and subscription.tried < len(RETRY_SECONDS):
                self._note(subscription, webhook, status, "tried again later")
                delay = RETRY_SECONDS[subscription.tried]
                subscription.tried += 1
                self.scheduler.after(delay, lambda: self._try(subscription))
                return
            subscription.waiting.popleft()
            subscription.tried = 0
            delivered = status in OK
            self._note(subscription, webhook, status, "delivered" if delivered else "dropped")
            subscription.dropped = 0 if delivered else subscription.dropped + 1
            if subscription.dropped >= DROPPED_IN_A_ROW:
                self._disable(subscription)
            elif subscription.waiting:
                self.scheduler.after(0, lambda: self._try(subscription))

    def _disable(self, subscription: Subscription) -> None:
        subscription.disabled = True
        subscription.waiting.clear()

        def enable() -> None:
            with self.account.lock:
                self.enable(subscription)

        self._enabling[subscription.id] = self.scheduler.after(DISABLED_SECONDS, enable)

    def _note(self, subscription: Subscription, webhook: Webhook, status: int, outcome: str) -> None:
        ids = {"subscription": subscription.id, "webhook": webhook.id, "event": webhook.event_type}
        self.journal.append(SOURCE, Kind.WEBHOOK_DELIVERED, ids, status=status, outcome=outcome, url=subscription.url)


def new_secret() -> str:
    """Return a secret to sign with."""
    return secrets.token_urlsafe(SECRET_BYTES)
