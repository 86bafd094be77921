"""Every order of what happens between a proposal and its command: chat and the repair function, each in its own time.

Messages between them are lost, or come once, twice or late: one that was sent may be delivered at any later step, and
again. The decisions are the deployed code of both functions. States that are alike are continued once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from alerting.repairs.compile import APPROVAL_SECONDS
from chatops.effects import Effect as ChatEffect
from chatops.effects import RejectRepair, RunCommand
from chatops.episode import Episode, EpisodeId, Group, Policy
from chatops.events import AlertmanagerAnswered, Button, RepairProposed, SlackAction, Tick
from chatops.looks import Look, Replica
from chatops.repair import Command, Proposal
from chatops.step import step as chat_step
from runbook_automation.configuration import APPROVAL_GRACE_SECONDS
from runbook_automation.lifecycle import Decided, Due, Effect, Fired, Propose, Resolved, Send, State, Stop, step
from runbook_automation.limits import Ledger, Limit
from runbook_automation.repair import Repair, Status
from tests.simulation.exploration import reached
from tests.simulation.world import Violation

FINGERPRINT = "a" * 16
DOCUMENT = "orion-restart-pod version 1 (0a1b)"
ANN, EVE = "ann", "eve"
POLICY = Policy(responders=frozenset({ANN, EVE}), approvers=frozenset({ANN}))
TIMES = (100, 100 + APPROVAL_SECONDS + 1, 100 + APPROVAL_SECONDS + APPROVAL_GRACE_SECONDS + 1)
"""Within the time for an approval, after it, and after what an approval may take to arrive."""
APPROVE_BY = TIMES[0] + APPROVAL_SECONDS
LIMIT = Limit(id="limit#restart_pod", number=1, said="1 of restart_pod an hour")
WAITING = Repair(
    id=f"repair#{FINGERPRINT}#restart_pod#0a1b",
    alert="HighMemoryUsage",
    action="restart_pod",
    team="trading",
    labels={},
    status=Status.WAITING,
    seen_at=TIMES[0] * 1000,
    started_at=TIMES[0],
    due_at=APPROVE_BY + APPROVAL_GRACE_SECONDS,
    timeout_seconds=60,
    claim="first",
    document=DOCUMENT,
    proposal="first",
    approve_by=APPROVE_BY,
)
PROPOSAL = Proposal(
    fingerprint=FINGERPRINT,
    action="restart_pod",
    target="0a1b#first",
    command=Command(document=DOCUMENT, parameters=()),
    approve_by=float(APPROVE_BY),
)
EPISODE = Episode(
    id=EpisodeId("g", 1),
    group=Group(key="g", labels=(), channel="#alerts", title="alert"),
    opened_at=0.0,
    news_at=0.0,
    next_look_at=1e9,
    firing=frozenset({FINGERPRINT}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Both functions' records, the decisions that are under way, and what happened so far.

    `approved`: a person who may approve has clicked in time. `resolved`: the repair function knows that the alert has
    resolved. `commands` counts what was sent.
    """

    moment: int = 0
    episode: Episode = EPISODE
    repair: Repair | None = None
    claims: int = 0
    proposed: bool = False
    decisions: frozenset[bool] = frozenset()
    approved: bool = False
    stopped: bool = False
    resolved: bool = False
    commands: int = 0

    @property
    def now(self) -> int:
        """Return the time in Unix seconds."""
        return TIMES[self.moment]

    def key(self) -> tuple[object, ...]:
        """Return what tells this world from others: a claim's token is as good as any other."""
        status = None if self.repair is None else self.repair.status
        flags = (self.proposed, self.decisions, self.approved, self.stopped, self.resolved, self.commands)
        return (self.moment, replace(self.episode, handled=()), status, *flags)


def explore() -> int:
    """Try every sequence of happenings, however long. Returns how many worlds were reached. Raises `Violation`."""
    return reached(World(), happenings)


