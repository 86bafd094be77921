"""The stand-ins' pages in a real browser: a person clicks in Slack and in PagerDuty, and sees what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.journal import Journal
from sandbox.service import HttpService, wait_until_ready
from tests.browser import WAIT_SECONDS, open_page
from tests.pagerduty_account import TOKEN, routing_key
from tests.slack_workspace import SlackWorkspace, served_workspace
from tests.waiting import until

pytestmark = pytest.mark.integration

BLOCKS: list[dict[str, Any]] = [
    {"type": "header", "text": {"type": "plain_text", "text": "CriticalLatency orders"}},
    {"type": "section", "text": {"type": "mrkdwn", "text": "*p99* is over 2 s <script>hurt()</script>"}},
    {
        "type": "actions",
        "block_id": "b1",
        "elements": [
            {"type": "button", "text": {"type": "plain_text", "text": "Acknowledge"}, "action_id": "acknowledge"}
        ],
    },
]


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[SlackWorkspace]:
    with served_workspace(tmp_path) as (found, _):
        yield found


def _sees(page: Page, text: str, where: str = "#content") -> None:
    """Wait until a part of the page has the text: a form that was sent opens the page anew."""
    expect(page.locator(where)).to_contain_text(text, timeout=WAIT_SECONDS * 1000)


def test_a_click_in_slack_reaches_the_app_and_what_it_says_appears(browser: Browser, slack: SlackWorkspace) -> None:
    attachments = [{"color": "danger", "blocks": BLOCKS}]
    ts = str(slack.client.chat_postMessage(channel=slack.channel, text="x", attachments=attachments)["ts"])
    page, problems = open_page(browser, f"{slack.address}/?as={slack.ann}&channel={slack.channel}&thread={ts}")
    try:
        page.get_by_role("button", name="Acknowledge").first.click()
        until("the click has arrived", lambda: bool(slack.interactions.payloads))
        slack.client.chat_postMessage(channel=slack.channel, text="acknowledged by ann", thread_ts=ts)
        _sees(page, "acknowledged by ann")

        assert slack.interactions.valid == [True]
        assert slack.interactions.payloads[0]["user"]["id"] == slack.ann
        assert page.evaluate("document.documentElement.scrollWidth") <= 1400
        assert problems.found == []
    finally:
        page.context.close()


def test_a_person_writes_in_a_thread_and_keeps_the_text_while_the_page_changes(
    browser: Browser, slack: SlackWorkspace
) -> None:
    ts = str(slack.client.chat_postMessage(channel=slack.channel, text="root")["ts"])
    page, problems = open_page(browser, f"{slack.address}/?as={slack.ann}&channel={slack.channel}&thread={ts}")
    try:
        page.get_by_label("Reply").fill("looking at it")
        slack.client.chat_postMessage(channel=slack.channel, text="another alert")
        _sees(page, "another alert")

        assert page.get_by_label("Reply").input_value() == "looking at it"
        page.get_by_label("Reply").press("Enter")
        _sees(page, "looking at it")
        assert problems.found == []
    finally:
        page.context.close()


def test_a_person_acknowledges_and_resolves_in_pagerduty(browser: Browser, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    pagerduty = HttpService("pagerduty", create_application(journal, Clock(), token=TOKEN))
    pagerduty.start()
    try:
        wait_until_ready(pagerduty, timeout_seconds=10)
        event = {
            "routing_key": routing_key(pagerduty.address, "ann"),
            "event_action": "trigger",
            "payload": {"summary": "CriticalLatency <b>orders</b>", "source": "x", "severity": "critical"},
        }
        httpx.post(f"{pagerduty.address}/v2/enqueue", json=event).raise_for_status()
        page, problems = open_page(browser, f"{pagerduty.address}/")
        page.get_by_role("button", name="Acknowledge").click()
        _sees(page, "acknowledged", ".badge")
        _sees(page, "acknowledged by ann", ".message > p.quiet")
        page.get_by_role("button", name="Resolve").click()
        _sees(page, "resolved", ".badge")

        assert page.get_by_role("button", name="Acknowledge").count() == 0
        assert problems.found == []
        page.context.close()
    finally:
        pagerduty.stop()
