"""Messages by which chat has its own queue bring something again after a while.

A queue holds a message back for a quarter of an hour at most. For all that is due later there is the schedule's sweep,
which also finds what a lost reminder was about.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chatops.episode import Policy
from chatops.record import Record, due_at
from orion_common.names import CHAT_DIGEST_SOURCE, CHAT_DUE_SOURCE
from orion_common.observer import Observer

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SWEEP_SECONDS = 60
"""What is due later than that is left to the sweep, which comes once a minute."""
LONGEST_DELAY_SECONDS = 900
"""An effect that waits for Slack is not left to it: in a storm a sweep has more to do than it can in its time."""


def reminded_at(record: Record, policy: Policy, now: float) -> float | None:
    """Return when a record is to be brought again, or None if the sweep finds it in time."""
    at, effect_at = due_at(record, policy), record.outbox.due_at()
    if at is not None and at <= now + SWEEP_SECONDS:
        return at
    return effect_at if effect_at is not None and effect_at <= now + LONGEST_DELAY_SECONDS else None


def remind_of_episode(sqs: SQSClient, queue_url: str, episode: str, wait: float) -> None:
    """Have the queue bring an episode."""
    _send(sqs, queue_url, {"source": CHAT_DUE_SOURCE, "episode": episode}, wait)


def digest_reminder(sqs: SQSClient, queue_url: str, observer: Observer) -> Callable[[str, float], None]:
    """Return what has the queue bring a channel whose digest is to be shown. It raises nothing."""

    def remind(channel: str, wait: float) -> None:
        try:
            _send(sqs, queue_url, {"source": CHAT_DIGEST_SOURCE, "channel": channel}, wait)
        except (BotoCoreError, ClientError) as error:  # no thread waits for this, and the sweep shows the digest
            observer.say("not reminded", channel=channel, error=str(error))

    return remind


def _send(sqs: SQSClient, queue_url: str, message: Mapping[str, str], wait: float) -> None:
    delay = math.ceil(min(max(wait, 1.0), LONGEST_DELAY_SECONDS))
    sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps(message), DelaySeconds=delay)
