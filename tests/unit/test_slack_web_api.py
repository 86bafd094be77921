"""Slack's own SDK uses the stand-in's Web API: what it answers, and what it refuses with Slack's words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import ActionsBlock, ButtonElement, HeaderBlock, SectionBlock
from slack_sdk.models.metadata import Metadata

from sandbox.clouds.slack.api.chat import POSTS_PER_MINUTE
from sandbox.clouds.slack.app import SCOPES
from sandbox.clouds.slack.workspace import BURST
from sandbox.journal import Kind
from sandbox.seed_data import NO_EMAIL, add_channels, add_slack_users
from tests.slack_workspace import ALERTS, MovedClock, SlackWorkspace, served_workspace

BUTTON = ButtonElement(text="Acknowledge", action_id="acknowledge", value="e1", style="primary")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[SlackWorkspace, MovedClock]]:
    with served_workspace(tmp_path) as found:
        yield found


@pytest.fixture
def slack(served: tuple[SlackWorkspace, MovedClock]) -> SlackWorkspace:
    return served[0]


def section(text: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(**changes: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", **changes}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def test_a_token_is_tested_with_what_it_may_do(slack: SlackWorkspace) -> None:
    answer = slack.client.auth_test()

    assert (answer["team"], answer["user"]) == ("Orion", "orion_alerting")
    assert answer.headers["x-oauth-scopes"] == ",".join(SCOPES)


@pytest.mark.parametrize(("token", "word"), [(None, "not_authed"), ("xoxb-other", "invalid_auth")])
def test_another_token_is_refused(slack: SlackWorkspace, token: str | None, word: str) -> None:
    with pytest.raises(SlackApiError) as refused:
        WebClient(token, base_url=f"{slack.address}/api/").auth_test()

    assert refused.value.response["error"] == word


def test_a_missing_scope_is_named(slack: SlackWorkspace) -> None:
    slack.control("PUT", "/sandbox/app", scopes=["users:read"])
    answer = slack.error("chat.postMessage", channel=slack.channel, text="x")

    assert (answer["error"], answer["needed"], answer["provided"]) == ("missing_scope", "chat:write", "users:read")
    assert "email" not in slack.client.users_info(user=slack.ann)["user"]["profile"]


def test_a_method_that_is_none_and_bodies_that_are_none(slack: SlackWorkspace) -> None:
    answers = [
        slack.error("chat.shout")["error"],
        slack.error("chat.postMessage", text="x"),
        slack.control("POST", "/api/chat.postMessage").json()["error"],
    ]

    assert answers[0] == "unknown_method"
    assert answers[1]["response_metadata"]["messages"] == ["[ERROR] missing required field: channel"]
    assert answers[2] == "invalid_arguments"


def test_a_message_is_posted_read_and_found_by_its_metadata(slack: SlackWorkspace) -> None:
    posted = slack.client.chat_postMessage(
        channel=slack.channel,
        text="CriticalLatency",
        attachments=[
            BlockAttachment(color="danger", blocks=[SectionBlock(text="orders"), ActionsBlock(elements=[BUTTON])])
        ],
        blocks=[HeaderBlock(text="CriticalLatency")],
        metadata=Metadata(event_type="orion_episode", event_payload={"key": "e1"}),
    )
    plain = slack.client.conversations_history(channel=slack.channel)["messages"]
    whole = slack.client.conversations_history(channel=slack.channel, include_all_metadata=True)["messages"]
    message = whole[0]

    assert posted["message"]["attachments"][0]["color"] == "a30200"
    assert message["metadata"] == {"event_type": "orion_episode", "event_payload": {"key": "e1"}}
    assert "metadata" not in plain[0]
    assert (message["ts"], message["bot_id"]) == (posted["ts"], slack.client.auth_test()["bot_id"])
    assert message["blocks"][0]["block_id"]
    assert message["attachments"][0]["blocks"][1]["elements"][0]["action_id"] == "acknowledge"
    assert slack.journal.find(Kind.MESSAGE_POSTED, channel=ALERTS)[0].details["color"] == "danger"


def test_replies_are_in_the_thread_and_a_broadcast_one_in_the_channel_too(slack: SlackWorkspace) -> None:
    root = str(slack.client.chat_postMessage(channel=slack.channel, text="root")["ts"])
    for number in range(5):
        slack.client.chat_postMessage(
            channel=slack.channel, text=f"r{number}", thread_ts=root, reply_broadcast=number == 4
        )
    history = slack.client.conversations_history(channel=slack.channel)["messages"]
    pages = [
        [message["text"] for message in page["messages"]]
        for page in slack.client.conversations_replies(channel=slack.channel, ts=root, limit=4)
    ]

    assert [(each["text"], each.get("subtype")) for each in history] == [("r4", "thread_broadcast"), ("root", None)]
    assert (history[1]["reply_count"], history[1]["thread_ts"]) == (5, root)
    assert pages == [["root", "r0", "r1", "r2"], ["r3", "r4"]]


def test_history_is_paged_and_cut_by_time(slack: SlackWorkspace) -> None:
    stamps = [str(slack.client.chat_postMessage(channel=slack.channel, text=str(each))["ts"]) for each in range(5)]
    pages = [
        [message["text"] for message in page["messages"]]
        for page in slack.client.conversations_history(channel=slack.channel, limit=2)
    ]
    between = slack.client.conversations_history(channel=slack.channel, oldest=stamps[1], latest=stamps[3])
    with_ends = slack.client.conversations_history(
        channel=slack.channel, oldest=stamps[1], latest=stamps[3], inclusive=True
    )

    assert pages == [["4", "3"], ["2", "1"], ["0"]]
    assert [each["text"] for each in between["messages"]] == ["2"]
    assert [each["text"] for each in with_ends["messages"]] == ["3", "2", "1"]
    assert slack.error("conversations.history", channel=slack.channel, cursor="?")["error"] == "invalid_cursor"


def test_a_reply_to_a_deleted_message_becomes_a_message_of_the_channel(slack: SlackWorkspace) -> None:
    root = str(slack.client.chat_postMessage(channel=slack.channel, text="root")["ts"])
    slack.client.chat_delete(channel=slack.channel, ts=root)
    reply = slack.client.chat_postMessage(channel=slack.channel, text="reply", thread_ts=root)

    assert "thread_ts" not in reply["message"]
    assert slack.error("chat.update", channel=slack.channel, ts=root, text="x")["error"] == "message_not_found"
    assert slack.error("conversations.replies", channel=slack.channel, ts=root)["error"] == "thread_not_found"


def test_a_deleted_root_with_replies_leaves_its_place(slack: SlackWorkspace) -> None:
    root = str(slack.client.chat_postMessage(channel=slack.channel, text="root")["ts"])
    reply = str(slack.client.chat_postMessage(channel=slack.channel, text="reply", thread_ts=root)["ts"])
    slack.client.chat_delete(channel=slack.channel, ts=root)
    thread = slack.client.conversations_replies(channel=slack.channel, ts=root)["messages"]
    slack.client.chat_delete(channel=slack.channel, ts=reply)

    assert [(each["text"], each.get("subtype")) for each in thread] == [
        ("This message was deleted.", "tombstone"),
        ("reply", None),
    ]
    assert slack.client.conversations_history(channel=slack.channel)["messages"] == []


def test_an_update_with_text_alone_removes_the_blocks_and_marks_the_message_as_edited(slack: SlackWorkspace) -> None:
    ts = str(slack.client.chat_postMessage(channel=slack.channel, text="a", blocks=[section()])["ts"])
    with_blocks = slack.client.chat_update(channel=slack.channel, ts=ts, text="b", blocks=[section("y")])["message"]
    without = slack.client.chat_update(channel=slack.channel, ts=ts, text="c")["message"]

    assert ("edited" in with_blocks, with_blocks["blocks"][0]["text"]["text"]) == (False, "y")
    assert ("edited" in without, "blocks" in without) == (True, False)


def test_an_update_keeps_attachments_and_metadata_that_it_does_not_name(slack: SlackWorkspace) -> None:
    metadata = {"event_type": "t", "event_payload": {}}
    attachments = [{"color": "good", "text": "a"}]
    ts = str(
        slack.client.chat_postMessage(channel=slack.channel, text="a", attachments=attachments, metadata=metadata)["ts"]
    )
    slack.client.chat_update(channel=slack.channel, ts=ts, text="b")
    kept = slack.client.conversations_history(channel=slack.channel, include_all_metadata=True)["messages"][0]
    slack.client.chat_update(channel=slack.channel, ts=ts, text="b", attachments=[], metadata={})
    gone = slack.client.conversations_history(channel=slack.channel, include_all_metadata=True)["messages"][0]

    assert (kept["attachments"][0]["text"], kept["metadata"]) == ("a", metadata)
    assert ("attachments" in gone, "metadata" in gone) == (False, False)


def test_a_message_of_somebody_else_is_not_the_bot_s_to_change(slack: SlackWorkspace) -> None:
    webhook = slack.control("POST", "/sandbox/webhooks", channel=ALERTS).json()["url"]
    slack.control("POST", webhook.removeprefix(slack.address), text="from Alertmanager")
    ts = slack.client.conversations_history(channel=slack.channel)["messages"][0]["ts"]

    assert slack.error("chat.update", channel=slack.channel, ts=ts, text="x")["error"] == "cant_update_message"
    assert slack.error("chat.delete", channel=slack.channel, ts=ts)["error"] == "cant_delete_message"


def test_an_ephemeral_message_is_in_no_history_and_cannot_be_updated(slack: SlackWorkspace) -> None:
    ts = slack.client.chat_postEphemeral(channel=slack.channel, user=slack.ann, text="only you")["message_ts"]

    assert slack.client.conversations_history(channel=slack.channel)["messages"] == []
    assert slack.error("chat.update", channel=slack.channel, ts=ts, text="x")["error"] == "message_not_found"
    assert (
        slack.error("chat.postEphemeral", channel=slack.channel, user="U0", text="x")["error"] == "user_not_in_channel"
    )


def test_channels_that_are_not_there_or_that_the_bot_is_not_in(slack: SlackWorkspace) -> None:
    other = slack.control("POST", "/sandbox/channels", channel="#other", has_bot=False).json()["id"]
    unknown = slack.error("chat.postMessage", channel="C0", text="x")["error"]
    by_name = slack.client.chat_postMessage(channel="orion-alerts", text="x")["channel"]
    update_by_name = slack.error("chat.update", channel=ALERTS, ts="1.0", text="x")["error"]
    listed = slack.client.conversations_list()["channels"]

    assert (unknown, by_name, update_by_name) == ("channel_not_found", slack.channel, "channel_not_found")
    assert slack.error("chat.postMessage", channel=other, text="x")["error"] == "not_in_channel"
    assert [(each["name"], each["is_member"]) for each in listed] == [("orion-alerts", True), ("other", False)]


def test_people_are_found_by_id_and_by_address(slack: SlackWorkspace) -> None:
    found = slack.client.users_lookupByEmail(email="Ann@example.com")["user"]
    without = slack.client.users_info(user=slack.nomail)["user"]

    assert (found["id"], found["profile"]["email"]) == (slack.ann, "ann@example.com")
    assert "email" not in without["profile"]
    assert slack.error("users.lookupByEmail", email="nobody@example.com")["error"] == "users_not_found"
    assert slack.error("users.info", user="U0")["error"] == "user_not_found"


@pytest.mark.parametrize(
    ("blocks", "fault"),
    [
        ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([{"type": "section"}], "missing required field: text [json-pointer:/blocks/0]"),
        ([section(fields=[])], "no fewer than 1 items allowed [json-pointer:/blocks/0/fields]"),
        (
            [section(fields=[{"type": "mrkdwn", "text": "x" * 2001}])],
            "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
            "must be one of: plain_text [json-pointer:/blocks/0/text/type]",
        ),
        (
            [actions(*[button(action_id=str(each)) for each in range(26)])],
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        ([actions(button(), button())], "action_id already exists: go [json-pointer:/blocks/0/elements/1/action_id]"),
        (
            [actions(button(text={"type": "plain_text", "text": "x" * 76}))],
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
        (
            [actions(button(value="x" * 2001))],
            "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
        ),
        (
            [actions(button(action_id="x" * 256))],
            "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
        ),
        (
            [actions(button(url="https://a.example/" + "x" * 3000))],
            "must be less than 3001 characters [json-pointer:/blocks/0/elements/0/url]",
        ),
        ([actions(button(url="see the wiki"))], "must be a valid URL [json-pointer:/blocks/0/elements/0/url]"),
        ([actions(button(style="red"))], "must be one of: primary, danger [json-pointer:/blocks/0/elements/0/style]"),
        ([actions(button(colour="x"))], "invalid additional property: colour [json-pointer:/blocks/0/elements/0]"),
        (
            [section(block_id="b"), section(block_id="b")],
            "block_id already exists: b [json-pointer:/blocks/1/block_id]",
        ),
        ([{"type": "alert"}], "unsupported type: alert [json-pointer:/blocks/0/type]"),
        (
            [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
        ),
    ],
)
def test_broken_blocks_are_refused_with_slack_s_words(
    slack: SlackWorkspace, blocks: list[dict[str, Any]], fault: str
) -> None:
    answer = slack.error("chat.postMessage", channel=slack.channel, text="x", blocks=blocks)
    attached = slack.error("chat.postMessage", channel=slack.channel, attachments=[{"blocks": blocks}])

    assert (answer["error"], attached["error"]) == ("invalid_blocks", "invalid_attachments")
    assert fault in answer["errors"]
    assert f"[ERROR] {fault}" in answer["response_metadata"]["messages"]
    assert fault.replace("/blocks", "/attachments/0/blocks", 1) in attached["errors"]
    assert slack.client.conversations_history(channel=slack.channel)["messages"] == []


def test_what_is_at_every_limit_is_taken(slack: SlackWorkspace) -> None:
    whole = button(text={"type": "plain_text", "text": "x" * 75}, value="x" * 2000, action_id="x" * 255)
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "x" * 150}}, section("x" * 3000)]
    blocks += [actions(whole, *[button(action_id=str(each)) for each in range(24)])] + [{"type": "divider"}] * 47

    assert slack.client.chat_postMessage(channel=slack.channel, text="x", blocks=blocks)["ok"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "no_text"),
        ({"text": ""}, "no_text"),
        ({"blocks": "x"}, "invalid_blocks_format"),
        ({"blocks": {"type": "section"}}, "invalid_blocks_format"),
        ({"blocks": [section("x" * 2600)] * 4}, "msg_blocks_too_long"),
        ({"text": "x", "metadata": {"event_type": "t"}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "t", "event_payload": {"a": "x" * 17000}}}, "metadata_too_large"),
        ({"attachments": [{"title": "x"}] * 101}, "too_many_attachments"),
    ],
)
def test_content_that_slack_refuses(slack: SlackWorkspace, arguments: dict[str, Any], word: str) -> None:
    assert slack.error("chat.postMessage", channel=slack.channel, **arguments)["error"] == word


def test_a_long_text_is_cut_when_posted_and_refused_when_updated(slack: SlackWorkspace) -> None:
    posted = slack.client.chat_postMessage(channel=slack.channel, text="x" * 40_001)
    word = slack.error("chat.update", channel=slack.channel, ts=posted["ts"], text="x" * 4_001)["error"]

    assert len(posted["message"]["text"]) == 40_000
    assert word == "msg_too_long"


def test_a_channel_takes_one_message_a_second_beyond_a_burst(served: tuple[SlackWorkspace, MovedClock]) -> None:
    slack, now = served
    other = slack.control("POST", "/sandbox/channels", channel="#other").json()["id"]
    for _ in range(BURST):
        slack.workspace.channels[ALERTS].bucket.take()
    over = slack.error("chat.postMessage", channel=slack.channel, text="x")
    elsewhere = slack.client.chat_postMessage(channel=other, text="x")["ok"]
    now.added += 1.5
    later = slack.client.chat_postMessage(channel=slack.channel, text="x")["ok"]

    assert (over["status"], over["error"], over["headers"]["Retry-After"]) == (429, "ratelimited", "1")
    assert (elsewhere, later) == (True, True)


def test_methods_have_limits_of_their_own(served: tuple[SlackWorkspace, MovedClock]) -> None:
    slack, now = served
    ts = slack.client.chat_postMessage(channel=slack.channel, text="x")["ts"]
    for _ in range(50):
        slack.client.chat_update(channel=slack.channel, ts=str(ts), text="y")
    over = slack.error("chat.update", channel=slack.channel, ts=ts, text="y")
    read = slack.client.conversations_history(channel=slack.channel)["ok"]
    now.added += int(over["headers"]["Retry-After"])
    later = slack.client.chat_update(channel=slack.channel, ts=str(ts), text="y")["ok"]

    assert over["error"] == "ratelimited"
    assert (read, later) == (True, True)


def test_the_channels_of_a_workspace_share_a_limit(slack: SlackWorkspace) -> None:
    channels = [
        slack.workspace.add_channel(f"#c{number}", has_bot=True).id for number in range(POSTS_PER_MINUTE // BURST + 1)
    ]
    posted = 0
    refused: dict[str, Any] = {}
    for channel in channels:
        for _ in range(BURST):
            try:
                slack.client.chat_postMessage(channel=channel, text="x")
                posted += 1
            except SlackApiError as error:
                refused = error.response.data
                break

    assert (posted, refused["error"]) == (POSTS_PER_MINUTE, "ratelimited")


def test_a_permalink_names_channel_and_message(slack: SlackWorkspace) -> None:
    ts = str(slack.client.chat_postMessage(channel=slack.channel, text="x")["ts"])
    link = slack.client.chat_getPermalink(channel=slack.channel, message_ts=ts)["permalink"]

    assert link == f"https://orion.slack.com/archives/{slack.channel}/p{ts.replace('.', '')}"


def test_the_people_of_pagerduty_are_in_slack_too_and_a_visitor_without_an_address(slack: SlackWorkspace) -> None:
    people = ["ann@example.com", "bob-smith@example.com"]
    first = add_slack_users(slack.address, people)
    add_channels(slack.address, ["#orion-database"])
    bob = slack.client.users_lookupByEmail(email="bob-smith@example.com")["user"]

    assert (first["ann@example.com"], bob["id"], bob["real_name"]) == (slack.ann, first[people[1]], "Bob smith")
    assert "email" not in slack.client.users_info(user=first[NO_EMAIL])["user"]["profile"]
    assert slack.client.chat_postMessage(channel="#orion-database", text="x")["ok"]
