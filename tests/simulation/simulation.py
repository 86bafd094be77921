"""One run: the world of a plan, with the deployed code in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from chatops.catalog_silences import Window
from chatops.clients import Clients
from chatops.episode import EpisodeId, Group, Policy, Waits
from chatops.events import Button, GroupEvent, Notified, PagerDutyChanged, RepairProposed, RepairReported, SlackAction
from chatops.executor import Executor
from chatops.inputs import read_input
from chatops.reconciler import keep_silences, reconcile
from chatops.record import Record, Stored
from chatops.repair import Command, Outcome, Proposal
from chatops.repair_function import proposed, reported
from orion_common.repair_messages import RepairProposal, RepairReport
from tests.simulation import invariants
from tests.simulation.aftermath import Deeds
from tests.simulation.alertmanagers import Alertmanagers, Firing, SimulatedReplica
from tests.simulation.archive import Archive
from tests.simulation.commands import SimulatedCommands
from tests.simulation.pagerduty import Click, PagerDutyService
from tests.simulation.plan import ALERTS, APPROVERS, GROUPS, RESPONDERS, UNMAPPED, Action, Plan
from tests.simulation.repair_side import RepairSide
from tests.simulation.slack import Slack, Thread
from tests.simulation.table import MemoryStore
from tests.simulation.unobserved import Unobserved
from tests.simulation.world import FUNCTION_SECONDS, World

POLICY = Policy(
    responders=frozenset(RESPONDERS),
    approvers=frozenset(APPROVERS),
    approval_seconds=400,
    command_seconds=300,
    thread_seconds=1200,
    waits=Waits(verify=200),
)
SILENCE_CEILINGS = (1500.0, 3000.0)
"""One is reached before the end, so that silences end, and one is not, so that they have to last."""
SILENCES = (Button.SILENCE_1_HOUR, Button.SILENCE_4_HOURS, Button.SILENCE_UNTIL_RESOLVED)
PROPOSED = "Repair proposed: "
REJECTED_SECONDS = 500.0
"""An action that has more of them rejects: one in four."""
MARGIN_SECONDS = 8.0
SWEEP_SECONDS = 60.0
RECONCILE_SECONDS = 150.0
SILENCES_SECONDS = 120.0


@dataclass(slots=True)
class Simulation:
    """The world, its services, and what people did in it."""

    plan: Plan
    tracing: bool = False
    policy: Policy = field(init=False)
    world: World = field(init=False)
    groups: dict[str, Group] = field(init=False)
    store: MemoryStore = field(init=False)
    slack: Slack = field(init=False)
    pagerduty: PagerDutyService = field(init=False)
    alertmanagers: Alertmanagers = field(init=False)
    commands: SimulatedCommands | RepairSide = field(init=False)
    """The repair function as it is deployed, where the plan has remedies, or else one that trusts chat."""
    archive: Archive = field(init=False)
    deeds: Deeds = field(default_factory=Deeds)
    allowed: set[tuple[str, str, str | None]] = field(default_factory=set[tuple[str, str, str | None]])
    """The repairs with their commands that may run in an episode, as shown to who approved them, or in any (None)."""
    cleared: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """When each alert resolved."""
    ran: dict[str, float] = field(default_factory=dict[str, float])
    silence_clicks: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """How often each person who may silence has clicked to silence an episode, and was not answered yet."""
    clicks: int = 0
    proposals: dict[str, Proposal] = field(default_factory=dict[str, Proposal])

    def __post_init__(self) -> None:
        plan = self.plan
        self.policy = replace(POLICY, silence_ceiling_seconds=SILENCE_CEILINGS[plan.seed % 2])
        self.world = World(seed=plan.seed, rates=plan.rates, policy=self.policy, muted=plan.muted, tracing=self.tracing)
        self.groups = {
            key: Group(key=key, labels=(("alertname", key),), channel="#alerts", title=f"alert {key}") for key in GROUPS
        }
        self.store = MemoryStore(self.world, self._watch)
        self.slack = Slack(self.world)
        self.archive = Archive(self.world)
        self.pagerduty = PagerDutyService(
            self.world,
            self.groups,
            frozenset(RESPONDERS) - {UNMAPPED},
            self._webhook,
            partial(invariants.may_be_resolved, self),
        )
        self.alertmanagers = Alertmanagers(
            self.world,
            self.groups,
            self._notify,
            self._page,
            partial(invariants.check_expire, self),
            partial(invariants.check_create, self),
        )
        self.commands = self._repair_side() if plan.remedies else self._trusting_side()

    def _trusting_side(self) -> SimulatedCommands:
        return SimulatedCommands(self.world, partial(invariants.check_command, self), self._report, self._heal)

    def _repair_side(self) -> RepairSide:
        return RepairSide(
            self.world,
            self.plan.remedies,
            partial(invariants.check_fires, self),
            self._told_by_repairs,
            lambda fingerprint: self._set(fingerprint, fires=False),
        )

    def run(self) -> None:
        """Run to the end. Raises `Violation`."""
        for action in self.plan.actions:
            self.world.after(action.at, partial(self._act, action))
        self.alertmanagers.start()
        self.world.every(SWEEP_SECONDS, lambda: self._function("sweep", lambda executor: executor.sweep()), 20.0)
        if isinstance(self.commands, RepairSide):
            self.commands.start()
        self.world.every(RECONCILE_SECONDS, lambda: self._function("reconcile", reconcile), 50.0)
        if self.plan.windows:
            self.world.every(SILENCES_SECONDS, self._keep_silences, 30.0)
        self.world.run()
        invariants.check_end(self)
        if isinstance(self.commands, RepairSide):
            self.commands.check_end()

    def windows(self, seconds_ago: float = 0.0) -> list[Window]:
        """Return the windows that are in the catalog, or were."""
        at = self.world.now - seconds_ago
        return [planned.window for planned in self.plan.windows if planned.added_at <= at < planned.removed_at]

    def _keep_silences(self) -> None:
        self._queue("silences", lambda executor: keep_silences(executor, self.windows(), Unobserved()))

    def _executor(self) -> Executor:
        return Executor(
            store=self.store,
            clients=Clients(
                chat=self.slack,
                pagerduty=self.pagerduty,
                alertmanager=self.alertmanagers,
                commands=self.commands,
                archive=self.archive,
            ),
            policy=self.policy,
            now=lambda: self.world.now,
            deadline=self.world.now + FUNCTION_SECONDS - MARGIN_SECONDS,
        )

    def _function(self, what: str, handle: Callable[[Executor], None]) -> None:
        self.world.invoke(what, lambda: handle(self._executor()))

    def _queue(self, what: str, handle: Callable[[Executor], None]) -> None:
        self.world.enqueue(what, lambda: handle(self._executor()))

    def _send(self, group: str, event: GroupEvent) -> None:
        self._queue(f"{group} {event}", lambda executor: executor.receive(self.groups[group], event))

    # What the services tell the functions.

    def _notify(self, group: Group, firing: Firing) -> None:
        self._send(group.key, Notified(sent_at=self.world.now, firing=firing))
        if isinstance(self.commands, RepairSide):
            self.commands.notify(group, firing)

    def _page(self, group: str, trigger: bool) -> None:  # noqa: FBT001 - as Alertmanager calls it
        """Send an event to PagerDuty. Alertmanager gives one up that PagerDuty does not take in time."""
        world = self.world
        if world.chance(world.rates.lost) or world.now < world.outages.get("pagerduty", 0.0):
            world.note(f"lost: event of {group} to PagerDuty")
            return
        late = world.random.choice((20.0, 60.0)) if world.chance(world.rates.late) else 0.0
        world.after(0.5 + late, lambda: self.pagerduty.event(group, trigger=trigger))

    def _webhook(self, groups: tuple[str, ...]) -> None:
        for group in groups:
            self._send(group, PagerDutyChanged())

    def _report(self, repair: str, outcome: Outcome) -> None:
        event = RepairReported(proposal=self.proposals[repair], outcome=outcome, result="", began_at=self.world.now)
        group = self.groups[_home(event.proposal.fingerprint)]
        self._queue(f"{repair} {outcome}", lambda executor: executor.repair_reported(group, event))

    def _told_by_repairs(self, body: str) -> None:
        """Put on chat's queue what the repair function says of a repair."""
        message = read_input(body)
        if isinstance(message, RepairProposal):
            self._propose(message.facts.receiver, proposed(message))
        elif isinstance(message, RepairReport):
            group = self.groups[message.facts.receiver]
            self._queue(body[:90], lambda executor: executor.repair_reported(group, reported(message)))

    def _heal(self, repair: str) -> None:
        self._set(repair.split("#")[1], fires=False)

    def _watch(self, before: Stored | None, after: Stored) -> None:
        if isinstance(after, Record):
            known = before if isinstance(before, Record) else None
            self.deeds.watch(known, after)
            invariants.check_write(self, known, after)

    # What happens.

    def _set(self, alert: str, *, fires: bool, group: str | None = None) -> None:
        for key in self._groups_of(alert, group or _home(alert)):
            self.alertmanagers.set(key, alert, fires=fires)
        if not fires:
            self.cleared.setdefault(alert, []).append(self.world.now)

    def _groups_of(self, alert: str, group: str) -> Sequence[str]:
        """Return the groups that an alert is in: a group, and the other one too if the alert matches two routes."""
        return [key for key in GROUPS if alert in ALERTS[key]] if self.plan.shared else [group]

    def _act(self, action: Action) -> None:
        self.world.note(f"* {action.kind} {action.group}")
        ACTS[action.kind](self, action)

    def fire(self, action: Action) -> None:
        """Let an alert fire or resolve."""
        self._set(action.alert, fires=action.kind == "fire", group=action.group)

    def click_twice(self, action: Action) -> None:
        """Click twice at once."""
        self.click(action)
        self.click(action)

    def click_on_both_sides(self, action: Action) -> None:
        """Acknowledge in Slack and in PagerDuty at once."""
        self.click(replace(action, button=Button.ACKNOWLEDGE))
        self.pagerduty.acknowledge_by_hand(action.group, "cy")

    def restart(self, action: Action) -> None:
        """Restart one Alertmanager, or all of them, once or twice."""
        if action.kind == "restart":
            self.alertmanagers.restart(self._replica(action))
            return
        self.alertmanagers.restart_all()
        if action.number % 2:
            self.world.after(70.0, self.alertmanagers.restart_all)

    def cut_off(self, action: Action) -> None:
        """Cut a replica off from Prometheus for less than the time in which its alerts end, or from the functions."""
        replica = self._replica(action)
        if action.kind == "partition":
            replica.partitioned_until = self.world.now + min(action.seconds, 150)
        else:
            replica.unreachable_until = self.world.now + action.seconds

    def silence_by_hand(self, action: Action) -> None:
        """Silence a group, or one of its alerts, in Alertmanager itself."""
        alert = action.alert if action.number else None
        self.alertmanagers.silence_by_hand(action.group, alert, action.seconds)

    def outage(self, action: Action) -> None:
        """Let one service, or those of AWS, answer nobody for up to twenty minutes."""
        services = (("slack",), ("pagerduty",), ("alertmanager",), ("write", "s3"))[action.number]
        for service in services:
            self.world.outages[service] = self.world.now + 2 * action.seconds

    def _replica(self, action: Action) -> SimulatedReplica:
        return self.alertmanagers.replicas[action.number % 3]

    def _thread(self, group: str) -> Thread | None:
        """Return the newest thread of a group that people see."""
        shown = [thread for thread in self.slack.shown() if _episode_of(thread).group == group]
        return shown[-1] if shown else None

    def click(self, action: Action, repair: str | None = None) -> None:
        """Click a button of the newest thread of a group."""
        thread = self._thread(action.group)
        if thread is None:
            return
        self.clicks += 1
        click = SlackAction(
            id=f"C{self.clicks}",
            person=action.person,
            button=action.button,
            clicked_at=self.world.now,
            repair=repair,
        )
        if click.button is Button.ACKNOWLEDGE:
            self.pagerduty.clicks.append(Click(click.person, self.world.now))
        if click.button in SILENCES and click.person in RESPONDERS:
            clicked = (thread.key, click.person)
            self.silence_clicks[clicked] = self.silence_clicks.get(clicked, 0) + 1
        self._queue(f"{click}", lambda executor: executor.receive_for(_episode_of(thread), click))

    def delete_message(self, action: Action) -> None:
        """Delete the newest thread of a group."""
        thread = self._thread(action.group)
        if thread is not None:
            thread.deleted = True

    def propose(self, action: Action) -> None:
        """Propose a repair, where no repair function does. It may be proposed again with another command."""
        if isinstance(self.commands, RepairSide):
            return
        command = Command(document=f"restart-{action.number}", parameters=(("pod", action.alert),))
        proposal = Proposal(
            fingerprint=action.alert, action="restart", target="uid", command=command, approval=action.number > 0
        )
        if not proposal.approval:
            self.allowed.add((proposal.id, str(command), None))
        self.proposals[proposal.id] = proposal
        for group in self._groups_of(action.alert, action.group):
            self._propose(group, RepairProposed(proposal, self.world.now))

    def _propose(self, group: str, event: RepairProposed) -> None:
        def handle(executor: Executor) -> None:
            executor.receive(self.groups[group], event)
            invariants.check_proposed(self, group, event)

        self._queue(f"{group} {event}", handle)

    def decide(self, action: Action) -> None:
        """Approve or reject a repair that a thread shows."""
        thread = self._thread(action.group)
        if isinstance(self.commands, RepairSide):
            self._decide_on_shown(self.commands, thread, action)
            return
        shown = [text for text in thread.replies.values() if text.startswith(PROPOSED)] if thread else []
        if thread is None or not shown:
            return
        text = shown[action.number % len(shown)].removeprefix(PROPOSED)
        repair = f"repair#{text.split(chr(39))[1]}#restart#uid"
        button = Button.REJECT if action.seconds > REJECTED_SECONDS else Button.APPROVE
        if button is Button.APPROVE and action.person in APPROVERS:
            self.allowed.add((repair, text, thread.key))
        self.click(replace(action, button=button), repair)

    def _decide_on_shown(self, repairs: RepairSide, thread: Thread | None, action: Action) -> None:
        """Approve or reject a repair whose buttons are in a thread's first message."""
        if thread is None or not thread.message.waiting:
            return
        shown = thread.message.waiting[action.number % len(thread.message.waiting)]
        button = Button.REJECT if action.seconds > REJECTED_SECONDS else Button.APPROVE
        if button is Button.APPROVE and action.person in APPROVERS:
            repairs.approvals.add((shown.id, shown.command))
        self.click(replace(action, button=button), shown.id)

    def stop_repairs(self, action: Action) -> None:
        """Stop all repairs by hand, or from a thread."""
        if not isinstance(self.commands, RepairSide):
            return
        if action.number % 2:
            self.commands.stop_by_hand(action.seconds)
        else:
            self.click(replace(action, button=Button.STOP_ALL))


