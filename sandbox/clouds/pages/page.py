"""Shared parts of the stand-ins' pages: templates, what a browser may do with them, and who may send their forms.

Everything shown is somebody else's text. The templates escape all of it, and the answer's policy lets the browser run
nothing but the console's script.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from sandbox.page_headers import page_headers
from sandbox.page_templates import page_templates

HERE = Path(__file__).parent
CONSOLE = HERE.parent.parent / "console" / "static"
HEADERS = page_headers(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    # Not no-referrer: a browser would then send `Origin: null` with the page's own forms.
    referrer_policy="same-origin",
)
SEE_OTHER = 303


def static_routes() -> list[BaseRoute]:
    """Return the routes of what the pages load: the console's script and colours, and their own."""
    return [
        Mount("/static", StaticFiles(directory=HERE / "static")),
        Mount("/console", StaticFiles(directory=CONSOLE)),
    ]


class Templates:
    """Renders the pages' templates."""

    def __init__(self) -> None:
        """Read no template yet."""
        self._environment = page_templates(HERE / "templates")

    def page(self, request: Request, name: str, title: str, view: Mapping[str, Any]) -> Response:
        """Return a whole page, whose content is the template `NAME.html`."""
        content = self._environment.get_template(f"{name}.html").render(**view)
        whole = self._environment.get_template("stand_in.html").render(
            name=name,
            title=title,
            content=content,
            version=_version(content),
            address=f"/sections?{request.url.query}&",
        )
        return HTMLResponse(whole, headers=HEADERS)

    def sections(self, request: Request, name: str, title: str, view: Mapping[str, Any]) -> Response:
        """Return the page's content for its script, or 204 if that is what it has already."""
        content = self._environment.get_template(f"{name}.html").render(**view)
        version = _version(content)
        if request.query_params.get("known") == version:
            return Response(status_code=204, headers=HEADERS)
        return JSONResponse({"version": version, "title": title, "sections": {"content": content}}, headers=HEADERS)


def _version(content: str) -> str:
    return hashlib.sha256(content.encode(errors="replace")).hexdigest()[:16]


def foreign_form(request: Request) -> Response | None:
    """Return the refusal of a form that does not come from the server's own page, or None.

    The guard before every server lets requests pass that name no origin, as programs send them. A form must name it.
    """
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    origins = request.headers.getlist("origin")
    if origins == [own]:
        return None
    return PlainTextResponse(f"Origin: found {', '.join(origins) or 'none'}; allowed: {own}\n", 403)


async def fields(request: Request) -> Mapping[str, str]:
    """Return the fields of a form, the last of each name."""
    found = parse_qs((await request.body()).decode(errors="replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in found.items()}


def back(request: Request, form: Mapping[str, str]) -> Response:
    """Return the answer that leads the browser back to where the form stood, on this server only."""
    query = urlsplit(form.get("back", "")).query
    return RedirectResponse(f"{request.base_url}?{query}", SEE_OTHER, headers=HEADERS)
