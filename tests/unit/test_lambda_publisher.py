"""A message about a repair is one that SNS takes, whatever stands in it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from runbook_automation.publisher import as_mail, fitting
from runbook_automation.repair import Repair, Status, shown_labels

LIMIT = 255 * 1024
WORST = '\u0001\U0001f600\ud800"\\'
"""What grows most when it is written as JSON or UTF-8, and half of a surrogate pair, which neither can hold."""


def _text(most: int) -> st.SearchStrategy[str]:
    """Return texts of up to `most` characters: a few of any kind, repeated."""

    def repeated(part: str, times: int) -> str:
        return (part * times)[:most]

    parts = st.text(st.characters(), max_size=5) | st.just(WORST)
    return st.builds(repeated, parts, st.sampled_from([0, 1, 100, most]))


def _many(value: str) -> dict[str, str]:
    return {f"{number}{value}": value for number in range(80)}


def _repair(labels: dict[str, str], output: str, errors: str, result: str) -> Repair:
    return Repair(
        id="repair#0123456789abcdef#2026-11-24T10:00:00.000Z#restart_pod",
        alert=result[:200],
        action="restart_pod",
        team="trading",
        labels=shown_labels(labels),
        parameters={"pod": result[:253]},
        status=Status.FAILED,
        seen_at=0,
        started_at=0,
        due_at=0,
        timeout_seconds=0,
        result=result,
        output=output,
        errors=errors,
    )


@given(
    labels=st.dictionaries(_text(600), _text(2_000), max_size=5) | st.builds(_many, _text(600)),
    output=_text(24_000),
    errors=_text(24_000),
    result=_text(500),
)
def test_a_message_always_fits_and_says_which_repair_it_is(
    labels: dict[str, str], output: str, errors: str, result: str
) -> None:
    text = fitting(_repair(labels, output, errors, result))

    assert len(text.encode()) <= LIMIT
    message = json.loads(json.loads(text)["default"])
    assert json.loads(text)["email"].startswith(message["result"])
    assert (message["id"][:6], message["status"], message["action"]) == ("repair", "failed", "restart_pod")


def test_what_fits_is_left_as_it_is() -> None:
    text = fitting(_repair({"pod": "ünïcödé"}, "Ausgabe: ü\n", "", "fertig"))

    assert "ünïcödé" in text
    assert json.loads(json.loads(text)["default"])["output"] == "Ausgabe: ü\n"


def test_a_result_of_any_length_is_cut_too() -> None:
    text = fitting(_repair({}, "", "", "x" * 1_000_000))

    assert len(text.encode()) <= LIMIT
    assert "(1000000 characters)" in json.loads(json.loads(text)["default"])["result"]


def test_an_email_says_first_what_happened_and_shows_output_as_it_was_written() -> None:
    repair = _repair(
        {"pod": "orders-1", "service": "orders"}, "", "line one\nline two\n", "the pod was not ready in time"
    )

    assert as_mail(repair.as_message()).splitlines() == [
        "the pod was not ready in time",
        "",
        "Alert: the pod was not ready in time",
        "Action: restart_pod",
        "Status: failed",
        "Team: trading",
        "Labels: pod=orders-1, service=orders",
        "Parameters: pod=the pod was not ready in time",
        "Started: 1970-01-01T00:00:00Z",
        "Id: repair#0123456789abcdef#2026-11-24T10:00:00.000Z#restart_pod",
        "",
        "Errors:",
        "line one",
        "line two",
    ]
