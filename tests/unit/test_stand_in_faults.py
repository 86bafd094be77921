"""The faults that a stand-in has on request, as Slack's own SDK and plain HTTP meet them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from slack_sdk.errors import SlackApiError

from tests.pagerduty_account import PagerDutyAccount
from tests.slack_workspace import SlackWorkspace, served_workspace

POST = "/api/chat.postMessage"


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[SlackWorkspace]:
    with served_workspace(tmp_path) as (found, _):
        yield found


def put(slack: SlackWorkspace, *faults: dict[str, Any]) -> httpx.Response:
    return httpx.put(f"{slack.address}/sandbox/faults", json=list(faults))


def post(slack: SlackWorkspace) -> tuple[int, str, str | None]:
    """Return status, body and Retry-After of the answer to a message."""
    answer = httpx.post(
        slack.address + POST,
        json={"channel": slack.channel, "text": "x"},
        headers=slack.credentials.slack_headers(),
    )
    return answer.status_code, answer.text, answer.headers.get("retry-after")


def posted(slack: SlackWorkspace) -> int:
    return len(slack.workspace.messages)


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ({"kind": "error"}, (503, "", None)),
        ({"kind": "error", "status": 500}, (500, "", None)),
        ({"kind": "limited", "retry_after": 7}, (429, "", "7")),
    ],
)
def test_a_refused_request_has_no_effect_and_the_next_is_taken(
    slack: SlackWorkspace, fault: dict[str, Any], answer: tuple[int, str, str | None]
) -> None:
    put(slack, {**fault, "path": POST, "times": 1})
    first, after = post(slack), posted(slack)

    assert (first, after) == (answer, 0)
    assert (post(slack)[0], posted(slack)) == (200, 1)


def test_a_lost_answer_has_its_effect(slack: SlackWorkspace) -> None:
    put(slack, {"kind": "lost", "path": POST, "times": 1})

    assert (post(slack)[0], posted(slack)) == (504, 1)


def test_nonsense_is_no_json(slack: SlackWorkspace) -> None:
    put(slack, {"kind": "nonsense", "path": POST, "times": 1})

    with pytest.raises(SlackApiError):
        slack.client.chat_postMessage(channel=slack.channel, text="x")
    assert posted(slack) == 0


def test_a_slow_answer_comes_after_the_client_has_given_up(slack: SlackWorkspace) -> None:
    put(slack, {"kind": "slow", "path": POST, "times": 1, "seconds": 1})
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(slack.address + POST, json={}, timeout=0.05)

    assert post(slack)[0] == 200


def test_a_fault_lasts_until_it_is_taken_away_and_concerns_its_path_only(slack: SlackWorkspace) -> None:
    put(slack, {"kind": "error", "path": POST})
    statuses = [post(slack)[0] for _ in range(3)]
    other = slack.client.auth_test()["ok"]
    listed = httpx.get(f"{slack.address}/sandbox/faults").json()["faults"]
    httpx.delete(f"{slack.address}/sandbox/faults")

    assert (statuses, other, len(listed)) == ([503] * 3, True, 1)
    assert post(slack)[0] == 200


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"kind": "explode", "path": "/"}, "kind"),
        ({"kind": "error"}, "path"),
        ({"kind": "error", "path": "/sandbox/ready"}, "sandbox's own"),
        ({"kind": "error", "path": "/", "times": 0}, "times"),
        ({"kind": "error", "path": "/", "status": 200}, "status"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(slack: SlackWorkspace, fault: dict[str, Any], word: str) -> None:
    answer = put(slack, fault)

    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_pagerduty_has_them_too(tmp_path: Path) -> None:
    account = PagerDutyAccount(tmp_path)
    orders = account.simple()
    account.plain.put("/sandbox/faults", json=[{"kind": "lost", "path": "/v2/enqueue", "times": 1}])
    answer = orders.send()

    assert answer.status_code == 504
    assert len(account.incidents()) == 1
