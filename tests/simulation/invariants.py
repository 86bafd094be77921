"""The invariants: some hold at every write and call, the others at the end, once faults have stopped for a while."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from chatops.episode import Episode, IncidentStatus, root_message
from chatops.events import RepairProposed
from chatops.record import LATE_SECONDS, Record, RepairHolder, due_at
from chatops.repair import Command, Status
from chatops.step import PROPOSAL_SECONDS
from chatops.store import holder_key
from tests.simulation import aftermath
from tests.simulation.world import Violation

if TYPE_CHECKING:
    from chatops.catalog_silences import Window
    from chatops.clients import NewSilence
    from tests.simulation.alertmanagers import SimulatedSilence
    from tests.simulation.simulation import Simulation

PROPAGATION_SECONDS = 120.0
"""How long Alertmanager's replicas may take to have an alert that fires, in the simulation."""
STALE_SECONDS = 240.0
"""How long a command may run after its alert has resolved: it waits for Systems Manager's limits, in the simulation."""
CHANGE_SECONDS = 60.0
"""How long a function may go by the catalog that it began with."""
QUIET_SECONDS = 900.0
"""How long a group has to have been as it is before everything must agree on it."""


def _hold(condition: object, text: str) -> None:
    if not condition:
        raise Violation(text)


def check_write(simulation: Simulation, before: Record | None, after: Record) -> None:
    """Check a record that is written."""
    episode = after.episode
    if before is None:
        others = [
            record.episode.id
            for record in simulation.store.records()
            if record.episode.group.key == episode.group.key
            and record.episode.is_open
            and record.episode.id != episode.id
        ]
        _hold(not others, f"{episode.id} opens while {others} is open")
        _hold(_has_reason(simulation, episode), f"{episode.id} opens for what was over long ago")
        return
    was = before.episode
    _hold(was.is_open or not episode.is_open, f"{episode.id} opens again")
    if was.is_open and not episode.is_open:
        _hold(may_be_resolved(simulation, episode.group.key), f"{episode.id} ends while its group fires")
    _check_silence_write(simulation, was, episode)
    if episode.incident is not None and episode.incident != was.incident:
        of_this = episode.ended_at is None or episode.incident.opened_at <= episode.ended_at
        _hold(of_this, f"{episode.id} has ended, and shows the incident of the next episode")
        known = next(item for item in simulation.pagerduty.incidents if item.id == episode.incident.id)
        for person in episode.incident.acknowledged_by:
            _hold(any(who == person for who, _ in known.log), f"{episode.id} says that {person} acknowledged")


def _has_reason(simulation: Simulation, episode: Episode) -> bool:
    """Return whether a group fires or did not long ago, or holds an incident open."""
    key, now = episode.group.key, simulation.world.now
    managers, view = simulation.alertmanagers, simulation.pagerduty.view(episode.group.key)
    recent = now - managers.fired_until.get(key, -inf) <= LATE_SECONDS + PROPAGATION_SECONDS
    return bool(managers.truth.get(key)) or recent or (view is not None and view.status is not IncidentStatus.RESOLVED)


def _check_silence_write(simulation: Simulation, was: Episode, episode: Episode) -> None:
    """Check that a silence is a person's who may silence, and that each click of theirs counts once."""
    wanted, known = episode.silence, was.silence
    if wanted is None or wanted == known:
        return
    same = known is not None and (known.by, known.requested_at, known.until_resolved) == (
        wanted.by,
        wanted.requested_at,
        wanted.until_resolved,
    )
    if same and known is not None and (wanted.until_resolved or wanted.ends_at == known.ends_at):
        return
    clicks = simulation.silence_clicks.get((str(episode.id), wanted.by), 0)
    _hold(clicks > 0, f"{episode.id} is silenced by {wanted.by}, who may not or did not click")
    simulation.silence_clicks[str(episode.id), wanted.by] = clicks - 1


def may_be_resolved(simulation: Simulation, group: str) -> bool:
    """Return whether a group does not fire, or has only just begun to."""
    managers = simulation.alertmanagers
    fires = bool(managers.truth.get(group))
    return not fires or simulation.world.now - managers.fired_since[group] < PROPAGATION_SECONDS


