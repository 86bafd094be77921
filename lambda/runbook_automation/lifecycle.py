"""The life of one repair as a pure function: `step(state, event)` returns the next state and what is to be done.

A repair is one action on one target for one alert. One that needs an approval waits for it, and takes its place in
the limits when it is approved. It stays open until its alert has resolved: an alert that fires
again after that is answered anew, and whatever else says that it fires is a duplicate. Nothing here reads or writes;
the functions carry effects out, and record a state on condition that the one it came from is still the newest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from runbook_automation.configuration import APPROVAL_GRACE_SECONDS, BEGIN_SECONDS, CLAIM_SECONDS
from runbook_automation.limits import Ledger, Limit
from runbook_automation.repair import UNDER_WAY, Ending, Repair, Status, time_text
from runbook_automation.target_locks import Hold, Holder, TargetLock

LOOK_AGAIN_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Repairs are stopped: since when (as text), by whom and why. `what` says which, such as `Repairs of orders`."""

    what: str
    since: str
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The stored state of a repair: its record, its alert's newest resolve, the stop, the limits' ledgers and the lock.

    `resolved_at` is in milliseconds, as `Repair.seen_at`; 0 where no resolve is known. `lock` is the lock of the
    repair's target, with the hold that the repair takes on it. `ceilings` are the ledgers of what may begin without an
    approval.
    """

    repair: Repair | None = None
    resolved_at: int = 0
    stop: Stop | None = None
    ledgers: tuple[tuple[Limit, Ledger], ...] = ()
    lock: tuple[Hold, TargetLock] | None = None
    ceilings: tuple[tuple[Limit, Ledger], ...] = ()


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert fires, and `repair` is to answer it: claimed, if a command is to be sent for it, waiting, or ended.

    `otherwise` is the repair as it waits for an approval, where too many have begun without one. None where nobody can
    be asked.
    """

    repair: Repair
    otherwise: Repair | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """An alert has resolved, as seen at a time in milliseconds."""

    seen_at: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A command has ended, at a time in Unix seconds."""

    ending: Ending
    now: int


@dataclass(frozen=True, slots=True)
class Due:
    """An open repair's time is over."""

    now: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Systems Manager has said how the command of a due repair ended, or None if it runs."""

    ending: Ending | None
    now: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A person has approved or rejected the repair of a proposal, as is handled at a time in Unix seconds.

    `claim` is the token of what is written for it. `document` is the document that would run now, with its version,
    and empty if none may.
    """

    proposal: str
    is_approved: bool
    by: str
    claim: str
    now: int
    document: str


Event = Fired | Decided | Resolved | Ended | Due | Asked


@dataclass(frozen=True, slots=True)
class Record:
    """The state's repair and ledgers are to be written, unless others wrote first. What follows comes after it."""


@dataclass(frozen=True, slots=True)
class RecordResolve:
    """The time at which an alert had resolved is to be recorded. `answered`: something answered it before."""

    seen_at: int
    answered: bool


@dataclass(frozen=True, slots=True)
class RuleOut:
    """A repair of which nothing was sent is to be ended without a notice, since its alert has resolved."""

    repair: Repair
    seen_at: int


@dataclass(frozen=True, slots=True)
class Send:
    """The command of a claimed repair is to be sent, once."""

    repair: Repair


@dataclass(frozen=True, slots=True)
class Propose:
    """The approval of a repair is to be asked for. Chat takes a proposal once, however often it comes."""

    repair: Repair


@dataclass(frozen=True, slots=True)
class Publish:
    """The end of a repair is to be published; then the repair is closed."""

    repair: Repair


