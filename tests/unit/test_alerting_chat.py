"""Routes with their threads' channels, as chat's function is given them: the keys are Alertmanager's own."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from alerting.build import build_platform, load_catalog
from alerting.platform import Chat
from alerting.routing.group_key import deduplication_key
from alerting.settings import ChatMode, Settings
from chatops.configuration import ChatData
from chatops.episode import Waits
from tests.alerting_data import DATA, fixture_catalog, settings


@pytest.fixture(scope="module")
def chat() -> Chat:
    return build_platform(load_catalog(DATA), settings()).chat


def test_each_published_route_has_threads_or_webhooks_alone(chat: Chat) -> None:
    configuration = build_platform(fixture_catalog(), settings()).alertmanager.configuration
    published = {one["name"] for one in configuration["receivers"] if _is_published(one)}

    assert {route.receiver for route in chat.routes} == published - set(chat.webhook_receivers)
    assert "default-receiver" in chat.webhook_receivers
    assert "pagerduty-notifications-failing" in chat.webhook_receivers
    assert all(route.channel.startswith("#") for route in chat.routes)


def test_a_route_pages_as_its_receiver_does(chat: Chat) -> None:
    configuration = build_platform(fixture_catalog(), settings()).alertmanager.configuration
    paging = {receiver["name"] for receiver in configuration["receivers"] if receiver.get("pagerduty_configs")}
    pages = {route.receiver: route.pages for route in chat.routes}

    assert pages == {receiver: receiver in paging for receiver in pages}
    assert set(pages.values()) == {True, False}


def _is_published(receiver: dict[str, object]) -> bool:
    topics = receiver.get("sns_configs", [])
    assert isinstance(topics, list)
    return any(str(topic["topic_arn"]).endswith(":orion-alerts") for topic in topics)


def _posted(*, chat: ChatMode) -> dict[str, list[str]]:
    """Return the channels that each receiver of Alertmanager posts to."""
    files = build_platform(fixture_catalog(), settings().model_copy(update={"chat": chat})).alertmanager
    posted = {
        receiver["name"]: [entry["channel"] for entry in receiver.get("slack_configs", [])]
        for receiver in files.configuration["receivers"]
    }
    assert set(files.slack_channels) >= {channel for channels in posted.values() for channel in channels}
    return posted


def test_nothing_is_said_twice_and_every_other_channel_keeps_its_webhook(chat: Chat) -> None:
    without, with_chat = _posted(chat=ChatMode.OFF), _posted(chat=ChatMode.ON)
    channel_of = {route.receiver: route.channel for route in chat.routes}

    assert with_chat["slack-warning-database"] == ["#orion-alerts"]
    for receiver, channels in without.items():
        kept = [channel for channel in channels if channel != channel_of.get(receiver)]
        assert with_chat[receiver] == kept, receiver


def test_what_may_be_about_chat_itself_keeps_its_webhooks(chat: Chat) -> None:
    with_chat = _posted(chat=ChatMode.ON)

    assert with_chat["default-receiver"] == ["#orion-alerts"]
    for receiver in chat.webhook_receivers:
        assert with_chat[receiver] == _posted(chat=ChatMode.OFF)[receiver]


def test_a_channel_of_threads_alone_needs_no_webhook() -> None:
    on = settings().model_copy(update={"chat": ChatMode.ON})

    assert build_platform(fixture_catalog(), on).alertmanager.slack_channels == ["#orion-alerts", "#orion-alerts-info"]


def test_a_routes_key_is_the_one_in_its_message(chat: Chat) -> None:
    configuration = build_platform(fixture_catalog(), settings()).alertmanager.configuration
    messages = {
        receiver["name"]: str(topic["message"])
        for receiver in configuration["receivers"]
        for topic in receiver.get("sns_configs", [])
    }

    for route in chat.routes:
        key = json.dumps(route.key).replace("{{", '{{ "{{" }}')
        assert f'"route":{key},' in messages[route.receiver]


def test_people_of_every_team_may_respond(chat: Chat) -> None:
    assert set(chat.responders) == {person for team in fixture_catalog().teams.values() for person in team.people}


def test_a_channel_of_the_stack_takes_the_threads() -> None:
    stack: Settings = settings()
    channel = build_platform(fixture_catalog(), stack).chat.routes[0].channel
    elsewhere = stack.model_copy(update={"channels": {channel: "#elsewhere"}})

    assert build_platform(fixture_catalog(), elsewhere).chat.routes[0].channel == "#elsewhere"


def test_the_function_reads_what_the_program_gives_it(chat: Chat) -> None:
    data = ChatData.from_json(json.dumps(chat.as_function_data()))

    assert {receiver: route.key for receiver, route in data.routes.items()} == {
        route.receiver: route.key for route in chat.routes
    }
    assert data.responders == {email.casefold() for email in chat.responders}
    assert [(window.name, window.match, window.until) for window in data.windows] == [
        (silence.name, silence.match, silence.until) for silence in chat.silences
    ]
    assert chat.silences


def test_the_waits_are_chats_own_where_time_is_not_scaled(chat: Chat) -> None:
    data = ChatData.from_json(json.dumps(chat.as_function_data()))

    assert data.waits == Waits()
    assert set(chat.waits) == {one.name for one in fields(Waits)}


def test_the_sandbox_shortens_the_waits_but_to_what_its_alertmanagers_take() -> None:
    stack = settings().model_copy(update={"time_scale": 20})

    waits = Waits(**build_platform(fixture_catalog(), stack).chat.waits)

    assert (waits.settled, waits.lag, waits.between_looks, waits.look) == (30, 15, 5, 15)


def test_a_group_has_the_key_that_pagerduty_knows(chat: Chat) -> None:
    data = ChatData.from_json(json.dumps(replace(chat, routes=chat.routes[:1]).as_function_data()))
    labels = {"alertname": "X", "service": 'a "b"\n'}

    group = data.group_of(chat.routes[0].receiver, labels)

    assert group is not None
    assert group.key == deduplication_key(chat.routes[0].key, labels)
    assert set(dict(group.labels)) == {*chat.routes[0].group_by, *labels}
    assert data.group_of("unknown", labels) is None
