"""Many episodes at once: one digest that is edited, a thread for each that still fires, and nothing lost."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.channel import (
    BURST,
    BURST_SECONDS,
    EDIT_SECONDS,
    JOIN_SECONDS,
    MOST_DIGESTS,
    MOST_LISTED,
    TEXT_LIMIT,
    Channel,
    Digest,
    Listed,
    opened,
    threaded,
    updated,
)
from chatops.clients import RateLimited, Unavailable
from chatops.digest_blocks import digest_payload, digest_title, plain_digest
from chatops.digests import Digests
from chatops.episode import Details, RootMessage, Shown
from chatops.paced_slack import IN_DIGEST, PacedSlack
from chatops.record_codec import encode
from chatops.slack_api import SlackApi
from chatops.slack_client import SlackClient
from chatops.slack_text import length
from sandbox.clouds.slack.workspace import BURST as SLACKS_BURST
from sandbox.journal import Kind
from tests.chat_data import NOW, message
from tests.memory_store import MemoryStore
from tests.slack_workspace import ALERTS, MovedClock, SlackWorkspace, served_workspace

ITEM_BYTES = 400 * 1024
"""The most that an item of DynamoDB holds."""
SECTION_LIMIT = 3000


def _message(number: int, state: Shown = Shown.FIRING) -> RootMessage:
    described = Details(severity="critical", service=f"service-{number}")
    return message(episode=f"episode#g{number}#1", title="HighP99Latency", state=state, details=described)


def _burst(count: int, *, apart: float = 0.0) -> Channel:
    channel = Channel()
    for number in range(count):
        channel = opened(channel, _message(number), NOW + number * apart)
    return channel


def test_a_dozen_episodes_within_a_minute_are_a_digest_and_fewer_are_none() -> None:
    assert _burst(BURST - 1).digests == ()
    assert _burst(BURST, apart=BURST_SECONDS / BURST).digests[0].number == 1
    assert _burst(BURST + 30, apart=BURST_SECONDS / (BURST - 1) + 0.1).digests == ()


def test_an_episode_that_is_tried_again_is_counted_once() -> None:
    channel = Channel()
    for _ in range(2 * BURST):
        channel = opened(channel, _message(1), NOW)

    assert channel.digests == ()
    assert opened(_burst(BURST), _message(1), NOW + 1) == _burst(BURST)


def test_what_opens_soon_after_joins_and_what_opens_later_does_not() -> None:
    channel = _burst(BURST)

    joined = opened(channel, _message(100), NOW + JOIN_SECONDS)
    later = opened(channel, _message(100), NOW + JOIN_SECONDS + 1)

    assert len(joined.digests[0].listed) == BURST + 1
    assert not joined.digests[0].is_shown
    assert len(later.digests[0].listed) == BURST
    assert [item.episode for item in later.recent] == ["episode#g100#1"]


def test_a_digest_that_is_full_is_followed_by_another() -> None:
    channel = _burst(MOST_LISTED + BURST)

    assert [len(digest.listed) for digest in channel.digests] == [MOST_LISTED, BURST]


def test_a_digest_knows_the_states_and_threads_of_its_episodes_before_it_and_after() -> None:
    channel = threaded(_burst(BURST - 1), "episode#g1#1")
    channel = updated(channel, _message(2, Shown.ACKNOWLEDGED))
    channel = opened(channel, _message(100), NOW)
    channel = updated(channel, _message(3, Shown.RESOLVED))

    (digest,) = channel.digests
    assert [item.episode for item in digest.listed if item.has_thread] == ["episode#g1#1"]
    states = {item.episode: item.state for item in digest.listed if item.state is not Shown.FIRING}
    assert states == {"episode#g2#1": Shown.ACKNOWLEDGED, "episode#g3#1": Shown.RESOLVED}
    assert updated(channel, _message(3, Shown.RESOLVED)) is channel


def test_the_largest_channel_fits_into_an_item() -> None:
    channel = Channel()
    for number in range(3 * MOST_LISTED):
        shown = message(
            episode=f"episode#{number:064}#{10**9 + number}",
            title="𝄞" * 500,
            details=Details(severity="𝄞" * 500, service="𝄞" * 500),
        )
        channel = opened(channel, shown, NOW + number / 1000)

    assert len(channel.digests) == MOST_DIGESTS
    assert len(encode(channel).encode()) < ITEM_BYTES


# --- how it looks

hostile = st.sampled_from(["<!channel>", "<@U012AB3CD>", "&" * 100, "a\nb", "", "*", "𝄞" * 80]) | st.text(max_size=80)
listed = st.builds(
    Listed,
    episode=st.uuids().map(str),
    title=hostile.map(lambda text: text[:TEXT_LIMIT]),
    severity=st.sampled_from(["critical", "high", "warning", "info", ""]) | hostile,
    service=hostile,
    state=st.sampled_from(Shown),
    noted_at=st.just(NOW),
    has_thread=st.booleans(),
)


@given(items=st.lists(listed, min_size=1, max_size=MOST_LISTED))
def test_any_digest_fits_slack_and_mentions_nobody(items: list[Listed]) -> None:
    digest = Digest(number=1, listed=tuple(items))

    for payload in (digest_payload(digest), plain_digest(digest)):
        sections = [block["text"] for attached in payload["attachments"] for block in attached["blocks"]]
        assert len(sections) < 10
        assert all(0 < length(text["text"]) <= SECTION_LIMIT and text["verbatim"] for text in sections)
        assert all("<" not in text for text in (payload["text"], *(text["text"] for text in sections)))
        assert all(length(block["text"]["text"]) <= 150 for block in payload["blocks"])


def _lines(*items: Listed) -> str:
    payload = digest_payload(Digest(number=1, listed=items))
    return "\n".join(block["text"]["text"] for block in payload["attachments"][0]["blocks"])


def _item(title: str, **changes: Any) -> Listed:
    shown: dict[str, Any] = {"severity": "warning", "service": "orders", "state": Shown.FIRING, "has_thread": True}
    shown |= changes
    return Listed(episode=f"{title}{shown['service']}", title=title, noted_at=NOW, **shown)


def test_the_worst_comes_first_and_an_alert_of_many_services_is_one_line() -> None:
    text = _lines(
        _item("LowDisk"),
        _item("HighLatency", severity="critical"),
        _item("HighLatency", severity="critical", service="gateway"),
    )

    assert text == "• *critical* HighLatency (2): orders, gateway\n• *warning* LowDisk: orders"


def test_what_ended_before_it_had_a_thread_is_told_in_one_line() -> None:
    ended = {"state": Shown.RESOLVED, "has_thread": False}
    text = _lines(
        _item("LowDisk", has_thread=False),
        _item("HighLatency", state=Shown.RESOLVED),
        *(_item("PodDown", service=f"s{number}", **ended) for number in range(14)),
    )

    assert "1 of them have no thread yet" in text
    assert "1 have resolved, as their threads show." in text
    (line,) = (line for line in text.splitlines() if "before they had a thread" in line)
    assert line.startswith("14 resolved before they had a thread, and get none: PodDown (s0); PodDown (s1);")
    assert line.endswith("PodDown (s11); and 2 more.")


def test_the_title_counts_what_still_fires() -> None:
    digest = Digest(number=1, listed=(_item("A"), _item("B", state=Shown.RESOLVED)))

    assert digest_title(digest) == "[FIRING:1] 2 incidents at once"
    over = replace(digest, listed=digest.listed[1:])
    assert digest_title(over) == "[RESOLVED] 1 incidents at once"
    assert digest_payload(over)["attachments"][0]["color"] == "good"


# --- a burst, against the stand-in for Slack with its limits


@dataclass
class _Chat:
    """Slack as the executor uses it: an effect that is put off comes again when it was told to."""

    served: SlackWorkspace
    clock: MovedClock
    store: MemoryStore = field(default_factory=MemoryStore)
    reminders: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    threads: dict[str, str] = field(default_factory=dict[str, str])
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    digests: Digests = field(init=False)
    slack: PacedSlack = field(init=False)

    def __post_init__(self) -> None:
        api = SlackApi(token=self.served.credentials.slack_bot_token, address=f"{self.served.address}/api")
        slack = SlackClient(api=api, now=self.clock)
        self.digests = Digests(slack=slack, store=self.store, now=self.clock, remind=self._remind)
        self.slack = PacedSlack(digests=self.digests)

    def _remind(self, channel: str, wait: float) -> None:
        self.reminders.append((self.clock() + wait, channel))

    def show(self, shown: RootMessage) -> None:
        """Post a root message as an effect does. Raises `RateLimited`."""
        attempts = self.attempts[shown.episode] = self.attempts.get(shown.episode, 0) + 1
        thread = self.slack.find(ALERTS, None, shown.episode) if attempts > 1 else None
        self.threads[shown.episode] = thread or self.slack.post(ALERTS, shown.episode, shown)

    def show_all(self, messages: list[RootMessage], resolve: Callable[[int], bool] = lambda _: False) -> None:
        """Show messages that come at once, each again when it was told to. Some resolve while they wait."""
        due = [(self.clock(), number, shown) for number, shown in enumerate(messages)]
        while due:
            at, number, shown = heapq.heappop(due)
            self.clock.added += max(at - self.clock(), 0.0)
            try:
                self.show(shown)
            except RateLimited as error:
                after = replace(shown, state=Shown.RESOLVED) if resolve(number) else shown
                heapq.heappush(due, (self.clock() + error.retry_after, number, after))

    def remind(self) -> None:
        """Bring the reminders, when it is time, until there are none."""
        while self.reminders:
            at, channel = self.reminders.pop(0)
            self.clock.added += max(at - self.clock(), 0.0)
            self.digests.show(channel)

    def messages(self) -> dict[str, dict[str, Any]]:
        """Return the channel's messages by their keys."""
        self.clock.added += 60  # a reader is not to meet the limit either
        listed: list[dict[str, Any]] = self.served.client.conversations_history(
            channel=self.served.channel, include_all_metadata=True, limit=900
        )["messages"]
        keys = [shown["metadata"]["event_payload"]["key"] for shown in listed]
        assert len(set(keys)) == len(keys), "a message is there twice"
        return dict(zip(keys, listed, strict=True))

    def refusals(self) -> int:
        """Return how many calls Slack has refused for their number."""
        return sum(event.details.get("error") == "ratelimited" for event in self.served.journal.events())


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[_Chat]:
    with served_workspace(tmp_path) as (served, clock):
        yield _Chat(served, clock)


