"""The invariants of what is kept of an episode: the audit record and the post-incident draft.

What has to be in the audit record is taken from the effects that were put into outboxes, not from the timeline.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from chatops.effects import Acknowledge, Effect, Escalate, KeepAudit, Reply, RunCommand, WriteDraft
from chatops.happenings import AUTOMATION
from chatops.outbox import Outbox
from chatops.post_incident import draft_key, draft_of
from chatops.record import Record
from tests.simulation.archive import Archive
from tests.simulation.world import Violation

REPLIES = {
    "silenced": re.compile(r"Silenced .* by (\w+)"),
    "silence lifted": re.compile(r"Silence lifted by (\w+)"),
    "repair approved": re.compile(r"Repair approved by ([\w ]+): .*"),
    "repair rejected": re.compile(r"Repair rejected by (\w+)"),
    "needed a human": re.compile(r"(\w+): this needed (?:a|no) human"),
}
"""The replies that tell what a person did, and the kinds of entries that must tell it too."""
ANYBODY = frozenset({"escalated", "repair run"})
BY_ITSELF = "Orion"

Done = Counter[tuple[str, str]]


@dataclass(slots=True)
class Deeds:
    """Counts, by episode: acts as kinds with their actors, and how often the thread was told of the draft."""

    done: dict[str, Done] = field(default_factory=dict[str, Done])
    told: Counter[str] = field(default_factory=Counter[str])

    def watch(self, before: Record | None, after: Record) -> None:
        """Count the effects that a write puts into the outbox."""
        known = Outbox() if before is None else before.outbox
        if after.outbox.next_id == known.next_id:
            return
        id_ = str(after.episode.id)
        done = self.done.setdefault(id_, Counter())
        left = {entry.id for entry in after.outbox.entries}
        settled = [entry.effect for entry in known.entries if entry.id not in left]
        for entry in after.outbox.entries:
            if entry.id >= known.next_id and entry.effect not in settled:  # else it is one that found no thread
                done.update(_deeds(entry.effect))
                is_told = isinstance(entry.effect, Reply) and entry.effect.text.startswith("Post-incident draft")
                self.told[id_] += is_told


def _deeds(effect: Effect) -> list[tuple[str, str]]:
    match effect:
        case Acknowledge(person):
            return [("acknowledgement asked", person)]
        case Escalate():
            return [("escalated", "")]
        case RunCommand():
            return [("repair run", "")]
        case Reply(text):
            matches = ((kind, pattern.fullmatch(text)) for kind, pattern in REPLIES.items())
            return [(kind, match.group(1)) for kind, match in matches if match is not None]
        case _:
            return []


def check_kept(record: Record, deeds: Deeds, archive: Archive) -> None:
    """Check that a record's timeline is in the audit record, once and whole, and that an ended one has its draft."""
    episode = record.episode
    waiting = {type(entry.effect) for entry in record.outbox.entries}
    if KeepAudit not in waiting:
        _check_audit(record, deeds.done.get(str(episode.id), Counter()), archive)
    if episode.is_open or WriteDraft in waiting:
        return
    id_ = episode.id
    _hold(archive.drafts.get(draft_key(id_)) == draft_of(episode, str), f"{id_} has no draft, or an old one")
    _hold(deeds.told[str(id_)] == 1, f"{id_}: the thread is told {deeds.told[str(id_)]} times of the draft")


def _check_audit(record: Record, done: Done, archive: Archive) -> None:
    id_ = str(record.episode.id)
    kept = [action for action in archive.actions.values() if action["episode"] == id_]
    numbers = sorted(action["number"] for action in kept)
    last = record.episode.timeline[-1].number
    _hold(numbers == list(range(1, last + 1)), f"{id_}: the audit record has {numbers} of {last}")
    told = Counter(
        (action["kind"], "" if action["kind"] in ANYBODY else action["actor"])
        for action in kept
        if action["kind"] in {kind for kind, _ in done} | REPLIES.keys() | ANYBODY | {"acknowledgement asked"}
        and not (action["kind"] == "silence lifted" and action["actor"] == BY_ITSELF)
        and not (action["kind"] == "repair run" and action["actor"] == AUTOMATION)  # it ran, and chat was told later
    )
    _hold(told == done, f"{id_}: the audit record tells {told}, and {done} was done")


def check_all(records: list[Record], archive: Archive, commands: list[str]) -> None:
    """Check that each command and each ended episode has something kept of it, and that nothing else has.

    `commands` are those that ran since a person, or the catalog by way of chat, had approved them.
    """
    ended = {draft_key(record.episode.id) for record in records if not record.episode.is_open}
    _hold(archive.drafts.keys() <= ended, f"drafts of what has not ended: {sorted(archive.drafts.keys() - ended)}")
    run = Counter(action["text"] for action in archive.actions.values() if action["kind"] == "repair run")
    for command, times in Counter(commands).items():
        _hold(run[command] >= times, f"{command} ran {times} times, and the audit record has {run[command]}")


def _hold(condition: object, text: str) -> None:
    if not condition:
        raise Violation(text)
