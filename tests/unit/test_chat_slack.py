"""The Slack client against a small server that answers as Slack's Web API does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from chatops.clients import Gone, RateLimited, Refused, Unavailable
from chatops.slack_api import SlackApi
from chatops.slack_client import LOOK_BACK_SECONDS, SlackClient
from tests.chat_data import EPISODE, NOW, message
from tests.http_stub import Asked, HttpStub, Reply, http_stub

TS = "1795516811.000100"
THREAD = f"C1/{TS}"
KEY = str(EPISODE.id)


_Answer = dict[str, Any] | Reply | None
_Known = _Answer | Callable[[Asked], _Answer]


@dataclass
class _Workspace:
    """Slack's answers by method. A function makes one for each request."""

    answers: dict[str, _Known] = field(default_factory=dict[str, "_Known"])
    stub: HttpStub | None = None

    def answer(self, request: Asked) -> Reply | None:
        known = self.answers.get(request.path.removeprefix("/api/"), {"ok": False, "error": "unknown_method"})
        answer = known(request) if callable(known) else known
        return answer if answer is None or isinstance(answer, Reply) else Reply(answer)

    @property
    def asked(self) -> list[Asked]:
        assert self.stub is not None
        return self.stub.asked

    def client(self) -> SlackClient:
        assert self.stub is not None
        return SlackClient(api=SlackApi(token="xoxb-1", address=f"{self.stub.address}/api"), now=lambda: NOW)


@pytest.fixture
def slack() -> Iterator[_Workspace]:
    workspace = _Workspace()
    with http_stub(workspace.answer) as stub:
        workspace.stub = stub
        yield workspace


def test_a_posted_message_has_its_key_and_is_known_by_channel_and_time(slack: _Workspace) -> None:
    slack.answers["chat.postMessage"] = {"ok": True, "channel": "C1", "ts": TS}

    assert slack.client().post("#orion-alerts", KEY, message()) == THREAD

    (request,) = (asked for asked in slack.asked if asked.path.endswith("chat.postMessage"))
    assert request.headers["Authorization"] == "Bearer xoxb-1"
    assert request.arguments["channel"] == "#orion-alerts"
    assert request.arguments["metadata"]["event_payload"] == {"key": KEY}
    assert request.arguments["unfurl_links"] is False


def test_a_message_is_found_by_its_key_on_a_later_page_of_its_channel(slack: _Workspace) -> None:
    slack.answers["conversations.list"] = _paged(
        "channels", [[{"name": "other", "id": "C0"}], [{"name": "orion-alerts", "id": "C1"}]]
    )
    slack.answers["conversations.history"] = _paged(
        "messages", [[{"ts": "1.0"}, _with_key("2.0", "episode#g#2")], [_with_key(TS, KEY)]]
    )
    client = slack.client()

    assert client.find("#orion-alerts", None, KEY) == THREAD
    assert client.find("#orion-alerts", None, "episode#g#3") is None
    asked = [request.path for request in slack.asked]
    assert asked.count("/api/conversations.list") == 2, "channels are asked for once"
    history = next(request for request in slack.asked if request.path.endswith("history")).arguments
    assert history["channel"] == "C1"
    assert history["include_all_metadata"] == "true"
    assert float(history["oldest"]) == NOW - LOOK_BACK_SECONDS


def test_a_reply_is_found_by_its_key_in_its_thread(slack: _Workspace) -> None:
    slack.answers["conversations.replies"] = _paged("messages", [[{"ts": TS}, _with_key("3.0", f"{KEY}/2")]])

    assert slack.client().find("#orion-alerts", THREAD, f"{KEY}/2") == "C1/3.0"
    assert slack.asked[0].arguments["ts"] == TS


def test_a_history_that_does_not_end_is_no_proof_that_a_message_is_missing(slack: _Workspace) -> None:
    slack.answers["conversations.replies"] = {
        "ok": True,
        "messages": [],
        "response_metadata": {"next_cursor": "more"},
    }

    with pytest.raises(Unavailable, match="pages"):
        slack.client().find("#orion-alerts", THREAD, KEY)


@pytest.mark.parametrize("messages", [None, {}, "none"], ids=str)
def test_an_answer_without_messages_is_no_proof_that_a_message_is_missing(slack: _Workspace, messages: Any) -> None:
    slack.answers["conversations.replies"] = {"ok": True, "messages": messages}

    with pytest.raises(Unavailable, match="no list messages"):
        slack.client().find("#orion-alerts", THREAD, KEY)