def check_proposed(simulation: Simulation, group: str, event: RepairProposed) -> None:
    """Check that a proposal which a function has handled is in a record, or came too late for one."""
    episodes = [record.episode for record in simulation.store.records() if record.episode.group.key == group]
    recorded = any(repair.proposal.id == event.proposal.id for episode in episodes for repair in episode.repairs)
    over = any(episode.ended_at is not None and episode.ended_at >= event.seen_at for episode in episodes)
    late = simulation.world.now - event.seen_at > PROPOSAL_SECONDS
    _hold(recorded or over or late, f"{event.proposal.id} was proposed and forgotten")


def check_command(simulation: Simulation, repair: str, command: Command) -> None:
    """Check a command that is about to run."""
    holder = simulation.store.items[holder_key(repair)].value
    episode = str(holder.episode) if isinstance(holder, RepairHolder) else None
    allowed = {(repair, str(command), None), (repair, str(command), episode)} & simulation.allowed
    _hold(allowed, f"{command} runs, and nobody approved it")
    now, last = simulation.world.now, simulation.ran.get(repair)
    alert = repair.split("#")[1]
    cleared = any(last is not None and at > last for at in simulation.cleared.get(alert, ()))
    _hold(last is None or cleared, f"{repair} runs twice")
    simulation.ran[repair] = now
    check_fires(simulation, repair, alert)


def check_fires(simulation: Simulation, repair: str, alert: str) -> None:
    """Check that the alert of a repair that runs now fires, or did not long ago."""
    now = simulation.world.now
    fires = any(alert in firing for firing in simulation.alertmanagers.truth.values())
    recently = any(now - at < STALE_SECONDS for at in simulation.cleared.get(alert, ()))
    _hold(fires or recently, f"{repair} runs long after its alert has resolved")


def check_end(simulation: Simulation) -> None:
    """Check everything after faults have stopped for long."""
    for key in simulation.groups:
        _check_group(simulation, key)
    records = simulation.store.records()
    for record in records:
        _check_record(simulation, record)
        aftermath.check_kept(record, simulation.deeds, simulation.archive)
    aftermath.check_all(records, simulation.archive, [command for _, command in simulation.commands.sent])
    _check_silences_of_others(simulation)


def check_create(simulation: Simulation, new: NewSilence) -> None:
    """Check that a silence which a function creates is not there: no replica has had its like for a while."""
    managers, long_ago = simulation.alertmanagers, simulation.world.now - CHANGE_SECONDS
    if any(replica.up_since > long_ago for replica in managers.replicas):
        return
    known = [
        silence.id
        for silence in managers.window_silences()
        if silence.new == new
        and silence.changed_at < long_ago
        and all(silence.id in replica.silences for replica in managers.replicas)
    ]
    _hold(not known, f"{new.comment} is created again beside {known}")


def check_expire(simulation: Simulation, silence: SimulatedSilence) -> None:
    """Check that a function may expire a silence: an episode's, or one that is not, or no longer, its window's."""
    _hold(silence.by is None, f"a function expires {silence.id}, a silence of {silence.by}")
    if silence.new is None:
        return
    others = [other for other in simulation.alertmanagers.window_silences() if other.id != silence.id]
    for window in simulation.windows():
        of_window = _is_of(silence, window) and window in simulation.windows(CHANGE_SECONDS)
        doubled = any(_is_of(other, window) for other in others)
        _hold(not of_window or doubled, f"{silence.id} is expired while its window {window.name} is in the catalog")


def _is_of(silence: SimulatedSilence, window: Window) -> bool:
    """Return whether a silence is that of a window, judged by what it silences and when."""
    group, alert = window.match["alertname"][0], window.match.get("alert", (None,))[0]
    begins = silence.starts_at >= window.since
    return (silence.group, silence.alert, silence.ends_at) == (group, alert, window.until) and begins


def _check_silences_of_others(simulation: Simulation) -> None:
    """Check the silences of the catalog's windows, and that those of people are as they were made."""
    managers, now = simulation.alertmanagers, simulation.world.now
    kept = managers.window_silences()
    wanted = [window for window in simulation.windows() if window.until > now]
    for window in wanted:
        own = [silence.id for silence in kept if _is_of(silence, window)]
        _hold(len(own) == 1, f"the window {window.name} has the silences {own}")
    _hold(len(kept) == len(wanted), f"{len(kept)} silences of {len(wanted)} windows")
    newest = managers.newest_silences()
    for silence in managers.by_hand:
        _hold(newest.get(silence.id, silence) == silence, f"{silence.id}, a silence of {silence.by}, was changed")


