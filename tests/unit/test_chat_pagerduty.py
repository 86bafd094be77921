"""The PagerDuty client: against the stand-in that PagerDuty's own clients judge, and recorded answers for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chatops.clients import RateLimited, Refused, Unavailable
from chatops.episode import Group, IncidentStatus
from chatops.pagerduty_api import PagerDutyApi
from chatops.pagerduty_client import PagerDutyClient
from sandbox.service import HttpService, wait_until_ready
from tests.chat_data import GROUP
from tests.http_stub import Asked, HttpStub, Reply, http_stub
from tests.pagerduty_account import BEGIN, TOKEN, Events, PagerDutyAccount

EMAILS = {"U1": "ann@example.com", "U2": "nobody@example.com", "U3": "Bob@Example.com"}


def _client(address: str, *, token: str = TOKEN) -> PagerDutyClient:
    api = PagerDutyApi(token=token, sender="ann@example.com", address=address)
    return PagerDutyClient(api=api, email_of=EMAILS.get, group_of=_group_of, now=lambda: BEGIN)


def _group_of(key: str) -> Group | None:
    return GROUP if key == "k1" else None


@dataclass
class _Served:
    account: PagerDutyAccount
    events: Events
    client: PagerDutyClient

    def only(self) -> dict[str, Any]:
        (incident,) = self.account.incidents()
        return incident


@pytest.fixture
def pagerduty(tmp_path: Path) -> Iterator[_Served]:
    """Ann is at the first level, and Bob at the second."""
    account = PagerDutyAccount(tmp_path)
    ann, bob = account.person("ann"), account.person("bob")
    events = account.service(account.policy((5, [("user", ann)]), (5, [("user", bob)])))
    service = HttpService("PagerDuty", account.application)
    service.start()
    try:
        wait_until_ready(service, timeout_seconds=10)
        yield _Served(account, events, _client(service.address))
    finally:
        service.stop()


def test_an_incident_is_found_by_its_alerts_key(pagerduty: _Served) -> None:
    assert pagerduty.client.incident_of("k1") is None
    pagerduty.events.send()

    incident = pagerduty.client.incident_of("k1")

    assert incident is not None
    assert (incident.id, incident.status) == (pagerduty.only()["id"], IncidentStatus.TRIGGERED)
    assert incident.assigned_to == ("ann@example.com",)
    assert incident.acknowledged_by == ()
    assert incident.opened_at == BEGIN
    assert incident.url == f"{pagerduty.client.api.address}/#incident-{incident.id}"
    assert pagerduty.client.incident_of("k2") is None


def test_of_several_incidents_of_a_key_the_newest_counts(pagerduty: _Served) -> None:
    pagerduty.events.send()
    pagerduty.events.send("resolve")
    resolved = pagerduty.client.incident_of("k1")
    pagerduty.account.now.time += 60
    pagerduty.events.send()

    newest = pagerduty.client.incident_of("k1")

    assert resolved is not None
    assert newest is not None
    assert (resolved.status, newest.status) == (IncidentStatus.RESOLVED, IncidentStatus.TRIGGERED)
    assert newest.opened_at == BEGIN + 60
    assert newest.id != resolved.id


def test_an_acknowledgement_is_in_the_persons_name(pagerduty: _Served) -> None:
    pagerduty.events.send()
    id_ = pagerduty.only()["id"]
    assert not pagerduty.client.has_acknowledged(id_, "U3", BEGIN)

    pagerduty.client.acknowledge(id_, "U3")

    incident = pagerduty.client.incident_of("k1")
    assert incident is not None
    assert incident.status is IncidentStatus.ACKNOWLEDGED
    assert incident.acknowledged_by == ("bob@example.com",)
    assert pagerduty.client.has_acknowledged(id_, "U3", BEGIN + 0.5)
    assert not pagerduty.client.has_acknowledged(id_, "U3", BEGIN + 60)
    assert not pagerduty.client.has_acknowledged(id_, "U1", BEGIN)


@pytest.mark.parametrize(("person", "why"), [("U2", "your email"), ("U9", "Slack does not tell")])
def test_who_is_no_pagerduty_user_acknowledges_nothing(pagerduty: _Served, person: str, why: str) -> None:
    pagerduty.events.send()

    with pytest.raises(Refused, match=why):
        pagerduty.client.acknowledge(pagerduty.only()["id"], person)

    assert pagerduty.only()["status"] == "triggered"


def test_a_resolved_incident_is_not_acknowledged(pagerduty: _Served) -> None:
    pagerduty.events.send()
    pagerduty.events.send("resolve")

    with pytest.raises(Refused, match="Already Resolved"):
        pagerduty.client.acknowledge(pagerduty.only()["id"], "U1")


def test_a_note_is_found_by_its_key(pagerduty: _Served) -> None:
    pagerduty.events.send()
    id_ = pagerduty.only()["id"]

    pagerduty.client.note(id_, "episode#k1#1/3", "Acknowledged from Slack")

    assert pagerduty.client.has_note(id_, "episode#k1#1/3")
    assert not pagerduty.client.has_note(id_, "episode#k1#1/4")


def test_an_escalation_goes_to_the_next_level_and_no_further_than_the_last(pagerduty: _Served) -> None:
    pagerduty.events.send()
    id_ = pagerduty.only()["id"]

    pagerduty.client.escalate(id_, "episode#k1#1/3", "asked for by Ann")

    incident = pagerduty.client.incident_of("k1")
    assert incident is not None
    assert incident.assigned_to == ("bob@example.com",)
    assert pagerduty.client.has_note(id_, "episode#k1#1/3")
    with pytest.raises(Refused, match="last level"):
        pagerduty.client.escalate(id_, "episode#k1#1/4", "asked for by Ann")


def test_a_resolved_alert_resolves_its_incident(pagerduty: _Served) -> None:
    pagerduty.events.send()

    pagerduty.client.resolve_alert(pagerduty.only()["id"], "k1")

    assert pagerduty.only()["status"] == "resolved"


def test_open_alerts_are_those_of_groups_that_are_known(pagerduty: _Served) -> None:
    for key in ("k1", "k2"):
        pagerduty.events.send(dedup_key=key)
    assert pagerduty.client.open_alerts() == [(GROUP, BEGIN)]

    pagerduty.events.send("resolve")

    assert pagerduty.client.open_alerts() == []


def test_a_wrong_token_is_no_reason_to_give_up(pagerduty: _Served) -> None:
    with pytest.raises(Unavailable, match="401"):
        _client(pagerduty.client.api.address, token="wrong").incident_of("k1")


@dataclass
class _Account:
    """PagerDuty's answers, by path."""

    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    stub: HttpStub | None = None

    def answer(self, request: Asked) -> Reply:
        if request.path == "/incidents" and "incident_key" not in request.arguments:
            which = "resolved" if request.arguments["statuses[]"] == "resolved" else "open"
            return Reply(self.answers.get(f"{which} incidents", {"incidents": [], "more": False}))
        known = self.answers.get(request.path)
        if isinstance(known, Reply):
            return known
        return Reply(known) if known is not None else Reply({"error": {"message": "Not Found", "code": 2100}}, 404)

    def client(self) -> PagerDutyClient:
        assert self.stub is not None
        return _client(self.stub.address)