DIGEST = f"digest#{ALERTS}#1"
EPISODES = SLACKS_BURST + 30


def _of_digest(chat: _Chat) -> str:
    return json.dumps(chat.messages()[DIGEST])


def test_a_burst_gets_every_thread_once_and_one_digest_that_is_edited(chat: _Chat) -> None:
    chat.show_all([_message(number) for number in range(EPISODES)])
    chat.remind()

    messages = chat.messages()
    assert set(messages) == {DIGEST, *(f"episode#g{number}#1" for number in range(EPISODES))}
    assert chat.threads == {key: f"{chat.served.channel}/{messages[key]['ts']}" for key in messages if key != DIGEST}
    assert f"[FIRING:{EPISODES}] {EPISODES} incidents at once" in _of_digest(chat)
    assert "no thread yet" not in _of_digest(chat)
    assert 0 < chat.refusals() < 5, "what waits asks Slack when its time has come, not before"


def test_what_ends_while_it_waits_is_told_in_the_digest_and_gets_no_thread(chat: _Chat) -> None:
    chat.show_all([_message(number) for number in range(EPISODES)], resolve=lambda number: number >= EPISODES - 5)
    chat.remind()

    ended = [f"episode#g{number}#1" for number in range(EPISODES - 5, EPISODES)]
    messages = chat.messages()
    assert len(messages) == 1 + EPISODES - 5
    digest = f"{chat.served.channel}/{messages[DIGEST]['ts']}"
    assert {chat.threads[episode] for episode in ended} == {f"{digest}{IN_DIGEST}"}
    assert "5 resolved before they had a thread, and get none: " in _of_digest(chat)

    chat.slack.reply(ALERTS, chat.threads[ended[0]], f"{ended[0]}/7", "The draft is there")
    chat.slack.update(ALERTS, chat.threads[ended[0]], _message(EPISODES - 5, Shown.RESOLVED))

    replies = chat.served.client.conversations_replies(channel=chat.served.channel, ts=messages[DIGEST]["ts"])
    assert [reply["text"] for reply in replies["messages"][1:]] == [
        f"HighP99Latency service-{EPISODES - 5}: The draft is there"
    ]
    assert "incidents at once" in _of_digest(chat), "the digest is no episode's root message"