def _home(alert: str) -> str:
    return next(group for group, alerts in ALERTS.items() if alert in alerts)


def _episode_of(thread: Thread) -> EpisodeId:
    _, group, number = thread.key.split("#")
    return EpisodeId(group, int(number))


Act = Callable[[Simulation, Action], None]
ACTS: dict[str, Act] = {
    "fire": Simulation.fire,
    "resolve": Simulation.fire,
    "click": Simulation.click,
    "double click": Simulation.click_twice,
    "both sides": Simulation.click_on_both_sides,
    "acknowledge in PagerDuty": lambda run, action: run.pagerduty.acknowledge_by_hand(action.group, "cy"),
    "acknowledgement times out": lambda run, action: run.pagerduty.unacknowledge(action.group),
    "resolve by hand": lambda run, action: run.pagerduty.resolve_by_hand(action.group),
    "reassign": lambda run, action: run.pagerduty.reassign(action.group, "dan"),
    "change the incident": lambda run, action: run.pagerduty.change_by_hand(action.group, "dan", action.number),
    "merge": lambda run, _: run.pagerduty.merge("g1", "g2"),
    "delete the message": Simulation.delete_message,
    "propose": Simulation.propose,
    "decide": Simulation.decide,
    "stop repairs": Simulation.stop_repairs,
    "restart": Simulation.restart,
    "restart all": Simulation.restart,
    "partition": Simulation.cut_off,
    "unreachable": Simulation.cut_off,
    "silence by hand": Simulation.silence_by_hand,
    "outage": Simulation.outage,
}
