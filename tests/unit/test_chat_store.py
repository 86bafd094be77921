"""Episodes in the state table, on moto: each write happens once, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from moto import mock_aws

from chatops.clients import Unavailable
from chatops.effects import Reply
from chatops.episode import Episode, EpisodeId, Phase, Policy
from chatops.episode_store import KEEP_SECONDS, EpisodeStore
from chatops.outbox import Outbox
from chatops.record import NewestEpisode, Record, RepairHolder
from chatops.store import Conflict, Put, Versioned, holder_key, put_holder, put_newest, put_record
from orion_common.aws_answers import WrongAnswer
from tests.chat_data import EPISODE, NOW
from tests.lambda_events import create_state_table
from tests.lambda_harness import SESSION

RECORD = Record(episode=EPISODE)
POLICY = Policy(responders=frozenset(), approvers=frozenset())


@pytest.fixture
def store() -> Iterator[EpisodeStore]:
    with mock_aws():
        # Its own client, which some tests leave a handler on.
        table = SESSION.resource("dynamodb").Table("orion-state")
        create_state_table(table.meta.client)
        yield EpisodeStore(table=table, policy=POLICY, now=lambda: NOW)


def _record(number: int = 1, **changes: Any) -> Record:
    episode: Episode = replace(EPISODE, id=EpisodeId(EPISODE.group.key, number), **changes)
    return Record(episode=episode)


def _items(store: EpisodeStore) -> dict[str, dict[str, Any]]:
    return {str(item["id"]): item for item in store.table.scan()["Items"]}


def test_what_is_written_is_read_with_its_version(store: EpisodeStore) -> None:
    assert store.read(str(EPISODE.id)) is None

    store.write(put_record(RECORD, 0))
    other = Record(episode=EPISODE, outbox=Outbox().add([Reply("a")], NOW))
    store.write(put_record(other, 1))

    assert store.read(str(EPISODE.id)) == Versioned(other, 2)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_write_of_another_version_is_a_conflict_and_changes_nothing(store: EpisodeStore, version: int) -> None:
    store.write(put_record(RECORD, 0))
    store.write(put_record(RECORD, 1))

    with pytest.raises(Conflict):
        store.write(put_record(_record(firing=frozenset[str]()), version))

    assert store.read(str(EPISODE.id)) == Versioned(RECORD, 2)


def test_of_several_items_all_are_written_or_none(store: EpisodeStore) -> None:
    newest = NewestEpisode(number=1)
    store.write(put_newest(EPISODE.group.key, newest, 0), put_record(RECORD, 0))

    with pytest.raises(Conflict):
        store.write(put_newest(EPISODE.group.key, NewestEpisode(number=2), 1), put_record(RECORD, 0))

    assert store.read(f"group#{EPISODE.group.key}") == Versioned(newest, 1)


@pytest.mark.parametrize("several", [False, True], ids=["one item", "several items"])
def test_a_write_whose_answer_was_lost_is_no_conflict_with_itself(store: EpisodeStore, several: bool) -> None:  # noqa: FBT001
    """The SDK tries again, and meets what its own first try has written."""
    lost: list[str] = []

    operation = "TransactWriteItems" if several else "PutItem"
    events = store.table.meta.client.meta.events
    events.register(f"needs-retry.dynamodb.{operation}", _retry_once(lost))
    puts = (put_newest(EPISODE.group.key, NewestEpisode(number=1), 0),) if several else ()

    store.write(put_record(RECORD, 0), *puts)

    assert lost == [operation]
    assert store.read(str(EPISODE.id)) == Versioned(RECORD, 1)


def _retry_once(lost: list[str]) -> Any:
    """Return a handler that has the SDK send a request again whose first answer was good."""

    def retry(operation: Any, **_: Any) -> int | None:
        if lost:
            return None
        lost.append(operation.name)
        return 0

    return retry


def test_due_records_are_found_the_longest_due_first(store: EpisodeStore) -> None:
    store.write(put_record(_record(1, next_look_at=NOW - 1.5), 0))
    store.write(put_record(_record(2, next_look_at=NOW - 60), 0))
    store.write(put_record(_record(3, next_look_at=NOW + 1), 0))
    store.write(put_newest(EPISODE.group.key, NewestEpisode(number=3), 0))
    store.table.put_item(Item={"id": "repair#1", "open": "repair", "due_at": 1})

    assert [id_.number for id_ in store.due(NOW)] == [2, 1]


def test_a_record_is_not_due_before_its_time(store: EpisodeStore) -> None:
    store.write(put_record(_record(next_look_at=NOW + 0.5), 0))

    assert not store.due(NOW + 0.4)
    assert store.due(NOW + 1)


def test_an_ended_episode_with_nothing_left_expires_and_an_open_one_does_not(store: EpisodeStore) -> None:
    ended = _record(phase=Phase.ENDED, ended_at=NOW, silence=None)
    store.write(put_record(ended, 0))
    store.write(put_record(_record(2), 0))
    store.write(
        put_record(Record(episode=_record(3, phase=Phase.ENDED).episode, outbox=Outbox().add([Reply("a")], NOW)), 0)
    )
    store.write(put_newest(EPISODE.group.key, NewestEpisode(number=2), 0))
    store.write(put_holder("repair#1", RepairHolder(episode=EPISODE.id), 0))

    expiring = {key: item["expires_at"] for key, item in _items(store).items() if "expires_at" in item}

    assert expiring == dict.fromkeys([str(ended.episode.id), holder_key("repair#1")], int(NOW) + KEEP_SECONDS)


def test_an_item_of_a_newer_release_is_left_to_it(store: EpisodeStore) -> None:
    store.table.put_item(Item={"id": str(EPISODE.id), "version": 1, "value": '{"form": 2}'})

    with pytest.raises(Unavailable, match="form: found 2"):
        store.read(str(EPISODE.id))


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
        ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow"}}, "Any"),
        ClientError({"Error": {"Code": "InternalServerError", "Message": "no"}}, "Any"),
        WrongAnswer(operation="Any", found="an answer without the id of a request"),
    ],
    ids=["time-out", "throttling", "5xx", "wrong answer"],
)
def test_a_table_that_does_not_answer_is_unavailable(store: EpisodeStore, error: Exception) -> None:
    def fail(**_: Any) -> None:
        raise error

    store.table.meta.client.meta.events.register_first("before-send.dynamodb.*", fail)

    for ask in (
        lambda: store.read("a"),
        lambda: store.due(NOW),
        lambda: store.write(put_record(RECORD, 0)),
        lambda: store.write(put_record(RECORD, 0), Put("b", NewestEpisode(), 0)),
    ):
        with pytest.raises(Unavailable):
            ask()
