"""The life of a repair, as a pure function: no table, no queue, no clock."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_automation.lifecycle import (
    Ask,
    Asked,
    Due,
    Ended,
    Event,
    Fired,
    Ignore,
    Postpone,
    Publish,
    Record,
    RecordResolve,
    Resolved,
    RuleOut,
    Send,
    State,
    Stop,
    step,
)
from runbook_automation.limits import Ledger, Limit
from runbook_automation.repair import Ending, Repair, Status

LIMIT = Limit(id="limit", number=2, said="2 of restart_pod an hour in all")
SUCCESS = Ending(status=Status.SUCCEEDED, result="replaced")


def repair(status: Status = Status.CLAIMED, *, seen_at: int = 10, claim: str = "mine") -> Repair:
    return Repair(
        id="repair",
        alert="HighMemoryUsage",
        action="restart_pod",
        team="trading",
        labels={},
        status=status,
        seen_at=seen_at,
        started_at=1_000,
        due_at=1_120,
        timeout_seconds=60,
        claim=claim,
    )


def free(*, taken: int = 0) -> State:
    ledger = Ledger(id="limit", taken={f"other-{number}": 999 for number in range(taken)})
    return State(ledgers=((LIMIT, ledger),))


def test_an_alert_that_nothing_has_answered_takes_a_place_and_is_sent_after_it_is_recorded() -> None:
    after, effects = step(free(), Fired(repair()))

    assert effects == (Record(), Send(repair()))
    assert after.repair == repair()
    assert set(after.ledgers[0][1].taken) == {"mine"}


def test_a_repair_takes_a_place_each_time_that_it_is_sent_and_none_where_it_was_given_back() -> None:
    given_back, _ = step(free(), Fired(repair(claim="first")))
    released = replace(given_back, repair=repair(Status.RELEASED, claim="first"))
    sent, _ = step(released, Fired(repair(claim="second")))
    assert set(sent.ledgers[0][1].taken) == {"second"}

    resolved, _ = step(replace(sent, repair=repair(claim="second").ended(SUCCESS, 1_010)), Resolved(20))
    again, _ = step(resolved, Fired(repair(claim="third", seen_at=50)))
    assert set(again.ledgers[0][1].taken) == {"second", "third"}


def test_the_same_alert_is_ignored_until_it_has_resolved() -> None:
    sent = replace(repair(), status=Status.SENT)
    ended = sent.ended(SUCCESS, 1_010)

    for known in (repair(claim="another"), sent, ended):
        assert step(replace(free(), repair=known), Fired(repair(seen_at=50)))[1] == (Ignore(),)
    resolved, _ = step(replace(free(), repair=ended), Resolved(20))
    assert step(resolved, Fired(repair(seen_at=15)))[1] == (Ignore(),)
    assert Record() in step(resolved, Fired(repair(seen_at=50)))[1]


def test_a_command_that_runs_is_not_sent_again_though_its_alert_has_resolved_meanwhile() -> None:
    resolved, _ = step(replace(free(), repair=replace(repair(), status=Status.SENT)), Resolved(20))

    assert step(resolved, Fired(repair(seen_at=50)))[1] == (Ignore(),)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (replace(free(), stop=Stop(what="All repairs", since="now", by="ana", why="a bad release")), Status.STOPPED),
        (free(taken=2), Status.LIMITED),
    ],
)
def test_a_stop_and_a_full_limit_record_and_publish_and_send_nothing(state: State, status: Status) -> None:
    after, effects = step(state, Fired(repair()))

    assert after.repair is not None
    assert after.repair.status is status
    assert effects == (Record(), Publish(after.repair))
    assert after.ledgers == state.ledgers


def test_a_resolve_rules_out_a_repair_that_was_given_back_and_no_other() -> None:
    released = repair(Status.RELEASED)

    assert step(State(repair=released), Resolved(20))[1] == (
        RecordResolve(20, answered=False),
        RuleOut(released, 20),
    )
    assert step(State(repair=released), Resolved(5))[1] == (RecordResolve(5, answered=True),)
    assert step(State(repair=repair(Status.SENT)), Resolved(20))[1] == (RecordResolve(20, answered=True),)
    assert step(State(), Resolved(20))[1] == (RecordResolve(20, answered=False),)


@pytest.mark.parametrize(("known", "status"), [(Status.RELEASED, Status.FAILED), (Status.CLAIMED, Status.LOST)])
def test_a_due_repair_without_a_command_ends(known: Status, status: Status) -> None:
    after, effects = step(State(repair=repair(known)), Due(2_000))

    assert after.repair is not None
    assert after.repair.status is status
    assert effects == (Record(), Publish(after.repair))


def test_a_due_command_is_asked_about_then_looked_at_again_and_given_up_in_the_end() -> None:
    state = State(repair=replace(repair(Status.SENT), command_id="c"))

    assert step(state, Due(1_200))[1] == (Ask("c"),)
    assert step(state, Asked(None, 1_200))[1] == (Postpone(1_260),)
    assert step(state, Asked(SUCCESS, 1_200))[0].repair == replace(repair(), command_id="c").ended(SUCCESS, 1_200)
    given_up, _ = step(state, Asked(None, 1_000 + 60 + 15 * 60 + 1))
    assert given_up.repair is not None
    assert given_up.repair.status is Status.TIMED_OUT


EVENTS = st.one_of(
    st.integers(1, 100).map(lambda at: Fired(repair(seen_at=at, claim=str(at)))),
    st.integers(1, 100).map(Resolved),
    st.just(Ended(SUCCESS, 1_010)),
    st.just(Due(5_000)),
    st.just(Asked(None, 5_000)),
)


@given(st.lists(EVENTS, max_size=12))
def test_in_whatever_order_things_come_a_command_is_sent_once_between_two_resolves(events: list[Event]) -> None:
    state = free()
    sent_at: list[int] = []
    for event in events:
        state, effects = step(state, event)
        for effect in effects:
            if isinstance(effect, Send):
                assert effect.repair.seen_at > state.resolved_at
                assert not sent_at or sent_at[-1] < state.resolved_at
                sent_at.append(effect.repair.seen_at)
