"""Says how far each action may go by itself in an environment, and who may approve what waits for an approval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alerting.catalog import Catalog
from alerting.platform_repairs import ApprovalCeiling, Hours, TimedMode
from alerting.repairs.model import ActionMode, ModeRule, RemediationEntry
from alerting.settings import ChatMode, Environment, RepairMode, Settings
from alerting.source.clock_fields import Weekday
from alerting.source.problems import CatalogError, Problem, not_allowed

REMEDIATIONS = "catalog/remediations.yaml"
STRICTEST_FIRST = tuple(ActionMode)
STACK_MODES = {ActionMode.AUTO: RepairMode.ON} | {
    mode: RepairMode(mode.value) for mode in ActionMode if mode is not ActionMode.AUTO
}
"""The modes of the catalog as the function knows them."""


def strictest(rules: Iterable[ModeRule]) -> ActionMode:
    """Return the strictest mode of some rules, `auto` without any."""
    return min((rule.mode for rule in rules), key=STRICTEST_FIRST.index, default=ActionMode.AUTO)


def mode_of(catalog: Catalog, action: str, environment: Environment) -> ActionMode:
    """Return the mode of an action in an environment, for every service: an approval at least, where it needs one."""
    rules = [rule for rule in _rules(catalog, action, environment) if rule.hours is None and rule.service is None]
    if catalog.actions[action].approval_only:
        rules.append(ModeRule(mode=ActionMode.APPROVE))
    return strictest(rules)


def service_modes(catalog: Catalog, action: str, environment: Environment) -> dict[str, ActionMode]:
    """Return the modes of an action in an environment by service, of the services that have rules."""
    rules = [rule for rule in _rules(catalog, action, environment) if rule.service is not None and rule.hours is None]
    services = sorted({rule.service for rule in rules if rule.service is not None})
    return {service: strictest(rule for rule in rules if rule.service == service) for service in services}


def timed_modes(catalog: Catalog, action: str, environment: Environment) -> Iterator[TimedMode]:
    """Yield the modes of an action in an environment that depend on the time."""
    for rule in _rules(catalog, action, environment):
        if rule.hours is None:
            continue
        hours = catalog.hours[rule.hours]
        yield TimedMode(
            mode=STACK_MODES[rule.mode],
            service=rule.service,
            hours=Hours(
                time_zone=hours.time_zone,
                days=tuple(map(list(Weekday).index, hours.days)),
                begins=hours.begins,
                ends=hours.ends,
            ),
            is_within=rule.during is not None,
        )


def approval_ceiling(catalog: Catalog, environment: Environment) -> ApprovalCeiling | None:
    """Return how many repairs an environment begins without an approval: the lowest numbers that the catalog has."""
    entries = [entry for entry in catalog.approval_above if entry.environment in {None, environment}]
    if not entries:
        return None
    return ApprovalCeiling(
        per_service_hour=min(entry.service for entry in entries),
        per_platform_hour=min(entry.platform for entry in entries),
    )


def approvers(catalog: Catalog) -> tuple[str, ...]:
    """Return the emails of the people who may approve repairs."""
    of_teams = {person for team in catalog.approvers.teams for person in catalog.teams[team].people}
    return tuple(sorted(of_teams | set(catalog.approvers.people)))


def mode_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with `modes` and `approvers` of catalog/remediations.yaml."""
    document = catalog.documents[REMEDIATIONS]
    for index, rule in enumerate(catalog.modes):
        path = ("modes", index)
        if rule.action is not None and rule.action not in catalog.actions:
            advice = "Name an action of runbooks/actions"
            yield not_allowed(document.place((*path, "action")), rule.action, catalog.actions, advice)
        elif rule.action is not None and rule.mode is ActionMode.AUTO and catalog.actions[rule.action].approval_only:
            message = (
                f"found auto, and {rule.action} runs with an approval only; allowed: off, dry-run, approve. Change it"
            )
            yield Problem(document.place((*path, "mode")), message)
        if rule.service is not None and rule.service not in catalog.services:
            advice = "Name a service of catalog/services.yaml"
            yield not_allowed(document.place((*path, "service")), rule.service, catalog.services, advice)
        if rule.hours is not None and rule.hours not in catalog.hours:
            place = document.place((*path, "outside" if rule.during is None else "during"))
            yield not_allowed(place, rule.hours, catalog.hours, "Name an entry of `hours:`")
    for index, entry in enumerate(catalog.approval_above):
        if entry.service > entry.platform:
            message = (
                f"found service {entry.service}, platform {entry.platform}; allowed: a service's number that is not "
                "over the platform's. Lower the first, or raise the second"
            )
            yield Problem(document.place(("approval_above", index)), message)
    yield from _approver_problems(catalog)


