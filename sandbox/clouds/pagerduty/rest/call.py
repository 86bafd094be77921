"""Shared handling of REST requests: authentication, rate limit, errors, bodies and pages."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clouds.pagerduty.escalation import SOURCE, Responders
from sandbox.clouds.pagerduty.model import Account, User
from sandbox.clouds.pagerduty.rest.render import Renderer
from sandbox.clouds.rate_limit import RateLimit
from sandbox.journal import Journal, Kind

REQUESTS_PER_MINUTE = 960
PAGE_DEFAULT = 25
PAGE_MAXIMUM = 100
PAGED_MAXIMUM = 10_000
"""How far `offset` and `limit` reach together."""
JOURNALED_CHARACTERS = 2_000
HEAD = ("id", "type", "summary", "self", "html_url")
"""What every object carries."""
AUTHENTICATION_SCHEMES = ("Token token=", "Bearer ")

BodyModel = TypeVar("BodyModel", bound=BaseModel)
Stored = TypeVar("Stored")
Item = TypeVar("Item")


class Body(BaseModel):
    """Part of a request's body. What every object carries besides is accepted and, unless a model names it, not read.

    Anything else that is not named is refused: PagerDuty knows more fields than this stand-in keeps, and leaving one
    out without a word would be a silent yes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_head(cls, found: Any) -> Any:
        if not isinstance(found, dict):
            return found
        whole: dict[str, Any] = {**found}
        return {name: value for name, value in whole.items() if name not in HEAD or name in cls.model_fields}


@cache
def time_zones() -> frozenset[str]:
    """Return the names of all time zones. Each is a file to be looked for, hence once."""
    return frozenset(available_timezones())


class Reference(Body):
    """A reference to something by its id."""

    id: str


