"""Chat has its own queue bring again effects that Slack has put off, and digests that are to be shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ConnectTimeoutError

from chatops.channel import BURST, Channel, opened
from chatops.effects import ShowMessage
from chatops.episode import Policy
from chatops.outbox import Entry, Outbox
from chatops.record import Record
from chatops.reminders import LONGEST_DELAY_SECONDS, SWEEP_SECONDS, digest_reminder, reminded_at
from orion_common.envelope import Unreadable
from tests.chat_data import EPISODE, NOW, message
from tests.chat_harness import ChatWorld, chat_world
from tests.lambda_harness import Seen

POLICY = Policy(responders=frozenset(), approvers=frozenset())
CHANNEL = "#orion-alerts"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ChatWorld]:
    with chat_world(tmp_path) as world:
        yield world


@dataclass
class Queue:
    """SQS's client, which keeps what it is sent, or does not answer."""

    answers: bool = True
    sent: list[tuple[dict[str, str], int]] = field(default_factory=list[tuple[dict[str, str], int]])

    def send_message(self, **arguments: Any) -> None:
        if not self.answers:
            raise ConnectTimeoutError(endpoint_url="https://sqs")
        self.sent.append((json.loads(arguments["MessageBody"]), arguments["DelaySeconds"]))


@pytest.mark.parametrize("source", ["orion.chat.digest", "orion.chat.sweep"])
def test_a_digest_is_shown_when_it_is_due_and_by_the_sweep(world: ChatWorld, source: str) -> None:
    def burst(channel: Channel) -> Channel:
        for number in range(BURST):
            channel = opened(channel, message(episode=f"episode#g{number}#1"), world.time)
        return channel

    world.chat.digests.note(CHANNEL, burst)

    world.handle({"source": source, "channel": CHANNEL})

    (root,) = world.slack.roots()
    assert f"{BURST} incidents at once" in root["text"]


def test_a_reminder_without_a_channel_is_not_read(world: ChatWorld) -> None:
    with pytest.raises(Unreadable, match=r"message\.channel"):
        world.handle({"source": "orion.chat.digest"})


def test_a_queue_holds_a_reminder_back_in_whole_seconds_within_its_limits() -> None:
    queue = Queue()
    remind = digest_reminder(cast("Any", queue), "https://queue", Seen())

    remind(CHANNEL, 0.2)
    remind(CHANNEL, 14.1)
    remind(CHANNEL, 10_000)

    wanted = {"source": "orion.chat.digest", "channel": CHANNEL}
    assert queue.sent == [(wanted, 1), (wanted, 15), (wanted, LONGEST_DELAY_SECONDS)]


def test_a_reminder_that_cannot_be_sent_fails_no_message() -> None:
    seen = Seen()

    digest_reminder(cast("Any", Queue(answers=False)), "https://queue", seen)(CHANNEL, 1.0)

    (text,) = seen.texts
    assert text.startswith("not reminded")
    assert CHANNEL in text


@pytest.mark.parametrize(
    ("effect_after", "look_after", "reminded_after"),
    [
        (1, 10_000, 1),
        (SWEEP_SECONDS + 1, 10_000, SWEEP_SECONDS + 1),
        (LONGEST_DELAY_SECONDS, 10_000, LONGEST_DELAY_SECONDS),
        (LONGEST_DELAY_SECONDS + 1, 10_000, None),
        (LONGEST_DELAY_SECONDS, SWEEP_SECONDS, SWEEP_SECONDS),
        (None, SWEEP_SECONDS + 1, None),
    ],
)
def test_an_effect_that_slack_puts_off_does_not_wait_for_a_sweep(
    effect_after: int | None, look_after: int, reminded_after: int | None
) -> None:
    entries = () if effect_after is None else (_entry(effect_after),)
    episode = replace(EPISODE, next_look_at=NOW + look_after)

    at = reminded_at(Record(episode=episode, outbox=Outbox(entries=entries, next_id=2)), POLICY, NOW)

    assert at == (None if reminded_after is None else NOW + reminded_after)


def _entry(wait: int) -> Entry:
    return Entry(id=1, effect=ShowMessage(), created_at=NOW, not_before=NOW + wait, attempts=1)
