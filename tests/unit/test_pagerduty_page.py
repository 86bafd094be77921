"""The page of the stand-in for PagerDuty: a person acknowledges, resolves and escalates there, and nobody else can."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.pagerduty_account import Events, PagerDutyAccount

ORIGIN = "http://testserver"
HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(1)> {{ 7 * 7 }}'


@pytest.fixture
def account(tmp_path: Path) -> PagerDutyAccount:
    return PagerDutyAccount(tmp_path)


@pytest.fixture
def orders(account: PagerDutyAccount) -> Events:
    """A service with two levels: ann, then bob."""
    ann, bob = account.person("ann"), account.person("bob")
    return account.service(account.policy((5, [("user", ann)]), (5, [("user", bob)])))


def person(account: PagerDutyAccount, name: str) -> str:
    return account.client.get("/users", params={"query": f"{name}@"}).json()["users"][0]["id"]


def form(account: PagerDutyAccount, path: str, origin: str | None = ORIGIN, **fields: str) -> httpx2.Response:
    headers = {} if origin is None else {"Origin": origin}
    return account.plain.post(path, data=fields, headers=headers, follow_redirects=False)


def act(account: PagerDutyAccount, wanted: str, /, **changes: str) -> httpx2.Response:
    fields = {"as": person(account, "ann"), "incident": account.incidents()[0]["id"], "action": wanted, **changes}
    return form(account, "/act", **fields)


def test_with_nothing_fired_the_page_says_so(account: PagerDutyAccount) -> None:
    assert "No incident so far." in account.plain.get("/").text


def test_an_incident_s_address_for_people_leads_to_it_on_the_page(account: PagerDutyAccount, orders: Events) -> None:
    orders.send()
    address = account.incidents()[0]["html_url"]
    page, _, anchor = address.partition("#")

    assert f'id="{anchor}"' in account.plain.get(page).text


def test_a_person_acknowledges_and_resolves(account: PagerDutyAccount, orders: Events) -> None:
    orders.send()
    opened = account.plain.get("/").text
    acknowledged = act(account, "acknowledge").headers["location"]
    by = [each["acknowledger"]["summary"] for each in account.incidents()[0]["acknowledgements"]]
    act(account, "resolve")
    ended = account.plain.get("/").text

    assert ("CriticalLatency orders" in opened, "assigned to ann" in opened) == (True, True)
    assert (acknowledged, by) == (f"{ORIGIN}/?", ["ann"])
    assert account.incidents()[0]["status"] == "resolved"
    assert ("<button>Acknowledge" in opened, "<button>Acknowledge" in ended) == (True, False)


def test_a_person_escalates_and_writes_notes(account: PagerDutyAccount, orders: Events) -> None:
    orders.send()
    act(account, "escalate")
    found = account.incidents()[0]
    form(account, "/note", incident=found["id"], text="looking", **{"as": person(account, "bob")})
    notes = account.client.get(f"/incidents/{found['id']}/notes").json()["notes"]

    assert [each["assignee"]["summary"] for each in found["assignments"]] == ["bob"]
    assert [(note["user"]["summary"], note["content"]) for note in notes] == [("bob", "looking")]
    assert act(account, "escalate").status_code == 404  # there is no third level


def test_a_resolved_incident_stays_resolved(account: PagerDutyAccount, orders: Events) -> None:
    orders.send()
    act(account, "resolve")
    again = [act(account, action).status_code for action in ("acknowledge", "resolve", "escalate")]

    assert again == [404, 404, 404]
    assert account.incidents()[0]["status"] == "resolved"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver:1", None])
@pytest.mark.parametrize("path", ["/act", "/note"])
def test_a_form_of_another_page_is_refused(
    account: PagerDutyAccount, orders: Events, origin: str | None, path: str
) -> None:
    orders.send()
    fields = {"as": person(account, "ann"), "incident": account.incidents()[0]["id"], "action": "resolve", "text": "x"}
    answer = form(account, path, origin, **fields)

    assert answer.status_code == 403
    assert account.incidents()[0]["status"] == "triggered"


@pytest.mark.parametrize("changes", [{"as": "P0"}, {"incident": "Q0"}, {"action": "explode"}])
def test_what_is_not_there_cannot_be_acted_on(
    account: PagerDutyAccount, orders: Events, changes: dict[str, str]
) -> None:
    orders.send()

    assert act(account, "resolve", **changes).status_code == 404
    assert account.incidents()[0]["status"] == "triggered"


def test_whatever_is_in_an_incident_is_text(account: PagerDutyAccount, orders: Events) -> None:
    orders.send(payload={"summary": HOSTILE})
    fields = {"as": person(account, "ann"), "incident": account.incidents()[0]["id"], "text": HOSTILE}
    form(account, "/note", **fields)
    content = account.plain.get("/", params={"as": HOSTILE}).text.partition('<div id="content">')[2]

    assert ("<script" in content, "<img" in content, "{{ 7 * 7 }}" in content) == (False, False, True)


def test_the_script_gets_what_has_changed_and_nothing_else(account: PagerDutyAccount, orders: Events) -> None:
    first = account.plain.get("/sections").json()
    same = account.plain.get("/sections", params={"known": first["version"]})
    orders.send()
    changed = account.plain.get("/sections", params={"known": first["version"]}).json()

    assert same.status_code == 204
    assert "CriticalLatency orders" in changed["sections"]["content"]
