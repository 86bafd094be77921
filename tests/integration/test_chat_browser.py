"""A thread that chat made, in a real browser: people click its buttons, and see what comes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chat_ingress.ingress import Ingress
from chatops.slack_api import SlackApi
from orion_common.names import SLACK_PATH
from sandbox.clouds.slack.workspace import TEAM
from tests.browser import WAIT_SECONDS, open_page
from tests.chat_harness import ChatWorld, chat_world
from tests.chat_repairs import decisions, propose
from tests.slack_workspace import SlackWorkspace, served_workspace
from tests.waiting import until

pytestmark = pytest.mark.integration


@dataclass
class Channel:
    """Slack's stand-in with chat as its app. What people click waits until chat is given it."""

    slack: SlackWorkspace
    chat: ChatWorld
    ingress: Ingress
    taken: int = 0

    def deliver(self) -> None:
        """Wait for a click, have the ingress verify it, and chat act on it."""
        bodies = self.slack.interactions.bodies
        until("the click has arrived", lambda: len(bodies) > self.taken)
        body, headers = bodies[self.taken]
        self.taken += 1
        request = {"http": {"method": "POST"}}
        event = {"rawPath": SLACK_PATH, "headers": headers, "requestContext": request, "body": body.decode()}
        assert self.ingress.handle(event)["statusCode"] == 200
        for message in self.chat.reminders():
            if message["source"] == "orion.chat.slack":
                self.chat.handle(json.dumps(message))

    @property
    def thread(self) -> str:
        """Return the timestamp of the thread's first message."""
        (episode,) = self.chat.episodes()
        assert episode.thread is not None
        return episode.thread.partition("/")[2]

    @contextmanager
    def seen_by(self, browser: Browser, person: str) -> Generator[Page]:
        """Open the thread as a person sees it, and hold that the page complains of nothing."""
        address = f"{self.slack.address}/?as={person}&channel={self.slack.channel}&thread={self.thread}"
        page, problems = open_page(browser, address)
        try:
            yield page
            assert problems.found == []
        finally:
            page.context.close()


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    with served_workspace(tmp_path / "slack") as (slack, _):
        api = SlackApi(token=slack.credentials.slack_bot_token, address=f"{slack.address}/api")
        with chat_world(tmp_path, api) as chat:
            chat.chat = replace(chat.chat, workspace=TEAM)
            signing = slack.credentials.slack_signing_secret
            secret = {"slack_signing_secrets": [signing], "pagerduty_webhook_secrets": ["unused"]}
            ingress = Ingress(
                read_secret=lambda: json.dumps(secret),
                sqs=chat.chat.sqs,
                queue_url=chat.chat.queue_url,
                observer=chat.seen,
                now=time.time,
            )
            chat.page()
            chat.reminders()
            yield Channel(slack, chat, ingress)


def sees(page: Page, text: str) -> None:
    expect(page.locator("#content")).to_contain_text(text, timeout=WAIT_SECONDS * 1000)


def test_a_person_acknowledges_silences_and_lifts_from_a_thread(browser: Browser, channel: Channel) -> None:
    with channel.seen_by(browser, channel.slack.ann) as page:
        sees(page, "[FIRING:1] HighMemoryUsage")
        page.get_by_role("button", name="Acknowledge").first.click()
        channel.deliver()
        sees(page, "Acknowledged by: ann@example.com")
        assert page.get_by_role("button", name="Acknowledge").count() == 0

        page.get_by_role("button", name="Silence 1 h").first.click()
        channel.deliver()
        sees(page, "Silenced until:")
        assert len(channel.chat.alertmanagers.lasting()) == 1

        page.get_by_role("button", name="Lift silence").first.click()
        channel.deliver()
        sees(page, "Silence lifted by ann")
        assert channel.chat.alertmanagers.lasting() == []

    (incident,) = channel.chat.pagerduty.incidents()
    assert incident["status"] == "acknowledged"
    assert channel.slack.interactions.valid == [True] * 3


def test_who_may_not_sees_why_and_nobody_else_does(browser: Browser, channel: Channel) -> None:
    with (
        channel.seen_by(browser, channel.slack.ann) as others,
        channel.seen_by(browser, channel.slack.nomail) as page,
    ):
        page.get_by_role("button", name="Escalate").first.click()
        channel.deliver()
        sees(page, "The catalog does not allow you to do this")
        channel.slack.client.chat_postMessage(
            channel=channel.slack.channel, text="seen by all", thread_ts=channel.thread
        )
        sees(others, "seen by all")
        assert "does not allow" not in others.locator("#content").inner_text()

    assert channel.chat.alertmanagers.silences == []
    (entry,) = (entry for entry in channel.chat.audited() if entry["kind"] == "refused")
    assert (entry["actor"], entry["text"].partition(":")[0]) == (channel.slack.nomail, "escalate")


def test_what_a_person_does_on_pagerdutys_page_is_shown_in_the_thread(browser: Browser, channel: Channel) -> None:
    (incident,) = channel.chat.pagerduty.incidents()
    pagerduty, problems = open_page(browser, f"{channel.chat.chat.pagerduty.api.address}/")
    with channel.seen_by(browser, channel.slack.ann) as page:
        pagerduty.get_by_role("button", name="Acknowledge").click()
        expect(pagerduty.locator(".badge")).to_contain_text("acknowledged", timeout=WAIT_SECONDS * 1000)
        channel.chat.webhook(incident["id"])
        sees(page, "Acknowledged by: ann@example.com")

        pagerduty.get_by_role("button", name="Resolve").click()
        expect(pagerduty.locator(".badge")).to_contain_text("resolved", timeout=WAIT_SECONDS * 1000)
        channel.chat.webhook(incident["id"])
        sees(page, "Resolved in PagerDuty while it still fires")

    assert problems.found == []
    pagerduty.context.close()


def test_an_approver_stops_repairs_and_lifts_the_stop_from_a_thread(browser: Browser, channel: Channel) -> None:
    chat = channel.chat
    chat.chat = replace(chat.chat, data=replace(chat.chat.data, approvers=frozenset({"ann@example.com"})))
    propose(chat)
    with channel.seen_by(browser, channel.slack.ann) as page:
        page.get_by_role("button", name="Stop all repairs").first.click()
        channel.deliver()
        sees(page, "All repairs stopped by ann")
        item = {"id": "stop", "since": "2026-11-24T10:46:03Z", "by": "ann", "why": "stopped from Slack"}
        chat.table.put_item(Item=item)  # as the repair function does
        chat.time += 6
        chat.sweep()
        sees(page, "All repairs are stopped since 2026-11-24T10:46:03Z by ann (stopped from Slack)")
        assert page.get_by_role("button", name="Stop all repairs").count() == 0

        page.get_by_role("button", name="Start all repairs again").first.click()
        channel.deliver()
        sees(page, "ann lifts the stop of 2026-11-24T10:46:03Z by ann: All repairs begin again")
    assert [message["source"] for message in decisions(chat)][-1] == "orion.repair.stop-lifted"
