"""Alertmanager's replicas, each asked over a connection of its own.

An address may be that of a load balancer, behind which a connection stays with the replica that took it: a replica is
asked for its name first, and for everything else over the same connection. Connections are opened until as many
replicas have answered as there are.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from operator import itemgetter
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from chatops.clients import ActiveSilence, ListedSilence, Matcher, NewSilence, Refused, Unavailable
from chatops.details import details_of_alert
from chatops.episode import Details, Group
from chatops.http_json import MAXIMUM_BYTES, as_object, objects, text_in
from chatops.looks import Look, Replica
from orion_common.group_key import quoted

ANSWER_SECONDS = 5.0
LONGEST_SECONDS = 12.0
"""How long connections are opened for: the function that does so lives for half a minute."""
CONNECTIONS_PER_REPLICA = 5
"""How many connections are tried for each replica: of three, that leaves out one of them once in some 450 looks."""
WATCHDOG = "Watchdog"
AUTHOR = "Orion chatops"
FIRST_ERROR = 300
SERVER_ERROR = 500
NOT_FOUND = 404
PUT_OFF = frozenset({408, 429})
"""Statuses by which a proxy before Alertmanager puts a request off."""
EXPIRED = "expired"
_MARK = re.compile(r"\[(?P<key>\S+) until (?P<ends_at>\d+(\.\d+)?(e\+?\d+)?)\]$")
"""The end of a silence's comment: Alertmanager keeps times in milliseconds, and the record's has to be recognised."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringGroup:
    """A group as Alertmanager's API has it, with the fingerprints of its alerts that fire and are not suppressed.

    The first of these fires since `since`, and `details` are its texts.
    """

    receiver: str
    labels: tuple[tuple[str, str], ...]
    firing: frozenset[str]
    since: float
    details: Details


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """A connection to one replica."""

    connection: HTTPConnection
    path: str
    name: str
    up_seconds: float

    def ask(self, method: str, path: str, content: object = None) -> Any:
        return _ask(self.connection, method, f"{self.path}{path}", content)

    def ask_list(self, path: str) -> list[Mapping[str, Any]]:
        """Return the objects of a list. Raises `Unavailable` for anything else: that does not prove the list empty."""
        items = self.ask("GET", path)
        if not isinstance(items, list):
            raise Unavailable(f"Alertmanager's answer is a {type(items).__name__}, not a list")
        return objects(items)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerReplicas:
    """The replicas behind some addresses, `http://HOST:PORT` each."""

    addresses: tuple[str, ...]
    replicas: int
    now: Callable[[], float] = time.time

    def look(self, group: Group) -> Look:
        """Ask each replica for the group's alerts, silenced and inhibited ones too."""
        asked_at = self.now()
        answers = tuple(self._each(lambda session: _look(session, group)))
        return Look(asked_at=asked_at, replicas=answers)

    def firing_groups(self) -> tuple[FiringGroup, ...]:
        """Return the groups that fire in any replica. Raises `Unavailable` if none answers."""
        groups: dict[tuple[str, tuple[tuple[str, str], ...]], FiringGroup] = {}
        answers = list(self._each(_firing_groups))
        if not answers:
            raise Unavailable("no Alertmanager answered")
        for answer in answers:
            for group in answer:
                key = (group.receiver, group.labels)
                known = groups.get(key, group)
                first = min(known, group, key=lambda either: either.since)
                groups[key] = replace(first, firing=known.firing | group.firing)
        return tuple(groups.values())

    def silences(self, key: str) -> tuple[ActiveSilence, ...]:
        """Return the active silences with a key. Raises `Unavailable` unless every replica answers."""
        answers = list(self._each(lambda session: _silences(session, key)))
        if len(answers) < self.replicas:
            raise Unavailable(f"{len(answers)} of {self.replicas} Alertmanagers answered")
        found: dict[str, ActiveSilence] = {}
        for silence in (silence for answer in answers for silence in answer):
            known = found.get(silence.id)
            if known is None or silence.ends_at > known.ends_at:
                found[silence.id] = silence
        return tuple(found[id_] for id_ in sorted(found))

    def set_silence(self, id_: str | None, group: Group, key: str, ends_at: float) -> None:
        """Create a silence of exactly the group's labels, or change the end of one."""
        silence = NewSilence(
            matchers=tuple(Matcher(name=name, value=value, is_regex=False) for name, value in group.labels),
            starts_at=self.now(),
            ends_at=ends_at,
            created_by=AUTHOR,
            comment=f"{group.title[:200]}, silenced from its thread in Slack [{key} until {ends_at!r}]",
        )
        with closing(self._any()) as sessions:
            session = next(sessions)
            # A silence stays the same one only if its start does.
            known = {} if id_ is None else as_object(session.ask("GET", f"/api/v2/silence/{quote(id_, safe='')}"))
            kept = {"startsAt": known["startsAt"]} if known.get("startsAt") else {}
            content = {**_content(silence), **kept, **({} if id_ is None else {"id": id_})}
            session.ask("POST", "/api/v2/silences", content)

    def expire_silence(self, id_: str) -> None:
        """Expire a silence."""
        with closing(self._any()) as sessions:
            next(sessions).ask("DELETE", f"/api/v2/silence/{quote(id_, safe='')}")

    def all_silences(self) -> tuple[ListedSilence, ...]:
        """Return the silences of everybody in the replicas that answer. Raises `Unavailable` if none does."""
        answers = list(self._each(_listed_silences))
        if not answers:
            raise Unavailable("no Alertmanager answered")
        listed: dict[str, ListedSilence] = {}
        for silence in (silence for answer in answers for silence in answer):
            known = listed.get(silence.id, silence)
            # A replica that has restarted lacks alerts that the silence matches.
            listed[silence.id] = replace(silence, alerts=max(silence.alerts, known.alerts))
        return tuple(listed[id_] for id_ in sorted(listed))

    def create_silence(self, silence: NewSilence) -> None:
        """Create a silence in one replica, which tells the others."""
        with closing(self._any()) as sessions:
            next(sessions).ask("POST", "/api/v2/silences", _content(silence))

    def _each(self, ask: Callable[[_Session], _Value]) -> Iterator[_Value]:
        """Yield the answer of each replica that answers."""
        for session in self._sessions():
            try:
                answer = ask(session)
            except (Unavailable, Refused):
                continue
            yield answer

    def _any(self) -> Generator[_Session]:
        """Yield the sessions, of which one is enough. Raises `Unavailable` if there is none."""
        yield from self._sessions()
        raise Unavailable("no Alertmanager answered")

    def _sessions(self) -> Generator[_Session]:
        """Yield a connection to each replica, and close it afterwards."""
        names: set[str] = set()
        give_up_at = self.now() + LONGEST_SECONDS
        for number in range(CONNECTIONS_PER_REPLICA * self.replicas):
            if len(names) >= self.replicas or self.now() > give_up_at:
                return
            address = self.addresses[number % len(self.addresses)]
            with closing(_connection(address)) as connection:
                try:
                    session = _session(connection, address, self.now())
                except (Unavailable, Refused):
                    continue
                if session.name not in names:
                    names.add(session.name)
                    yield session


