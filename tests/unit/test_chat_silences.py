"""Maintenance windows in Alertmanager, silences that match nothing, and repairs that are stuck."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from chatops.catalog_silences import Window, changes, keep_windows, shows
from chatops.clients import ListedSilence, Matcher, NewSilence, Refused, Unavailable
from chatops.configuration import ChatData
from chatops.counts import Count
from chatops.executor import Executor
from chatops.reconciler import report_stuck_repairs
from chatops.record import Record, SeenSilence, SeenSilences
from chatops.repair import Command, Proposal, Repair, Status
from chatops.silence_report import MOST_SILENCES, NEVER_MATCHED, OUTLIVED, QUIET_SECONDS, seen_after
from chatops.store import Put
from tests.chat_data import EPISODE
from tests.chat_harness import DATA, ChatWorld, chat_world
from tests.lambda_harness import SENT

NOW = float(int(SENT))
WINDOW = Window(
    name="upgrade",
    owner="database",
    reason="Aurora is upgraded.",
    match={"alertname": ("AuroraHighCPU", "Aurora+Lag"), "cluster": ("orion",)},
    since=NOW - 600,
    until=NOW + 3600,
)


def listed(window: Window = WINDOW, **changed: Any) -> ListedSilence:
    """Return the silence of a window as Alertmanager lists it, with some fields changed."""
    new = window.silence()
    silence = ListedSilence(
        id="s1",
        matchers=new.matchers,
        starts_at=new.starts_at,
        ends_at=new.ends_at,
        created_by=new.created_by,
        comment=new.comment,
        alerts=0,
    )
    return replace(silence, **changed)


def test_the_silence_says_whose_it_is_why_and_where_it_comes_from() -> None:
    silence = WINDOW.silence()

    assert silence.created_by == "Orion catalog, team database"
    assert silence.comment == "Aurora is upgraded. [catalog/silences.yaml: upgrade]"
    assert (silence.starts_at, silence.ends_at) == (NOW - 600, NOW + 3600)


def test_the_matchers_take_exactly_the_values() -> None:
    several, single = WINDOW.silence().matchers

    assert single == Matcher(name="cluster", value="orion", is_regex=False)
    assert (several.name, several.is_regex, several.is_equal) == ("alertname", True, True)
    assert [
        name
        for name in ("AuroraHighCPU", "Aurora+Lag", "AuroraaLag", "AuroraHighCPU2", "")
        if re.fullmatch(several.value, name)
    ] == ["AuroraHighCPU", "Aurora+Lag"]


def test_a_window_is_created_once_ahead_of_its_start() -> None:
    ahead = replace(WINDOW, since=NOW + 1800)

    assert changes([ahead], [], NOW).create == (ahead,)
    again = changes([ahead], [listed(ahead)], NOW)
    assert (again.create, again.expire) == ((), ())


def test_a_window_that_is_over_is_not_created() -> None:
    assert changes([replace(WINDOW, until=NOW)], [], NOW).create == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"ends_at": NOW + 60},
        {"matchers": (Matcher(name="cluster", value="orion", is_regex=False),)},
        {"comment": "Another reason [catalog/silences.yaml: upgrade]"},
        {"created_by": "Orion catalog, team trading"},
        {"starts_at": NOW + 1800},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_silence_that_differs_from_its_window_is_replaced(changed: dict[str, Any]) -> None:
    wrong = listed(**changed)

    result = changes([WINDOW], [wrong], NOW)

    assert result.create == (WINDOW,)
    assert result.expire == (wrong,)


def test_a_silence_that_was_created_late_is_the_windows() -> None:
    assert shows(listed(starts_at=NOW + 1), WINDOW, NOW)  # Alertmanager's clock is ahead


def test_of_two_silences_the_same_one_stays_whoever_looks() -> None:
    two = [listed(id="s2"), listed(id="s1")]

    assert [silence.id for silence in changes([WINDOW], two, NOW).expire] == ["s2"]
    assert [silence.id for silence in changes([WINDOW], two[::-1], NOW).expire] == ["s2"]


def test_what_people_silence_is_nobody_elses() -> None:
    people = [
        listed(created_by="ann@example.com"),
        listed(comment="as in [catalog/silences.yaml: upgrade], and longer"),
        listed(created_by="Orion chatops", comment="orders, silenced from its thread in Slack [episode#g#1/silence]"),
    ]

    assert changes([], people, NOW).expire == ()
    assert changes([WINDOW], people, NOW).create == (WINDOW,)


class _Refusing:
    """An Alertmanager that creates nothing."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.expired: list[str] = []

    def create_silence(self, silence: NewSilence) -> None:
        del silence
        raise self.error

    def expire_silence(self, id_: str) -> None:
        self.expired.append(id_)


