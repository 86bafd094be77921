"""The bugs put in on purpose into the repair function, which runs in one run of four."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from botocore.exceptions import ReadTimeoutError

from orion_common.deadlines import TryLater
from runbook_automation import chat_queue, commands, guardrails, lifecycle, limits, target_locks
from runbook_automation.repair import Status
from tests.simulation.mutation import Mutation

_DECIDED, _NOT_APPROVED = lifecycle._decided, lifecycle._not_approved  # pyright: ignore[reportPrivateUsage]  what a mutation replaces
_WITH_PLACE, _FACTS_OF, _SEND = limits.Ledger.with_place, chat_queue.facts_of, commands.Commands.send


def _decided_again(state: Any, decided: Any) -> Any:
    known = state.repair and replace(state.repair, status=Status.WAITING)
    return _DECIDED(replace(state, repair=known), decided)


def _approved_always(state: Any, repair: Any, decided: Any) -> Any:
    return _NOT_APPROVED(state, repair, replace(decided, is_approved=True))


def _without_ceilings(labels: Any, plan: Any, _: Any) -> guardrails.Guardrails:
    return guardrails.guardrails_of(labels, plan)


def _no_ids(_: Any) -> tuple[str, ...]:
    return ()


def _holds_always(*_: Any) -> bool:
    return True


def _holder_alone(self: target_locks.TargetLock, claim: str, hold: Any, now: int, **_: Any) -> Any:
    mine = target_locks.Holder(action=hold.action, target=hold.target, until=now + hold.seconds)
    return replace(self, version=self.version + 1, holders={claim: mine})


def _place_without_memory(self: Any, claim: str, limit: Any, now: int, **arguments: Any) -> Any:
    known = {} if limit.id.startswith("cooldown#") else self.taken
    return _WITH_PLACE(replace(self, taken=known), claim, limit, now, **arguments)


def _place_in_any_case(self: Any, claim: str, limit: Any, now: int, **arguments: Any) -> Any:
    return _WITH_PLACE(self, claim, replace(limit, number=1_000), now, **arguments)


def _named_by_its_record(repair: Any) -> Any:
    facts = _FACTS_OF(repair)
    return facts and replace(facts, repair=repair.id)


def _sent_again(self: Any, plan: Any, comment: str, **arguments: Any) -> Any:
    try:
        return _SEND(self, plan, comment, **arguments)
    except ReadTimeoutError as error:
        raise TryLater(str(error)) from error


def _mutation(name: str, target: str, by: Callable[..., Any], *, seed: int) -> Mutation:
    return Mutation(name=name, target=target, by=by, seed=seed)


REPAIR_MUTATIONS = (
    _mutation(
        "a decision counts whatever the repair's status is",
        "runbook_automation.lifecycle:_decided",
        _decided_again,
        seed=798,
    ),
    _mutation("a rejection approves", "runbook_automation.lifecycle:_not_approved", _approved_always, seed=18),
    _mutation("a stop is not looked at", "runbook_automation.item_ids:stop_ids", _no_ids, seed=66),
    _mutation(
        "what nobody approves has no ceiling",
        "runbook_automation.guardrails:automatic_guardrails",
        _without_ceilings,
        seed=2,
    ),
    _mutation(
        "a lock forgets its holders", "runbook_automation.target_locks:TargetLock.with_holder", _holder_alone, seed=34
    ),
    _mutation(
        "a cooldown has no memory", "runbook_automation.limits:Ledger.with_place", _place_without_memory, seed=98
    ),
    _mutation("limits have a place for all", "runbook_automation.limits:Ledger.with_place", _place_in_any_case, seed=2),
    _mutation("the table's conditions are not checked", "tests.simulation.dynamo:holds", _holds_always, seed=962),
    _mutation(
        "a repair is sent again when its answer was lost",
        "runbook_automation.commands:Commands.send",
        _sent_again,
        seed=298,
    ),
    _mutation(
        "a report names the record that a newer one has replaced",
        "runbook_automation.chat_queue:facts_of",
        _named_by_its_record,
        seed=102,
    ),
)