def test_a_digest_is_edited_while_threads_are_made_though_no_reminder_comes(chat: _Chat) -> None:
    chat.show_all([_message(number) for number in range(EPISODES)])

    edits = sum(event.kind is Kind.MESSAGE_UPDATED for event in chat.served.journal.events())
    assert 1 < edits <= 30 / EDIT_SECONDS + 2
    assert f"{EPISODES} incidents at once" in _of_digest(chat)


def test_a_digest_follows_its_episodes_until_all_have_resolved(chat: _Chat) -> None:
    chat.show_all([_message(number) for number in range(BURST)])
    for number in range(BURST):
        chat.slack.update(ALERTS, chat.threads[f"episode#g{number}#1"], _message(number, Shown.RESOLVED))
    chat.remind()

    assert f"[RESOLVED] {BURST} incidents at once" in _of_digest(chat)
    assert sum(event.kind is Kind.MESSAGE_UPDATED for event in chat.served.journal.events()) < BURST + 4


def test_a_digest_that_somebody_deletes_comes_again_while_something_fires(chat: _Chat) -> None:
    chat.show_all([_message(number) for number in range(BURST)])
    chat.served.client.chat_delete(channel=chat.served.channel, ts=chat.messages()[DIGEST]["ts"])

    chat.slack.update(ALERTS, chat.threads["episode#g1#1"], _message(1, Shown.RESOLVED))
    chat.remind()

    assert f"[FIRING:{BURST - 1}]" in _of_digest(chat)


def test_a_digest_whose_posting_had_no_answer_is_not_posted_twice(chat: _Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SlackClient, "post_digest", _lost(SlackClient.post_digest))

    chat.show_all([_message(number) for number in range(BURST)])
    monkeypatch.undo()
    chat.remind()

    assert len(chat.messages()) == BURST + 1


def test_without_the_table_every_thread_is_made_all_the_same(chat: _Chat) -> None:
    chat.store.is_down = True

    chat.show_all([_message(number) for number in range(BURST)])

    assert len(chat.messages()) == BURST


def _lost(post: Callable[..., str]) -> Callable[..., str]:
    def posted(*arguments: Any) -> str:
        post(*arguments)
        raise Unavailable("the answer was lost")

    return posted
