"""Prometheus and three Alertmanagers as the simulation has them.

Replicas share their notification log and silences by gossip, which is late at times; alerts come from Prometheus alone.
A restarted replica has lost everything. A partly silenced group resolves while its silenced alert fires.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from chatops.clients import ActiveGroup, ActiveSilence, ListedSilence, NewSilence, Refused, Unavailable
from chatops.episode import Details, Group
from chatops.looks import Look, Replica
from tests.simulation.world import Violation, World

RESEND_SECONDS = 60.0
GROUP_INTERVAL_SECONDS = 60.0
REPEAT_SECONDS = 240.0
Firing = frozenset[str]
NOTHING: Firing = frozenset()
PERSON = "ann"
"""Whose silences by hand are."""
COPIED_COMMENT = "maintenance [catalog/silences.yaml: w0]"
"""The comment of silences by hand: that of a window."""


@dataclass(slots=True)
class SimulatedSilence:
    """A silence of a group, or of one of its alerts. `key` marks those of episodes, and `by` those of people."""

    id: str
    group: str
    ends_at: float
    changed_at: float
    alert: str | None = None
    key: str | None = None
    by: str | None = None
    new: NewSilence | None = None
    """What a function asked for in the name of the catalog."""
    starts_at: float = -inf


@dataclass(slots=True)
class SimulatedReplica:
    """One Alertmanager."""

    index: int
    up_since: float = -1000.0
    watchdog: bool = True
    unreachable_until: float = -1.0
    partitioned_until: float = -1.0
    alerts: dict[str, Firing] = field(default_factory=dict[str, Firing])
    log: dict[str, tuple[Firing, float]] = field(default_factory=dict[str, tuple[Firing, float]])
    silences: dict[str, SimulatedSilence] = field(default_factory=dict[str, SimulatedSilence])

    def active(self, group: str, now: float) -> Firing:
        """Return the alerts of a group that fire and are not silenced."""
        return frozenset(alert for alert in self.alerts.get(group, NOTHING) if not self.is_silenced(group, alert, now))

    def is_silenced(self, group: str, alert: str, now: float) -> bool:
        """Return whether a silence covers an alert."""
        return any(
            silence.group == group and silence.alert in {None, alert} and silence.starts_at <= now < silence.ends_at
            for silence in self.silences.values()
        )


@dataclass(slots=True)
class Alertmanagers:
    """The replicas, and the truth that Prometheus knows."""

    world: World
    groups: dict[str, Group]
    notify: Callable[[Group, Firing], None]
    page: Callable[[str, bool], None]
    check_expire: Callable[[SimulatedSilence], None]
    check_create: Callable[[NewSilence], None]
    truth: dict[str, Firing] = field(default_factory=dict[str, Firing])
    fired_since: dict[str, float] = field(default_factory=dict[str, float])
    fired_until: dict[str, float] = field(default_factory=dict[str, float])
    replicas: list[SimulatedReplica] = field(default_factory=lambda: [SimulatedReplica(index) for index in range(3)])
    made: int = 0
    by_hand: list[SimulatedSilence] = field(default_factory=list[SimulatedSilence])

    def start(self) -> None:
        """Begin what repeats: Prometheus sends its alerts again, and each replica looks at its groups."""
        for replica in self.replicas:
            self.world.every(RESEND_SECONDS, lambda replica=replica: self._send(replica), 7.0 * replica.index)
            self.world.every(
                GROUP_INTERVAL_SECONDS, lambda replica=replica: self._flush_all(replica), 3.0 + 5 * replica.index
            )

    # What happens.

    def set(self, group: str, alert: str, *, fires: bool) -> None:
        """Let an alert fire or resolve."""
        before = self.truth.get(group, NOTHING)
        after = before | {alert} if fires else before - {alert}
        if after == before:
            return
        self.truth[group] = after
        if after and not before:
            self.fired_since[group] = self.world.now
        if before and not after:
            self.fired_until[group] = self.world.now
        self.world.note(f"truth: {group} {sorted(after)}")
        for replica in self.replicas:
            self.world.after(3 * self.world.random.random(), lambda replica=replica: self._send(replica))
            wait = 5.0 + 4 * replica.index
            self.world.after(wait, lambda replica=replica: self._flush(replica, group))

    def restart(self, replica: SimulatedReplica) -> None:
        """Restart a replica, which loses its state. Prometheus sends `Watchdog` and some alerts before the others."""
        self.world.note(f"alertmanager {replica.index}: restarted")
        replica.alerts, replica.log, replica.silences = {}, {}, {}
        replica.up_since, replica.watchdog = self.world.now, False

        def partly() -> None:
            replica.watchdog = True
            for group, alerts in self.truth.items():
                replica.alerts[group] = frozenset(alert for alert in sorted(alerts) if self.world.random.random() < 0.5)

        self.world.after(20 * self.world.random.random(), partly)
        source = self.replicas[(replica.index + 1) % 3]
        self.world.after(5.0, lambda: self._gossip(source, replica))

    def restart_all(self) -> None:
        """Restart every replica at once, so that what they shared is lost too."""
        for replica in self.replicas:
            self.restart(replica)

    def silence_by_hand(self, group: str, alert: str | None, seconds: float) -> None:
        """Silence a group or one of its alerts in Alertmanager itself."""
        silence = SimulatedSilence(self._new_id(), group, self.world.now + seconds, self.world.now, alert, by=PERSON)
        self.by_hand.append(silence)
        self._spread(silence)

    def _new_id(self) -> str:
        self.made += 1
        return f"S{self.made}"

    def _send(self, replica: SimulatedReplica) -> None:
        if self.world.now < replica.partitioned_until:
            return
        if self.world.now - replica.up_since < RESEND_SECONDS:
            return  # it was told a part, and the rest comes when Prometheus sends all again
        replica.alerts, replica.watchdog = dict(self.truth), True

    def _flush_all(self, replica: SimulatedReplica) -> None:
        for group in self.groups:
            self._flush(replica, group)

    def _flush(self, replica: SimulatedReplica, group: str) -> None:
        now = self.world.now
        firing, active = replica.alerts.get(group, NOTHING), replica.active(group, now)
        logged, at = replica.log.get(group, (NOTHING, now))
        if active:
            if active <= logged and now - at < REPEAT_SECONDS and not logged - firing:
                return
        elif not any(alert not in firing and not replica.is_silenced(group, alert, now) for alert in logged):
            return
        replica.log[group] = (active, now)
        self.world.note(f"alertmanager {replica.index}: {group} {sorted(active) or 'resolved'}")
        self.notify(self.groups[group], active)
        self.page(group, bool(active))
        for other in self.replicas:
            late = self.world.random.choice((5.0, 40.0)) if self.world.chance(self.world.rates.late) else 0.0
            self.world.after(0.2 + late, lambda other=other: self._gossip(replica, other))

    def _gossip(self, source: SimulatedReplica, target: SimulatedReplica) -> None:
        for group, (alerts, at) in source.log.items():
            if group not in target.log or target.log[group][1] < at:
                target.log[group] = (alerts, at)
        for silence in source.silences.values():
            self._learn(target, silence)

    def _learn(self, replica: SimulatedReplica, silence: SimulatedSilence) -> None:
        known = replica.silences.get(silence.id)
        if known is None or known.changed_at < silence.changed_at:
            replica.silences[silence.id] = silence

    def _spread(self, silence: SimulatedSilence) -> None:
        first = self.world.random.choice(self.replicas)
        self._learn(first, silence)
        for other in self.replicas:
            late = 10.0 if self.world.chance(self.world.rates.late) else 0.0
            self.world.after(0.3 + late, lambda other=other: self._learn(other, silence))

    # What the functions call.

    def look(self, group: Group) -> Look:
        """Ask each replica that can be reached."""
        asked_at = self.world.now

        def act() -> Look:
            replicas = tuple(
                Replica(
                    up_seconds=self.world.now - replica.up_since,
                    watchdog=replica.watchdog,
                    firing=replica.alerts.get(group.key, NOTHING),
                )
                for replica in self.replicas
                if self.world.now >= replica.unreachable_until
            )
            return Look(asked_at=asked_at, replicas=replicas)

        return self.world.call("alertmanager look", act)

    def active_groups(self) -> Sequence[ActiveGroup]:
        """Return the groups that fire in the first replica that can be reached."""

        def act() -> list[ActiveGroup]:
            now = self.world.now
            replica = next((replica for replica in self.replicas if now >= replica.unreachable_until), None)
            if replica is None:
                raise Unavailable("alertmanager")
            active = [(group, replica.active(key, now)) for key, group in self.groups.items()]
            return [
                ActiveGroup(group=group, firing=firing, since=self.fired_since[group.key], details=Details())
                for group, firing in active
                if firing
            ]

        return self.world.call("alertmanager groups", act)

    def own_silences(self) -> dict[str, SimulatedSilence]:
        """Return the newest state of the functions' silences that last."""
        newest = self.newest_silences()
        return {id_: silence for id_, silence in newest.items() if silence.key and silence.ends_at > self.world.now}

    def newest_silences(self, replicas: Sequence[SimulatedReplica] | None = None) -> dict[str, SimulatedSilence]:
        """Return the newest state of all silences in some replicas, or in all."""
        newest: dict[str, SimulatedSilence] = {}
        for replica in self.replicas if replicas is None else replicas:
            for silence in replica.silences.values():
                if silence.id not in newest or newest[silence.id].changed_at < silence.changed_at:
                    newest[silence.id] = silence
        return newest

    def window_silences(self) -> list[SimulatedSilence]:
        """Return the newest state of the silences of the catalog's windows that have not expired."""
        return [
            silence for silence in self.newest_silences().values() if silence.new and silence.ends_at > self.world.now
        ]

    def all_silences(self) -> Sequence[ListedSilence]:
        """Return everybody's silences in the replicas that can be reached."""

        def act() -> list[ListedSilence]:
            now = self.world.now
            answering = [replica for replica in self.replicas if now >= replica.unreachable_until]
            if not answering:
                raise Unavailable("alertmanager")
            newest = self.newest_silences(answering)
            return [_listed(newest[id_], answering[0], now) for id_ in sorted(newest) if newest[id_].ends_at > now]

        return self.world.call("alertmanager all silences", act)

    def create_silence(self, silence: NewSilence) -> None:
        """Create a silence of the catalog."""

        def act() -> None:
            now = self.world.now
            if silence.ends_at <= now:
                raise Refused("it is over")
            self.check_create(silence)
            labels = {matcher.name: matcher.value for matcher in silence.matchers}
            made = SimulatedSilence(
                self._new_id(),
                labels["alertname"],
                silence.ends_at,
                now,
                labels.get("alert"),
                new=silence,
                starts_at=max(silence.starts_at, now),
            )
            self.world.note(f"alertmanager: silence {made.id} for {silence.comment}")
            self._spread(made)

        self.world.call("alertmanager create silence", act)

    def silences(self, key: str) -> Sequence[ActiveSilence]:
        """Return the active silences with a key."""

        def act() -> list[ActiveSilence]:
            if any(self.world.now < replica.unreachable_until for replica in self.replicas):
                raise Unavailable("alertmanager")
            own = self.own_silences()
            return [ActiveSilence(silence.id, silence.ends_at) for silence in own.values() if silence.key == key]

        return self.world.call("alertmanager silences", act)

    def set_silence(self, id_: str | None, group: Group, key: str, ends_at: float) -> None:
        """Create a silence, or change its end."""

        def act() -> None:
            if id_ is None and any(silence.key == key for silence in self.own_silences().values()):
                raise Violation(f"a second silence of {key}")
            silence = SimulatedSilence(id_ or self._new_id(), group.key, ends_at, self.world.now, None, key)
            self.world.note(f"alertmanager: silence {silence.id} of {group.key} until {ends_at:.1f}")
            self._spread(silence)

        self.world.call("alertmanager silence", act)

    def expire_silence(self, id_: str) -> None:
        """Expire a silence."""

        def act() -> None:
            now = self.world.now
            known = self.newest_silences().get(id_)
            if known is not None and known.ends_at > now:
                self.check_expire(known)
                self.world.note(f"alertmanager: silence {id_} expired")
                self._spread(replace(known, ends_at=now, changed_at=now))

        self.world.call("alertmanager expire", act)


def _listed(silence: SimulatedSilence, replica: SimulatedReplica, now: float) -> ListedSilence:
    """Return a silence as Alertmanager lists it."""
    new = silence.new or NewSilence(
        matchers=(), starts_at=silence.starts_at, ends_at=0.0, created_by=silence.by or "", comment=COPIED_COMMENT
    )
    firing = replica.alerts.get(silence.group, NOTHING) if silence.starts_at <= now else NOTHING
    return ListedSilence(
        id=silence.id,
        matchers=new.matchers,
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        created_by=new.created_by,
        comment=new.comment,
        alerts=sum(silence.alert in {None, alert} for alert in firing),
    )
