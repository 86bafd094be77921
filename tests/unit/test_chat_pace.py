"""Calls that Slack has refused wait for one another: each is made once, at its time, and the worst news goes first."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatops.clients import RateLimited
from chatops.pace import LOST_SECONDS, MOST_WAITING, Pace, Rank, asked, refused
from chatops.pacer import Limit, Pacer
from tests.memory_store import MemoryStore

NOW = 1000.0
INTERVAL = 1.0
LIMIT = Limit(key="slack#test", interval=INTERVAL)


def _waiting(*ranks: Rank) -> tuple[Pace, dict[str, float]]:
    """Return the pace after one call was refused for 5 s and others have come, and when each may be made."""
    pace, _ = refused(Pace(), "first", Rank.THREAD, NOW, 5.0, INTERVAL)
    for number, rank in enumerate(ranks):
        pace, _ = asked(pace, f"{number}", rank, NOW, INTERVAL)
    return pace, {call.key: call.at for call in pace.waiting}


def test_nothing_waits_until_slack_refuses_a_call() -> None:
    for number in range(100):
        assert asked(Pace(), f"{number}", Rank.REPLY, NOW, INTERVAL) == (Pace(), 0.0)


def test_what_comes_after_a_refusal_waits_behind_it_one_by_one() -> None:
    _, times = _waiting(Rank.THREAD, Rank.THREAD)

    assert times == {"first": NOW + 5, "0": NOW + 6, "1": NOW + 7}


def test_a_digest_goes_before_threads_and_threads_before_replies() -> None:
    _, times = _waiting(Rank.REPLY, Rank.THREAD, Rank.DIGEST)

    assert sorted(times, key=lambda key: times[key]) == ["2", "first", "1", "0"]


def test_a_call_is_made_at_its_time_and_then_waits_no_more() -> None:
    pace, times = _waiting(Rank.THREAD)

    early, wait = asked(pace, "0", Rank.THREAD, times["0"] - 0.5, INTERVAL)
    made, none = asked(pace, "0", Rank.THREAD, times["0"], INTERVAL)

    assert (early, wait, none) == (pace, 0.5, 0.0)
    assert not made.holds("0")
    assert made.holds("first")


def test_a_second_refusal_moves_everything_behind_it_and_keeps_the_order() -> None:
    pace, _ = _waiting(Rank.THREAD, Rank.THREAD)
    pace, _ = asked(pace, "first", Rank.THREAD, NOW + 5, INTERVAL)

    after, wait = refused(pace, "first", Rank.THREAD, NOW + 5, 30.0, INTERVAL)

    assert wait == 30.0
    assert [call.key for call in sorted(after.waiting, key=lambda call: call.at)] == ["first", "0", "1"]
    assert min(call.at for call in after.waiting) == NOW + 35


def test_who_never_comes_loses_its_place() -> None:
    pace, _ = _waiting(Rank.THREAD)

    after, _ = refused(pace, "late", Rank.THREAD, NOW + LOST_SECONDS + 10, 1.0, INTERVAL)

    assert [call.key for call in after.waiting] == ["late"]


def test_more_calls_than_have_a_place_ask_again() -> None:
    pace, _ = _waiting(*[Rank.THREAD] * (MOST_WAITING + 5))

    assert len(pace.waiting) == MOST_WAITING
    assert asked(pace, "another", Rank.DIGEST, NOW, INTERVAL)[1] > MOST_WAITING


@given(
    ranks=st.lists(st.sampled_from(Rank), max_size=30),
    refusals=st.sets(st.integers(0, 40), max_size=5),
    lateness=st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=10),
)
def test_every_call_is_made_once_and_no_two_within_the_interval(
    ranks: list[Rank], refusals: set[int], lateness: list[float]
) -> None:
    pace, _ = refused(Pace(), "first", Rank.THREAD, NOW, 5.0, INTERVAL)
    calls = {f"{number}": rank for number, rank in enumerate(ranks)} | {"first": Rank.THREAD}
    due = dict.fromkeys(calls, NOW)
    made: list[tuple[float, str]] = []
    tries = 0
    for turn in range(40 * (len(calls) + 1)):
        if not due:
            break
        key = min(due, key=lambda key: due[key])
        now = max(due[key], made[-1][0] if made else NOW)
        pace, wait = asked(pace, key, calls[key], now, INTERVAL)
        if not wait:
            tries += 1
            if tries in refusals:
                pace, wait = refused(pace, key, calls[key], now, 3.0, INTERVAL)
            else:
                made.append((now, key))
                del due[key]
                continue
        due[key] = now + wait + (lateness[turn % len(lateness)] if turn % 3 == 0 else 0.0)

    assert sorted(key for _, key in made) == sorted(calls)
    assert pace.waiting == ()


@given(ranks=st.lists(st.sampled_from(Rank), max_size=30))
def test_calls_that_come_in_time_are_an_interval_apart(ranks: list[Rank]) -> None:
    pace, _ = _waiting(*ranks)

    times = sorted(call.at for call in pace.waiting)
    assert all(after - before == INTERVAL for before, after in pairwise(times))
    assert pace.next_at == times[-1] + INTERVAL


def _pacer(store: MemoryStore) -> Pacer:
    return Pacer(store=store, now=lambda: NOW)


def _refuse() -> str:
    raise RateLimited(7.0)


def test_a_refused_call_is_known_not_to_have_happened() -> None:
    pacer = _pacer(MemoryStore())

    with pytest.raises(RateLimited) as raised:
        pacer.call(LIMIT, "a", Rank.THREAD, _refuse)

    assert raised.value.retry_after == 7.0
    assert pacer.holds(LIMIT, "a")
    with pytest.raises(RateLimited) as raised:
        pacer.call(LIMIT, "b", Rank.THREAD, lambda: "made")
    assert raised.value.retry_after == 8.0
    assert pacer.drop(LIMIT, "a")
    assert not pacer.drop(LIMIT, "a")


def test_no_call_is_lost_where_the_table_does_not_answer_or_others_write_first() -> None:
    store = MemoryStore(is_down=True)
    assert _pacer(store).call(LIMIT, "a", Rank.THREAD, lambda: "made") == "made"
    assert not _pacer(store).holds(LIMIT, "a")

    store = MemoryStore(conflicts=3)
    with pytest.raises(RateLimited):
        _pacer(store).call(LIMIT, "a", Rank.THREAD, _refuse)
    assert _pacer(store).holds(LIMIT, "a")