@dataclass(frozen=True, slots=True)
class Ask:
    """Systems Manager is to be asked how a command ended."""

    command_id: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """A due repair is to be looked at again at a time in Unix seconds."""

    due_at: int


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing is to be done: the event was answered before."""


Effect = Record | RecordResolve | RuleOut | Send | Propose | Publish | Ask | Postpone | Ignore
Step = tuple[State, tuple[Effect, ...]]


def step(state: State, event: Event) -> Step:
    """Return the state after an event, and the effects that are to be carried out in their order."""
    match event:
        case Fired(repair, otherwise):
            return _fired(state, repair, otherwise)
        case Decided():
            return _decided(state, event)
        case Resolved(seen_at):
            return _resolved(state, seen_at)
        case Ended(ending, now):
            return _ended(state, ending, now)
        case Due(now):
            return _due(state, now)
        case Asked(ending, now):
            return _asked(state, ending, now)
        case _:
            assert_never(event)


def _fired(state: State, repair: Repair, otherwise: Repair | None) -> Step:
    if not _is_new(state, repair):
        known = state.repair
        waits = known is not None and known.status is Status.WAITING
        asks = waits and repair.status in {Status.CLAIMED, Status.WAITING}
        return state, (Propose(known),) if known is not None and asks else (Ignore(),)
    if repair.status not in {Status.CLAIMED, Status.WAITING}:
        return replace(state, repair=repair), (Record(), Publish(repair))
    if repair.status is Status.WAITING and state.stop is None:
        return replace(state, repair=repair), (Record(), Propose(repair))
    over = _ceiling_reached(state, repair)
    if over is None or isinstance(_prevented(state, repair), Ending):
        return _claimed(replace(state, ledgers=(*state.ledgers, *state.ceilings)), repair)
    if otherwise is not None:
        return replace(state, repair=otherwise), (Record(), Propose(otherwise))
    ended = repair.ended(Ending(status=Status.LIMITED, result=over.said), repair.started_at)
    return replace(state, repair=ended), (Record(), Publish(ended))


def _claimed(state: State, repair: Repair) -> Step:
    """Send the command of a repair, or end it if that must not be."""
    prevented = _prevented(state, repair)
    if isinstance(prevented, Ending):
        ended = repair.ended(prevented, repair.started_at)
        return replace(state, repair=ended), (Record(), Publish(ended))
    claimed = replace(repair, lock=prevented.lock[0].id if prevented.lock is not None else "")
    return replace(prevented, repair=claimed), (Record(), Send(claimed))


def _decided(state: State, decided: Decided) -> Step:
    known = state.repair
    if known is None or known.status is not Status.WAITING or known.proposal != decided.proposal:
        return state, (Ignore(),)
    repair = replace(known, claim=decided.claim)
    ending = _not_approved(state, repair, decided)
    if ending is not None:
        ended = repair.ended(ending, decided.now)
        return replace(state, repair=ended), (Record(), Publish(ended))
    claimed = replace(
        repair,
        status=Status.CLAIMED,
        started_at=decided.now,
        due_at=decided.now + CLAIM_SECONDS,
        approved_by=decided.by,
    )
    return _claimed(state, claimed)


def _not_approved(state: State, repair: Repair, decided: Decided) -> Ending | None:
    """Return how a decision ends a repair, or None if it is to run."""
    if not decided.is_approved:
        return Ending(status=Status.REJECTED, result=f"Rejected by {decided.by}: nothing was done")
    if is_expired(repair, decided.now):
        return EXPIRED
    if repair.seen_at < state.resolved_at:
        return Ending(status=Status.GONE, result="Its alert has resolved meanwhile: nothing was done")
    if decided.document != repair.document:
        would = decided.document or "nothing, since the catalog does not allow it any more"
        return Ending(
            status=Status.REFUSED,
            result=f"{repair.document} was approved, and what would run now is {would}: nothing was done",
        )
    return None


EXPIRED = Ending(
    status=Status.EXPIRED,
    result="Nobody approved it in time: nothing was done. If the alert still fires, follow its runbook",
)


def is_expired(repair: Repair, now: int) -> bool:
    """Return whether an approval comes too late."""
    return repair.approve_by is None or now > repair.approve_by + APPROVAL_GRACE_SECONDS


def _is_new(state: State, repair: Repair) -> bool:
    """Return whether a repair answers what nothing has answered yet."""
    if repair.seen_at <= state.resolved_at:
        return False  # the message that saw the alert fire was overtaken by its resolve
    known = state.repair
    if known is None:
        return True
    if known.status in {Status.RELEASED, Status.TOO_LATE} and known.status is not repair.status:
        return True
    if known.status is Status.RESOLVED:
        return known.seen_at < repair.seen_at
    ended = known.finished_at is not None or known.status is Status.WAITING
    return ended and known.seen_at < state.resolved_at


def _prevented(state: State, repair: Repair) -> Ending | State:
    """Return why a command must not be sent now, or the state in which it has its places and the lock."""
    if state.stop is not None:
        stop = state.stop
        return Ending(
            status=Status.STOPPED,
            result=f"{stop.what} are stopped since {stop.since} by {stop.by} ({stop.why}): nothing was done. "
            "Follow the alert's runbook",
        )
    given_back = _given_back(state)
    taken: list[tuple[Limit, Ledger]] = []
    for limit, ledger in state.ledgers:
        place = ledger.with_place(repair.claim, limit, repair.started_at, given_back=given_back)
        if place is None:
            return Ending(status=Status.LIMITED, result=limit.said)
        taken.append((limit, place))
    if state.lock is None:
        return replace(state, ledgers=tuple(taken))
    hold, lock = state.lock
    held = lock.with_holder(repair.claim, hold, repair.started_at, given_back=given_back)
    if isinstance(held, Holder):
        return Ending(
            status=Status.LIMITED,
            result=f"Another repair of {hold.owner} ({held.action}) is under way: nothing was done. If the alert still "
            "fires when it has ended, follow its runbook",
        )
    return replace(state, ledgers=tuple(taken), lock=(hold, held))


def _given_back(state: State) -> str | None:
    """Return the earlier claim of which nothing was sent, whose places are free."""
    known = state.repair
    return known.claim if known is not None and known.status is Status.RELEASED else None


def _ceiling_reached(state: State, repair: Repair) -> Limit | None:
    """Return the ceiling of what begins without an approval that has no place for a repair, if there is one."""
    for limit, ledger in state.ceilings:
        if ledger.with_place(repair.claim, limit, repair.started_at, given_back=_given_back(state)) is None:
            return limit
    return None


def _resolved(state: State, seen_at: int) -> Step:
    after = replace(state, resolved_at=max(state.resolved_at, seen_at))
    known = state.repair
    if known is None:
        return after, (RecordResolve(seen_at, answered=False),)
    if known.status not in {Status.RELEASED, Status.WAITING} or known.seen_at >= seen_at:
        return after, (RecordResolve(seen_at, answered=True),)
    ruled_out = replace(known, status=Status.RESOLVED)
    return replace(after, repair=ruled_out), (RecordResolve(seen_at, answered=False), RuleOut(known, seen_at))


def _ended(state: State, ending: Ending, now: int) -> Step:
    repair = state.repair
    if repair is None or repair.finished_at is not None:
        return state, (Ignore(),)
    ended = repair.ended(ending, now)
    return replace(state, repair=ended), (Record(), Publish(ended))


def _due(state: State, now: int) -> Step:
    repair = state.repair
    if repair is None:
        return state, (Ignore(),)
    if repair.finished_at is not None or repair.status not in UNDER_WAY:
        return state, (Publish(repair),)
    if repair.status is Status.WAITING:
        return _ended(state, EXPIRED, now)
    claimed = f"Claimed at {time_text(repair.started_at)}"
    if repair.status is Status.RELEASED:
        text = (
            f"{claimed} and given back, since Systems Manager did not take the command or the function's time was "
            "over, and no message has brought it again: nothing ran"
        )
        return _ended(state, Ending(status=Status.FAILED, result=text), now)
    if repair.command_id is None:
        text = (
            f"{claimed}, and no command is known: it may have run or not. "
            "It is not sent again: look at what it is about"
        )
        return _ended(state, Ending(status=Status.LOST, result=text), now)
    return state, (Ask(repair.command_id),)


def _asked(state: State, ending: Ending | None, now: int) -> Step:
    repair = state.repair
    if repair is None:
        return state, (Ignore(),)
    if ending is not None:
        return _ended(state, ending, now)
    if now - repair.started_at <= repair.timeout_seconds + BEGIN_SECONDS:
        return state, (Postpone(now + LOOK_AGAIN_SECONDS),)
    text = (
        f"Systems Manager calls the command running since {time_text(repair.started_at)}: it may have done a part; "
        "if it has not begun by now, it will refuse to"
    )
    return _ended(state, Ending(status=Status.TIMED_OUT, result=text), now)