@pytest.fixture
def recorded() -> Iterator[_Account]:
    account = _Account()
    with http_stub(account.answer) as stub:
        account.stub = stub
        yield account


def _alert(key: str, at: str, status: str = "triggered") -> dict[str, Any]:
    return {"id": f"A{key}", "alert_key": key, "status": status, "created_at": at}


MERGED = {
    "id": "P1",
    "status": "resolved",
    "incident_key": "k1",
    "resolve_reason": {"type": "merge_resolve_reason", "incident": {"id": "P2", "type": "incident_reference"}},
}
TARGET = {
    "id": "P2",
    "status": "acknowledged",
    "incident_key": None,
    "html_url": "https://orion.pagerduty.com/incidents/P2",
    "acknowledgements": [{"acknowledger": {"id": "S1", "type": "service_reference", "summary": "A bot"}}],
}
BOTH = {
    "alerts": [_alert("k2", "2026-11-24T10:00:00Z"), _alert("k1", "2026-11-24T10:05:00Z")],
    "more": False,
}


def test_a_merged_incident_is_followed(recorded: _Account) -> None:
    recorded.answers = {
        "/incidents": {"incidents": [MERGED]},
        "/incidents/P1/alerts": {"alerts": [], "more": False},
        "/incidents/P2": {"incident": TARGET},
        "/incidents/P2/alerts": BOTH,
    }

    incident = recorded.client().incident_of("k1")

    assert incident is not None
    assert (incident.id, incident.status, incident.acknowledged_by) == ("P2", IncidentStatus.ACKNOWLEDGED, ("A bot",))
    assert incident.opened_at == 1_795_514_700.0


