"""Preflight of chat: Slack takes the bot's token, which is of the stack's workspace and has every scope.

No provider of the engine asks Slack, so that the one request is made here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPException, HTTPMessage
from typing import Any
from urllib.request import Request, urlopen

import pulumi

from alerting.settings import Settings
from alerting.settings.load import SLACK_BOT_TOKEN, secret_command

SLACK_API = "https://slack.com/api"
ANSWER_SECONDS = 10
BOT_TOKEN = "xoxb-"  # noqa: S105 - the beginning of each, not a token
"""The beginning of a bot's token. A text without it is a placeholder, as `orion check` and `orion preview` have."""
MANIFEST = "docs/slack-app-manifest.yaml"
SCOPES = (
    "channels:history",
    "channels:read",
    "chat:write",
    "groups:history",
    "groups:read",
    "users:read",
    "users:read.email",
)
"""The scopes that chat needs, which the manifest asks for."""


class NoAnswer(Exception):
    """Slack could not be asked. The message says why."""


def slack_problems(settings: Settings, token: str | None) -> Iterator[str]:
    """Yield what is wrong with the token, if there is one that Slack can be asked about.

    No text shows the token. A Slack that does not answer is a warning of the engine.
    """
    if token is None or not token.startswith(BOT_TOKEN):
        return
    try:
        answer, scopes = _asked(settings.endpoints.slack or SLACK_API, token)
    except NoAnswer as error:
        pulumi.log.warn(f"{SLACK_BOT_TOKEN}: Slack could not be asked about it: {error}. Whether it works is not known")
        return
    command = secret_command(settings.environment, SLACK_BOT_TOKEN)
    if answer.get("ok") is not True:
        yield (
            f"{SLACK_BOT_TOKEN}: Slack does not accept it ({answer.get('error')}); allowed: the token of a bot that is "
            f"installed. Install the app of {MANIFEST} and set the token with `{command}`"
        )
        return
    missing = [scope for scope in SCOPES if scope not in scopes]
    if missing:
        yield (
            f"{SLACK_BOT_TOKEN}: lacks {', '.join(missing)}; allowed: a token with the scopes of {MANIFEST}. Add them "
            f"to the app, install it again, and set its token with `{command}`"
        )
    if answer.get("team_id") != settings.slack_workspace:
        yield (
            f"slack_workspace: found {settings.slack_workspace}, and the token is of {answer.get('team_id')} "
            f"({answer.get('team')}). Change slack_workspace, or set that workspace's token with `{command}`"
        )


def _asked(address: str, token: str) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the answer of `auth.test`, and the token's scopes. Raises `NoAnswer`."""
    headers = {"Authorization": f"Bearer {token}"}
    request = Request(f"{address}/auth.test", data=b"", headers=headers, method="POST")  # noqa: S310 - by configuration
    try:
        with urlopen(request, timeout=ANSWER_SECONDS) as response:  # noqa: S310 - as above
            content, told = response.read(), response.headers
    except (OSError, HTTPException) as error:  # urllib's own errors are OSErrors
        raise NoAnswer(str(error)) from None
    try:
        answer = json.loads(content)
    except ValueError:
        raise NoAnswer("the answer is not JSON") from None
    if not isinstance(answer, dict):
        raise NoAnswer(f"the answer is a {type(answer).__name__}, not an object")
    return answer, _scopes(told)


def _scopes(headers: HTTPMessage) -> frozenset[str]:
    return frozenset(scope.strip() for scope in headers.get("x-oauth-scopes", "").split(","))