def test_an_answer_without_a_person_does_not_make_their_email_unknown(slack: _Workspace) -> None:
    slack.answers["users.info"] = {"ok": True}
    client = slack.client()
    with pytest.raises(Unavailable, match="no user"):
        client.email_of("U1")

    slack.answers["users.info"] = _person(email="ann@example.com")

    assert client.email_of("U1") == "ann@example.com"


def test_a_message_whose_blocks_slack_refuses_is_shown_as_text(slack: _Workspace) -> None:
    slack.answers["chat.update"] = lambda request: (
        {"ok": False, "error": "invalid_blocks"} if request.arguments["blocks"] else {"ok": True}
    )

    slack.client().update("#orion-alerts", THREAD, message())

    assert "*Severity:* critical" in slack.asked[-1].arguments["text"]


def test_a_message_whose_text_slack_refuses_too_is_shown_by_its_title(slack: _Workspace) -> None:
    slack.answers["chat.postMessage"] = lambda request: (
        {"ok": True, "channel": "C1", "ts": TS}
        if len(request.arguments["text"]) < 50
        else {"ok": False, "error": "msg_too_long"}
    )

    assert slack.client().post("#orion-alerts", KEY, message()) == THREAD
    assert slack.asked[-1].arguments["text"] == "[FIRING] HighP99Latency"


def test_replies_and_whispers_go_to_the_thread_escaped_and_with_names(slack: _Workspace) -> None:
    slack.answers["chat.postMessage"] = slack.answers["chat.postEphemeral"] = {"ok": True}
    slack.answers["users.info"] = _person(display_name="Ann <b>")
    client = slack.client()

    client.reply("#orion-alerts", THREAD, f"{KEY}/3", "Silenced for 1 h by U012AB3CD <!channel>")
    client.whisper("#orion-alerts", THREAD, "U012AB3CD", "This has resolved")

    person, reply, whisper = slack.asked
    assert person.arguments == {"user": "U012AB3CD"}
    assert reply.arguments["text"] == "Silenced for 1 h by Ann &lt;b&gt; &lt;!channel&gt;"
    assert reply.arguments["thread_ts"] == whisper.arguments["thread_ts"] == TS
    assert reply.arguments["metadata"]["event_payload"] == {"key": f"{KEY}/3"}
    assert whisper.arguments["user"] == "U012AB3CD"


def test_a_reply_that_slack_posts_to_the_channel_is_removed(slack: _Workspace) -> None:
    # That is what Slack does where the root message was deleted and nobody had replied to it.
    slack.answers["chat.postMessage"] = {"ok": True, "channel": "C1", "ts": "9.1", "message": {"text": "a"}}
    slack.answers["chat.delete"] = {"ok": True}

    with pytest.raises(Gone):
        slack.client().reply("#orion-alerts", THREAD, KEY, "a")

    assert slack.asked[-1].path.endswith("/chat.delete")
    assert slack.asked[-1].arguments == {"channel": "C1", "ts": "9.1"}


def test_a_reply_within_its_thread_stays(slack: _Workspace) -> None:
    posted = {"ok": True, "channel": "C1", "ts": "9.1", "message": {"text": "a", "thread_ts": TS}}
    slack.answers["chat.postMessage"] = posted

    slack.client().reply("#orion-alerts", THREAD, KEY, "a")

    assert len(slack.asked) == 1


def test_a_whisper_is_not_lost_with_its_thread(slack: _Workspace) -> None:
    slack.answers["chat.postEphemeral"] = lambda request: (
        {"ok": False, "error": "thread_not_found"} if "thread_ts" in request.arguments else {"ok": True}
    )

    slack.client().whisper("#orion-alerts", THREAD, "U1", "This has resolved")

    assert slack.asked[-1].arguments["channel"] == "#orion-alerts"


def _update(client: SlackClient) -> None:
    client.update("#orion-alerts", THREAD, message())


def _reply(client: SlackClient) -> None:
    client.reply("#orion-alerts", THREAD, KEY, "a")


