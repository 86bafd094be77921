"""Requests that PagerDuty documents as rejected, with their status: 401, 413, and 400 for a resolved incident."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from tests.pagerduty_account import PagerDutyAccount

NO_TOKEN: tuple[dict[str, str], ...] = (
    {},
    {"Authorization": "Token token="},
    {"Authorization": "Token token=another"},
    {"Authorization": "Bearer another"},
)
PAGE = ("/", "/sections", "/act", "/note")
"""The page for people, whose forms are taken from the page itself only: `test_pagerduty_page.py`."""
OPEN_TO_ALL = ("/sandbox/", "/v2/enqueue", "/integration/")  # a routing key is the secret of the last two


@pytest.fixture
def account(tmp_path: Path) -> PagerDutyAccount:
    return PagerDutyAccount(tmp_path)


@pytest.mark.parametrize("header", NO_TOKEN)
def test_without_the_accounts_token_there_is_401_whatever_is_asked(
    account: PagerDutyAccount, header: dict[str, str]
) -> None:
    routes = [one for one in account.application.routes if isinstance(one, Route)]
    asked = [
        (method, re.sub(r"\{\w+\}", "P1", one.path))
        for one in routes
        if not one.path.startswith(OPEN_TO_ALL) and one.path not in PAGE
        for method in one.methods or ()
        if method != "HEAD"
    ]
    answers = {(method, path): account.plain.request(method, path, headers=header) for method, path in asked}

    assert len(answers) > 40
    assert {key: answer.status_code for key, answer in answers.items()} == dict.fromkeys(answers, 401)
    assert {answer.json()["error"]["code"] for answer in answers.values()} == {2006}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "acknowledged"},
        {"status": "triggered"},
        {"status": "acknowledged", "title": "again"},
    ],
)
@pytest.mark.parametrize("several", [True, False])
def test_a_resolved_incident_stays_resolved(
    account: PagerDutyAccount, change: dict[str, Any], *, several: bool
) -> None:
    account.simple().send()
    incident = account.incidents()[0]
    account.change(incident["id"], status="resolved")
    entries = len(account.client.get(f"/incidents/{incident['id']}/log_entries").json()["log_entries"])
    if several:
        body = {"incidents": [{"id": incident["id"], "type": "incident_reference", **change}]}
        answer = account.client.put("/incidents", json=body)
    else:
        answer = account.change(incident["id"], **change)
    now = account.incidents()[0]
    log = account.client.get(f"/incidents/{incident['id']}/log_entries").json()["log_entries"]

    assert (answer.status_code, answer.json()["error"]["errors"]) == (400, ["Incident Already Resolved"])
    assert (now["status"], now["title"], len(log)) == ("resolved", incident["title"], entries)


def test_an_event_does_not_acknowledge_a_resolved_incident_either(account: PagerDutyAccount) -> None:
    orders = account.simple()
    orders.send()
    orders.send("resolve")
    orders.send("acknowledge")

    assert [incident["status"] for incident in account.incidents()] == ["resolved"]


@pytest.mark.parametrize(("count", "status"), [(250, 200), (251, 413)])
def test_one_request_changes_at_most_250_incidents(account: PagerDutyAccount, count: int, status: int) -> None:
    account.simple().send()
    change = {"id": account.incidents()[0]["id"], "type": "incident_reference", "status": "acknowledged"}
    answer = account.client.put("/incidents", json={"incidents": [change] * count})

    assert answer.status_code == status, answer.text
    assert account.incidents()[0]["status"] == ("acknowledged" if status == 200 else "triggered")
