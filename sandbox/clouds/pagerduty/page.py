"""The page of the account: its incidents, for a person who may be chosen, with what that person can do about them.

/?as=USER
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.escalation import Responders
from sandbox.clouds.pagerduty.model import Account, Agent, Incident, Status, User, by_id
from sandbox.clouds.pages.page import Templates, back, fields, foreign_form

TITLE = "PagerDuty"
NOTE_CHARACTERS = 2_000
LOG_ENTRIES = 12
"""How many of the newest log entries of an incident are shown."""

Action = Callable[[Responders, Incident, Agent], None]


def _acknowledge(responders: Responders, incident: Incident, by: Agent) -> None:
    responders.acknowledge(incident, by)


def _resolve(responders: Responders, incident: Incident, by: Agent) -> None:
    responders.resolve(incident, by)


def _escalate(responders: Responders, incident: Incident, by: Agent) -> None:
    responders.escalate(incident, incident.level + 1, by)


ACTIONS: Mapping[str, Action] = {"acknowledge": _acknowledge, "resolve": _resolve, "escalate": _escalate}


@dataclass(frozen=True, slots=True)
class PagerDutyPage:
    """Shows an account's incidents, and does what people do about them."""

    responders: Responders
    _templates: Templates = field(default_factory=Templates)

    @property
    def _account(self) -> Account:
        return self.responders.account

    def routes(self) -> list[Route]:
        """Return the routes of the page and of its forms."""
        return [
            Route("/", self.page),
            Route("/sections", self.sections),
            Route("/act", self.act, methods=["POST"]),
            Route("/note", self.note, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """Return the whole page."""
        with self._account.lock:
            return self._templates.page(request, "pagerduty", TITLE, self._view(request))

    async def sections(self, request: Request) -> Response:
        """Return the page's content for its script."""
        with self._account.lock:
            return self._templates.sections(request, "pagerduty", TITLE, self._view(request))

    async def act(self, request: Request) -> Response:
        """Acknowledge, resolve or escalate an incident in a person's name."""
        if (refusal := foreign_form(request)) is not None:
            return refusal
        form = await fields(request)
        with self._account.lock:
            user, incident = self._named(form)
            name = form.get("action", "")
            if user is None or incident is None or name not in _possible(incident):
                return PlainTextResponse("There is no such person, incident or action.\n", 404)
            ACTIONS[name](self.responders, incident, Agent(kind="user", id=user.id))
        return back(request, form)

    async def note(self, request: Request) -> Response:
        """Add a person's note to an incident."""
        if (refusal := foreign_form(request)) is not None:
            return refusal
        form = await fields(request)
        text = form.get("text", "").strip()[:NOTE_CHARACTERS]
        with self._account.lock:
            user, incident = self._named(form)
            if user is None or incident is None or not text:
                return PlainTextResponse("There is no such person or incident, or no text.\n", 404)
            self.responders.annotate(incident, user, text)
        return back(request, form)

    def _named(self, form: Mapping[str, str]) -> tuple[User | None, Incident | None]:
        return self._account.users.get(form.get("as", "")), self._account.incidents.get(form.get("incident", ""))

    def _view(self, request: Request) -> Mapping[str, Any]:
        people = list(self._account.users.values())
        acting = self._account.users.get(request.query_params.get("as", "")) or next(iter(people), None)
        incidents = sorted(self._account.incidents.values(), key=lambda incident: -incident.number)
        return {
            "people": [{"id": user.id, "name": user.name} for user in people],
            "kept": {"as": acting.id if acting else ""},
            "incidents": [self._shown(incident) for incident in incidents],
        }

    def _shown(self, incident: Incident) -> Mapping[str, Any]:
        account = self._account
        service = account.services.get(incident.service)
        priority = account.priorities.get(incident.priority or "")
        target = account.incidents.get(incident.merged_into or "")
        return {
            "id": incident.id,
            "number": incident.number,
            "title": incident.title,
            "service": service.name if service else incident.service,
            "status": incident.status,
            "urgency": incident.urgency,
            "priority": priority.name if priority else "",
            "opened": incident.created_at.timestamp(),
            "assignees": [user.name for user in by_id(account.users, incident.assignees)],
            "acknowledged": [self.responders.named(agent) for agent, _ in incident.acknowledged],
            "merged_into": target.number if target else None,
            "notes": [(account.users[note.user].name, note.content) for note in incident.notes],
            "log": [(entry.at.timestamp(), entry.summary) for entry in incident.log[: -LOG_ENTRIES - 1 : -1]],
            "actions": _possible(incident),
        }


def _possible(incident: Incident) -> list[str]:
    """Return the actions that an incident allows: none that is resolved."""
    if incident.status is Status.RESOLVED:
        return []
    higher = ["escalate"] if incident.level < len(incident.snapshot.rules) else []
    return ["acknowledge", "resolve", *higher]