@pytest.mark.parametrize("act", [_update, _reply])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"ok": False, "error": "message_not_found"}, Gone),
        ({"ok": False, "error": "thread_not_found"}, Gone),
        ({"ok": False, "error": "channel_not_found"}, Unavailable),
        ({"ok": False, "error": "missing_scope", "needed": "chat:write"}, Unavailable),
        ({"ok": False, "error": "invalid_auth"}, Unavailable),
        ({"ok": False, "error": "an_error_of_tomorrow"}, Unavailable),
        ({"ok": False, "error": "ratelimited"}, RateLimited),
        (Reply({"ok": False}, 503), Unavailable),
        (Reply(b"<html>", 200), Unavailable),
        (Reply([], 200), Unavailable),
        (None, Unavailable),
    ],
    ids=str,
)
def test_what_became_of_a_call_is_told(
    slack: _Workspace, act: Callable[[SlackClient], None], answer: Any, error: type[Exception]
) -> None:
    slack.answers["chat.update"] = slack.answers["chat.postMessage"] = lambda _: answer

    with pytest.raises(error):
        act(slack.client())


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("soon", 30.0), ("-1", 30.0), ("nan", 30.0), ("1e9", 3600.0)]
)
def test_a_limit_says_how_long_it_lasts(slack: _Workspace, header: str, seconds: float) -> None:
    slack.answers["chat.update"] = Reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": header})

    with pytest.raises(RateLimited) as raised:
        _update(slack.client())

    assert raised.value.retry_after == seconds


def test_a_persons_email_is_asked_for_once(slack: _Workspace) -> None:
    slack.answers["users.info"] = _person(email="ann@example.com")
    client = slack.client()

    assert client.email_of("U1") == client.email_of("U1") == "ann@example.com"
    assert len(slack.asked) == 1


@pytest.mark.parametrize(
    "answer", [{"ok": False, "error": "user_not_found"}, {"ok": True, "user": {"id": "U1"}}], ids=str
)
def test_a_person_without_an_email_has_none(slack: _Workspace, answer: Any) -> None:
    slack.answers["users.info"] = answer

    assert slack.client().email_of("U1") is None
    assert slack.client().name_of("U1") == "U1"


def test_a_person_is_mentioned_by_the_id_that_slack_has_for_the_email_and_is_asked_for_once(slack: _Workspace) -> None:
    slack.answers["users.lookupByEmail"] = {"ok": True, "user": {"id": "U012ABCD1"}}
    client = slack.client()

    assert [client.mention_of("ann@example.com") for _ in range(3)] == ["<@U012ABCD1>"] * 3
    assert [asked.arguments for asked in slack.asked] == [{"email": "ann@example.com"}]


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": False, "error": "users_not_found"},
        {"ok": False, "error": "ratelimited"},
        {"ok": False, "error": "missing_scope"},
        {"ok": True},
        {"ok": True, "user": {"id": "U012ABCD1", "deleted": True}},
        {"ok": True, "user": {"id": "!channel"}},
        {"ok": True, "user": {"id": "U012ABCD1> <!channel"}},
    ],
    ids=str,
)
def test_nobody_is_mentioned_where_slack_names_no_person(slack: _Workspace, answer: dict[str, Any]) -> None:
    slack.answers["users.lookupByEmail"] = answer

    assert slack.client().mention_of("ann@example.com") is None


def test_a_message_id_that_is_none_is_refused(slack: _Workspace) -> None:
    with pytest.raises(Refused):
        slack.client().update("#orion-alerts", TS, message())


def test_the_token_is_in_no_error_and_no_representation(slack: _Workspace) -> None:
    assert "xoxb" not in repr(slack.client())


def _paged(items: str, pages: list[list[dict[str, Any]]]) -> Callable[[Asked], dict[str, Any]]:
    def answer(request: Asked) -> dict[str, Any]:
        number = int(request.arguments.get("cursor", "0"))
        cursor = str(number + 1) if number + 1 < len(pages) else ""
        return {"ok": True, items: pages[number], "response_metadata": {"next_cursor": cursor}}

    return answer


def _with_key(ts: str, key: str) -> dict[str, Any]:
    return {"ts": ts, "metadata": {"event_type": "orion_episode", "event_payload": {"key": key}}}


def _person(**profile: str) -> dict[str, Any]:
    return {"ok": True, "user": {"id": "U1", "profile": profile}}
