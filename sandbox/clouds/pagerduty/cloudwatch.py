"""The Amazon CloudWatch integration: what an alarm tells a topic, as SNS delivers it to a subscribed address.

PagerDuty does not publish how it reads these. What is known of it from use: the subject begins with the alarm's new
state, which must be the one in the message; `ALARM` opens an incident and `OK` resolves it; anything else is discarded.
That the alarm's ARN is what ties the two together, and that the severity is critical, is assumed here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.clouds.pagerduty.escalation import SOURCE
from sandbox.clouds.pagerduty.event_processor import JOURNALED_CHARACTERS, EventProcessor
from sandbox.clouds.pagerduty.model import Account, Severity
from sandbox.clouds.pagerduty.trigger import Trigger
from sandbox.journal import Journal, Kind

INTEGRATION = "aws_cloudwatch_inbound_integration"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class _Envelope(_Part):
    """A message as SNS delivers it. A subscription's confirmation has another type."""

    type_: Literal["Notification"] = Field(alias="Type")
    subject: str = Field(alias="Subject", min_length=1)
    message: str = Field(alias="Message", min_length=1)


class _Alarm(_Part):
    """A CloudWatch alarm's change of state."""

    name: str = Field(alias="AlarmName", min_length=1)
    arn: str = Field(alias="AlarmArn", min_length=1)
    description: str | None = Field(alias="AlarmDescription")
    state: Literal["OK", "ALARM", "INSUFFICIENT_DATA"] = Field(alias="NewStateValue")
    reason: str = Field(alias="NewStateReason")
    region: str = Field(alias="Region")


@dataclass(frozen=True, slots=True)
class CloudWatchApi:
    """Takes what SNS delivers."""

    account: Account
    journal: Journal
    event_processor: EventProcessor

    def routes(self) -> list[Route]:
        """Return the integration's routes."""
        return [Route("/integration/{key}/enqueue", self.enqueue, methods=["POST"])]

    async def enqueue(self, request: Request) -> JSONResponse:
        """Take one delivery: 202 for what is understood, whether or not it changes anything."""
        body = await request.body()
        integration = self.account.integration_by_key(request.path_params["key"])
        if integration is None or integration.type != INTEGRATION:
            return self._refuse(body, "Invalid integration key")
        try:
            envelope = _Envelope.model_validate_json(body)
            content = json.loads(envelope.message)
            alarm = _Alarm.model_validate(content)
        except ValueError as error:  # pydantic's and json's are ValueErrors
            return self._refuse(body, _words(error))
        if not envelope.subject.startswith(f"{alarm.state}: "):
            return self._refuse(body, f"subject {envelope.subject!r} does not begin with the state {alarm.state!r}")
        match alarm.state:
            case "ALARM":
                self.event_processor.take(integration, alarm.arn, _trigger(alarm, envelope, content), request=_REQUEST)
            case "OK":
                self.event_processor.take(integration, alarm.arn, "resolve", request=_REQUEST)
            case "INSUFFICIENT_DATA":
                self._note(body, "an alarm without data is neither on nor off")
        return JSONResponse({"status": "success", "message": "Event processed"}, HTTPStatus.ACCEPTED)

    def _refuse(self, body: bytes, reason: str) -> JSONResponse:
        self._note(body, reason)
        answer = {"status": "invalid event", "message": "Event object is invalid", "errors": [reason]}
        return JSONResponse(answer, HTTPStatus.BAD_REQUEST)

    def _note(self, body: bytes, reason: str) -> None:
        text = body.decode(errors="replace")[:JOURNALED_CHARACTERS]
        self.journal.append(SOURCE, Kind.REQUEST_REFUSED, {"request": _REQUEST}, reason=reason, body=text)


_REQUEST = "POST /integration/.../enqueue"


def _words(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return f"the message is not JSON: {error}"
    return "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())


def _trigger(alarm: _Alarm, envelope: _Envelope, content: dict[str, Any]) -> Trigger:
    return Trigger(
        key=alarm.arn,
        severity=Severity.CRITICAL,
        summary=envelope.subject,
        source=alarm.arn,
        details=content,
        links=(),
        images=(),
        client="Amazon CloudWatch",
        client_url=None,
        payload={"summary": envelope.subject, "source": alarm.arn, "severity": "critical", "custom_details": content},
    )
