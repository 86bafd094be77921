"""Guardrails of a repair: the limits that it takes a place in, and the lock of its target. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runbook_automation.configuration import BEGIN_SECONDS, GRACE_SECONDS, ApprovalCeiling
from runbook_automation.decisions import Plan
from runbook_automation.limits import Limit
from runbook_automation.target_locks import Hold

MAXIMUM_NAME = 200
"""How much of a service's name is kept; those that begin alike share a limit."""
TARGET_PARAMETERS = ("deployment", "namespace")
"""The parameter that names what is repaired where an alert names no service."""

SENT_ALREADY = "were sent already: nothing was done. Look for a cause that they share, and follow the alert's runbook"

BEGAN_ALREADY = (
    "began without an approval already, and there is no chat to ask for one: nothing was done. "
    "Follow the alert's runbook"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrails:
    """The limits that a repair takes a place in, and the lock that it holds, if it changes anything.

    One that nobody approved takes a place in each of `ceilings` too, and waits for an approval where one has none left.
    """

    limits: tuple[Limit, ...] = ()
    hold: Hold | None = None
    ceilings: tuple[Limit, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of the items that the guardrails are kept in."""
        places = (limit.id for limit in (*self.limits, *self.ceilings))
        return (*places, *((self.hold.id,) if self.hold is not None else ()))


NO_GUARDRAILS = Guardrails()
"""The guardrails of what sends no command."""


def automatic_guardrails(labels: Mapping[str, str], plan: Plan, above: ApprovalCeiling | None) -> Guardrails:
    """Return the guardrails of a plan that nobody approved. `above` is how many may begin so within an hour."""
    guardrails = guardrails_of(labels, plan)
    if above is None or guardrails.hold is None:
        return guardrails
    owner = guardrails.hold.owner
    return replace(
        guardrails,
        ceilings=(
            Limit(
                id=f"automatic#{owner}",
                number=above.per_service_hour,
                said=f"{above.per_service_hour} repairs an hour of {owner} {BEGAN_ALREADY}",
            ),
            Limit(
                id="automatic",
                number=above.per_platform_hour,
                said=f"{above.per_platform_hour} repairs an hour in all {BEGAN_ALREADY}",
            ),
        ),
    )


def guardrails_of(labels: Mapping[str, str], plan: Plan) -> Guardrails:
    """Return the guardrails of a plan: its service's limit, the platform's, its target's cooldown, and its lock.

    `labels` are the alert's.
    """
    action = plan.action
    owner, service = _owner(labels, plan), _service(labels, plan)
    limits = [
        Limit(
            id=f"limit#{action.name}#{plan.parameters.get('namespace', '')}/{service}",
            number=action.per_service_hour,
            said=f"{action.per_service_hour} of {action.name} an hour for {service} {SENT_ALREADY}",
        ),
        Limit(
            id=f"limit#{action.name}",
            number=action.per_platform_hour,
            said=f"{action.per_platform_hour} of {action.name} an hour in all {SENT_ALREADY}",
        ),
    ]
    if action.cooldown_seconds is not None:
        target = _named(plan, action.target) or owner
        limits.append(
            Limit(
                id=f"cooldown#{action.name}#{target}",
                number=1,
                within_seconds=action.cooldown_seconds,
                said=f"{action.name} was sent for {target} less than {action.cooldown_seconds} s before: nothing was "
                "done. Look whether it helped, and follow the alert's runbook",
            )
        )
    return Guardrails(limits=tuple(limits), hold=_hold(owner, plan) if action.changes_cluster else None)


def _hold(owner: str, plan: Plan) -> Hold:
    action = plan.action
    return Hold(
        id=f"lock#{owner}",
        owner=owner,
        action=action.name,
        target=_named(plan, action.target or tuple(plan.parameters)),
        # By then the sweep has given the command up, and one that has not begun refuses to.
        seconds=BEGIN_SECONDS + action.timeout_seconds + GRACE_SECONDS,
    )


def _service(labels: Mapping[str, str], plan: Plan) -> str:
    parameters = (*TARGET_PARAMETERS, *plan.action.target)
    names = (labels.get("service"), *(plan.parameters.get(name) for name in parameters), "nothing")
    return next(name for name in names if name)[:MAXIMUM_NAME]


def _owner(labels: Mapping[str, str], plan: Plan) -> str:
    """Return what a repair is about whichever action it takes: a service in its namespace, or what is in none."""
    namespace = plan.parameters.get("namespace")
    return f"{namespace}/{_service(labels, plan)}" if namespace else _named(plan, plan.action.target)


def _named(plan: Plan, names: tuple[str, ...]) -> str:
    return "/".join(plan.parameters[name] for name in names)