@pytest.mark.parametrize("error", [Refused("no"), Unavailable("no answer")], ids=["refused", "unavailable"])
def test_a_window_that_cannot_be_replaced_keeps_its_silence(error: Exception) -> None:
    alertmanager = _Refusing(error)
    removed = listed(replace(WINDOW, name="removed"), id="s2")
    said: list[str] = []

    def say(text: str, **_: object) -> None:
        said.append(text)

    keep_windows(alertmanager, [WINDOW], [listed(ends_at=NOW + 60), removed], NOW, say)

    assert alertmanager.expired == ["s2"]
    assert said == ["silence of the catalog not created", "silence of the catalog expired"]


def _seen(seen: SeenSilences, alerts: int, now: float) -> tuple[SeenSilences, list[str]]:
    after, stale = seen_after(seen, [listed(alerts=alerts)], now)
    return after, [item.why for item in stale]


@pytest.mark.parametrize(("alerts", "why"), [(0, NEVER_MATCHED), (2, OUTLIVED)])
def test_a_silence_is_reported_once_after_an_hour_in_which_it_matches_nothing(alerts: int, why: str) -> None:
    seen, first = _seen(SeenSilences(), alerts, NOW)
    seen, second = _seen(seen, 0, NOW + 60)
    started = NOW + 60 if alerts else NOW
    seen, before = _seen(seen, 0, started + QUIET_SECONDS - 1)
    seen, due = _seen(seen, 0, started + QUIET_SECONDS)
    seen, later = _seen(seen, 0, started + 2 * QUIET_SECONDS)

    assert (first, second, before, due, later) == ([], [], [], [why], [])


def test_a_silence_that_matches_again_begins_anew() -> None:
    reported = SeenSilences(silences=(SeenSilence(id="s1", quiet_since=NOW, reported=True),))

    matching, _ = _seen(reported, 1, NOW + QUIET_SECONDS)
    quiet, _ = _seen(matching, 0, NOW + QUIET_SECONDS + 60)

    assert matching.silences == (SeenSilence(id="s1", matched=True),)
    assert _seen(quiet, 0, NOW + 2 * QUIET_SECONDS)[1] == []
    assert _seen(quiet, 0, NOW + 2 * QUIET_SECONDS + 60)[1] == [OUTLIVED]


def test_a_silence_to_come_is_not_looked_at_and_one_that_ended_is_forgotten() -> None:
    seen = SeenSilences(silences=(SeenSilence(id="s0", quiet_since=NOW),))

    assert seen_after(seen, [listed(starts_at=NOW + 60)], NOW) == (SeenSilences(), [])


def test_more_silences_than_the_item_holds_are_not_looked_at() -> None:
    many = [listed(id=f"s{number}") for number in range(MOST_SILENCES + 1)]

    assert len(seen_after(SeenSilences(), many, NOW)[0].silences) == MOST_SILENCES


# With the real clients.


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ChatWorld]:
    with chat_world(tmp_path) as world:
        set_windows(world, WINDOW)
        yield world


def set_windows(world: ChatWorld, *windows: Window) -> None:
    """Deploy chat with other windows."""
    silences = {
        window.name: {
            "owner": window.owner,
            "reason": window.reason,
            "match": {label: list(values) for label, values in window.match.items()},
            "since": window.since,
            "until": window.until,
        }
        for window in windows
    }
    world.chat = replace(world.chat, data=ChatData.from_json(json.dumps(DATA | {"silences": silences})))