def test_an_incident_without_a_key_of_its_own_is_found_by_its_alerts(recorded: _Account) -> None:
    recorded.answers = {
        "/incidents": {"incidents": []},
        "open incidents": {"incidents": [{"id": "P9", "status": "triggered", "incident_key": "k9"}, TARGET]},
        "/incidents/P2/alerts": BOTH,
    }

    incident = recorded.client().incident_of("k2")

    assert incident is not None
    assert incident.id == "P2"
    assert recorded.stub is not None
    assert "GET /incidents/P9/alerts" not in recorded.stub.paths(), (
        "an incident with a key holds one alert, of that key"
    )


def test_an_incident_without_a_key_is_found_after_it_was_resolved(recorded: _Account) -> None:
    recorded.answers = {
        "/incidents": {"incidents": []},
        "resolved incidents": {"incidents": [TARGET | {"status": "resolved"}]},
        "/incidents/P2/alerts": BOTH,
    }

    incident = recorded.client().incident_of("k2")

    assert incident is not None
    assert incident.status is IncidentStatus.RESOLVED
    assert recorded.stub is not None
    since = next(asked.arguments["since"] for asked in recorded.stub.asked if "since" in asked.arguments)
    assert since == "2026-02-01T02:40:00+00:00"


def test_an_alert_that_is_resolved_is_not_open_though_its_incident_is(recorded: _Account) -> None:
    recorded.answers = {
        "/incidents": {"incidents": [TARGET]},
        "/incidents/P2/alerts": {"alerts": [_alert("k1", "2026-11-24T10:05:00Z", "resolved")], "more": False},
    }

    incident = recorded.client().incident_of("k1")

    assert incident is not None
    assert incident.status is IncidentStatus.RESOLVED


def test_a_merge_that_leads_in_a_circle_ends(recorded: _Account) -> None:
    circle = MERGED | {"resolve_reason": {"type": "merge_resolve_reason", "incident": {"id": "P1"}}}
    recorded.answers = {"/incidents": {"incidents": [circle]}, "/incidents/P1": {"incident": circle}}

    assert recorded.client().incident_of("k1") is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply({}, 429, {"Retry-After": "5"}), RateLimited),
        (Reply({}, 503), Unavailable),
        (Reply({"error": "no"}, 403), Unavailable),
        (Reply(b"<html>"), Unavailable),
        (Reply({"error": {"message": "Invalid Input Provided", "errors": ["no"]}}, 400), Refused),
    ],
    ids=str,
)
def test_what_became_of_a_request_is_told(recorded: _Account, answer: Reply, error: type[Exception]) -> None:
    alerts = {"alerts": [_alert("k1", "2026-11-24T10:05:00Z")], "more": False}
    recorded.answers = {"/incidents": answer, "/incidents/P1/alerts": alerts, "/incidents/P1/alerts/Ak1": answer}

    with pytest.raises(error):
        recorded.client().incident_of("k1")
    with pytest.raises(error if answer.content != b"<html>" else Unavailable):
        recorded.client().resolve_alert("P1", "k1")


@pytest.mark.parametrize(
    "answers",
    [
        {"/incidents": {}},
        {"/incidents": {"incidents": [{}]}},
        {"/incidents": {"incidents": [TARGET]}, "/incidents/P2/alerts": {}},
        {"/incidents": {"incidents": [TARGET | {"status": "merged"}]}, "/incidents/P2/alerts": BOTH},
        {"/incidents": {"incidents": [TARGET | {"status": None}]}, "/incidents/P2/alerts": BOTH},
    ],
    ids=["no list", "no id", "no alerts", "another status", "no status"],
)
def test_an_answer_of_another_shape_does_not_prove_that_there_is_no_incident(
    recorded: _Account, answers: dict[str, Any]
) -> None:
    recorded.answers = answers

    with pytest.raises(Unavailable, match="PagerDuty"):
        recorded.client().incident_of("k1")


def test_an_answer_of_another_shape_does_not_prove_that_a_person_or_a_note_is_missing(recorded: _Account) -> None:
    recorded.answers = {"/users": {}, "/incidents/P2/notes": {}}

    with pytest.raises(Unavailable, match="no list users"):
        recorded.client().acknowledge("P2", "U1")
    with pytest.raises(Unavailable, match="no list notes"):
        recorded.client().has_note("P2", "k")


def test_an_answer_without_a_time_is_none(recorded: _Account) -> None:
    recorded.answers = {
        "/incidents": {"incidents": [TARGET]},
        "/incidents/P2/alerts": {"alerts": [_alert("k1", "soon")], "more": False},
    }

    with pytest.raises(Unavailable, match="soon"):
        recorded.client().incident_of("k1")


def test_no_secret_is_in_a_representation(recorded: _Account) -> None:
    assert f"token='{TOKEN}'" not in repr(recorded.client())
