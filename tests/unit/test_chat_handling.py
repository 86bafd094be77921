"""Chat as it is deployed, with its real clients: threads, acknowledgement both ways, and what it does not do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from chatops.clients import Unavailable
from chatops.counts import Count
from chatops.episode import IncidentStatus, Phase
from orion_common.deadlines import OutOfTime
from orion_common.envelope import Unreadable
from orion_common.names import UNREADABLE_PREFIX
from tests.chat_harness import FINGERPRINT, KEY, ChatWorld, chat_world
from tests.http_stub import Reply
from tests.lambda_events import notification
from tests.lambda_harness import BUCKET, SENT


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ChatWorld]:
    with chat_world(tmp_path) as world:
        yield world


@pytest.fixture
def paged(world: ChatWorld) -> ChatWorld:
    """Return the world in which the group fires, has a thread, and has paged Ann."""
    world.page()
    return world


def _incident(world: ChatWorld) -> dict[str, Any]:
    (incident,) = world.pagerduty.incidents()
    return incident


def _log(world: ChatWorld) -> list[str]:
    answer = world.pagerduty.client.get(f"/incidents/{_incident(world)['id']}/log_entries").json()
    return [entry["id"] for entry in answer["log_entries"]]


def _facts(world: ChatWorld) -> str:
    (root,) = world.slack.roots()
    return json.dumps(root["attachments"], ensure_ascii=False)


def test_a_notification_that_webhooks_show_opens_nothing(world: ChatWorld) -> None:
    shown_by_webhooks = frozenset(world.chat.data.routes)
    world.chat = replace(world.chat, data=replace(world.chat.data, webhook_receivers=shown_by_webhooks, routes={}))

    world.notify()

    assert world.episodes() == []
    assert world.count(Count.NOT_OURS) == 0


def test_a_notification_opens_a_thread_and_its_repetition_no_other(world: ChatWorld) -> None:
    world.alertmanagers.firing = {FINGERPRINT}
    for _ in range(3):
        world.notify()

    (root,) = world.slack.roots()
    assert root["channel"] == "#orion-alerts"
    assert root["text"].startswith("[FIRING:1] HighMemoryUsage: Container positions of positions-7d9c5b8f6d-x2x7k uses")
    assert "*Severity:* warning" in _facts(world)
    assert "*Service:* positions" in _facts(world)
    assert root["attachments"][0]["color"] == "warning"
    (episode,) = world.episodes()
    assert episode.thread == f"C1/{root['ts']}"
    assert dict(episode.group.labels) == {"alertname": "HighMemoryUsage", "cluster": "", "service": "positions"}


def test_the_thread_shows_the_incident_and_who_is_on_call(paged: ChatWorld) -> None:
    paged.sweep()

    assert "*On call:* ann@example.com" in _facts(paged)
    assert f"PagerDuty incident {_incident(paged)['id']}" in paged.slack.replies()


def test_a_thread_that_was_deleted_is_posted_again_though_nothing_changes(paged: ChatWorld) -> None:
    paged.sweep()
    paged.slack.messages.clear()

    paged.time += paged.chat.policy.thread_seconds + 300
    paged.sweep()

    (root,) = paged.slack.roots()
    (episode,) = paged.episodes()
    assert episode.thread == f"C1/{root['ts']}"


def test_a_second_sweep_changes_nothing(paged: ChatWorld) -> None:
    paged.webhook(_incident(paged)["id"])
    paged.time += 600
    paged.sweep()
    before = (paged.table.scan()["Items"], json.dumps(paged.slack.messages), _log(paged))

    paged.sweep()

    assert (paged.table.scan()["Items"], json.dumps(paged.slack.messages), _log(paged)) == before


def test_the_silence_link_is_of_exactly_the_group(paged: ChatWorld) -> None:
    (episode,) = paged.episodes()

    assert episode.details.silence == (
        "http://alertmanager.example.com/#/silences/new?filter="
        "%7Balertname%3D%22HighMemoryUsage%22%2Ccluster%3D%22%22%2Cservice%3D%22positions%22%7D"
    )


def test_an_acknowledgement_in_slack_is_pagerdutys_in_the_persons_name(paged: ChatWorld) -> None:
    paged.sweep()

    paged.click("acknowledge", "U012ABCD2")

    assert _incident(paged)["status"] == "acknowledged"
    (acknowledgement,) = _incident(paged)["acknowledgements"]
    assert acknowledgement["acknowledger"]["summary"] == "bob"
    assert "*Acknowledged by:* bob@example.com" in _facts(paged)
    assert "Acknowledged by bob@example.com" in paged.slack.replies()


def test_a_click_that_is_delivered_twice_acts_once(paged: ChatWorld) -> None:
    for _ in range(2):
        paged.click("silence-1h", at="1795517163.000000")

    assert len(paged.alertmanagers.silences) == 1
    assert paged.slack.replies().count("Silenced for 1 h by ann@example.com") == 1


def test_an_acknowledgement_in_pagerduty_is_shown_in_the_thread_and_goes_nowhere_else(paged: ChatWorld) -> None:
    paged.pagerduty.change(_incident(paged)["id"], status="acknowledged")
    log = _log(paged)

    for _ in range(2):
        paged.webhook(_incident(paged)["id"])

    assert "*State:* acknowledged" in _facts(paged)
    assert paged.slack.replies().count("Acknowledged by ann@example.com") == 1
    assert _log(paged) == log


def test_a_webhook_of_an_incident_that_is_nobodys_does_nothing(world: ChatWorld) -> None:
    world.events.send(dedup_key="k1")

    world.webhook(world.pagerduty.incidents()[0]["id"])
    world.webhook("PUNKNOWN")

    assert world.episodes() == []


def test_a_resolve_ends_the_episode_once_alertmanager_proves_it(paged: ChatWorld) -> None:
    paged.time = SENT + 600
    paged.notify("resolved", sent="2026-11-24T10:56:03.000Z")
    assert [episode.phase for episode in paged.episodes()] == [Phase.CHECKING]

    paged.alertmanagers.firing = set()
    paged.events.send("resolve", dedup_key=KEY)
    paged.time += 60
    paged.sweep()

    assert [episode.phase for episode in paged.episodes()] == [Phase.ENDED]
    (root,) = paged.slack.roots()
    assert root["text"].startswith("[RESOLVED] HighMemoryUsage")
    assert root["attachments"][0]["color"] == "good"
    assert "Resolved" in paged.slack.replies()


def test_an_incident_that_nobody_resolved_is_resolved_with_its_episode(paged: ChatWorld) -> None:
    paged.alertmanagers.firing = set()
    paged.time = SENT + 600
    paged.notify("resolved", sent="2026-11-24T10:56:03.000Z")

    assert _incident(paged)["status"] == "resolved"
    (episode,) = paged.episodes()
    assert episode.incident is not None
    assert episode.incident.status is IncidentStatus.RESOLVED


def test_a_silence_is_of_exactly_the_groups_labels(paged: ChatWorld) -> None:
    paged.click("silence-1h")

    (silence,) = paged.alertmanagers.silences
    assert {matcher["name"]: matcher["value"] for matcher in silence["matchers"]} == {
        "alertname": "HighMemoryUsage",
        "cluster": "",
        "service": "positions",
    }
    assert "*Silenced until:* 2026-11-24 11:46:03 UTC by ann@example.com" in _facts(paged)


@pytest.mark.parametrize(
    ("person", "email", "why"),
    [
        ("U012ABCD3", "eve@example.com", "The catalog does not allow you to do this"),
        ("U012ABCD4", "", "The catalog does not allow you to do this"),
    ],
)
def test_who_may_not_is_told_and_nothing_is_done(paged: ChatWorld, person: str, email: str, why: str) -> None:
    paged.slack.people[person] = email

    for button in ("acknowledge", "silence-1h", "escalate"):
        paged.click(button, person)

    assert paged.slack.whispers == [(person, why)] * 3
    assert paged.count(Count.CLICKS_REFUSED) == 3
    assert sum(f"'person': '{person}'" in text and why in text for text in paged.seen.texts) == 3
    assert _incident(paged)["status"] == "triggered"
    assert paged.alertmanagers.silences == []


@pytest.mark.parametrize(
    "changes",
    [
        {"workspace": "T2"},
        {"message": "9.000100"},
        {"channel": "C2"},
        {"value": f"episode#{KEY}#2"},
        {"value": f"episode#{'f' * 64}#1"},
    ],
    ids=str,
)
def test_a_click_that_is_not_on_the_episodes_own_message_does_nothing(
    paged: ChatWorld, changes: dict[str, str]
) -> None:
    paged.click("acknowledge", **changes)

    assert _incident(paged)["status"] == "triggered"
    assert paged.count(Count.CLICKS_IGNORED) == 1
    assert paged.slack.whispers == []


def test_a_click_on_a_link_does_nothing(paged: ChatWorld) -> None:
    paged.click("link-runbook")

    assert paged.count(Count.CLICKS_IGNORED) == 1


def test_a_message_that_slack_put_off_comes_again_by_the_queue(world: ChatWorld) -> None:
    world.alertmanagers.firing = {FINGERPRINT}
    world.slack.refuse["chat.postMessage"] = Reply({"ok": False}, 429, {"Retry-After": "7"})
    world.notify()
    assert world.slack.roots() == []
    assert world.count(Count.REMINDERS) == 1
    world.slack.refuse.clear()

    world.handle({"source": "orion.chat.due", "episode": f"episode#{KEY}#1"})
    assert world.slack.roots() == [], "not before Slack's time"
    world.time += 7
    world.handle({"source": "orion.chat.due", "episode": f"episode#{KEY}#1"})

    assert len(world.slack.roots()) == 1


def test_a_message_whose_answer_was_lost_is_not_posted_again(world: ChatWorld) -> None:
    """Slack has posted it, and answered with an error."""
    world.alertmanagers.firing = {FINGERPRINT}
    world.slack.refuse = _Losing(world.slack.messages)
    world.notify()
    assert [episode.thread for episode in world.episodes()] == [None]
    world.slack.refuse = {}
    world.time += 60
    world.sweep()

    assert len(world.slack.roots()) == 1
    assert [episode.thread for episode in world.episodes()] == ["C1/1.000100"]


class _Losing(dict[str, Reply]):
    """Refusals by method: a message is posted, and its answer is an error."""

    def __init__(self, messages: dict[str, dict[str, Any]]) -> None:
        super().__init__({"chat.postMessage": Reply({}, 502)})
        self._messages = messages

    def __getitem__(self, method: str) -> Reply:
        metadata = {"event_type": "orion_episode", "event_payload": {"key": f"episode#{KEY}#1"}}
        self._messages["1.000100"] = {"ts": "1.000100", "metadata": metadata}
        return super().__getitem__(method)


def test_a_thread_whose_message_was_deleted_is_posted_again(paged: ChatWorld) -> None:
    paged.slack.messages.clear()

    paged.pagerduty.change(_incident(paged)["id"], status="acknowledged")
    paged.webhook(_incident(paged)["id"])

    (root,) = paged.slack.roots()
    assert "*State:* acknowledged" in json.dumps(root["attachments"])


def test_the_schedule_finds_a_group_of_which_no_message_told(world: ChatWorld) -> None:
    world.alertmanagers.firing = {FINGERPRINT}

    world.sweep()
    world.sweep()

    (root,) = world.slack.roots()
    assert root["text"] == "[FIRING:1] HighMemoryUsage"


def test_an_effect_that_was_given_up_is_counted_once(paged: ChatWorld) -> None:
    paged.slack.people["U012ABCD1"] = "Bob@example.com"
    paged.click("escalate")
    paged.click("escalate", at=f"{paged.time + 1:.6f}")

    paged.sweep()

    assert paged.count(Count.EFFECTS_GIVEN_UP) == 1  # the second one, at the last level


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"source": "orion.other"}',
        json.dumps({"source": "aws.ssm", "detail-type": "EC2 Command Invocation Status-change Notification"}),
        notification(receiver="no route's"),
    ],
    ids=lambda body: body[:40],
)
def test_what_is_none_of_ours_is_kept_and_never_tried_again(world: ChatWorld, body: str) -> None:
    world.handle(body)

    assert world.count(Count.NOT_OURS) == 1
    assert world.chat.archive.s3.get_object(Bucket=BUCKET, Key=f"{UNREADABLE_PREFIX}message-1.json")
    assert world.episodes() == []


@pytest.mark.parametrize(
    "content",
    [
        {"source": "orion.chat.slack"},
        {"source": "orion.chat.slack", "click": {"workspace": "T1"}},
        {"source": "orion.chat.pagerduty"},
        {"source": "orion.chat.due", "episode": "episode#"},
        json.loads(notification(status="odd")),
        json.loads(notification(envelope={"MessageAttributes": {"truncated": {"Type": "String", "Value": "true"}}})),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_kept_and_given_up(world: ChatWorld, content: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        world.handle(content)

    assert world.count(Count.UNREADABLE) == 1


def test_an_alert_that_cannot_be_read_keeps_no_thread_from_opening(world: ChatWorld) -> None:
    world.alertmanagers.firing = {FINGERPRINT}
    envelope = json.loads(notification())
    message = json.loads(envelope["Message"])
    message["notification"]["alerts"][0]["startsAt"] = "yesterday"

    world.handle(json.dumps(envelope | {"Message": json.dumps(message)}))

    assert len(world.slack.roots()) == 1
    assert world.count(Count.UNREADABLE) == 1


def test_an_input_is_not_lost_where_the_table_does_not_answer(world: ChatWorld) -> None:
    def fail(**_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url="https://dynamodb")

    events = world.table.meta.client.meta.events
    events.register_first("before-send.dynamodb.*", fail, unique_id="fail")
    with pytest.raises(Unavailable):
        world.notify()
    events.unregister("before-send.dynamodb.*", unique_id="fail")

    world.notify()

    assert len(world.slack.roots()) == 1


def test_nothing_is_begun_when_the_functions_time_is_nearly_over(world: ChatWorld) -> None:
    world.chat = replace(world.chat, deadline=world.time - 1)

    with pytest.raises(OutOfTime):
        world.notify()