def by_hand(**changed: Any) -> dict[str, Any]:
    """Return a person's silence, as Alertmanager has it."""
    silence = {
        "id": "person",
        "matchers": [{"name": "alertname", "value": "AuroraHighCPU", "isRegex": False, "isEqual": True}],
        "startsAt": "2026-11-24T10:00:00.000Z",
        "endsAt": "2026-11-25T10:00:00.000Z",
        "createdBy": "ann",
        "comment": "I look at it",
        "status": {"state": "active"},
    }
    return silence | changed


def test_the_window_is_kept_and_a_second_sweep_changes_nothing(world: ChatWorld) -> None:
    world.sweep()
    (silence,) = world.alertmanagers.silences
    first = json.dumps(world.alertmanagers.silences)

    world.sweep()  # it sees the silence for the first time, which the table keeps
    seen = world.table.scan()["Items"]
    world.sweep()

    assert silence["createdBy"] == "Orion catalog, team database"
    assert silence["matchers"] == [
        {"name": "alertname", "value": "AuroraHighCPU|Aurora\\+Lag", "isRegex": True, "isEqual": True},
        {"name": "cluster", "value": "orion", "isRegex": False, "isEqual": True},
    ]
    assert json.dumps(world.alertmanagers.silences) == first
    assert world.table.scan()["Items"] == seen


def test_the_window_is_created_again_after_the_state_was_lost(world: ChatWorld) -> None:
    world.sweep()
    world.alertmanagers.silences.clear()

    world.sweep()

    assert len(world.alertmanagers.lasting()) == 1


def test_a_window_that_was_removed_is_expired_and_a_persons_silence_is_not(world: ChatWorld) -> None:
    world.alertmanagers.silences.append(by_hand())
    world.sweep()
    set_windows(world)

    world.sweep()

    assert [silence["id"] for silence in world.alertmanagers.lasting()] == ["person"]


def test_a_silence_that_matches_nothing_is_reported_and_counted(world: ChatWorld) -> None:
    set_windows(world)
    world.alertmanagers.silences.append(by_hand())
    world.alertmanagers.silenced = {"person"}
    world.sweep()
    assert world.count(Count.SILENCES_STALE) == 0
    world.alertmanagers.silenced = set()

    for _ in range(4):
        world.time += QUIET_SECONDS / 2
        world.sweep()

    (text,) = (text for text in world.seen.texts if text.startswith("silence is stale"))
    assert OUTLIVED in text
    assert "'created_by': 'ann'" in text
    assert world.count(Count.SILENCES_STALE) == 2  # in the third look and in the fourth


class _Unreachable:
    """Alertmanager while nobody reaches it."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any, **__: Any) -> None:
            raise Unavailable(name)

        return fail


def test_without_alertmanager_the_other_looks_go_on(world: ChatWorld) -> None:
    world.chat = replace(world.chat, clients=replace(world.chat.clients, alertmanager=cast("Any", _Unreachable())))

    world.sweep()

    assert "not reconciled {'reason': 'all_silences'}" in world.seen.texts
    assert Count.REPAIRS_STUCK in world.seen.counts


@pytest.mark.parametrize(("late", "count"), [(599, 0), (601, 1)])
def test_a_repair_whose_state_has_long_been_over_is_reported(world: ChatWorld, late: float, count: int) -> None:
    repair = Repair(
        proposal=Proposal(
            fingerprint="f", action="restart", target="uid", command=Command(document="d", parameters=())
        ),
        status=Status.RUNNING,
        changed_at=NOW - 1000,
        due_at=world.time - late,
    )
    episode = replace(EPISODE, repairs=(repair,), next_look_at=world.time + 3600)
    world.chat.store.write(Put(str(episode.id), Record(episode=episode), 0))

    chat = world.chat
    executor = Executor(store=chat.store, clients=chat.clients, policy=chat.policy, now=chat.now)
    report_stuck_repairs(executor, world.seen)

    assert world.count(Count.REPAIRS_STUCK) == count
