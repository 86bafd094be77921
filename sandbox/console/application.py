"""The page as one ASGI application. Its only sources are the journal and the sandbox's own HTTP addresses.

    application = create_application(journal, addresses, pagerduty_headers)

Live by short polling: the script asks for `/sections?known=VERSION` once a second, which is answered with 204 while
nothing has changed, else with the HTML of every section; it changes only what differs. Without a script the page loads
itself anew every five seconds.

Everything shown is somebody else's text. The templates escape all of it, links go only to http addresses, and the
answer's policy lets the browser run nothing but this page's own script.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.console.backends import Addresses, Asker, BackendAnswers
from sandbox.console.state import ConsoleState
from sandbox.console.viewmodel import view
from sandbox.journal import Journal
from sandbox.page_headers import page_headers
from sandbox.page_templates import page_templates

HERE = Path(__file__).parent
TITLES = {
    "firing": "What fires, and where it went",
    "incidents": "Incidents",
    "repairs": "Repairs",
    "objectives": "Objectives, and what is left of their budgets",
    "oncall": "On call",
    "messages": "Slack",
    "routes": "Routes",
    "refused": "Refused requests",
}
"""The page's sections by the name of their template and element, in their order."""
COLUMNS = (("firing", "incidents", "repairs"), ("objectives", "oncall", "messages"), ("routes", "refused"))
"""The first two stand side by side where there is room, the last is below them."""
SECTIONS = ("status", *TITLES)
"""What changes; each has a template of its name and an element of its id."""
HEADERS = page_headers(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Console:
    """Reads what is new in the journal, asks the others, and renders."""

    def __init__(self, journal: Journal, asker: Asker) -> None:
        self._journal = journal
        self._asker = asker
        self._console_state = ConsoleState()
        self._offset = 0
        self._view = view(self._console_state, BackendAnswers())
        self.sections: dict[str, str] = {}
        self.version = ""
        self._templates = page_templates(HERE / "templates")

    async def page(self) -> str:
        """Return the whole page."""
        await self.look()
        template = self._templates.get_template("page.html")
        zone = datetime.now().astimezone().tzname()
        return template.render(
            sections=self.sections,
            version=self.version,
            view=self._view,
            titles=TITLES,
            columns=COLUMNS,
            zone=zone,
        )

    @property
    def title(self) -> str:
        """The page's title as of the last look."""
        return self._view.title

    async def look(self) -> None:
        """Bring the sections to what is so now."""
        answers = await self._asker.look()
        events, self._offset = self._journal.events_from(self._offset)
        if self.sections and not events and answers == self._view.answers:
            return
        for event in events:
            self._console_state.add(event)
        self._view = view(self._console_state, answers)
        self.sections = {
            name: self._templates.get_template(f"{name}.html").render(view=self._view) for name in SECTIONS
        }
        said = "\0".join(self.sections.values())
        self.version = hashlib.sha256(said.encode(errors="replace")).hexdigest()[:16]


def create_application(journal: Journal, addresses: Addresses, pagerduty_headers: Mapping[str, str]) -> Starlette:
    """Return the page over a journal. `addresses` says where the others are, each time that it is asked.

    `pagerduty_headers` are what PagerDuty's REST API wants.
    """
    asker = Asker(addresses, pagerduty_headers)
    console = _Console(journal, asker)

    async def page(_: Request) -> Response:
        return HTMLResponse(await console.page(), headers=HEADERS)

    async def sections(request: Request) -> Response:
        await console.look()
        if request.query_params.get("known") == console.version:
            return Response(status_code=204, headers=HEADERS)
        found = {"version": console.version, "title": console.title, "sections": console.sections}
        return JSONResponse(found, headers=HEADERS)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await asker.close()

    return Starlette(
        routes=[
            Route("/", page),
            Route("/sections", sections),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        lifespan=lifespan,
    )