def _check_group(simulation: Simulation, key: str) -> None:
    managers, world = simulation.alertmanagers, simulation.world
    records = [record.episode for record in simulation.store.records() if record.episode.group.key == key]
    open_ = [episode for episode in records if episode.is_open]
    incident = simulation.pagerduty.newest(key)
    if not managers.truth.get(key):
        _hold(not open_, f"{key} has resolved, and {[str(episode.id) for episode in open_]} is open")
        unresolved = incident is not None and not incident.alerts[key].resolved
        _hold(not unresolved, f"{key} has resolved, and its incident is open")
        return
    active = managers.replicas[0].active(key, world.now)
    if active and world.now - max(managers.fired_since[key], _last_window_end(simulation, key)) > QUIET_SECONDS:
        _hold(len(open_) == 1, f"{key} fires, and no episode is open")
        _hold(open_[0].incident == simulation.pagerduty.view(key), f"{key} does not show its incident")


def _last_window_end(simulation: Simulation, key: str) -> float:
    """Return when the last window of a group, or of one of its alerts, ended: its alerts were silenced until then."""
    windows = [planned.window for planned in simulation.plan.windows]
    ends = [window.until for window in windows if key in window.match["alertname"]]
    return max((end for end in ends if end <= simulation.world.now), default=-inf)


def _check_record(simulation: Simulation, record: Record) -> None:
    episode, outbox, world = record.episode, record.outbox, simulation.world
    late = [entry for entry in outbox.entries if world.now - entry.created_at > QUIET_SECONDS]
    _hold(not late, f"{episode.id} still has to do {[entry.effect for entry in late]}")
    at = due_at(record, world.policy)
    _hold(episode.is_open or at is None or at > world.now - QUIET_SECONDS, f"{episode.id} is due and ended")
    threads = list(simulation.slack.shown(str(episode.id)))
    _hold(
        len(threads) == 1 or (_may_lack_thread(simulation, episode) and not threads),
        f"{episode.id}: {len(threads)} threads",
    )
    if threads and not _is_recent(episode):
        _hold(threads[0].id == episode.thread, f"{episode.id} does not know its thread")
        _hold(threads[0].message == root_message(episode), f"{episode.id}: its thread shows {threads[0].message}")
    _check_silence(simulation, episode)
    for repair in episode.repairs:
        over = repair.due_at is None or repair.due_at > world.now - QUIET_SECONDS
        _hold(over, f"{repair.proposal.id} is stuck: {repair.status}")
        if repair.status is Status.ESCALATED:
            _check_escalated(simulation, record)


def _is_recent(episode: Episode) -> bool:
    return episode.is_open and episode.incident is None


def _may_lack_thread(simulation: Simulation, episode: Episode) -> bool:
    """Return whether the thread of an episode that has ended was deleted after its last message."""
    deleted = [
        thread for thread in simulation.slack.threads.values() if thread.key == str(episode.id) and thread.deleted
    ]
    return bool(deleted) and not episode.is_open


def _check_silence(simulation: Simulation, episode: Episode) -> None:
    own = [item for item in simulation.alertmanagers.own_silences().values() if item.key == f"{episode.id}/silence"]
    wanted = episode.silence
    lasting = wanted is not None and not wanted.lifted and wanted.ends_at > simulation.world.now
    kept = len(own) == lasting if episode.is_open else len(own) <= lasting  # nobody sets an ended episode's again
    _hold(kept, f"{episode.id}: {len(own)} silences, wanted {wanted}")
    if wanted is not None:
        ceiling = wanted.requested_at + simulation.world.policy.silence_ceiling_seconds
        _hold(wanted.ends_at <= ceiling, f"{episode.id}: a silence beyond its ceiling")
        _hold(not own or own[0].ends_at == wanted.ends_at, f"{episode.id}: a silence ends at another time")
    if wanted is not None and wanted.until_resolved and episode.ended_at is not None:
        over = wanted.lifted or wanted.ends_at <= episode.ended_at
        _hold(over, f"{episode.id} has ended, and its silence has not")


def _check_escalated(simulation: Simulation, record: Record) -> None:
    prefix = f"{record.episode.id}/"
    noted = any(key.startswith(prefix) for incident in simulation.pagerduty.incidents for key in incident.notes)
    dead = any(letter.entry.effect.__class__.__name__ == "Escalate" for letter in record.outbox.dead)
    _hold(noted or dead, f"{record.episode.id}: a repair was not escalated")
