"""The whole stand-in as one ASGI application: both ways in for events, the REST API, and what it received."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clock import Clock
from sandbox.clouds.faults import FaultInjection
from sandbox.clouds.pagerduty.cloudwatch import CloudWatchApi
from sandbox.clouds.pagerduty.escalation import Responders
from sandbox.clouds.pagerduty.event_processor import EventProcessor
from sandbox.clouds.pagerduty.events import EVENTS_PER_MINUTE, EventsApi
from sandbox.clouds.pagerduty.model import Account
from sandbox.clouds.pagerduty.page import PagerDutyPage
from sandbox.clouds.pagerduty.rest import (
    incident_actions,
    incidents,
    orchestrations,
    people,
    policies,
    schedules,
    services,
    webhook_subscriptions,
)
from sandbox.clouds.pagerduty.rest.call import REQUESTS_PER_MINUTE, Refused, RestApi
from sandbox.clouds.pagerduty.rest.render import Renderer
from sandbox.clouds.pagerduty.scheduler import Scheduler
from sandbox.clouds.pagerduty.subscriptions import Send, Subscriptions, post
from sandbox.clouds.pages.page import static_routes
from sandbox.clouds.rate_limit import RateLimit
from sandbox.journal import Journal


def create_application(
    journal: Journal,
    clock: Clock,
    *,
    token: str,
    scheduler: Scheduler | None = None,
    account: Account | None = None,
    send: Send = post,
) -> Starlette:
    """Return the stand-in, with an empty account whose REST API takes `token` and no other one.

    Timers run on `clock`, from a thread that lives as long as the application is served. A test may give a `scheduler`,
    whose time is its own: it is then the test that runs what is due. It may take the webhooks itself, by `send`.
    """
    kept = scheduler or Scheduler(clock)
    responders = Responders(account or Account(), journal, kept)
    now: Callable[[], float] = kept.now
    event_processor = EventProcessor(responders, journal)
    events = EventsApi(responders, journal, event_processor, RateLimit(EVENTS_PER_MINUTE, clock, now))
    cloudwatch = CloudWatchApi(responders.account, journal, event_processor)
    # Webhooks have a thread of their own: a receiver that is slow must not hold up escalations.
    deliveries = scheduler or Scheduler(clock)
    subscriptions = Subscriptions(responders.account, journal, deliveries, send)
    responders.listeners.append(subscriptions.publish)
    rest = RestApi(responders, journal, RateLimit(REQUESTS_PER_MINUTE, clock, now), token)

    async def received(_: Request) -> JSONResponse:
        return JSONResponse({"events": list(events.received)})

    async def state(request: Request) -> JSONResponse:
        with responders.account.lock:
            render = Renderer(responders.account, str(request.base_url).rstrip("/"))
            found = [
                {
                    **render.incident(incident),
                    "alerts": [render.alert(incident, alert) for alert in incident.alerts],
                    "log_entries": [render.log_entry(incident, entry) for entry in incident.log],
                    "notes": [render.note(note) for note in incident.notes],
                }
                for incident in responders.account.incidents.values()
            ]
        return JSONResponse({"incidents": found})

    async def ready(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def no_route(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        message = "Not Found" if status == 404 else "Method Not Allowed"  # noqa: PLR2004 - not found
        refused = Refused(status, 2100, message, [f"{request.method} {request.url.path} is not part of this stand-in"])
        journaled = Refused(400, 2100, str(refused))  # a route that is missing is worth a look, reads included
        rest.note(request, b"", journaled)
        return refused.response()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        if scheduler is None:
            kept.start()
            deliveries.start()
        try:
            yield
        finally:
            if scheduler is None:
                kept.stop()
                deliveries.stop()

    return Starlette(
        routes=[
            *events.routes(),
            *cloudwatch.routes(),
            *(
                route
                for part in (people, services, orchestrations, policies, schedules, incidents, incident_actions)
                for route in part.routes(rest)
            ),
            *webhook_subscriptions.routes(rest, subscriptions),
            *PagerDutyPage(responders).routes(),
            *static_routes(),
            Route("/sandbox/received", received),
            Route("/sandbox/incidents", state),
            Route("/sandbox/ready", ready),
        ],
        middleware=[Middleware(FaultInjection)],
        exception_handlers={404: no_route, 405: no_route},
        lifespan=lifespan,
    )
