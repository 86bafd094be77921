"""The stand-in's page shows channels and threads as Slack would, and nothing in them can do anything to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clouds.slack.mrkdwn import to_html
from tests.slack_workspace import SlackWorkspace, served_workspace

HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(1)> {{ 7 * 7 }} &lt;b&gt; <javascript:alert(1)|x>'


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[SlackWorkspace]:
    with served_workspace(tmp_path) as (found, _):
        yield found


def page(slack: SlackWorkspace, **query: str) -> str:
    answer = httpx.get(slack.address, params={"as": slack.ann, "channel": slack.channel, **query})
    assert answer.status_code == 200
    return answer.text


def post(slack: SlackWorkspace, **message: Any) -> str:
    return str(slack.client.chat_postMessage(channel=slack.channel, **message)["ts"])


def test_an_empty_workspace_and_one_that_has_nothing_yet(slack: SlackWorkspace) -> None:
    assert "No message so far." in page(slack)
    assert "#orion-alerts" in page(slack, channel="C0", thread="x", **{"as": "U0"})


def test_a_message_is_shown_with_app_colour_blocks_and_buttons(slack: SlackWorkspace) -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "CriticalLatency"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Service* orders"}]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": f"on call: <@{slack.ann}>"}]},
        {
            "type": "actions",
            "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": "Acknowledge"}, "style": "primary"},
                {"type": "button", "text": {"type": "plain_text", "text": "Runbook"}, "url": "https://runbooks/x"},
            ],
        },
    ]
    post(slack, text="seen in notifications", attachments=[{"color": "danger", "blocks": blocks}])
    html = page(slack)

    assert 'fill="#a30200"' in html
    assert '<span class="app">APP</span>' in html
    assert "<h3>CriticalLatency</h3>" in html
    assert "<strong>Service</strong> orders" in html
    assert '<span class="person">@ann</span>' in html
    assert '<button class="primary">Acknowledge</button>' in html
    assert '<a href="https://runbooks/x" target="_blank"' in html


def test_a_thread_stands_beside_the_channel(slack: SlackWorkspace) -> None:
    root = post(slack, text="root")
    post(slack, text="a reply", thread_ts=root)
    closed, opened = page(slack), page(slack, thread=root)

    assert ("1 reply" in closed, "a reply" in closed) == (True, False)
    assert "a reply" in opened


def test_an_edited_message_is_marked(slack: SlackWorkspace) -> None:
    ts = post(slack, text="a")
    before = page(slack)
    slack.client.chat_update(channel=slack.channel, ts=ts, text="b")

    assert ("(edited)" in before, "(edited)" in page(slack)) == (False, True)


def test_an_ephemeral_message_is_shown_to_its_person_only(slack: SlackWorkspace) -> None:
    slack.client.chat_postEphemeral(channel=slack.channel, user=slack.ann, text="not allowed")

    assert "Only visible to you" in page(slack)
    assert "not allowed" not in page(slack, **{"as": slack.nomail})


def test_a_person_posts_replies_and_deletes(slack: SlackWorkspace) -> None:
    root = post(slack, text="root")
    slack.form("/say", channel=slack.channel, thread=root, text="looking", **{"as": slack.ann})
    thread = slack.client.conversations_replies(channel=slack.channel, ts=root)["messages"]
    slack.form("/delete", channel=slack.channel, ts=root, **{"as": slack.ann})

    assert [(each["text"], each["user"]) for each in thread][1:] == [("looking", slack.ann)]
    assert slack.client.conversations_history(channel=slack.channel)["messages"][0]["subtype"] == "tombstone"
    assert "This message was deleted." in page(slack)


def test_a_form_leads_back_to_this_page_and_to_no_other(slack: SlackWorkspace) -> None:
    fields = {"as": slack.ann, "channel": slack.channel, "text": "x", "back": "https://evil.example/?as=U1"}

    assert slack.form("/say", **fields).headers["location"] == f"{slack.address}/?as=U1"


def test_the_script_gets_what_has_changed_and_nothing_else(slack: SlackWorkspace) -> None:
    query = {"as": slack.ann, "channel": slack.channel}
    first = httpx.get(f"{slack.address}/sections", params=query).json()
    same = httpx.get(f"{slack.address}/sections", params={**query, "known": first["version"]})
    post(slack, text="new")
    changed = httpx.get(f"{slack.address}/sections", params={**query, "known": first["version"]}).json()

    assert same.status_code == 204
    assert "new" in changed["sections"]["content"]


def test_the_page_loads_only_what_is_there(slack: SlackWorkspace) -> None:
    for path in ("/console/console.js", "/console/console.css", "/static/stand_in.css", "/console/icon.svg"):
        assert path in page(slack)
        assert httpx.get(slack.address + path).status_code == 200


def test_whatever_is_in_a_message_is_text(slack: SlackWorkspace) -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": HOSTILE}}
    plain = {"type": "section", "text": {"type": "plain_text", "text": HOSTILE}}
    attachment = {
        "color": '"><script>',
        "title": HOSTILE,
        "text": HOSTILE,
        "fields": [{"title": HOSTILE, "value": "x"}],
    }
    post(slack, text=HOSTILE, blocks=[section, plain], attachments=[attachment])
    slack.form("/say", channel=slack.channel, text=HOSTILE, **{"as": slack.ann})
    answer = httpx.get(slack.address, params={"as": '"><script>x', "channel": slack.channel, "thread": HOSTILE})
    content = answer.text.partition('<div id="content">')[2]

    assert "<script" not in content
    assert "<img" not in content
    assert 'href="javascript' not in content
    assert "{{ 7 * 7 }}" in content
    assert "script-src 'self'" in answer.headers["content-security-policy"]


@given(st.text(alphabet="<>&\"'*_~`|@#!\x00\n ab:/0123;", max_size=80))
def test_markup_makes_no_tag_but_its_own(text: str) -> None:
    html = str(to_html(text, {}))
    rest = html
    for tag in ("strong", "em", "s", "code", "pre", "/a"):
        rest = rest.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    rest = rest.replace('<span class="person">', "").replace("</span>", "").replace("</a>", "")

    assert "<" not in rest.replace('<a href="http', "")
    assert "\x00" not in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* _it_ ~no~ `a*b*`", "<strong>bold</strong> <em>it</em> <s>no</s> <code>a*b*</code>"),
        ("2*3*4 snake_case_name", "2*3*4 snake_case_name"),
        (
            "*<https://a.example|x>*",
            '<strong><a href="https://a.example" target="_blank" rel="noopener noreferrer">x</a></strong>',
        ),
        ("<!here> &lt;b&gt;", '<span class="person">@here</span> &lt;b&gt;'),
        ("<javascript:x|y>", "y"),
    ],
)
def test_markup_is_slack_s(text: str, html: str) -> None:
    assert str(to_html(text, {})) == html
