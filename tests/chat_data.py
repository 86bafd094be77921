"""Episodes, records and messages for the tests of chat, made up by hypothesis or by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_type_hints

from hypothesis import strategies as st

from chatops import effects
from chatops.channel import Channel, Digest, Listed
from chatops.episode import (
    Details,
    Episode,
    EpisodeId,
    Group,
    HumanAnswer,
    Incident,
    IncidentNote,
    IncidentStatus,
    Phase,
    RootMessage,
    Shown,
    Silence,
    root_message,
)
from chatops.outbox import DeadLetter, Entry, Outbox
from chatops.pace import Pace, Rank, Waiting
from chatops.record import NewestEpisode, Record, RepairHolder, SeenSilence, SeenSilences
from chatops.repair import Command, Outcome, Proposal, Repair, Status
from chatops.stops import SeenStop, SeenStops, Stop
from chatops.timeline import Kind, TimelineEntry
from orion_common.stop_scopes import Scope

NOW = 1_795_516_811.0
GROUP = Group(
    key="0" * 64,
    labels=(("alertname", "HighP99Latency"), ("service", "orders")),
    channel="#orion-alerts",
    title="HighP99Latency",
    receiver="slack-warning",
)
DETAILS = Details(
    severity="critical",
    service="orders",
    summary="P99 latency exceeds 2 seconds",
    description="Service orders P99 latency is 3.2s",
    value="3.2s",
    since=NOW - 60,
    runbook="https://runbooks.orion.example.com/HighP99Latency",
    dashboard="https://grafana.orion.example.com/d/latency?var-service=orders&from=now-1h",
    silence="https://alertmanager.orion.example.com/#/silences/new?filter=%7Bservice%3D%22orders%22%7D",
)
INCIDENT = Incident(
    id="PINC001",
    status=IncidentStatus.TRIGGERED,
    opened_at=NOW,
    assigned_to=("primary@example.com",),
    url="https://orion.pagerduty.com/incidents/PINC001",
)
EPISODE = Episode(
    id=EpisodeId(GROUP.key, 1),
    group=GROUP,
    opened_at=NOW,
    news_at=NOW,
    next_look_at=NOW + 60,
    firing=frozenset({"a", "b"}),
    details=DETAILS,
    incident=INCIDENT,
)

texts = st.text(max_size=20)
"""Any Unicode but halves of surrogate pairs, which neither JSON nor a table takes."""
times = st.floats(min_value=0, max_value=2e9, allow_nan=False)
people = st.lists(texts, max_size=3).map(tuple)
details = st.builds(
    Details,
    severity=texts,
    service=texts,
    summary=texts,
    description=texts,
    value=texts,
    since=st.none() | times,
    more=st.integers(0, 1000),
    runbook=texts,
    dashboard=texts,
    silence=texts,
)
incidents = st.builds(
    Incident,
    id=texts,
    status=st.sampled_from(IncidentStatus),
    opened_at=times,
    acknowledged_by=people,
    assigned_to=people,
    by_policy=st.booleans(),
    priority=texts,
    notes=st.lists(st.builds(IncidentNote, id=texts, by=texts, text=texts), max_size=2).map(tuple),
    url=texts,
)
silences = st.builds(
    Silence, by=texts, requested_at=times, ends_at=times, until_resolved=st.booleans(), lifted=st.booleans()
)
commands = st.builds(Command, document=texts, parameters=st.lists(st.tuples(texts, texts), max_size=2).map(tuple))
proposals = st.builds(Proposal, fingerprint=texts, action=texts, target=texts, command=commands, approval=st.booleans())
repairs = st.builds(
    Repair,
    proposal=proposals,
    status=st.sampled_from(Status),
    changed_at=times,
    due_at=st.none() | times,
    by=st.none() | texts,
    outcome=st.none() | st.sampled_from(Outcome),
)
groups = st.builds(
    Group,
    key=texts,
    labels=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    channel=texts,
    title=texts,
    receiver=texts,
)
stops = st.builds(Stop, scope=st.builds(Scope, texts, texts), since=texts, by=texts, why=texts)
seen_stops = st.builds(
    SeenStops,
    held=st.lists(st.builds(SeenStop, stop=stops, seen_at=times), max_size=3).map(tuple),
    read_at=st.none() | times,
    awaited_until=times,
)
timeline_entries = st.builds(
    TimelineEntry, number=st.integers(1, 1000), at=times, kind=st.sampled_from(Kind), actor=texts, text=texts
)
episodes = st.builds(
    Episode,
    id=st.builds(EpisodeId, texts, st.integers(1, 1000)),
    group=groups,
    opened_at=times,
    news_at=times,
    next_look_at=times,
    details=details,
    details_at=st.just(float("-inf")) | times,
    phase=st.sampled_from(Phase),
    firing=st.frozensets(texts, max_size=3),
    gone_since=st.none() | times,
    ended_at=st.none() | times,
    thread=st.none() | texts,
    shown_at=times,
    incident=st.none() | incidents,
    resolved_by_hand=st.none() | texts,
    acknowledging=st.frozensets(texts, max_size=2),
    silence=st.none() | silences,
    repairs=st.lists(repairs, max_size=2).map(tuple),
    handled=st.lists(st.tuples(texts, times), max_size=2).map(tuple),
    timeline=st.lists(timeline_entries, max_size=3).map(tuple),
    audited=st.integers(0, 1000),
    draft=st.none() | texts,
    needed_human=st.none() | st.builds(HumanAnswer, needed=st.booleans(), by=texts, at=times),
    stops=seen_stops,
    refusals=st.lists(st.tuples(texts, st.integers(1, 5)), max_size=2).map(tuple),
)


def _times_of(effect: type) -> dict[str, st.SearchStrategy[float]]:
    """Return a strategy for each number of an effect: all are times, and no clock gives NaN or infinity."""
    return {name: times for name, type_ in get_type_hints(effect).items() if type_ is float}


all_effects: st.SearchStrategy[Any] = st.one_of(*(st.builds(cls, **_times_of(cls)) for cls in effects.TRAITS))
entries = st.builds(
    Entry,
    id=st.integers(1, 1000),
    effect=all_effects,
    created_at=times,
    not_before=times,
    attempts=st.integers(0, 10),
    in_flight=st.booleans(),
)
outboxes = st.builds(
    Outbox,
    entries=st.lists(entries, max_size=4).map(tuple),
    dead=st.lists(st.builds(DeadLetter, entry=entries, why=texts), max_size=2).map(tuple),
    next_id=st.integers(1, 1000),
)
listed_episodes = st.lists(
    st.builds(
        Listed,
        episode=texts,
        title=texts,
        severity=texts,
        service=texts,
        state=st.sampled_from(Shown),
        noted_at=times,
        has_thread=st.booleans(),
    ),
    max_size=3,
).map(tuple)
digests = st.builds(
    Digest,
    number=st.integers(1, 1000),
    listed=listed_episodes,
    message=st.none() | texts,
    changes=st.integers(0, 1000),
    shown=st.integers(0, 1000),
    not_before=st.just(float("-inf")) | times,
    attempts=st.integers(0, 300),
)
waiting_calls = st.builds(Waiting, key=texts, rank=st.sampled_from([int(rank) for rank in Rank]), at=times)
stored = st.one_of(
    st.builds(Channel, recent=listed_episodes, digests=st.lists(digests, max_size=2).map(tuple)),
    st.builds(Pace, next_at=st.just(float("-inf")) | times, waiting=st.lists(waiting_calls, max_size=3).map(tuple)),
    st.builds(Record, episode=episodes, outbox=outboxes),
    st.builds(NewestEpisode, number=st.integers(0, 1000), resolved_at=st.just(float("-inf")) | times),
    st.builds(RepairHolder, episode=st.builds(EpisodeId, texts, st.integers(1, 1000))),
    st.builds(
        SeenSilences,
        silences=st.lists(
            st.builds(
                SeenSilence, id=texts, matched=st.booleans(), quiet_since=st.none() | times, reported=st.booleans()
            ),
            max_size=3,
        ).map(tuple),
    ),
)


def message(**changes: Any) -> RootMessage:
    """Return the root message of the example episode with some of its fields changed."""
    return replace(root_message(EPISODE), **changes)
