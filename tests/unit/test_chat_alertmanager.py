"""Alertmanager's replicas behind one address, as a load balancer's, and the function that asks them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from botocore.exceptions import ReadTimeoutError

from alertmanager_access.handler import carry_out
from chatops.alertmanager_client import AlertmanagerClient
from chatops.alertmanager_replicas import AUTHOR, AlertmanagerReplicas
from chatops.clients import ActiveSilence, ListedSilence, Matcher, NewSilence, Refused, Unavailable
from chatops.episode import Details, Group, Waits
from chatops.looks import is_complete
from tests.chat_data import GROUP, NOW
from tests.http_stub import Asked, HttpStub, Reply, http_stub

SETTLED = Waits().settled
STARTED = "2026-11-24T09:40:11.000Z"  # an hour before NOW
KEY = "episode#g#1/silence"


@dataclass
class _Replica:
    """The data of one replica."""

    name: str
    alerts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    groups: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    silences: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    watchdog: bool = True
    status: int = 200
    closes: bool = False
    refuses: bool = False
    answers_objects: bool = False
    posted: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])


@dataclass
class _Alertmanagers:
    """Three replicas; each connection reaches the next one."""

    replicas: list[_Replica] = field(default_factory=lambda: [_Replica(name) for name in "abc"])
    stub: HttpStub | None = None

    def answer(self, request: Asked) -> Reply | None:
        replica = self.replicas[request.connection % len(self.replicas)]
        if replica.status != 200:
            return Reply({}, replica.status)
        if request.path == "/am/api/v2/status":
            closing = {"Connection": "close"} if replica.closes else {}
            return Reply({"cluster": {"name": replica.name}, "uptime": STARTED}, headers=closing)
        if request.method in {"POST", "DELETE"}:
            if replica.refuses:
                return Reply("bad matcher", 400)
            replica.posted.append({"path": request.path, **request.arguments})
            return Reply({"silenceID": "s9"})
        if replica.answers_objects:
            return Reply({"message": "all is well"})
        if request.path == "/am/api/v2/alerts" and request.arguments.get("filter") == 'alertname="Watchdog"':
            return Reply([{"fingerprint": "w"}] if replica.watchdog else [])
        answers = {"/am/api/v2/alerts": replica.alerts, "/am/api/v2/alerts/groups": replica.groups}
        answers["/am/api/v2/silences"] = replica.silences
        if request.path.startswith("/am/api/v2/silence/"):
            return Reply(replica.silences[0])
        return Reply(answers[request.path])

    def client(self) -> AlertmanagerReplicas:
        assert self.stub is not None
        return AlertmanagerReplicas(addresses=(f"{self.stub.address}/am",), replicas=3, now=lambda: NOW)


@pytest.fixture
def alertmanagers() -> Iterator[_Alertmanagers]:
    result = _Alertmanagers()
    with http_stub(result.answer) as stub:
        result.stub = stub
        yield result


def test_a_look_asks_each_replica_once_over_its_own_connection(alertmanagers: _Alertmanagers) -> None:
    alertmanagers.replicas[1].alerts = [{"fingerprint": "f1"}]
    alertmanagers.replicas[2].watchdog = False

    look = alertmanagers.client().look(GROUP)

    assert look.asked_at == NOW
    assert look.firing == {"f1"}
    assert sorted((replica.watchdog, len(replica.firing)) for replica in look.replicas) == [(0, 0), (1, 0), (1, 1)]
    assert {replica.up_seconds for replica in look.replicas} == {3600.0}
    assert not is_complete(look, 3, SETTLED)


def test_a_look_asks_for_the_groups_alerts_and_suppressed_ones_too(alertmanagers: _Alertmanagers) -> None:
    group = replace(GROUP, receiver="a.b|c", labels=(("service", 'say "hi"\\\n'), ("cluster", "")))

    alertmanagers.client().look(group)

    assert alertmanagers.stub is not None
    asked = next(request for request in alertmanagers.stub.asked if "receiver" in request.arguments).arguments
    assert asked["receiver"] == "^a\\.b\\|c$"
    assert asked["filter"] == 'cluster=""'  # of several, the stub keeps the last
    assert asked["silenced"] == asked["inhibited"] == asked["active"] == "true"


@pytest.mark.parametrize(
    "changes", [{"status": 503}, {"status": 400}, {"closes": True}, {"answers_objects": True}], ids=str
)
def test_a_replica_that_does_not_answer_makes_a_look_incomplete(
    alertmanagers: _Alertmanagers, changes: dict[str, Any]
) -> None:
    alertmanagers.replicas[0] = replace(alertmanagers.replicas[0], **changes)

    look = alertmanagers.client().look(GROUP)

    assert len(look.replicas) == 2
    assert not is_complete(look, 3, SETTLED)


def test_firing_groups_are_those_of_any_replica_since_the_first_of_their_alerts(alertmanagers: _Alertmanagers) -> None:
    def group(receiver: str, *alerts: dict[str, Any]) -> dict[str, Any]:
        return {"receiver": {"name": receiver}, "labels": {"b": "2", "a": "1"}, "alerts": list(alerts)}

    first, second, third = (_alert(f"f{number}", f"2026-11-24T10:5{number}:00Z") for number in (1, 2, 3))
    alertmanagers.replicas[0].groups = [group("slack-warning", second, third)]
    alertmanagers.replicas[1].groups = [group("slack-warning", second, first), group("other")]

    (found,) = alertmanagers.client().firing_groups()

    assert (found.receiver, found.labels) == ("slack-warning", (("a", "1"), ("b", "2")))
    assert found.firing == {"f1", "f2", "f3"}
    assert found.since == datetime(2026, 11, 24, 10, 51, tzinfo=UTC).timestamp()
    assert found.details == Details(
        severity="warning", service="orders", summary="f1 is slow", since=found.since, more=1, runbook="https://r/f1"
    )


def _alert(fingerprint: str, starts_at: str) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint,
        "startsAt": starts_at,
        "labels": {"alertname": "Slow", "severity": "warning", "service": "orders"},
        "annotations": {"summary": f"{fingerprint} is slow", "runbook_url": f"https://r/{fingerprint}"},
    }


def _silence(comment: str, ends_at: str = "2026-11-24T10:55:11.250Z", state: str = "active") -> dict[str, Any]:
    return {"id": "s1", "comment": comment, "endsAt": ends_at, "startsAt": STARTED, "status": {"state": state}}


def test_silences_are_found_by_their_key_with_the_end_that_was_asked_for(alertmanagers: _Alertmanagers) -> None:
    exact = NOW + 900.2504321
    for replica in alertmanagers.replicas:
        replica.silences = [
            _silence(f"orders [{KEY} until {exact!r}]"),
            _silence(f"orders [{KEY}2 until {exact!r}]") | {"id": "s2"},
            _silence("by hand") | {"id": "s3"},
            _silence(f"orders [{KEY} until {exact!r}]", state="expired") | {"id": "s4"},
        ]

    assert alertmanagers.client().silences(KEY) == (ActiveSilence(id="s1", ends_at=exact),)


def test_the_end_of_a_silence_that_was_changed_by_hand_is_the_new_one(alertmanagers: _Alertmanagers) -> None:
    for replica in alertmanagers.replicas:
        replica.silences = [_silence(f"orders [{KEY} until {NOW!r}]")]

    assert alertmanagers.client().silences(KEY) == (ActiveSilence(id="s1", ends_at=NOW + 900.25),)


def test_silences_are_unknown_unless_every_replica_answers(alertmanagers: _Alertmanagers) -> None:
    alertmanagers.replicas[2].status = 503

    with pytest.raises(Unavailable, match="2 of 3"):
        alertmanagers.client().silences(KEY)


def test_a_new_silence_is_of_exactly_the_groups_labels(alertmanagers: _Alertmanagers) -> None:
    group = replace(GROUP, labels=(("alertname", "X.*"), ("service", "")))

    alertmanagers.client().set_silence(None, group, KEY, NOW + 3600)

    (posted,) = (posted for replica in alertmanagers.replicas for posted in replica.posted)
    assert posted["matchers"] == [
        {"name": "alertname", "value": "X.*", "isRegex": False, "isEqual": True},
        {"name": "service", "value": "", "isRegex": False, "isEqual": True},
    ]
    assert (posted["startsAt"], posted["endsAt"]) == ("2026-11-24T10:40:11Z", "2026-11-24T11:40:11Z")
    assert posted["createdBy"] == AUTHOR
    assert "id" not in posted
    assert re.search(rf"\[{re.escape(KEY)} until {NOW + 3600!r}\]$", posted["comment"])


def test_a_silence_that_is_extended_stays_the_same(alertmanagers: _Alertmanagers) -> None:
    for replica in alertmanagers.replicas:
        replica.silences = [_silence("orders")]

    alertmanagers.client().set_silence("s1", GROUP, KEY, NOW + 3600)

    (posted,) = (posted for replica in alertmanagers.replicas for posted in replica.posted)
    assert (posted["id"], posted["startsAt"]) == ("s1", STARTED)


def test_a_silence_is_expired_by_its_id(alertmanagers: _Alertmanagers) -> None:
    alertmanagers.client().expire_silence("s/1")

    (posted,) = (posted for replica in alertmanagers.replicas for posted in replica.posted)
    assert posted == {"path": "/am/api/v2/silence/s%2F1"}


def _listed(**changes: Any) -> dict[str, Any]:
    matchers = [{"name": "a", "value": "1|2", "isRegex": True, "isEqual": False}, {"name": "b", "value": "3"}]
    return _silence("why") | {"createdBy": "ann", "matchers": matchers} | changes


def test_everybodys_silences_are_listed_with_how_many_alerts_they_suppress(alertmanagers: _Alertmanagers) -> None:
    for replica in alertmanagers.replicas:
        replica.silences = [_listed(), _listed(id="s2", status={"state": "expired"})]
    alertmanagers.replicas[1].silences.append(_listed(id="s3", status={"state": "pending"}))
    alertmanagers.replicas[2].alerts = [
        {"fingerprint": "f1", "status": {"silencedBy": ["s1", "s4"]}},
        {"fingerprint": "f2", "status": {"silencedBy": ["s1"]}},
        {"fingerprint": "f3", "status": {}},
    ]

    first, second = alertmanagers.client().all_silences()

    assert first == ListedSilence(
        id="s1",
        matchers=(
            Matcher(name="a", value="1|2", is_regex=True, is_equal=False),
            Matcher(name="b", value="3", is_regex=False, is_equal=True),
        ),
        starts_at=NOW - 3600,
        ends_at=NOW + 900.25,
        created_by="ann",
        comment="why",
        alerts=2,
    )
    assert (second.id, second.alerts) == ("s3", 0)


def test_silences_are_listed_while_a_replica_is_away(alertmanagers: _Alertmanagers) -> None:
    alertmanagers.replicas[0].status = 503
    alertmanagers.replicas[1].silences = [_listed()]

    assert [silence.id for silence in alertmanagers.client().all_silences()] == ["s1"]


def test_a_silence_is_created_in_one_replica(alertmanagers: _Alertmanagers) -> None:
    matchers = (Matcher(name="a", value="1|2", is_regex=True), Matcher(name="b", value="3", is_regex=False))

    alertmanagers.client().create_silence(
        NewSilence(matchers=matchers, starts_at=NOW, ends_at=NOW + 60, created_by="team", comment="why")
    )

    (posted,) = (posted for replica in alertmanagers.replicas for posted in replica.posted)
    assert posted == {
        "path": "/am/api/v2/silences",
        "matchers": [
            {"name": "a", "value": "1|2", "isRegex": True, "isEqual": True},
            {"name": "b", "value": "3", "isRegex": False, "isEqual": True},
        ],
        "startsAt": "2026-11-24T10:40:11Z",
        "endsAt": "2026-11-24T10:41:11Z",
        "createdBy": "team",
        "comment": "why",
    }


def test_without_any_replica_nothing_is_known(alertmanagers: _Alertmanagers) -> None:
    for replica in alertmanagers.replicas:
        replica.status = 503
    client = alertmanagers.client()

    for ask in (client.firing_groups, client.all_silences, lambda: client.expire_silence("s1")):
        with pytest.raises(Unavailable):
            ask()
    assert client.look(GROUP).replicas == ()


class _Invoked:
    """Lambda's client, which invokes the function in this process."""

    def __init__(self, replicas: AlertmanagerReplicas) -> None:
        self.replicas = replicas
        self.answer: Callable[[bytes], dict[str, Any]] = lambda payload: {
            "Payload": io.BytesIO(json.dumps(carry_out(self.replicas, json.loads(payload))).encode())
        }

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - as boto3 calls them
        assert FunctionName == "orion-alertmanager-access"
        return self.answer(Payload)