def _connection(address: str) -> HTTPConnection:
    parts = urlsplit(address)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)


def _session(connection: HTTPConnection, address: str, now: float) -> _Session:
    path = urlsplit(address).path
    status = as_object(_ask(connection, "GET", f"{path}/api/v2/status"))
    # From here on a connection that was closed is not opened again: that may be to another replica.
    connection.auto_open = 0
    name = as_object(status.get("cluster")).get("name") or address
    return _Session(connection=connection, path=path, name=str(name), up_seconds=now - _time(status.get("uptime")))


def _look(session: _Session, group: Group) -> Replica:
    everything = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}
    watchdog = session.ask_list(f"/api/v2/alerts?{urlencode([*everything.items(), _filter('alertname', WATCHDOG)])}")
    receiver = {"receiver": f"^{re.escape(group.receiver)}$"} if group.receiver else {}
    query = [*everything.items(), *receiver.items(), *(_filter(name, value) for name, value in group.labels)]
    alerts = session.ask_list(f"/api/v2/alerts?{urlencode(query)}")
    return Replica(up_seconds=session.up_seconds, watchdog=bool(watchdog), firing=_fingerprints(alerts))


def _firing_groups(session: _Session) -> list[FiringGroup]:
    query = urlencode({"active": "true", "silenced": "false", "inhibited": "false", "muted": "false"})
    groups = session.ask_list(f"/api/v2/alerts/groups?{query}")
    return [_firing_group(group, alerts) for group in groups if (alerts := objects(group.get("alerts")))]