def happenings(world: World) -> Iterator[World]:
    """Yield the worlds after each thing that may happen next."""
    yield _repair_function(world, step(_state(world), Fired(WAITING)))
    yield _repair_function(replace(world, resolved=True), step(_state(world), Resolved(world.now * 1000 + 1)))
    yield replace(world, resolved=True)  # as its whole group, which ends no record
    if world.repair is not None and world.now >= world.repair.due_at:
        yield _repair_function(world, step(_state(world), Due(world.now)))
    for is_approved in sorted(world.decisions):
        yield _decided(world, is_approved=is_approved)
    if world.proposed:
        yield _chat(world, RepairProposed(PROPOSAL, float(TIMES[0])))
    for person in (ANN, EVE):
        for button in (Button.APPROVE, Button.REJECT):
            yield _clicked(world, person, button)
    yield _chat(world, _look(world, FINGERPRINT))
    yield _chat(world, _look(world, "other"))
    yield _chat(world, Tick())
    yield replace(world, stopped=not world.stopped)
    if world.moment + 1 < len(TIMES):
        yield replace(world, moment=world.moment + 1)


def _state(world: World) -> State:
    return State(
        repair=world.repair,
        resolved_at=world.now * 1000 + 1 if world.resolved else 0,
        stop=Stop(what="All repairs", since="noon", by="bo", why="a drill") if world.stopped else None,
        ledgers=((LIMIT, Ledger(id=LIMIT.id)),),
    )


def _decided(world: World, *, is_approved: bool) -> World:
    decided = Decided(
        proposal=WAITING.proposal,
        is_approved=is_approved,
        by=ANN,
        claim=f"claim {world.claims}",
        now=world.now,
        document=DOCUMENT,
    )
    after = _repair_function(replace(world, claims=world.claims + 1), step(_state(world), decided))
    if after.commands > world.commands:
        _hold(is_approved and world.approved, "a command is sent that nobody approved")
        _hold(world.repair is not None and world.repair.status is Status.WAITING, "a repair runs that was not waiting")
        _hold(world.now <= APPROVE_BY + APPROVAL_GRACE_SECONDS, "a command is sent after its approval has expired")
        _hold(not world.stopped, "a command is sent while repairs are stopped")
        _hold(not world.resolved, "a command is sent for an alert that has resolved")
    return after


def _repair_function(world: World, stepped: tuple[State, tuple[Effect, ...]]) -> World:
    state, effects = stepped
    sent = sum(isinstance(effect, Send) for effect in effects)
    proposed = world.proposed or any(isinstance(effect, Propose) for effect in effects)
    after = replace(world, repair=state.repair, proposed=proposed, commands=world.commands + sent)
    _hold(after.commands <= 1, "a repair runs twice")
    return after


def _clicked(world: World, person: str, button: Button) -> World:
    click = SlackAction(
        id=f"{person} {button} {world.moment}",
        person=person,
        button=button,
        clicked_at=float(world.now),
        repair=PROPOSAL.id,
    )
    after = _chat(world, click)
    counts = person == ANN and button is Button.APPROVE and world.now <= APPROVE_BY
    return replace(after, approved=after.approved or counts)


def _look(world: World, fingerprint: str) -> AlertmanagerAnswered:
    replica = Replica(up_seconds=1e6, watchdog=True, firing=frozenset({fingerprint}))
    return AlertmanagerAnswered(Look(asked_at=float(world.now), replicas=(replica,) * 3))


def _chat(world: World, event: RepairProposed | SlackAction | AlertmanagerAnswered | Tick) -> World:
    episode, effects = chat_step(world.episode, event, POLICY, float(world.now))
    return replace(world, episode=episode, decisions=world.decisions | set(_told(effects)))


def _told(effects: tuple[ChatEffect, ...]) -> Iterator[bool]:
    for effect in effects:
        if isinstance(effect, RunCommand | RejectRepair):
            yield isinstance(effect, RunCommand)


def _hold(condition: object, text: str) -> None:
    if not condition:
        raise Violation(text)
