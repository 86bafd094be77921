"""The thread tells what people do with the incident in PagerDuty itself, and the record keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatops.episode import Incident, IncidentNote, IncidentStatus
from chatops.incidents import incident_changes
from chatops.pagerduty_client import MOST_NOTES, SHOWN_NOTE_LIMIT
from tests.chat_harness import ChatWorld, chat_world


@dataclass
class Paged:
    """A world in which the group fires and has paged Ann."""

    world: ChatWorld
    id: str

    def incident(self) -> dict[str, Any]:
        return self.world.pagerduty.client.get(f"/incidents/{self.id}").json()["incident"]

    def changed(self, **change: Any) -> None:
        """Change the incident, and let PagerDuty report it twice."""
        answer = self.world.pagerduty.change(self.id, **change)
        assert answer.status_code == 200, answer.text
        self.reported()

    def noted(self, text: str) -> None:
        """Add a note as Ann."""
        answer = self.world.pagerduty.client.post(f"/incidents/{self.id}/notes", json={"note": {"content": text}})
        assert answer.is_success, answer.text

    def reported(self) -> None:
        for _ in range(2):
            self.world.webhook(self.id)

    def replies(self) -> list[str]:
        return self.world.slack.replies()

    def facts(self) -> str:
        (root,) = self.world.slack.roots()
        return json.dumps(root["attachments"], ensure_ascii=False)

    def audited(self, kind: str) -> list[tuple[str, str]]:
        return [(entry["actor"], entry["text"]) for entry in self.world.audited() if entry["kind"] == kind]


@pytest.fixture
def paged(tmp_path: Path) -> Iterator[Paged]:
    with chat_world(tmp_path) as world:
        world.page()
        (incident,) = world.pagerduty.incidents()
        yield Paged(world, incident["id"])


def test_a_note_is_told_once_with_whose_it_is(paged: Paged) -> None:
    paged.noted("<!channel> the cache was cold & is warm")
    paged.reported()

    told = "ann@example.com notes in PagerDuty: &lt;!channel&gt; the cache was cold &amp; is warm"
    assert paged.replies().count(told) == 1
    assert paged.audited("noted") == [("ann@example.com", "<!channel> the cache was cold & is warm")]


def test_a_note_of_the_platforms_own_is_not_told(paged: Paged) -> None:
    paged.world.chat.clients.pagerduty.note(paged.id, "episode#k#1/2", "Acknowledged from Slack by Ann")
    paged.reported()

    assert not [reply for reply in paged.replies() if "notes in PagerDuty" in reply]


def test_of_many_notes_the_newest_are_kept_and_a_long_one_is_cut(paged: Paged) -> None:
    for number in range(MOST_NOTES + 3):
        paged.world.pagerduty.now.time += 1
        paged.noted(f"{number} " + "x" * SHOWN_NOTE_LIMIT)
    paged.reported()

    (episode,) = paged.world.episodes()
    assert episode.incident is not None
    assert [note.text.split()[0] for note in episode.incident.notes] == [str(number) for number in range(3, 13)]
    assert {len(note.text) for note in episode.incident.notes} == {SHOWN_NOTE_LIMIT}


def test_a_changed_priority_is_told_and_shown(paged: Paged) -> None:
    first, second = paged.world.pagerduty.client.get("/priorities").json()["priorities"][:2]
    for priority in (first, second):
        paged.changed(priority={"id": priority["id"], "type": "priority_reference"})

    told = [reply for reply in paged.replies() if "priority" in reply]
    assert told == [f"Its priority in PagerDuty is {one['summary']}" for one in (first, second)]
    assert f"*State:* firing, priority {second['summary']}" in paged.facts()
    assert paged.audited("priority changed") == [("PagerDuty", first["summary"]), ("PagerDuty", second["summary"])]


def test_whom_a_person_assigns_is_told(paged: Paged) -> None:
    users = paged.world.pagerduty.client.get("/users", params={"query": "bob"}).json()["users"]
    bob = users[0]["id"]
    paged.changed(assignments=[{"assignee": {"id": bob, "type": "user_reference"}}])

    assert paged.replies().count("Assigned to bob@example.com") == 1
    assert paged.audited("assigned")[-1] == ("PagerDuty", "assigned to bob@example.com")


def test_what_is_no_longer_acknowledged_is_told(paged: Paged) -> None:
    paged.changed(status="acknowledged")
    assert "*State:* acknowledged" in paged.facts()
    paged.changed(status="triggered")

    assert paged.replies().count("No longer acknowledged") == 1
    assert "*State:* firing" in paged.facts()


NOTE = IncidentNote(id="N1", by="ann@example.com", text="look")
BEFORE = Incident(
    id="P1",
    status=IncidentStatus.TRIGGERED,
    opened_at=1.0,
    assigned_to=("ann@example.com",),
    by_policy=True,
    notes=(NOTE,),
)


def _after(**changes: Any) -> Incident:
    values = {
        name: getattr(BEFORE, name) for name in ("id", "status", "opened_at", "assigned_to", "by_policy", "notes")
    }
    return Incident(**{**values, **changes})


def test_whom_the_policy_assigns_next_is_escalated_to() -> None:
    escalated = incident_changes(BEFORE, _after(assigned_to=("bob@example.com",)))
    assigned = incident_changes(BEFORE, _after(assigned_to=("bob@example.com",), by_policy=False))

    assert (escalated.is_assigned, escalated.is_escalated) == (True, True)
    assert (assigned.is_assigned, assigned.is_escalated) == (True, False)
    assert not incident_changes(None, BEFORE).is_escalated
    assert not incident_changes(BEFORE, _after(id="P2", assigned_to=("bob@example.com",))).is_escalated


def test_the_notes_of_an_incident_that_this_one_was_merged_into_are_not_told() -> None:
    other = IncidentNote(id="N2", by="bob@example.com", text="old")

    assert incident_changes(BEFORE, _after(id="P2", notes=(other,))).notes == ()
    assert incident_changes(BEFORE, _after(notes=(NOTE, other))).notes == (other,)
    assert incident_changes(None, BEFORE).notes == (NOTE,)
