"""The timeline of an episode: what is told of an event, what a record keeps of it, and the times that follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chatops.effects import Effect, Escalate, KeepAudit, SetSilence, WriteDraft
from chatops.episode import Episode, IncidentStatus, Phase, Policy, Silence
from chatops.events import Acknowledged, Button, Event, GaveUp, Notified, PagerDutyAnswered, SlackAction, Tick
from chatops.happenings import happened
from chatops.record import NewestEpisode, Record, advance, opened
from chatops.repair import Command, Outcome, Proposal, Repair, Status
from chatops.timeline import (
    KEPT_ENTRIES,
    MOST_ENTRIES,
    Kind,
    Timeline,
    bounded,
    extended,
    seconds_to_acknowledge,
    seconds_to_act,
    seconds_to_resolve,
    waiting_for_audit,
)
from tests.chat_data import EPISODE, GROUP, INCIDENT, NOW

POLICY = Policy(responders=frozenset({"U1"}), approvers=frozenset({"U1"}))
COMMAND = Command(document="restart", parameters=(("pod", "a"),))
PROPOSAL = Proposal(fingerprint="a", action="restart", target="uid", command=COMMAND)


def _click(button: Button) -> SlackAction:
    return SlackAction(id=button, person="U1", button=button, clicked_at=NOW)


def _repaired(status: Status, **changes: object) -> Episode:
    repair = Repair(proposal=PROPOSAL, status=status, changed_at=NOW, due_at=None)
    return replace(EPISODE, repairs=(replace(repair, **changes),))


def _incident(**changes: object) -> Episode:
    return replace(EPISODE, incident=replace(INCIDENT, **changes))


SILENCE = Silence(by="U1", requested_at=NOW, ends_at=NOW + 900, until_resolved=True)
ACKNOWLEDGED = _incident(acknowledged_by=("ann@example.com",), status=IncidentStatus.ACKNOWLEDGED)


@pytest.mark.parametrize(
    ("before", "after", "event", "effects", "expected"),
    [
        (EPISODE, EPISODE, Tick(), (), []),
        (
            EPISODE,
            replace(EPISODE, news_at=NOW + 1, firing=frozenset({"a"})),
            Notified(sent_at=NOW + 1, firing=frozenset({"a"})),
            (),
            [(Kind.NOTIFIED, "Alertmanager", "1 fire")],
        ),
        (
            replace(EPISODE, phase=Phase.CHECKING, firing=frozenset()),
            replace(EPISODE, firing=frozenset({"a"})),
            Tick(),
            (),
            [(Kind.STILL_FIRES, "Alertmanager", "reported resolved, and an alert still fires")],
        ),
        (
            replace(EPISODE, incident=None),
            EPISODE,
            PagerDutyAnswered(INCIDENT),
            (),
            [(Kind.PAGED, "PagerDuty", "PINC001 assigned to primary@example.com")],
        ),
        (
            EPISODE,
            ACKNOWLEDGED,
            PagerDutyAnswered(None),
            (),
            [(Kind.ACKNOWLEDGED, "ann@example.com", "in PagerDuty, PINC001")],
        ),
        (ACKNOWLEDGED, EPISODE, PagerDutyAnswered(None), (), [(Kind.UNACKNOWLEDGED, "PagerDuty", "PINC001")]),
        (
            EPISODE,
            _incident(assigned_to=("bob@example.com",)),
            PagerDutyAnswered(None),
            (),
            [(Kind.ASSIGNED, "PagerDuty", "assigned to bob@example.com")],
        ),
        (
            EPISODE,
            _incident(status=IncidentStatus.RESOLVED),
            PagerDutyAnswered(None),
            (),
            [(Kind.INCIDENT_RESOLVED, "PagerDuty", "PINC001")],
        ),
        (
            replace(EPISODE, silence=SILENCE),
            replace(EPISODE, silence=replace(SILENCE, ends_at=NOW + 1800)),
            Tick(),
            (SetSilence(),),
            [],
        ),
        (
            replace(EPISODE, silence=SILENCE),
            replace(EPISODE, silence=replace(SILENCE, lifted=True), phase=Phase.ENDED, ended_at=NOW),
            Tick(),
            (SetSilence(),),
            [
                (Kind.SILENCE_LIFTED, "Orion", "it was for as long as it fires"),
                (Kind.RESOLVED, "Alertmanager", "nothing of it fires"),
            ],
        ),
        (EPISODE, EPISODE, Tick(), (Escalate("it failed"),), [(Kind.ESCALATED, "Orion", "it failed")]),
        (
            EPISODE,
            EPISODE,
            GaveUp(Escalate("it failed"), "nobody is on call"),
            (),
            [(Kind.NOT_DONE, "Orion", "Escalate: nobody is on call")],
        ),
        (EPISODE, EPISODE, GaveUp(WriteDraft(), "too old"), (), []),
        (EPISODE, _repaired(Status.PROPOSED), Tick(), (), [(Kind.REPAIR_PROPOSED, "runbook automation", str(COMMAND))]),
        (
            EPISODE,
            _repaired(Status.APPROVED, by="the catalog"),
            Tick(),
            (),
            [
                (Kind.REPAIR_PROPOSED, "runbook automation", str(COMMAND)),
                (Kind.REPAIR_APPROVED, "the catalog", str(COMMAND)),
            ],
        ),
        (
            _repaired(Status.PROPOSED),
            _repaired(Status.REJECTED, by="U1"),
            _click(Button.REJECT),
            (),
            [(Kind.REPAIR_REJECTED, "U1", str(COMMAND))],
        ),
        (
            _repaired(Status.RUNNING),
            _repaired(Status.ESCALATED, outcome=Outcome.FAILED),
            Tick(),
            (),
            [(Kind.REPAIR_FAILED, "Orion", f"{COMMAND}: failed")],
        ),
        (
            _repaired(Status.VERIFYING, outcome=Outcome.SUCCEEDED),
            _repaired(Status.ESCALATED, outcome=Outcome.SUCCEEDED),
            Tick(),
            (),
            [(Kind.REPAIR_FAILED, "Orion", f"{COMMAND}: succeeded, and its alert has not cleared")],
        ),
        (
            _repaired(Status.VERIFYING),
            _repaired(Status.VERIFIED),
            Tick(),
            (),
            [(Kind.REPAIR_VERIFIED, "Alertmanager", f"{COMMAND}: its alert has cleared")],
        ),
    ],
)
def test_what_an_event_changes_is_told_with_its_actor(
    before: Episode, after: Episode, event: Event, effects: tuple[Effect, ...], expected: list[tuple[Kind, str, str]]
) -> None:
    assert list(happened(before, after, effects, event)) == expected


def test_another_incident_is_told_with_who_has_acknowledged_it() -> None:
    other = replace(INCIDENT, id="PINC002", acknowledged_by=("ann@example.com",), status=IncidentStatus.ACKNOWLEDGED)

    told = list(happened(ACKNOWLEDGED, replace(EPISODE, incident=other), (), Acknowledged("U1")))

    assert told == [
        (Kind.PAGED, "PagerDuty", "PINC002 assigned to primary@example.com"),
        (Kind.ACKNOWLEDGED, "ann@example.com", "in PagerDuty, PINC002"),
    ]


def test_the_first_entry_says_that_the_episode_opened() -> None:
    _, record = opened(GROUP, NewestEpisode(), Notified(sent_at=NOW, firing=frozenset({"a"})), POLICY, NOW + 1)

    (entry,) = record.episode.timeline
    assert (entry.number, entry.at, entry.kind, entry.text) == (1, NOW + 1, Kind.OPENED, GROUP.title)
    assert KeepAudit() in [waiting.effect for waiting in record.outbox.entries]


@pytest.mark.parametrize("button", [Button.SILENCE_1_HOUR, Button.ACKNOWLEDGE, Button.ESCALATE])
def test_a_click_that_acts_is_in_the_timeline_with_its_person_and_one_that_may_not_is_refused_there(
    button: Button,
) -> None:
    record = Record(episode=EPISODE)

    acted = advance(record, _click(button), POLICY, NOW)
    refused = advance(record, replace(_click(button), person="U2"), POLICY, NOW)

    assert [entry.actor for entry in acted.episode.timeline] == ["U1"]
    assert [(entry.kind, entry.actor) for entry in refused.episode.timeline] == [(Kind.REFUSED, "U2")]


def test_a_record_of_an_older_release_gets_a_timeline_from_what_happens_next() -> None:
    record = advance(Record(episode=EPISODE), _click(Button.SILENCE_1_HOUR), POLICY, NOW)

    assert [entry.number for entry in record.episode.timeline] == [1]
    assert seconds_to_act(record.episode.timeline, EPISODE.opened_at) == 0


def _long(number: int, kind: Kind = Kind.NOTIFIED) -> Timeline:
    happenings = [(Kind.OPENED, "", ""), (Kind.ACKNOWLEDGED, "", ""), *[(kind, "", "")] * (number - 2)]
    timeline: Timeline = ()
    for happening in happenings:
        last = timeline[-1].number if timeline else 0
        timeline = (*timeline, *extended((), [happening], last, NOW))
    return timeline


def test_a_record_keeps_the_first_of_each_kind_and_the_newest() -> None:
    timeline = bounded(_long(200), audited=200)

    assert len(timeline) == KEPT_ENTRIES
    assert [entry.number for entry in timeline[:3]] == [1, 2, 3]
    assert [entry.number for entry in timeline[3:]] == list(range(201 - (KEPT_ENTRIES - 3), 201))


def test_what_the_audit_record_lacks_is_kept_for_long_and_not_for_ever() -> None:
    assert len(bounded(_long(200), audited=10)) == 200 - 7
    assert len(bounded(_long(MOST_ENTRIES + 50), audited=0)) == MOST_ENTRIES


def test_numbers_go_on_after_entries_were_left_out() -> None:
    timeline = bounded(_long(200), audited=200)

    (*_, newest) = extended(timeline, [(Kind.RESOLVED, "Alertmanager", "x" * 1000)], 200, NOW)

    assert newest.number == 201
    assert len(newest.text) == 300
    assert [entry.number for entry in waiting_for_audit((*timeline, newest), 200)] == [201]


def test_times_are_measured_from_the_opening() -> None:
    timeline = tuple(
        entry
        for index, kind in enumerate((Kind.OPENED, Kind.ACKNOWLEDGED, Kind.SILENCED, Kind.RESOLVED))
        for entry in extended((), [(kind, "", "")], index, NOW + 10 * index)
    )

    assert seconds_to_acknowledge(timeline, NOW) == 10
    assert seconds_to_act(timeline, NOW) == 20
    assert seconds_to_resolve(NOW, NOW + 30) == 30
    assert (seconds_to_acknowledge((), NOW), seconds_to_act((), NOW), seconds_to_resolve(NOW, None)) == (None,) * 3


def test_an_acknowledgement_is_no_action() -> None:
    acknowledged = extended((), [(Kind.ACKNOWLEDGED, "ann@example.com", "")], 0, NOW)

    assert seconds_to_act(acknowledged, NOW) is None