def _approver_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield the approvers that are not known, and the rules whose approvals nobody may give."""
    document = catalog.documents[REMEDIATIONS]
    people = sorted({person for team in catalog.teams.values() for person in team.people})
    for index, team in enumerate(catalog.approvers.teams):
        if team not in catalog.teams:
            place = document.place(("approvers", "teams", index))
            yield not_allowed(place, team, catalog.teams, "Name a team of catalog/teams.yaml")
    for index, person in enumerate(catalog.approvers.people):
        if person not in people:
            place = document.place(("approvers", "people", index))
            yield not_allowed(place, person, people, "Name a person of a team of catalog/teams.yaml, by their email")
    if not (catalog.approvers.teams or catalog.approvers.people):
        for index, rule in enumerate(catalog.modes):
            if rule.mode is ActionMode.APPROVE:
                message = (
                    "found approve, and nobody may approve; allowed without approvers: off, dry-run, auto. "
                    "Add `approvers:` with `teams:` or `people:`"
                )
                yield Problem(document.place(("modes", index, "mode")), message)
        for alert, entry in _answered_on_approval(catalog):
            message = (
                f"action {entry.action} runs with an approval only, and nobody may approve. "
                "Add `approvers:` with `teams:` or `people:`, or name another action"
            )
            yield Problem(document.place(("remediations", alert, "action")), message)
        if catalog.approval_above:
            message = (
                "found repairs that need an approval, and nobody may approve. Add `approvers:` with `teams:` or "
                "`people:`, or remove it"
            )
            yield Problem(document.place(("approval_above",)), message)


def require_approvable(catalog: Catalog, settings: Settings) -> None:
    """Raise `CatalogError` if a repair of a stack would wait for an approval that nobody could give."""
    document = catalog.documents[REMEDIATIONS]
    if settings.repairs is RepairMode.APPROVE and not approvers(catalog):
        message = (
            "found nobody, and the setting `repairs` of this stack is approve; allowed: one or more people. "
            "Add `approvers:` with `teams:` or `people:`"
        )
        raise CatalogError([Problem(document.place(("approvers",)), message)])
    if settings.chat is ChatMode.ON or settings.repairs in {RepairMode.OFF, RepairMode.DRY_RUN}:
        return
    used = {entry.action for entry in catalog.remediations.values()}
    chat_is_off = "the setting `chat` of this stack is off, so that nobody could approve"
    if settings.repairs is RepairMode.APPROVE:
        message = f"{chat_is_off}; allowed for the setting `repairs`: off, dry-run, on. Change one of the settings"
        raise CatalogError([Problem(document.place(("approvers",)), message)])
    problems = [
        Problem(
            document.place(("modes", index, "mode")),
            f"found approve, and {chat_is_off}; allowed: off, dry-run, auto, or `environment:` of another stack. "
            "Change the rule, or set chat up (docs/episodes.md)",
        )
        for index, rule in enumerate(catalog.modes)
        if rule.mode is ActionMode.APPROVE
        and rule.environment in {None, settings.environment}
        and (rule.action is None or rule.action in used)
    ] + [
        Problem(
            document.place(("approval_above", index)),
            f"found repairs that need an approval, and {chat_is_off}; allowed: `environment:` of another stack. "
            "Change it, or set chat up (docs/episodes.md)",
        )
        for index, entry in enumerate(catalog.approval_above)
        if entry.environment in {None, settings.environment}
    ]
    problems += [
        Problem(
            document.place(("remediations", alert, "action")),
            f"action {entry.action} runs with an approval only, and {chat_is_off}; allowed: off or dry-run for it. "
            "Add a rule to `modes:`, or set chat up (docs/episodes.md)",
        )
        for alert, entry in _answered_on_approval(catalog)
        if mode_of(catalog, entry.action, settings.environment) is ActionMode.APPROVE
    ]
    if problems:
        raise CatalogError(problems)


def _answered_on_approval(catalog: Catalog) -> Iterator[tuple[str, RemediationEntry]]:
    """Yield the alerts that are answered by an action which needs an approval, whatever the rules say."""
    for alert, entry in catalog.remediations.items():
        if entry.action in catalog.actions and catalog.actions[entry.action].approval_only:
            yield alert, entry


def _rules(catalog: Catalog, action: str, environment: Environment) -> Iterator[ModeRule]:
    for rule in catalog.modes:
        if rule.action in {None, action} and rule.environment in {None, environment}:
            yield rule
