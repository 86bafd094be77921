"""Stored values of chat as text: what is written is read back, and nothing else is read at all."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from chatops.record import Record, Stored
from chatops.record_codec import CannotRead, decode, encode
from tests.chat_data import EPISODE, stored


@given(value=stored)
def test_what_is_written_is_read_back(value: Stored) -> None:
    assert decode(encode(value)) == value


def test_a_field_that_an_older_release_did_not_write_has_its_default() -> None:
    content = json.loads(encode(Record(episode=EPISODE)))
    for field in ("incident", "timeline", "audited", "draft", "needed_human"):
        del content["value"]["episode"][field]

    record = decode(json.dumps(content))

    assert isinstance(record, Record)
    assert record.episode == replace(EPISODE, incident=None)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("form",), 2, r"form: found 2; allowed: 1"),
        (("type",), "Policy", r"type: found 'Policy'"),
        (("value", "episode", "phase"), "over", r"Record\.episode\.phase: found 'over'; allowed: firing"),
        (("value", "episode", "opened_at"), "soon", r"Record\.episode\.opened_at: found 'soon'; allowed: float"),
        (("value", "episode", "opened_at"), True, r"opened_at: found True"),
        (("value", "episode", "id"), ["g"], r"Record\.episode\.id: found '1 items'; allowed: 2"),
        (("value", "episode", "firing"), "a", r"firing: found 'a'; allowed: a list"),
        (("value", "episode", "colour"), "red", r"a field of Episode: found 'colour'"),
        (("value", "episode", "group"), None, r"Record\.episode\.group: found None; allowed: an object"),
    ],
    ids=str,
)
def test_what_is_no_record_is_named_with_its_place(path: tuple[str, ...], value: object, place: str) -> None:
    content = json.loads(encode(Record(episode=EPISODE)))
    *parents, field = path
    holder = content
    for parent in parents:
        holder = holder[parent]
    holder[field] = value

    with pytest.raises(CannotRead, match=place):
        decode(json.dumps(content))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"form"', "[" * 100_000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(CannotRead):
        decode(text)


def test_a_missing_field_is_named() -> None:
    content = json.loads(encode(Record(episode=EPISODE)))
    del content["value"]["episode"]["opened_at"]

    with pytest.raises(CannotRead, match=r"Record\.episode: .*opened_at"):
        decode(json.dumps(content))
