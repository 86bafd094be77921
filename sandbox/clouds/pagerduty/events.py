"""The Events API, version 2: what monitoring tools send, checked as it is documented.

Limits are those of PagerDuty's documentation: 512 KB an event, 1,024 characters of summary, 255 of dedup key, and
about 120 events a minute and key. A refusal with 400 is final for whoever sent the event; 429 is not.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.clouds.pagerduty.escalation import SOURCE, Responders
from sandbox.clouds.pagerduty.event_processor import JOURNALED_CHARACTERS, EventProcessor
from sandbox.clouds.pagerduty.model import Account, Integration, Severity
from sandbox.clouds.pagerduty.orchestrations import GlobalIntegration, Orchestration, find_by_key
from sandbox.clouds.pagerduty.trigger import Trigger
from sandbox.clouds.rate_limit import RateLimit
from sandbox.journal import Journal, Kind

EVENT_BYTES = 512 * 1024
EVENTS_PER_MINUTE = 120
SUMMARY_CHARACTERS = 1024
DEDUP_KEY_CHARACTERS = 255
ROUTING_KEY_CHARACTERS = 32
KEPT_EVENTS = 10_000
"""How many of the newest events can be read back."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Link(_Part):
    href: str = Field(min_length=1)
    text: str | None = None


class _Image(_Part):
    src: str = Field(min_length=1)
    href: str | None = None
    alt: str | None = None


class _Payload(_Part):
    summary: str = Field(min_length=1, max_length=SUMMARY_CHARACTERS)
    source: str = Field(min_length=1)
    severity: Severity = Field(strict=False)
    timestamp: str | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = Field(default=None, alias="class")
    custom_details: Any = None


class _Event(_Part):
    routing_key: str = Field(min_length=ROUTING_KEY_CHARACTERS, max_length=ROUTING_KEY_CHARACTERS)
    event_action: Literal["trigger", "acknowledge", "resolve"]


class _TriggerEvent(_Event):
    dedup_key: str | None = Field(default=None, max_length=DEDUP_KEY_CHARACTERS)
    client: str | None = None
    client_url: str | None = None
    links: tuple[_Link, ...] = Field(default=(), strict=False)
    images: tuple[_Image, ...] = Field(default=(), strict=False)
    payload: _Payload


class _FollowUpEvent(_Event):
    dedup_key: str = Field(min_length=1, max_length=DEDUP_KEY_CHARACTERS)
    # Optional here: an orchestration's router reads it, a service's integration does not.
    payload: Any = None


class EventRefused(ValueError):
    """An event that PagerDuty would refuse. `errors` are its words."""

    def __init__(self, status: str, message: str, errors: list[str]) -> None:
        """Take what the answer says."""
        super().__init__("; ".join(errors))
        self.status = status
        self.message = message
        self.errors = errors


def read_event(body: bytes) -> _TriggerEvent | _FollowUpEvent:
    """Return a valid event. Raises `EventRefused` for anything else."""
    if len(body) > EVENT_BYTES:
        raise _invalid([f"Event is too large ({len(body)} bytes, allowed are {EVENT_BYTES})"])
    try:
        found: object = json.loads(body)
    except ValueError as error:  # not JSON, or not UTF-8
        raise EventRefused(
            "Unrecognized object", "Event object format is unrecognized", ["JSON parse error"]
        ) from error
    if not isinstance(found, dict):
        raise EventRefused("Unrecognized object", "Event object format is unrecognized", ["Event is no JSON object"])
    try:
        _Event.model_validate(found)
        if found.get("event_action") == "trigger":
            return _TriggerEvent.model_validate(found)
        return _FollowUpEvent.model_validate(found)
    except ValidationError as error:
        raise _invalid(_words(error)) from error


def _invalid(errors: list[str]) -> EventRefused:
    return EventRefused("invalid event", "Event object is invalid", errors)


def _words(error: ValidationError) -> list[str]:
    """Return pydantic's findings in PagerDuty's words."""
    words: list[str] = []
    for found in error.errors():
        name = ".".join(str(part) for part in found["loc"])
        blank = found["type"] == "string_too_short" and not found["input"]
        if found["type"] == "missing" or found["input"] is None or blank:
            words.append(f"'{name}' is missing or blank")
        elif name == "routing_key" and found["type"].startswith("string_too"):
            words.append(f"Length of 'routing_key' is incorrect (should be {ROUTING_KEY_CHARACTERS} characters)")
        elif found["type"] == "string_too_long":
            words.append(f"'{name}' is too long (maximum is {found.get('ctx', {}).get('max_length')} characters)")
        elif found["type"] in ("enum", "literal_error"):
            allowed = found.get("ctx", {}).get("expected")
            words.append(f"'{name}' is invalid (must be one of the following: {allowed})")
        else:
            words.append(f"'{name}' is invalid: {found['msg']}")
    return words


