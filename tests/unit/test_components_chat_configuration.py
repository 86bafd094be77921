"""Settings and secrets of chat: each that is missing or wrong is named, with the command that sets it."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pytest

from alerting.settings import ChatMode
from components.configuration import ConfigurationError, StackSecrets, read_secrets
from sandbox.mocked_program import PROJECT, run_program
from tests.configuration_harness import CHANNELS, SECRETS, read, refused, stack_values

CHAT = {"chat": "on", "slack_workspace": "T0123ABCD", "pagerduty_sender": "alerts@example.com"}
CHAT_SECRETS = {
    "slackBotToken": "bot-value",
    "slackSigningSecrets": '["signing-value"]',
    "pagerdutyChatToken": "chat-token-value",
}


def test_chat_is_off_unless_it_is_set() -> None:
    assert read(stack_values("prod")).chat is ChatMode.OFF
    assert read({**stack_values("prod"), **CHAT}).chat is ChatMode.ON


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"chat": "maybe"}, 'chat: found "maybe"; allowed: off, on'),
        ({"slack_workspace": "orion"}, 'slack_workspace: found "orion"; allowed: the id of a Slack workspace'),
        ({"pagerduty_sender": "alerts"}, 'pagerduty_sender: found "alerts"; allowed: the email of a PagerDuty user'),
    ],
    ids=str,
)
def test_a_wrong_setting_of_chat_is_named(changes: dict[str, str], problem: str) -> None:
    (found,) = refused({**stack_values("prod"), **CHAT, **changes})

    assert found.startswith(problem)
    assert "pulumi config set --stack prod" in found


@pytest.mark.parametrize("missing", ["slack_workspace", "pagerduty_sender", "alertmanager_api"])
def test_chat_needs_to_know_whose_it_is_and_where_alertmanager_is(missing: str) -> None:
    values = {**stack_values("prod"), **CHAT}
    del values[missing]

    (found,) = refused(values)

    assert found.startswith(f"{missing}: missing, and chat is on, which needs it")
    assert f"pulumi config set --stack prod {missing} VALUE" in found


def test_chat_is_for_stacks_that_page() -> None:
    values = {**stack_values("dev"), **CHAT, "alertmanager_api": "http://am:9093", "paging": "false"}

    (found,) = refused(values)

    assert found.startswith("chat: found on; allowed where nobody is paged (paging is false): off")


def _chat_secrets(values: Mapping[str, str], marked: tuple[str, ...]) -> StackSecrets:
    found: list[StackSecrets] = []

    def program() -> None:
        config = pulumi.Config(PROJECT)
        found.append(read_secrets(config, "prod", channels=CHANNELS, grafana=True, paging=True, chat=True))

    run_program(program, config={**SECRETS, **values}, secret_keys=(*SECRETS, *marked))
    return found[0]


def test_chats_secrets_are_read_only_where_chat_is_on() -> None:
    found: list[StackSecrets] = []

    def program() -> None:
        config = pulumi.Config(PROJECT)
        found.append(read_secrets(config, "prod", channels=CHANNELS, grafana=True, paging=True))

    run_program(program, config=SECRETS, secret_keys=tuple(SECRETS))
    assert found[0].chat is None
    assert _chat_secrets(CHAT_SECRETS, tuple(CHAT_SECRETS)).chat is not None


@pytest.mark.parametrize("missing", CHAT_SECRETS)
def test_each_missing_secret_of_chat_is_named(missing: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        _chat_secrets({key: value for key, value in CHAT_SECRETS.items() if key != missing}, tuple(CHAT_SECRETS))

    (problem,) = error.value.problems
    assert problem.startswith(f"{missing}: missing; set it with `pulumi config set --stack prod --secret ")


@pytest.mark.parametrize("plain", CHAT_SECRETS)
def test_a_secret_of_chat_in_plain_text_is_refused(plain: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{plain}: is stored as plain text"):
        _chat_secrets(CHAT_SECRETS, tuple(key for key in CHAT_SECRETS if key != plain))


@pytest.mark.parametrize("keys", ["signing-value", "[]", '[""]', '["a", "b", "c"]', '{"a": "b"}', "[1]"])
def test_signing_keys_are_a_list_of_one_or_two_and_are_not_shown(keys: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        _chat_secrets({**CHAT_SECRETS, "slackSigningSecrets": keys}, tuple(CHAT_SECRETS))

    (problem,) = error.value.problems
    assert problem.startswith("slackSigningSecrets: found something else; allowed: a list of one or 2 texts")
    assert "signing-value" not in problem
