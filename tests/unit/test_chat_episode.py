"""Decisions about an episode that the simulation cannot tell from others: which texts are shown, and when one opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chatops.effects import CLICK_SECONDS, Acknowledge, AskAlertmanager, Effect, Escalate, Reply, ShowMessage
from chatops.episode import Details, Episode, Incident, IncidentStatus, Phase, Policy
from chatops.events import AlertmanagerAnswered, Event, Notified, PagerDutyAnswered, Reconciled, RepairReported
from chatops.looks import Look, Replica
from chatops.outbox import Outbox, is_expired
from chatops.record import NewestEpisode, opened, opens
from chatops.repair import Command, Outcome, Proposal
from chatops.step import step
from tests.chat_data import GROUP, NOW

POLICY = Policy(responders=frozenset(), approvers=frozenset())
FIRING = frozenset({"f1"})
NOTIFIED = Details(summary="as notified")
FROM_API = Details(summary="as Alertmanager's API has it")


def found(**changes: object) -> Reconciled:
    event = Reconciled(asked_at=NOW, firing=FIRING, firing_since=NOW - 600, details=FROM_API)
    return replace(event, **changes)


def reconciled() -> Episode:
    return opened(GROUP, NewestEpisode(), found(), POLICY, NOW)[1].episode


def notified(sent_at: float, details: Details = NOTIFIED) -> Notified:
    return Notified(sent_at=sent_at, firing=FIRING, details=details)


def after(episode: Episode, *events: Event) -> tuple[Episode, Sequence[Effect]]:
    effects: tuple[Effect, ...] = ()
    for event in events:
        episode, more = step(episode, event, POLICY, NOW)
        effects = (*effects, *more)
    return episode, effects


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (found(firing_since=NOW - 119), False),
        (found(firing_since=NOW - 120), True),
        (found(firing=frozenset[str](), incident_opened_at=NOW - 119), False),
        (found(firing=frozenset[str](), incident_opened_at=NOW - 120), True),
    ],
    ids=("fires", "fires for long", "incident", "old incident"),
)
def test_the_reconciler_leaves_it_to_a_notification_to_open_an_episode(event: Reconciled, *, expected: bool) -> None:
    assert opens(NewestEpisode(), None, event, NOW) is expected


def test_a_notification_that_is_late_brings_its_texts() -> None:
    episode, effects = after(reconciled(), notified(NOW - 500))

    assert (episode.details, episode.firing) == (NOTIFIED, FIRING)
    assert effects == (ShowMessage(),)


def test_an_older_notification_does_not_bring_back_its_texts() -> None:
    newer = Details(summary="newer")

    episode, effects = after(reconciled(), notified(NOW - 400, newer), notified(NOW - 500))

    assert episode.details == newer
    assert effects == (ShowMessage(),)


def incident(status: IncidentStatus) -> PagerDutyAnswered:
    return PagerDutyAnswered(Incident(id="Q1", status=status, opened_at=NOW - 60, assigned_to=("ann@example.com",)))


def look(firing: frozenset[str]) -> AlertmanagerAnswered:
    replicas = tuple(Replica(up_seconds=9000, watchdog=True, firing=firing) for _ in range(3))
    return AlertmanagerAnswered(Look(asked_at=NOW, replicas=replicas))


def replies(effects: Sequence[Effect]) -> list[str]:
    return [effect.text for effect in effects if isinstance(effect, Reply)]


def test_an_incident_that_alertmanager_resolves_is_not_taken_for_one_resolved_by_hand() -> None:
    triggered, _ = after(reconciled(), incident(IncidentStatus.TRIGGERED))

    episode, effects = after(triggered, incident(IncidentStatus.RESOLVED), look(frozenset()))

    assert AskAlertmanager() in effects
    assert episode.phase is Phase.FIRING  # until a second look, or the notification
    assert replies(effects) == []


def test_an_incident_resolved_by_hand_is_told_once() -> None:
    triggered, _ = after(reconciled(), incident(IncidentStatus.TRIGGERED))

    _, effects = after(triggered, incident(IncidentStatus.RESOLVED), look(FIRING), look(FIRING))

    assert replies(effects) == [
        "Resolved in PagerDuty while it still fires. It pages again when Alertmanager repeats it"
    ]


def test_a_click_is_as_old_as_it_is_for_its_person_however_late_it_was_delivered() -> None:
    delivered = NOW + CLICK_SECONDS
    outbox = Outbox().add((Acknowledge("ann", clicked_at=NOW), Escalate("asked for by ann")), delivered)
    click, escalation = outbox.entries

    assert is_expired(click, delivered + 1)
    assert not is_expired(click, delivered)
    assert not is_expired(escalation, delivered + CLICK_SECONDS)


@pytest.mark.parametrize("pages", [True, False])
def test_a_repair_that_failed_escalates_an_incident_only_where_the_route_pages(*, pages: bool) -> None:
    command = Command(document="orion-restart-pod", parameters=())
    proposal = Proposal(fingerprint="f1", action="restart_pod", target="uid", command=command)
    failed = RepairReported(proposal=proposal, outcome=Outcome.FAILED, result="no space left", began_at=NOW)

    _, effects = after(replace(reconciled(), group=replace(GROUP, pages=pages)), failed)

    assert any("no space left" in text for text in replies(effects))
    assert any(isinstance(effect, Escalate) for effect in effects) is pages
    assert ("The route of this alert pages nobody, so nobody was paged" in replies(effects)) is not pages
