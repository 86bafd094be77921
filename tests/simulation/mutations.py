"""The bugs put in on purpose. The simulation has to catch each (`tests.simulation.mutation`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from operator import attrgetter
from typing import Any

from chatops import (
    actions,
    catalog_silences,
    delivery,
    ending,
    executor,
    happenings,
    incidents,
    outbox,
    repair,
    step,
    timeline,
)
from chatops.effects import TRAITS, Acknowledge, Escalate, Lane, ShowMessage, Traits, WriteDraft
from chatops.episode import IncidentStatus, Phase
from chatops.events import Done, Reconciled
from chatops.record import NewestEpisode
from chatops.store import Put
from tests.simulation.mutation import Mutation
from tests.simulation.repair_mutations import REPAIR_MUTATIONS

Function = Callable[..., Any]
FIRST_LOOKS_END = 700.0


def _always(value: object) -> Function:
    return lambda *_, **__: value


TRUE, FALSE, NOTHING = map(_always, (True, False, None))


def _resolved_at_once(episode: Any, sent_at: float, firing: frozenset[str]) -> Any:
    if step.is_news(episode, sent_at) and not firing:
        return ending.end(replace(episode, phase=Phase.CHECKING), sent_at, sent_at)
    return _ORIGINAL["_notified"](episode, sent_at, firing)


def _without_lease(self: outbox.Outbox, entry: outbox.Entry, now: float) -> Any:
    after, begun = _ORIGINAL["begin"](self, entry, now)
    unleased = replace(begun, not_before=now)
    return replace(after, entries=tuple(unleased if held.id == begun.id else held for held in after.entries)), unleased


def _lost_retry(self: outbox.Outbox, entry: outbox.Entry, now: float, wait: float) -> outbox.Outbox:
    # A reply without a thread asks for one at once: without Slack, that would never end.
    return _ORIGINAL["retry"](self, entry, now, wait) if entry.effect == ShowMessage() else self.settle(entry)


def _any_lane(self: outbox.Outbox) -> tuple[outbox.Entry, ...]:
    return self.entries[::-1]


def _covered_in_flight(effect: Any, entries: Any) -> bool:
    return _ORIGINAL["is_covered"](effect, [replace(entry, in_flight=False) for entry in entries])


def _bounces(episode: Any, incident: Any) -> Any:
    after, effects = _ORIGINAL["pagerduty_answered"](episode, incident)
    news = incident is not None and incident.status is IncidentStatus.ACKNOWLEDGED and incident != episode.incident
    return after, (*effects, *((Acknowledge("ann", 0.0),) if news else ()))


def _acknowledged_at_click(episode: Any, action: Any) -> Any:
    after, effects = _ORIGINAL["_acknowledge"](episode, action)
    if after.incident is not None:
        people = (f"{action.person}@example.com",)
        after = replace(after, incident=replace(after.incident, acknowledged_by=people))
    return after, effects


def _not_late(episode: Any, action: Any, policy: Any, now: float) -> Any:
    return _ORIGINAL["refused"](episode, replace(action, clicked_at=now), policy, now)


def _replaced_proposal(episode: Any, proposal: Any, seen_at: float, policy: Any, now: float) -> Any:
    kept = tuple(
        replace(known, proposal=proposal) if known.proposal.id == proposal.id else known for known in episode.repairs
    )
    return _ORIGINAL["_proposed"](replace(episode, repairs=kept), proposal, seen_at, policy, now)


def _nobody_is_asked(episode: Any, action: Any, now: float) -> Any:
    return _ORIGINAL["_decide_on_repair"](episode, replace(action, button=actions.Button.APPROVE), now)


def _holds_always(self: executor.Executor, repair_id: str, record: Any) -> Put:
    _, version = executor.read_holder(self.store, repair_id)
    return executor.put_holder(repair_id, executor.RepairHolder(episode=record.episode.id), version)


def _reopened(group: Any, newest: NewestEpisode, event: Any, policy: Any, now: float) -> Any:
    after, record = _ORIGINAL["opened"](group, newest, event, policy, now)
    return replace(after, number=newest.number), record


def _ticked_without_looks(episode: Any, policy: Any, now: float) -> Any:
    return _ORIGINAL["_ticked"](replace(episode, next_look_at=now + 1), policy, now)


def _silence_stays(episode: Any, ended_at: float, now: float) -> Any:
    after, effects = _ORIGINAL["end"](episode, ended_at, now)
    return replace(after, silence=episode.silence), effects


def _not_told(repair_: Any, why: str, now: float) -> Any:
    after, effects = _ORIGINAL["escalated"](repair_, why, now)
    return after, effects[:1]


def _expires_nothing(windows: Any, listed: Any, now: float) -> Any:
    return replace(_ORIGINAL["changes"](windows, listed, now), expire=())


def _shows_until_it_starts(silence: Any, window: Any, now: float) -> bool:
    return _ORIGINAL["shows"](silence, window, now) and silence.starts_at == window.since


def _by_its_comment(silence: Any) -> str | None:
    return _ORIGINAL["window_of"](replace(silence, created_by=f"{catalog_silences.AUTHOR}ann"))


def _keeps_every_silence(windows: Any, listed: Any, now: float) -> Any:
    known = list(windows)
    changed = _ORIGINAL["changes"](known, listed, now)
    expire = [item for item in changed.expire if not any(catalog_silences.shows(item, one, now) for one in known)]
    return replace(changed, expire=tuple(expire))


def _creates_nothing_again(alertmanager: Any, windows: Any, listed: Any, now: float, say: Any) -> None:
    first = now < FIRST_LOOKS_END
    _ORIGINAL["keep_windows"](alertmanager, list(windows) if first else [], listed if first else [], now, say)


def _newest_only(timeline_: Any, audited: int) -> Any:
    return _ORIGINAL["waiting_for_audit"](timeline_, audited)[-1:]


def _drafted_once(before: Any, after: Any, effects: Any, event: Any, now: float) -> Any:
    told, more = _ORIGINAL["told"](before, after, effects, event, now)
    return told, more if before.is_open else tuple(effect for effect in more if not isinstance(effect, WriteDraft))


_COUNT = count()


def _another_key(id_: Any) -> str:
    return f"{id_}/{next(_COUNT)}"


_TARGETS = (
    (timeline, "waiting_for_audit"),
    (happenings, "told"),
    (step, "_notified"),
    (outbox.Outbox, "begin"),
    (outbox.Outbox, "retry"),
    (outbox, "is_covered"),
    (incidents, "pagerduty_answered"),
    (actions, "_acknowledge"),
    (actions, "refused"),
    (step, "_proposed"),
    (actions, "_decide_on_repair"),
    (executor, "opened"),
    (executor, "opens"),
    (delivery, "_incident"),
    (step, "_ticked"),
    (ending, "end"),
    (repair, "escalated"),
    (catalog_silences, "changes"),
    (catalog_silences, "shows"),
    (catalog_silences, "window_of"),
    (catalog_silences, "keep_windows"),
)
_ORIGINAL: dict[str, Function] = {name: getattr(owner, name) for owner, name in _TARGETS}


def _resolved_without_a_look(clients: Any, episode: Any, policy: Any) -> Any:
    del policy
    incident = clients.pagerduty.incident_of(episode.group.key)
    if incident is not None and delivery.is_left_open(episode, incident):
        clients.pagerduty.resolve_alert(incident.id, episode.group.key)
    return Done()


def _never_told(newest: NewestEpisode, previous: Any, event: Any, now: float) -> bool:
    opened_at = event.incident_opened_at if isinstance(event, Reconciled) else None
    known = opened_at is not None and opened_at <= newest.resolved_at
    return _ORIGINAL["opens"](newest, previous, event, now) and not known


def _waits_for_an_incident(clients: Any, episode: Any) -> Any:
    return _ORIGINAL["_incident"](clients, replace(episode, phase=Phase.FIRING))


MUTATIONS = (
    Mutation(
        name="a record is written without its condition",
        target="tests.simulation.table:is_newest",
        by=TRUE,
        seed=0,
    ),
    Mutation(name="a new episode keeps its group's number", target="chatops.record:opened", by=_reopened, seed=110),
    Mutation(
        name="a notification opens an episode however old it is",
        target="chatops.record:is_fresh",
        by=TRUE,
        seed=21,
    ),
    Mutation(name="resolved is believed without asking", target="chatops.step:_notified", by=_resolved_at_once, seed=9),
    Mutation(name="a restarted Alertmanager counts as proof", target="chatops.looks:is_complete", by=TRUE, seed=507),
    Mutation(name="an effect begins without a lease", target="chatops.outbox:Outbox.begin", by=_without_lease, seed=29),
    Mutation(
        name="an effect that failed is not retried", target="chatops.outbox:Outbox.retry", by=_lost_retry, seed=11
    ),
    Mutation(
        name="effects are carried out in the wrong order", target="chatops.outbox:Outbox.heads", by=_any_lane, seed=0
    ),
    Mutation(
        name="an effect under way counts for what came later",
        target="chatops.outbox:is_covered",
        by=_covered_in_flight,
        seed=128,
    ),
    Mutation(
        name="a post is repeated without a look whether it is there",
        target="chatops.delivery:is_repeated",
        by=FALSE,
        seed=3,
    ),
    Mutation(
        name="a command whose answer was lost is sent again",
        target="chatops.outbox:is_once",
        by=FALSE,
        seed=153,
    ),
    Mutation(name="effects are tried forever", target="chatops.outbox:is_expired", by=FALSE, seed=5943),
    Mutation(
        name="the age of a click is counted from its delivery",
        target="chatops.outbox:asked_at",
        by=attrgetter("created_at"),
        also=(("chatops.actions:refused", _not_late),),
        seed=329,
    ),
    Mutation(
        name="a click acts again when it is delivered again",
        target="chatops.actions:is_handled",
        by=FALSE,
        seed=9,
    ),
    Mutation(name="everybody may click everything", target="chatops.actions:refused", by=NOTHING, seed=25),
    Mutation(
        name="an acknowledgement goes back to PagerDuty",
        target="chatops.incidents:pagerduty_answered",
        by=_bounces,
        seed=1,
    ),
    Mutation(
        name="a click counts before PagerDuty has taken it",
        target="chatops.actions:_acknowledge",
        by=_acknowledged_at_click,
        seed=9,
    ),
    Mutation(
        name="a proposal is replaced after it was shown",
        target="chatops.step:_proposed",
        by=_replaced_proposal,
        seed=133,
    ),
    Mutation(
        name="a proposal that comes before its episode is forgotten",
        target="chatops.executor:is_early",
        by=FALSE,
        seed=17,
    ),
    Mutation(name="reject approves", target="chatops.actions:_decide_on_repair", by=_nobody_is_asked, seed=18),
    Mutation(
        name="two episodes run the repair of one alert",
        target="chatops.executor:Executor._holding",
        by=_holds_always,
        seed=517,
    ),
    Mutation(
        name="an incident is resolved without another look",
        target="chatops.delivery:_resolve_alert",
        by=_resolved_without_a_look,
        seed=2472,
    ),
    Mutation(
        name="an incident that no notification told of is left open",
        target="chatops.record:opens",
        by=_never_told,
        seed=700,
    ),
    Mutation(
        name="what nobody can receive blocks what comes after it",
        target="chatops.delivery:_incident",
        by=_waits_for_an_incident,
        seed=278,
        also=(("chatops.effects:TRAITS", TRAITS | {Escalate: Traits(lane=Lane.PAGERDUTY)}),),
    ),
    Mutation(
        name="a silence that Alertmanager lost is not set again",
        target="chatops.step:keeps_silence",
        by=FALSE,
        seed=2429,
    ),
    Mutation(name="a failed repair is escalated to nobody", target="chatops.repair:escalated", by=_not_told, seed=29),
    Mutation(name="a silence has no ceiling", target="chatops.silences:ceiling", by=_always(1e9), seed=17),
    Mutation(
        name="a silence until resolved outlives its episode", target="chatops.ending:end", by=_silence_stays, seed=3
    ),
    Mutation(
        name="an incident of the next episode is taken for this one's",
        target="chatops.incidents:is_of_the_next",
        by=FALSE,
        seed=6,
    ),
    Mutation(
        name="an open episode is never compared with the world",
        target="chatops.step:_ticked",
        by=_ticked_without_looks,
        seed=3,
    ),
    Mutation(name="nothing looks for lost notifications", target="chatops.reconciler:reconcile", by=NOTHING, seed=11),
    Mutation(
        name="a thread that was deleted is not posted again", target="chatops.step:is_thread_due", by=FALSE, seed=123
    ),
    Mutation(
        name="a maintenance window that was removed stays silenced",
        target="chatops.catalog_silences:changes",
        by=_expires_nothing,
        seed=5,
    ),
    Mutation(
        name="a window's silence is replaced at every look", target="chatops.catalog_silences:shows", by=FALSE, seed=1
    ),
    Mutation(
        name="a window's silence is a new one after its start",
        target="chatops.catalog_silences:shows",
        by=_shows_until_it_starts,
        seed=1,
    ),
    Mutation(
        name="a person's silence with a window's comment is expired",
        target="chatops.catalog_silences:window_of",
        by=_by_its_comment,
        seed=17,
    ),
    Mutation(
        name="of two silences of a window, each function keeps its own",
        target="chatops.catalog_silences:changes",
        by=_keeps_every_silence,
        seed=1721,
    ),
    Mutation(
        name="a window is kept only if it was there at the first look",
        target="chatops.reconciler:keep_windows",
        by=_creates_nothing_again,
        seed=1,
    ),
    Mutation(
        name="the audit record is given the newest entry alone",
        target="chatops.timeline:waiting_for_audit",
        by=_newest_only,
        seed=0,
    ),
    Mutation(
        name="what is done with a silence is in no timeline",
        target="chatops.happenings:_silence",
        by=_always(()),
        seed=3,
    ),
    Mutation(
        name="a draft is not written again after an answer", target="chatops.happenings:told", by=_drafted_once, seed=2
    ),
    Mutation(
        name="each attempt at a draft writes another", target="chatops.post_incident:draft_key", by=_another_key, seed=0
    ),
    *REPAIR_MUTATIONS,
)
