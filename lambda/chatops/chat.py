"""Handles the messages of chat's queue, one after another: each becomes an input of an episode.

A record that is due again within a minute, or has an effect that Slack has put off, is put on the queue for that time;
for all else there is the schedule's sweep.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from botocore.exceptions import BotoCoreError, ClientError

from chatops.actions import refused
from chatops.clients import Clients, RateLimited, Refused, Unavailable
from chatops.configuration import ChatData
from chatops.counts import Count
from chatops.digests import Digests
from chatops.episode import EpisodeId, Group, Policy
from chatops.events import PagerDutyChanged, Tick
from chatops.executor import Executor
from chatops.inputs import Click, DigestDue, Due, Ignored, Input, Sweep, Webhook, notified, read_input
from chatops.pagerduty_client import PagerDutyClient
from chatops.reconciler import keep_silences, reconcile, report_stuck_repairs
from chatops.record import Record
from chatops.reminders import remind_of_episode, reminded_at
from chatops.repair_function import proposed, reported
from chatops.slack_client import SlackClient
from chatops.store import Conflict, Put, Store, Versioned, find_episode, read_newest
from orion_common.deadlines import need_time
from orion_common.envelope import Notification, NotOurs, Unreadable
from orion_common.message_archive import MessageArchive
from orion_common.observer import Observer
from orion_common.repair_messages import RepairProposal, RepairReport

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def known_group(store: Store, key: str) -> Group | None:
    """Return the group of a key that has, or had, an episode."""
    newest, _ = read_newest(store, key)
    episode = find_episode(store, EpisodeId(key, newest.number)) if newest.number else None
    return None if episode is None else episode.group


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStore:
    """A store that keeps, for one message, which records were read and written."""

    store: Store
    read_records: dict[str, Record] = field(default_factory=dict[str, Record])
    written: dict[str, Record] = field(default_factory=dict[str, Record])
    given_up: list[str] = field(default_factory=list[str])

    def read(self, key: str) -> Versioned | None:
        """Return an item."""
        stored = self.store.read(key)
        if stored is not None and isinstance(stored.value, Record):
            self.read_records[key] = stored.value
        return stored

    def write(self, *puts: Put) -> None:
        """Write all items or none."""
        self.store.write(*puts)
        for put in puts:
            if isinstance(put.value, Record):
                self.written[put.key] = put.value
                before = self.read_records.get(put.key)
                known = () if before is None else before.outbox.dead
                self.given_up.extend(
                    f"{put.key}: {type(letter.entry.effect).__name__}: {letter.why}"
                    for letter in put.value.outbox.dead
                    if letter not in known
                )

    def due(self, now: float) -> Sequence[EpisodeId]:
        """Return episodes that are due."""
        return self.store.due(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Handles one message after another. `now` returns Unix seconds; no effect begins after `deadline`."""

    data: ChatData
    workspace: str
    policy: Policy
    store: Store
    clients: Clients
    digests: Digests
    slack: SlackClient
    pagerduty: PagerDutyClient
    archive: MessageArchive
    observer: Observer
    sqs: SQSClient
    queue_url: str
    now: Callable[[], float]
    deadline: float = math.inf

    def handle(self, body: str, message_id: str) -> None:
        """Deal with one message of the queue. Raises when the queue should bring it again, or give it up."""
        self.observer.count(Count.HANDLED)
        need_time(self.now(), self.deadline)
        store = WatchedStore(store=self.store)
        try:
            self._dispatch(store, body, message_id)
        finally:
            for letter in store.given_up:
                self.observer.count(Count.EFFECTS_GIVEN_UP)
                self.observer.say("effect given up", effect=letter)
            self._remind(store)

    def _dispatch(self, store: Store, body: str, message_id: str) -> None:
        try:
            message = read_input(body)
        except Unreadable as error:
            self._keep(Count.UNREADABLE, body, message_id, str(error))
            raise
        except NotOurs as error:
            self._keep(Count.NOT_OURS, body, message_id, str(error))
            return
        self._apply(store, message, body, message_id)

    def _apply(self, store: Store, message: Input, body: str, message_id: str) -> None:
        match message:
            case Notification():
                self._notified(store, message, body, message_id)
            case Click():
                self._clicked(store, message)
            case Ignored():
                self.observer.count(Count.CLICKS_IGNORED)
            case RepairProposal() | RepairReport():
                self._repair(store, message)
            case Webhook():
                self._pagerduty_changed(store, message)
            case Sweep() | Due() | DigestDue():
                self._look_after(store, message)
            case _:
                assert_never(message)

    def _look_after(self, store: Store, message: Sweep | Due | DigestDue) -> None:
        match message:
            case Sweep():
                self._sweep(self._executor(store))
            case Due(episode):
                if find_episode(store, episode) is not None:
                    self._executor(store).receive_for(episode, Tick())
            case DigestDue(channel):
                self.digests.show(channel)
            case _:
                assert_never(message)

    def _sweep(self, executor: Executor) -> None:
        """Look after what is due, and find what no message told of. The next sweep does what this one could not."""
        executor.sweep()
        looks: tuple[Callable[[], None], ...] = (
            lambda: keep_silences(executor, self.data.windows, self.observer),
            lambda: report_stuck_repairs(executor, self.observer),
            lambda: reconcile(executor),
            self._show_digests,
        )
        for look in looks:
            if self.now() > self.deadline:
                return
            try:
                look()
            except (Conflict, RateLimited, Refused, Unavailable) as error:
                self.observer.say("not reconciled", reason=str(error))

    def _show_digests(self) -> None:
        for channel in sorted({route.channel for route in self.data.routes.values()}):
            self.digests.show(channel)

    def _notified(self, store: Store, notification: Notification, body: str, message_id: str) -> None:
        self.observer.count(Count.NOTIFICATIONS)
        if notification.receiver in self.data.webhook_receivers:
            return
        group = self.data.group_of(notification.receiver, notification.group_labels)
        if group is None:
            self._keep(Count.NOT_OURS, body, message_id, f"no route has the receiver {notification.receiver!r:.100}")
            return
        self._executor(store).receive(group, notified(notification, group.labels))
        if notification.unreadable:
            self._keep(Count.UNREADABLE, body, message_id, notification.unreadable[0])

    def _clicked(self, store: Store, click: Click) -> None:
        """Apply a click. What it acts on is the episode whose thread the message is, whatever its value says."""
        episode = find_episode(store, click.episode)
        if click.workspace != self.workspace or episode is None:
            self._note_ignored(click)
            return
        if episode.thread != click.message:
            self._note_ignored(click)
            self._executor(store).receive_for(click.episode, replace(click.action, is_elsewhere=True))
            return
        self.observer.count(Count.CLICKS)
        person = click.action.person
        email = (self.slack.email_of(person) or "").casefold()
        policy = replace(
            self.policy,
            responders=frozenset({person} if email in self.data.responders else ()),
            approvers=frozenset({person} if email in self.data.approvers else ()),
        )
        why = refused(episode, click.action, policy, self.now())
        if why is not None:
            self.observer.count(Count.CLICKS_REFUSED)
            self.observer.say(
                "click refused",
                person=person,
                button=click.action.button.value,
                episode=str(click.episode),
                reason=why,
            )
        self._executor(store, policy).receive_for(click.episode, click.action)

    def _note_ignored(self, click: Click) -> None:
        self.observer.count(Count.CLICKS_IGNORED)
        self.observer.say(
            "click ignored",
            workspace=click.workspace,
            person=click.action.person,
            button=click.action.button.value,
            episode=str(click.episode),
        )

    def _repair(self, store: Store, message: RepairProposal | RepairReport) -> None:
        """Apply what the repair function says of a repair. A group without a thread has its team's mail."""
        self.observer.count(Count.REPAIRS)
        facts = message.facts
        group = self.data.group_of(facts.receiver, facts.group_labels)
        if group is None:
            self.observer.say("repair of a group without a thread", repair=facts.repair, receiver=facts.receiver)
            return
        executor = self._executor(store)
        match message:
            case RepairProposal():
                executor.receive(group, proposed(message))
            case RepairReport():
                executor.repair_reported(group, reported(message))
            case _:
                assert_never(message)

    def _pagerduty_changed(self, store: Store, webhook: Webhook) -> None:
        self.observer.count(Count.WEBHOOKS)
        for key in self.pagerduty.alert_keys(webhook.incident):
            group = known_group(store, key)
            if group is not None:
                self._executor(store).receive(group, PagerDutyChanged())

    def _executor(self, store: Store, policy: Policy | None = None) -> Executor:
        return Executor(
            store=store,
            clients=self.clients,
            policy=policy or self.policy,
            now=self.now,
            deadline=self.deadline,
        )

    def _remind(self, store: WatchedStore) -> None:
        """Put on the queue the records that are due soon. Those that it does not take, the next sweep finds."""
        now = self.now()
        for key, record in store.written.items():
            at = reminded_at(record, self.policy, now)
            if at is None:
                continue
            try:
                remind_of_episode(self.sqs, self.queue_url, key, at - now)
            except (BotoCoreError, ClientError) as error:
                self.observer.say("not reminded", episode=key, error=str(error))
            else:
                self.observer.count(Count.REMINDERS)

    def _keep(self, what: Count, body: str, message_id: str, reason: str) -> None:
        self.archive.refuse(self.observer, what, body, message_id, reason)
