"""Preflight asks Slack about chat's token, and says in one line each what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from components import preflight_chat
from components.preflight import PreflightFailed
from components.preflight_chat import MANIFEST, SCOPES
from tests.alerting_data import ROOT
from tests.http_stub import HttpStub, Reply, http_stub
from tests.preflight_harness import checked, stack

TOKEN = "xoxb-SECRET"
SETTINGS = stack(slack_workspace="T0123ABCD", cluster={"self_managed": []}, monitoring={"storage_class": None})
FIT = {"ok": True, "team_id": "T0123ABCD", "team": "Orion"}
COMMAND = "pulumi config set --stack prod --secret slackBotToken"


def _reply(content: Any, scopes: tuple[str, ...] = SCOPES, status: int = 200) -> Reply:
    return Reply(content, status, {"X-OAuth-Scopes": ",".join(scopes)})


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Reply | None], HttpStub]]:
    answers: list[Reply | None] = [None]
    with http_stub(lambda _: answers[-1]) as stub:
        monkeypatch.setattr(preflight_chat, "SLACK_API", f"{stub.address}/api")

        def answer(reply: Reply | None) -> HttpStub:
            answers.append(reply)
            return stub

        yield answer


def _problem(token: str = TOKEN) -> str:
    with pytest.raises(PreflightFailed) as raised:
        checked(SETTINGS, slack_token=token)
    (problem,) = raised.value.problems
    assert TOKEN not in str(raised.value)
    return problem


def test_a_token_with_every_scope_is_let_through(
    slack: Callable[[Reply | None], HttpStub], warnings: list[str]
) -> None:
    stub = slack(_reply(FIT, (*SCOPES, "incoming-webhook")))

    checked(SETTINGS, slack_token=TOKEN)

    assert stub.paths() == ["POST /api/auth.test"]
    assert stub.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert warnings == []


def test_missing_scopes_are_named(slack: Callable[[Reply | None], HttpStub]) -> None:
    slack(_reply(FIT, tuple(scope for scope in SCOPES if not scope.endswith("history"))))

    assert _problem() == (
        "slackBotToken: lacks channels:history, groups:history; allowed: a token with the scopes of "
        f"docs/slack-app-manifest.yaml. Add them to the app, install it again, and set its token with `{COMMAND}`"
    )


def test_a_token_that_slack_does_not_know_is_named(slack: Callable[[Reply | None], HttpStub]) -> None:
    slack(_reply({"ok": False, "error": "invalid_auth"}))

    assert _problem().startswith("slackBotToken: Slack does not accept it (invalid_auth); allowed: ")


def test_the_token_of_another_workspace_is_named(slack: Callable[[Reply | None], HttpStub]) -> None:
    slack(_reply(FIT | {"team_id": "T9", "team": "Another"}))

    assert _problem() == (
        "slack_workspace: found T0123ABCD, and the token is of T9 (Another). Change slack_workspace, or set that "
        f"workspace's token with `{COMMAND}`"
    )


@pytest.mark.parametrize("reply", [None, _reply({}, status=503), _reply(b"<html>"), _reply([])], ids=str)
def test_a_slack_that_does_not_answer_is_a_warning(
    slack: Callable[[Reply | None], HttpStub], warnings: list[str], reply: Reply | None
) -> None:
    slack(reply)

    checked(SETTINGS, slack_token=TOKEN)

    (warning,) = warnings
    assert warning.startswith("slackBotToken: Slack could not be asked about it: ")
    assert TOKEN not in warning


@pytest.mark.parametrize("token", [None, "invented-for-a-preview"])
def test_slack_is_not_asked_where_the_token_is_not_known(
    slack: Callable[[Reply | None], HttpStub], token: str | None
) -> None:
    stub = slack(None)

    checked(SETTINGS, slack_token=token)

    assert stub.asked == []


def test_the_scopes_are_those_of_the_manifest() -> None:
    assert set(yaml.safe_load((ROOT / MANIFEST).read_text())["oauth_config"]["scopes"]["bot"]) == set(SCOPES)