@pytest.fixture
def invoked(alertmanagers: _Alertmanagers) -> _Invoked:
    return _Invoked(alertmanagers.client())


def _group_of(receiver: str, labels: Mapping[str, str]) -> Group | None:
    return replace(GROUP, labels=tuple(labels.items())) if receiver == "slack-warning" else None


def _remote(invoked: _Invoked) -> AlertmanagerClient:
    return AlertmanagerClient(client=cast("Any", invoked), function="orion-alertmanager-access", group_of=_group_of)


def test_the_function_in_the_network_answers_as_the_replicas_do(
    alertmanagers: _Alertmanagers, invoked: _Invoked
) -> None:
    for replica in alertmanagers.replicas:
        replica.alerts = [{"fingerprint": "f1"}]
        replica.silences = [_silence(f"orders [{KEY} until {NOW + 900!r}]")]
        replica.groups = [
            {"receiver": {"name": name}, "labels": {"a": "1"}, "alerts": [_alert(fingerprint, STARTED)]}
            for name, fingerprint in (("slack-warning", "f1"), ("other", "f2"))
        ]
    client = _remote(invoked)

    look = client.look(GROUP)
    assert (len(look.replicas), look.firing) == (3, {"f1"})
    assert client.silences(KEY) == invoked.replicas.silences(KEY)
    (active,) = client.active_groups()
    (firing, _) = invoked.replicas.firing_groups()
    assert active.group == replace(GROUP, labels=(("a", "1"),))
    assert (active.firing, active.since, active.details) == (frozenset({"f1"}), firing.since, firing.details)
    client.set_silence(None, GROUP, KEY, NOW)
    client.expire_silence("s1")
    client.create_silence(NewSilence(matchers=(), starts_at=NOW, ends_at=NOW, created_by="team", comment="why"))
    assert sum(len(replica.posted) for replica in alertmanagers.replicas) == 3
    assert client.all_silences() == invoked.replicas.all_silences()
    assert len(client.all_silences()) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"status": 503}, Unavailable), ({"status": 429}, Unavailable), ({"refuses": True}, Refused)],
    ids=str,
)
def test_what_hinders_the_function_is_told(
    alertmanagers: _Alertmanagers, invoked: _Invoked, changes: dict[str, Any], error: type[Exception]
) -> None:
    alertmanagers.replicas = [replace(replica, **changes) for replica in alertmanagers.replicas]

    with pytest.raises(error):
        _remote(invoked).expire_silence("s1")


@pytest.mark.parametrize(
    "answer",
    [
        {"Payload": io.BytesIO(b'{"errorMessage": "timed out"}'), "FunctionError": "Unhandled"},
        {"Payload": io.BytesIO(b"null")},
        {"Payload": io.BytesIO(b"<")},
        {"Payload": io.BytesIO(b'{"answer": {"asked_at": "soon"}}')},
        ReadTimeoutError(endpoint_url="https://lambda"),
    ],
    ids=["it failed", "no answer", "no JSON", "no time", "no end"],
)
def test_a_function_that_fails_is_unavailable(invoked: _Invoked, answer: Any) -> None:
    def reply(_: bytes) -> dict[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    invoked.answer = reply

    with pytest.raises(Unavailable):
        _remote(invoked).look(GROUP)
