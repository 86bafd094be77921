"""Records every publication that a topic accepted, for the journal and for a person to read."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

from sandbox.clouds.aws.protocol import Answer, Request
from sandbox.journal import Journal, Kind

SOURCE = "sns"
KEPT = 1000
"""How many of a topic's messages can be read here. The journal has all."""


class Topics:
    """Watches what is published."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._messages: dict[str, deque[dict[str, Any]]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._lock = threading.Lock()

    def watch(self, request: Request, answer: Answer) -> Answer:
        """Look at a request to SNS and at what came of it, and return that."""
        self._write_down(request, answer)
        return answer

    def _write_down(self, request: Request, answer: Answer) -> None:
        form = request.form()
        match form.get("Action"):
            case "Publish":
                publications = [_publication(form, "")]
            case "PublishBatch":
                publications = [
                    _publication(form, f"{start}.")
                    for number in range(1, 11)
                    if f"{(start := f'PublishBatchRequestEntries.member.{number}')}.Id" in form
                ]
            case _:
                return
        topic = form.get("TopicArn", form.get("TargetArn", "")).rsplit(":", maxsplit=1)[-1]
        for one in publications:
            if not answer.succeeded:
                self._journal.append(
                    SOURCE, Kind.REQUEST_REFUSED, {"topic": topic}, reason=answer.body.decode(errors="replace")[:500]
                )
                continue
            event = self._journal.append(
                SOURCE, Kind.TOPIC_PUBLISHED, {"topic": topic}, subject=one["Subject"], message=one["Message"]
            )
            with self._lock:
                message = {"time": event.time, "subject": one["Subject"], "message": one["Message"]}
                self._messages[topic].append(message)

    def published(self, topic: str) -> list[float]:
        """Return when a topic was told its last messages, in Unix seconds, oldest first."""
        with self._lock:
            return [message["time"] for message in self._messages.get(topic, ())]

    def messages(self) -> dict[str, list[dict[str, Any]]]:
        """Return each topic's last messages, oldest first."""
        with self._lock:
            return {topic: list(messages) for topic, messages in self._messages.items()}


def _publication(form: Mapping[str, str], start: str) -> dict[str, str]:
    """Return a publication's subject, and the message that a program is given: one for each kind of reader may be."""
    subject, message = (form.get(f"{start}{name}", "") for name in ("Subject", "Message"))
    if form.get(f"{start}MessageStructure") == "json":
        message = json.loads(message)["default"]
    return {"Subject": subject, "Message": message}