@dataclass(slots=True)
class EventsApi:
    """Takes events, and remembers them for whoever wants to read what was received."""

    responders: Responders
    journal: Journal
    event_processor: EventProcessor
    limit: RateLimit
    received: deque[Mapping[str, Any]] = field(default_factory=lambda: deque[Mapping[str, Any]](maxlen=KEPT_EVENTS))

    def routes(self) -> list[Route]:
        """Return the API's routes."""
        return [Route("/v2/enqueue", self.enqueue, methods=["POST"])]

    async def enqueue(self, request: Request) -> JSONResponse:
        """Take one event: 202 whether or not it changes anything."""
        body = await request.body()
        try:
            event = read_event(body)
            account = self.responders.account
            orchestration = find_by_key(account.orchestrations.values(), event.routing_key)
            integration = account.integration_by_key(event.routing_key)
            if integration is None and orchestration is None:
                raise _invalid(["Invalid routing key"])
        except EventRefused as refused:
            self._note(body, 400, str(refused))
            answer = {"status": refused.status, "message": refused.message, "errors": refused.errors}
            return JSONResponse(answer, 400)
        wait = self.limit.take(event.routing_key)
        if wait is not None:
            self._note(body, 429, f"more than {EVENTS_PER_MINUTE} events a minute")
            return JSONResponse(
                {
                    "status": "throttle exceeded",
                    "message": "Requests for this service are arriving too quickly. Please retry later.",
                },
                429,
                headers={"Retry-After": str(int(wait) + 1)},
            )
        key = event.dedup_key or self.responders.account.new_key()
        self._note(body, 202, "")
        found = _trigger(event, key) if isinstance(event, _TriggerEvent) else _follow_up(event)
        if orchestration is not None:
            integration = _routed(account, *orchestration, event)
        if integration is None:
            self._refuse_quietly(event, key)
        else:
            self.event_processor.take(integration, key, found, request="POST /v2/enqueue")
        return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": key}, 202)

    def _refuse_quietly(self, event: _TriggerEvent | _FollowUpEvent, key: str) -> None:
        """Journal an event that an orchestration routes to no service, which PagerDuty tells nobody."""
        self.journal.append(
            SOURCE,
            Kind.REQUEST_REFUSED,
            {"request": "POST /v2/enqueue", "dedup_key": key},
            action=event.event_action,
            reason="the router of the event orchestration routes it to no service",
        )

    def _note(self, body: bytes, status: int, reason: str) -> None:
        text = body[: EVENT_BYTES + 1].decode(errors="replace")
        try:
            event: object = json.loads(text)
        except ValueError:
            event = text[:JOURNALED_CHARACTERS]
        self.received.append(
            {"time": self.responders.scheduler.now(), "status": status, "reason": reason, "event": event}
        )
        if status != 202:  # noqa: PLR2004 - accepted
            self.journal.append(
                SOURCE,
                Kind.REQUEST_REFUSED,
                {"request": "POST /v2/enqueue"},
                status=status,
                reason=reason,
                body=text[:JOURNALED_CHARACTERS],
            )


def _routed(
    account: Account,
    orchestration: Orchestration,
    integration: GlobalIntegration,
    event: _TriggerEvent | _FollowUpEvent,
) -> Integration | None:
    """Return the integration as one of the service that the router picks, or None if that is no service."""
    payload = event.payload
    if isinstance(payload, _Payload):
        payload = payload.model_dump(mode="json", by_alias=True, exclude_none=True)
    service = orchestration.router.service_for(payload if isinstance(payload, dict) else {})
    if service is None or service not in account.services:
        return None
    return Integration(
        id=integration.id,
        service=service,
        name=integration.label,
        type="events_api_v2_inbound_integration",
        key=integration.key,
        created_at=orchestration.created_at,
    )


def _trigger(event: _TriggerEvent, key: str) -> Trigger:
    payload = event.payload
    details: Mapping[str, Any]
    details = (
        payload.custom_details if isinstance(payload.custom_details, dict) else {"details": payload.custom_details}
    )
    kept = event.model_dump(mode="json", by_alias=True, exclude_none=True)["payload"]
    return Trigger(
        key=key,
        severity=payload.severity,
        summary=payload.summary,
        source=payload.source,
        details={} if payload.custom_details is None else details,
        links=[link.model_dump(exclude_none=True) for link in event.links],
        images=[image.model_dump(exclude_none=True) for image in event.images],
        client=event.client,
        client_url=event.client_url,
        payload=kept,
    )


def _follow_up(event: _FollowUpEvent) -> Literal["acknowledge", "resolve"]:
    return "acknowledge" if event.event_action == "acknowledge" else "resolve"
