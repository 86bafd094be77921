"""Root messages as Slack gets them: within its limits, in the story's words, and mentioning nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from chatops.episode import Details, Episode, HumanAnswer, IncidentStatus, RootMessage, Shown, root_message
from chatops.slack_blocks import color, plain_payload, root_payload
from chatops.slack_text import escaped, is_address, length, plain
from tests.chat_data import DETAILS, EPISODE, INCIDENT, NOW, episodes, message

HOSTILE = [
    "<!channel>",
    "<!here|here>",
    "<@U012AB3CD>",
    "<#C012AB3CD>",
    "<https://evil.example.com|Runbook>",
    "&lt;!channel&gt;",
    "a > b && b < c",
    "*bold* `code` ~gone~",
    "'; DROP TABLE alerts; --",
    "{{ .Labels }}",
    "\u202eevil\u202c",
    "\ud800 half",
    "line\nbreak\r\n\x00",
    "😀" * 3000,
    "<" * 5000,
    "",
    " ",
]
ALLOWED_MARKUP = re.compile(r"<https?://[^<>|]+\|View (Runbook|Dashboard|Incident|Silence)>")
hostile_texts = st.sampled_from(HOSTILE) | st.text(max_size=60) | st.text(alphabet="<>!@#&|;:/ aU1", max_size=60)


def _nobody(email: str) -> None:
    """Return the mention of a person of whom Slack does not know."""


def _shown(shown: RootMessage) -> Iterator[dict[str, Any]]:
    for make in (root_payload, plain_payload):
        yield make(shown, lambda person: f"<@{person}>", _nobody)


def _blocks(payload: dict[str, Any]) -> list[dict[str, Any]]:
    return [*payload["blocks"], *(block for one in payload["attachments"] for block in one["blocks"])]


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict):
        yield content
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            yield from _objects(item)


def _markup(payload: dict[str, Any]) -> Iterator[str]:
    yield payload["text"]
    for content in _objects(_blocks(payload)):
        if content.get("type") == "mrkdwn":
            assert content["verbatim"] is True, "Slack would make links of what looks like them"
            yield content["text"]


def _assert_fits(payload: dict[str, Any]) -> None:
    assert 0 < length(payload["text"]) <= 40_000
    blocks = _blocks(payload)
    assert len(blocks) <= 50
    for block in blocks:
        if "text" in block:
            assert 0 < length(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000)
        assert len(block.get("fields", [])) <= 10
        assert all(0 < length(text["text"]) <= 2000 for text in block.get("fields", []))
        for button in block.get("elements", []):
            assert 0 < length(button["text"]["text"]) <= 75
            assert len(button.get("value", "")) <= 2000
            assert len(button.get("url", "")) <= 3000
            assert 0 < len(button["action_id"]) <= 255
        identities = [button["action_id"] for button in block.get("elements", [])]
        assert len(identities) == len(set(identities)) <= 25


@given(text=hostile_texts, limit=st.integers(1, 100))
@example(text="<<<<", limit=5)
def test_an_escaped_text_mentions_nobody_and_is_no_longer_than_allowed(text: str, limit: int) -> None:
    shown = escaped(text, limit)

    assert not set("<>\n\r\x00\u202e") & set(shown)
    assert not re.search(r"&(?!(amp|lt|gt);)", shown), "half an escape"
    assert length(shown) <= limit
    assert length(plain(text, limit)) <= limit
    shown.encode()


@pytest.mark.parametrize("text", ["orders is slow", "é ü 漢字 😀", "50 % of 2s"])
def test_a_plain_text_stays_as_it_is(text: str) -> None:
    assert escaped(text, 100) == text


@given(
    episode=episodes,
    texts=st.tuples(*(hostile_texts for _ in range(10))),
    state=st.sampled_from(Shown),
)
def test_whatever_alerts_say_a_message_fits_and_mentions_nobody(
    episode: Episode, texts: tuple[str, ...], state: Shown
) -> None:
    names = ("severity", "service", "summary", "description", "value", "runbook", "dashboard", "silence")
    details = replace(episode.details, **dict(zip(names, texts[:8], strict=True)))
    incident = replace(INCIDENT, url=texts[8], acknowledged_by=texts, assigned_to=texts)
    shown = replace(
        root_message(episode),
        details=details,
        incident=incident,
        title=texts[9],
        state=state,
        silenced_until=NOW,
        silenced_by=texts[0],
    )

    for payload in _shown(shown):
        _assert_fits(payload)
        for text in _markup(payload):
            assert not set("<>") & set(ALLOWED_MARKUP.sub("", text)), text


def test_slacks_own_sdk_takes_the_blocks() -> None:
    payload = root_payload(message(silenced_until=NOW, silenced_by="U1"), str, _nobody)
    blocks = _blocks(payload)
    parsed = Block.parse_all(blocks)

    assert [block.type for block in parsed] == [block["type"] for block in blocks]
    for block in parsed:
        block.validate_json()


def test_a_firing_message_has_the_storys_words() -> None:
    payload = root_payload(message(), str, _nobody)

    assert payload["text"] == "[FIRING:2] HighP99Latency: P99 latency exceeds 2 seconds"
    assert payload["blocks"][0]["text"]["text"] == "[FIRING:2] HighP99Latency"
    texts, facts, links, buttons = payload["attachments"][0]["blocks"]
    assert texts["text"]["text"].splitlines() == [
        "*Alert:* P99 latency exceeds 2 seconds",
        "*Description:* Service orders P99 latency is 3.2s",
    ]
    assert [fact["text"] for fact in facts["fields"]] == [
        "*Severity:* critical",
        "*Service:* orders",
        "*Value:* 3.2s",
        "*Started:* 2026-11-24 10:39:11 UTC",
        "*State:* firing",
        "*On call:* primary@example.com",
    ]
    assert {link["text"]["text"]: link["url"] for link in links["elements"]} == {
        "Runbook": DETAILS.runbook,
        "Dashboard": DETAILS.dashboard,
        "Incident": INCIDENT.url,
        "Silence": DETAILS.silence,
    }
    assert [button["action_id"] for button in buttons["elements"]] == [
        "acknowledge",
        "silence-1h",
        "silence-4h",
        "silence-until-resolved",
        "escalate",
        "diagnostics",
    ]
    assert {button["value"] for button in buttons["elements"]} == {str(EPISODE.id)}


@pytest.mark.parametrize(
    ("severity", "state", "expected"),
    [
        ("critical", Shown.FIRING, "danger"),
        ("high", Shown.ACKNOWLEDGED, "danger"),
        ("warning", Shown.FIRING, "warning"),
        ("info", Shown.FIRING, "good"),
        ("", Shown.FIRING, "good"),
        ("critical", Shown.RESOLVED, "good"),
    ],
)
def test_the_colour_is_the_storys(severity: str, state: Shown, expected: str) -> None:
    assert color(message(details=Details(severity=severity), state=state)) == expected


def _buttons(shown: RootMessage) -> list[str]:
    blocks = _blocks(root_payload(shown, str, _nobody))
    return [button["action_id"] for block in blocks for button in block.get("elements", []) if "value" in button]


def test_only_buttons_that_can_do_something_are_shown() -> None:
    silences = ["silence-1h", "silence-4h", "silence-until-resolved"]

    without_incident = [*silences, "diagnostics"]

    assert _buttons(message(incident=None)) == without_incident
    assert _buttons(message(incident=replace(INCIDENT, status=IncidentStatus.RESOLVED))) == without_incident
    assert _buttons(message(state=Shown.ACKNOWLEDGED)) == [*silences, "escalate", "diagnostics"]
    assert _buttons(message(silenced_until=NOW)) == ["acknowledge", "lift-silence", "escalate", "diagnostics"]


def test_only_a_thread_with_a_repair_can_stop_repairs() -> None:
    stops = ["stop-action", "stop-service", "stop-all"]

    assert _buttons(message(incident=None, has_repairs=True))[-3:] == stops
    assert "stop-service" not in _buttons(message(has_repairs=True, details=Details()))
    assert not set(stops) & set(_buttons(message(state=Shown.RESOLVED, has_repairs=True)))


def test_a_resolved_message_asks_whether_it_needed_a_human_and_takes_another_answer() -> None:
    def answered(*, needed: bool) -> RootMessage:
        return message(state=Shown.RESOLVED, needed_human=HumanAnswer(needed=needed, by="U1", at=NOW))

    assert _buttons(message(state=Shown.RESOLVED)) == ["needed-a-human", "needed-no-human"]
    assert _buttons(answered(needed=True)) == ["needed-no-human"]
    assert _buttons(answered(needed=False)) == ["needed-a-human"]
    assert "*Needed a human:* no, says " in json.dumps(root_payload(answered(needed=False), str, _nobody))


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "https://a|b",
        "https://a>",
        "https://a\n",
        "ftp://a",
        "//a",
        "https://",
        "https://a/" + "b" * 3000,
    ],
)
def test_what_is_no_address_is_no_link(address: str) -> None:
    assert not is_address(address, 3000)
    shown = message(details=replace(DETAILS, runbook=address))

    assert "Runbook" not in str(root_payload(shown, str, _nobody))
    assert "Runbook" not in plain_payload(shown, str, _nobody)["text"]


def _mentioned(severity: str, *people: str) -> list[list[str]]:
    known = {"ann@example.com": "<@U012ABCD1>", "bob@example.com": "<@U012ABCD2>"}
    incident = replace(INCIDENT, assigned_to=people)
    shown = message(incident=incident, details=replace(DETAILS, severity=severity))
    payloads = [make(shown, str, known.get) for make in (root_payload, plain_payload)]
    return [re.findall(r"<[@!#][^>]*>", json.dumps(payload)) for payload in payloads]


@pytest.mark.parametrize("severity", ["critical", "high"])
def test_a_page_mentions_who_is_on_call(severity: str) -> None:
    assert _mentioned(severity, "ann@example.com", "bob@example.com") == [["<@U012ABCD1>", "<@U012ABCD2>"]] * 2


@pytest.mark.parametrize("severity", ["warning", "none", "", "<@U012ABCD1>"])
def test_a_warning_mentions_nobody(severity: str) -> None:
    assert _mentioned(severity, "ann@example.com") == [[], []]


def test_who_is_not_known_to_slack_is_named_and_no_name_makes_a_mention() -> None:
    hostile = ["<@U012ABCD1>", "<!channel>", "ann@example.com|<!here>", "eve@example.com"]

    assert _mentioned("critical", *hostile) == [[], []]
    shown = message(incident=replace(INCIDENT, assigned_to=("eve@example.com",)))
    assert "*On call:* eve@example.com" in plain_payload(shown, str, _nobody)["text"]


def test_of_very_many_people_a_few_are_mentioned_and_the_message_fits() -> None:
    people = tuple(f"{'x' * 200}{number}@example.com" for number in range(100))
    shown = message(incident=replace(INCIDENT, assigned_to=people))

    payload = root_payload(shown, str, lambda person: f"<@U{len(person):08}>")

    _assert_fits(payload)
    assert len(re.findall("<@U", json.dumps(payload))) == 5