class Refused(Exception):
    """A request that is answered with an error of PagerDuty's."""

    def __init__(self, status: int, code: int, message: str, errors: Sequence[str] | Mapping[str, Any] = ()) -> None:
        """Take the HTTP status, PagerDuty's own code, and its words."""
        super().__init__(f"{message}: {errors}" if errors else message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """Return the answer."""
        error: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors:
            error["errors"] = self.errors if isinstance(self.errors, Mapping) else list(self.errors)
        return JSONResponse({"error": error}, self.status, headers=headers)


def invalid(*errors: str) -> Refused:
    """Return the error for input that can't be used."""
    return Refused(400, 2001, "Invalid Input Provided", errors)


def invalid_v3(field: str, error: str) -> Refused:
    """Return the error of the API's third version, by field."""
    return Refused(400, 2001, "Invalid Request", {field: [error]})


def not_found() -> Refused:
    """Return the error for what is not there."""
    return Refused(404, 2100, "Not Found")


def too_large(error: str) -> Refused:
    """Return the error for a request that changes more than is allowed at a time."""
    return Refused(413, 2001, "Request Entity Too Large", [error])


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, for the handler that answers it. The account's lock is held."""

    request: Request
    responders: Responders
    body: bytes

    @property
    def account(self) -> Account:
        """The account."""
        return self.responders.account

    @property
    def now(self) -> datetime:
        """The present."""
        return self.responders.now()

    @property
    def render(self) -> Renderer:
        """A function that renders an object as JSON."""
        return Renderer(self.account, str(self.request.base_url).rstrip("/"))

    def named(self, name: str, stored: Mapping[str, Stored]) -> Stored:
        """Return what a part of the path names. Raises `Refused` (404) if there is none."""
        found = stored.get(self.request.path_params[name])
        if found is None:
            raise not_found()
        return found

    def parse(self, wrapper: str, model: type[BodyModel], *, v3: bool = False) -> BodyModel:
        """Return what the body holds under `wrapper`. Raises `Refused` (400) with a word on each fault."""
        try:
            whole: object = json.loads(self.body)
        except ValueError as error:
            raise Refused(400, 2001, "Invalid JSON in request body") from error
        if not isinstance(whole, dict) or wrapper not in whole:
            raise invalid_v3(wrapper, "is required") if v3 else invalid(f"Missing required parameter: {wrapper}")
        try:
            return model.model_validate(whole[wrapper])
        except ValidationError as error:
            found = [(".".join(str(part) for part in each["loc"]), each["msg"]) for each in error.errors()]
            if v3:
                raise Refused(
                    400, 2001, "Invalid Request", {f"{wrapper}.{name}": [text] for name, text in found}
                ) from error
            raise invalid(*(f"{name}: {text}" for name, text in found)) from error

    def parse_whole(self, model: type[BodyModel], *, v3: bool = False) -> BodyModel:
        """Return the whole body. Raises `Refused` (400) with a word on each fault."""
        try:
            return model.model_validate_json(self.body)
        except ValidationError as error:
            found = [(".".join(str(part) for part in each["loc"]) or "body", each["msg"]) for each in error.errors()]
            if v3:
                raise Refused(400, 2001, "Invalid Request", {name: [text] for name, text in found}) from error
            raise invalid(*(f"{name}: {text}" for name, text in found)) from error

    def requester(self) -> User:
        """Return the person that the header `From` names. Raises `Refused` (400)."""
        email = self.request.headers.get("from")
        if not email:
            raise Refused(
                400, 2016, 'You must specify a user\'s email address in the "From" header to perform this action'
            )
        user = self.account.user_by_email(email)
        if user is None:
            raise Refused(400, 1008, "Requester User Not Found")
        return user

    def texts(self, name: str) -> list[str]:
        """Return a repeated query parameter: `name[]=a&name[]=b`."""
        return [*self.request.query_params.getlist(f"{name}[]"), *self.request.query_params.getlist(name)]

    def moment(self, name: str) -> datetime | None:
        """Return a query parameter that is a time. Raises `Refused` (400)."""
        text = self.request.query_params.get(name)
        if text is None:
            return None
        try:
            found = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that nobody escaped arrives as a space
        except ValueError as error:
            raise invalid(f"{name} is not a valid ISO 8601 time") from error
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def page(
        self,
        name: str,
        items: Sequence[Item],
        render: Callable[[Item], Mapping[str, Any]],
        *,
        default: int = PAGE_DEFAULT,
    ) -> JSONResponse:
        """Return one page of a list. Raises `Refused` (400) for a page that can't be."""
        query = self.request.query_params
        try:
            limit, offset = int(query.get("limit", default)), int(query.get("offset", 0))
        except ValueError as error:
            raise invalid("limit and offset must be integers") from error
        if not 1 <= limit <= PAGE_MAXIMUM or offset < 0:
            raise invalid(f"limit must be from 1 to {PAGE_MAXIMUM}, offset must not be negative")
        if limit + offset > PAGED_MAXIMUM:
            raise invalid(f"Offset must be less than or equal to {PAGED_MAXIMUM - limit}")
        return JSONResponse(
            {
                name: [render(item) for item in items[offset : offset + limit]],
                "limit": limit,
                "offset": offset,
                "more": len(items) > offset + limit,
                "total": len(items) if query.get("total") == "true" else None,
            }
        )


Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class RestApi:
    """Authenticates, counts and answers requests, and journals those it refuses."""

    responders: Responders
    journal: Journal
    limit: RateLimit
    token: str

    def route(self, path: str, **handlers: Handler) -> Route:
        """Return a route with a handler for each method, given in lower case."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            handler = handlers["get" if request.method == "HEAD" else request.method.lower()]
            try:
                headers = self._admit(request)
                with self.responders.account.lock:
                    response = handler(Call(request, self.responders, body))
            except Refused as refused:
                self.note(request, body, refused)
                headers = {"Retry-After": "1"} if refused.status == 429 else {}  # noqa: PLR2004 - too many requests
                return refused.response(headers)
            response.headers.update(headers)
            return response

        return Route(path, answer, methods=[method.upper() for method in handlers])

    def note(self, request: Request, body: bytes, refused: Refused) -> None:
        """Journal a refusal. That something read is not there is no refusal."""
        if refused.status == 404 and request.method in ("GET", "DELETE"):  # noqa: PLR2004 - not found
            return
        self.journal.append(
            SOURCE,
            Kind.REQUEST_REFUSED,
            {"request": f"{request.method} {request.url.path}"},
            status=refused.status,
            reason=str(refused),
            body=body[:JOURNALED_CHARACTERS].decode(errors="replace"),
        )

    def _admit(self, request: Request) -> dict[str, str]:
        """Return the headers that say how many requests are left. Raises `Refused` (401, 429)."""
        credentials = request.headers.get("authorization", "")
        token = next(
            (
                credentials.removeprefix(scheme).strip('"')
                for scheme in AUTHENTICATION_SCHEMES
                if credentials.startswith(scheme)
            ),
            "",
        )
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise Refused(
                401,
                2006,
                "Unauthorized",
                ["Expected the header Authorization: Token token=..., with the account's own token"],
            )
        wait = self.limit.take(token)
        if wait is not None:
            raise Refused(429, 2020, "Rate Limit Exceeded")
        return {"ratelimit-limit": str(self.limit.per_minute), "ratelimit-remaining": str(self.limit.left(token))}