def _firing_group(group: Mapping[str, Any], alerts: list[Mapping[str, Any]]) -> FiringGroup:
    since, first = min(((_time(alert.get("startsAt")), alert) for alert in alerts), key=itemgetter(0))
    more = len(alerts) - 1
    return FiringGroup(
        receiver=str(as_object(group.get("receiver")).get("name")),
        labels=tuple(sorted(_texts(group.get("labels")).items())),
        firing=_fingerprints(alerts),
        since=since,
        details=details_of_alert(_texts(first.get("labels")), _texts(first.get("annotations")), since=since, more=more),
    )


def _texts(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in as_object(value).items()}


def _fingerprints(alerts: list[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(alert["fingerprint"]) for alert in alerts if alert.get("fingerprint"))


def _content(silence: NewSilence) -> dict[str, Any]:
    return {
        "matchers": [
            {"name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal}
            for one in silence.matchers
        ],
        "startsAt": _text(silence.starts_at),
        "endsAt": _text(silence.ends_at),
        "createdBy": silence.created_by,
        "comment": silence.comment,
    }


def _unexpired_silences(session: _Session) -> Iterator[Mapping[str, Any]]:
    for silence in session.ask_list("/api/v2/silences"):
        if as_object(silence.get("status")).get("state") != EXPIRED:
            yield silence


def _silences(session: _Session, key: str) -> list[ActiveSilence]:
    found: list[ActiveSilence] = []
    for silence in _unexpired_silences(session):
        mark = _MARK.search(str(silence.get("comment")))
        if mark is None or mark["key"] != key:
            continue
        ends_at, marked = _time(silence.get("endsAt")), float(mark["ends_at"])
        # Somebody may have changed the end by hand.
        exact = marked if abs(marked - ends_at) < 1 else ends_at
        found.append(ActiveSilence(id=text_in(silence, "id", "Alertmanager"), ends_at=exact))
    return found


def _listed_silences(session: _Session) -> list[ListedSilence]:
    query = urlencode({"active": "false", "silenced": "true", "inhibited": "true", "unprocessed": "false"})
    alerts = session.ask_list(f"/api/v2/alerts?{query}")
    suppressed = Counter(id_ for alert in alerts for id_ in _silenced_by(alert))
    return [
        ListedSilence(
            id=text_in(silence, "id", "Alertmanager"),
            matchers=tuple(_matcher(matcher) for matcher in objects(silence.get("matchers"))),
            starts_at=_time(silence.get("startsAt")),
            ends_at=_time(silence.get("endsAt")),
            created_by=str(silence.get("createdBy", "")),
            comment=str(silence.get("comment", "")),
            alerts=suppressed[text_in(silence, "id", "Alertmanager")],
        )
        for silence in _unexpired_silences(session)
    ]


def _silenced_by(alert: Mapping[str, Any]) -> list[str]:
    ids = as_object(alert.get("status")).get("silencedBy")
    return [str(id_) for id_ in ids] if isinstance(ids, list) else []


def _matcher(matcher: Mapping[str, Any]) -> Matcher:
    return Matcher(
        name=str(matcher.get("name")),
        value=str(matcher.get("value")),
        is_regex=bool(matcher.get("isRegex")),
        is_equal=bool(matcher.get("isEqual", True)),
    )


def _filter(name: str, value: str) -> tuple[str, str]:
    return "filter", f"{name}={quoted(value)}"


def _ask(connection: HTTPConnection, method: str, path: str, content: object = None) -> Any:
    """Return the JSON of an answer. Raises `Unavailable` or `Refused`."""
    body = None if content is None else json.dumps(content).encode()
    headers = {"Accept": "application/json", **({} if body is None else {"Content-Type": "application/json"})}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read(MAXIMUM_BYTES + 1)
    except (OSError, HTTPException) as error:
        raise Unavailable(f"Alertmanager did not answer: {error!r}") from error
    if answer.status >= SERVER_ERROR or answer.status in PUT_OFF or len(text) > MAXIMUM_BYTES:
        raise Unavailable(f"Alertmanager answered {answer.status} with {len(text)} bytes")
    if answer.status == NOT_FOUND and method == "DELETE":
        return None  # it has expired long ago
    if answer.status >= FIRST_ERROR:
        raise Refused(f"Alertmanager {method} {path.partition('?')[0]}: {answer.status} {text[:200]!r}")
    try:
        return json.loads(text) if text.strip() else None
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"Alertmanager's answer is not JSON: {error}") from error


def _time(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError as error:
        raise Unavailable(f"Alertmanager's answer has no time: {text!r:.100}") from error


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
