"""Turns remediations and SSM documents into what the function and the bastion are given.

The beginning of each script is generated: what must be given, until when it may begin, the namespaces that may be
touched, the bounds, and how diagnostics are taken. So a document checks these itself, and they are the catalog's.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from alerting import names
from alerting.catalog import Catalog
from alerting.platform_repairs import (
    AccountRight,
    ActionModes,
    ClusterRight,
    HandOver,
    ParameterSource,
    Repair,
    RepairAction,
    RepairParameter,
    Repairs,
    RepairTeam,
)
from alerting.repairs.model import ActionFile, ActionLimit, Right
from alerting.repairs.modes import STACK_MODES, approval_ceiling, mode_of, service_modes, timed_modes
from alerting.repairs.ssm_documents import VARIABLE_PREFIX, document_text
from alerting.rules.series import TEAM
from alerting.settings import Environment

_SECONDS = "_seconds"
NAMESPACE = "namespace"
"""The parameter of every document that touches anything in a namespace."""
NOT_AFTER = "notAfter"
"""The parameter that every document is given: the Unix second after which its script does not begin any more."""
NOT_AFTER_PARAMETER: Mapping[str, str] = {
    "type": "String",
    "description": "The Unix second after which this must not begin any more; by hand it may at any time",
    "allowedPattern": "^[0-9]{10}$",
    "interpolationType": "ENV_VAR",
    "default": "9999999999",
}

APPROVAL_SECONDS = 15 * 60
"""How long people may approve a repair. What its alert saw may be over then."""
EVERYWHERE_ON = ActionModes()
LEAST = ActionLimit(service=1, platform=1)
"""How often an action may begin within an hour where the catalog does not say."""
MAINTENANCE_RIGHT = ClusterRight(group="", resource="configmaps", verbs=("get",), names=(names.MAINTENANCE_CONFIG_MAP,))
"""What the scripts need in the namespace of maintenance to know that it was declared."""


def repairs(catalog: Catalog, time_scale: float = 1, environment: Environment = Environment.PROD) -> Repairs:
    """Return the repairs, the actions that they use, the namespaces that may be touched and the rights to do so.

    Bounds that are a time, cooldowns, and the time for an approval are divided by `time_scale`. The modes are those of
    the `environment`.
    """
    used = {entry.action for entry in catalog.remediations.values()}
    actions = [catalog.actions[name] for name in sorted(used & set(catalog.actions))]
    namespaces = tuple(sorted({service.namespace for service in catalog.services.values()}))
    return Repairs(
        actions=tuple(
            repair_action(
                action,
                namespaces=namespaces,
                bounds=scaled_bounds(catalog.bounds.get(action.name, {}), time_scale),
                limit=catalog.hourly_limits[action.name],
                cooldown_seconds=_cooldown(catalog, action.name, time_scale),
                modes=ActionModes(
                    everywhere=STACK_MODES[mode_of(catalog, action.name, environment)],
                    services={
                        service: STACK_MODES[mode]
                        for service, mode in service_modes(catalog, action.name, environment).items()
                    },
                    timed=tuple(timed_modes(catalog, action.name, environment)),
                ),
            )
            for action in actions
        ),
        hand_overs=tuple(
            HandOver(name=name, team=entry.team, label=entry.label, pattern=entry.pattern, link=entry.link)
            for name, entry in sorted(catalog.hand_overs.items())
            if name in used
        ),
        repairs=tuple(
            Repair(alert=alert, action=entry.action, team=_team(catalog, alert))
            for alert, entry in sorted(catalog.triggers().items())
        ),
        teams=tuple(RepairTeam(name=name, mail=team.repair_mail) for name, team in catalog.teams.items()),
        namespaces=namespaces,
        rights=rights_of(right for action in actions for right in action.rights),
        cluster_rights=rights_of(right for action in actions for right in action.cluster_rights),
        account_rights=tuple(
            AccountRight(service=right.service, actions=right.actions, resources=right.resources)
            for action in actions
            for right in action.account_rights
        ),
        approval_seconds=scaled(APPROVAL_SECONDS, time_scale),
        approval_above=approval_ceiling(catalog, environment),
    )


def repair_action(
    action: ActionFile,
    *,
    namespaces: Collection[str],
    bounds: Mapping[str, int],
    limit: ActionLimit = LEAST,
    cooldown_seconds: int | None = None,
    modes: ActionModes = EVERYWHERE_ON,
) -> RepairAction:
    """Return an action with its document as it is deployed."""
    beginning = script_beginning(action, namespaces=namespaces, bounds=bounds)
    content = action.document.content()
    content["parameters"] |= {NOT_AFTER: dict(NOT_AFTER_PARAMETER)}
    content["mainSteps"] = [_begun(step, beginning) for step in content["mainSteps"]]
    return RepairAction(
        name=action.name,
        document_name=action.document_name,
        content=content,
        digest=hashlib.sha256(document_text(content).encode()).hexdigest(),
        parameters=tuple(
            RepairParameter(name=name, source=source, key=key, pattern=action.document.parameters[name].allowedPattern)
            for source, keys in (
                (ParameterSource.LABEL, action.parameters_from_labels),
                (ParameterSource.ANNOTATION, action.parameters_from_annotations),
            )
            for name, key in keys.items()
        ),
        timeout_seconds=action.timeout_seconds,
        per_service_hour=limit.service,
        per_platform_hour=limit.platform,
        changes_cluster=action.changes_cluster,
        target=action.target,
        cooldown_seconds=cooldown_seconds,
        modes=modes,
    )


def _cooldown(catalog: Catalog, action: str, time_scale: float) -> int | None:
    seconds = catalog.cooldown_seconds.get(action)
    return None if seconds is None else scaled(seconds, time_scale)


def scaled_bounds(bounds: Mapping[str, int], time_scale: float) -> dict[str, int]:
    """Return bounds with those called `*_seconds` divided by `time_scale`: they are compared with the rules' times."""
    return {name: scaled(value, time_scale) if name.endswith(_SECONDS) else value for name, value in bounds.items()}


def scaled(seconds: int, time_scale: float) -> int:
    """Return a time divided by `time_scale`, at least a second."""
    return max(1, round(seconds / time_scale))


def script_beginning(action: ActionFile, *, namespaces: Collection[str], bounds: Mapping[str, int]) -> str:
    """Return what stands before an action's own script.

    An agent that does not know `interpolationType` gives no variables: the third line then ends the script.
    """
    given = " ".join(f'"${{{VARIABLE_PREFIX}{name}:?}}"' for name in (*action.document.parameters, NOT_AFTER))
    lines = [
        "#!/bin/bash",
        "set -euo pipefail",
        f": {given}",
        # An agent keeps what it has no place for, and what came before it was restarted.
        f'if [ "$(date +%s)" -gt "$SSM_{NOT_AFTER}" ]; then',
        f'  echo "refused: this was to begin by $(date --utc --date="@$SSM_{NOT_AFTER}"): its alert may be over" >&2',
        "  exit 3",
        "fi",
        *(_namespace_check(namespaces) if NAMESPACE in action.document.parameters else ()),
        "# An owner's name in an object of the cluster may be any text: only a name is given to kubectl.",
        "is_name() { local LC_ALL=C; [[ $1 =~ ^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$ ]]; }",
        *((*_maintenance_check(), *_DIAGNOSTICS) if action.changes_cluster else ()),
        *(f"readonly {name}={bounds[name]}" for name in action.bounds),
    ]
    return "\n".join(lines) + "\n"


NOTE_BEFORE, SHOW_BEFORE = "note_before", "show_before"
"""The functions of a script that take diagnostics before it changes anything, and write them after what was done."""
NOTED_BYTES = 4000
"""How much of each part is kept: an output of 24,000 bytes or more loses its last line, which is the result."""
_DIAGNOSTICS = (
    "# What was there before anything is changed is written after what was done, or when that could not be done.",
    "work=$(mktemp --directory)",
    f"{SHOW_BEFORE}() {{",
    '  [ ! -e "$work/before" ] || cat "$work/before"',
    '  rm -f "$work/before"',
    "}",
    "ended() {",
    f'  [ "$1" -eq 0 ] || {SHOW_BEFORE}',
    '  rm -rf "$work"',
    "}",
    "trap 'ended $?' EXIT",
    f"{NOTE_BEFORE}() {{",
    "  {",
    '    echo "=== before: $1"',
    "    shift",
    '    timeout --foreground 15 "$@" 2>&1 || echo "(could not be read)"',
    f'  }} | head --bytes={NOTED_BYTES} >>"$work/before" || true',
    '  echo >>"$work/before"',
    "}",
)


def _namespace_check(namespaces: Collection[str]) -> tuple[str, ...]:
    return (
        f'case "$SSM_{NAMESPACE}" in',
        f"  {'|'.join(sorted(namespaces))}) ;;",
        f'  *) echo "refused: namespace $SSM_{NAMESPACE} is not one that repairs may touch" >&2; exit 3 ;;',
        "esac",
    )


def _maintenance_check() -> tuple[str, ...]:
    """Return the lines that refuse to change anything during maintenance, or when that can't be known."""
    config_map = f"{names.MAINTENANCE_NAMESPACE}/{names.MAINTENANCE_CONFIG_MAP}"
    ask = (
        f"kubectl get configmap {names.MAINTENANCE_CONFIG_MAP} --namespace={names.MAINTENANCE_NAMESPACE} "
        "--ignore-not-found --request-timeout=15s --output=jsonpath='{.metadata.creationTimestamp}'"
    )
    age = '$(($(date +%s) - $(date --date="$maintenance" +%s)))'
    return (
        f"maintenance=$({ask})",
        f'if [ -n "$maintenance" ] && [ {age} -lt {names.MAINTENANCE_SECONDS} ]; then',
        f'  echo "refused: the cluster is under maintenance since $maintenance (ConfigMap {config_map})" >&2',
        "  exit 3",
        "fi",
    )


def rights_of(rights: Iterable[Right]) -> tuple[ClusterRight, ...]:
    """Return rights with each resource once, in a fixed order."""
    verbs: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for right in rights:
        verbs[right.group, right.resource].update(verb.value for verb in right.verbs)
    return tuple(
        ClusterRight(group=group, resource=resource, verbs=tuple(sorted(allowed)))
        for (group, resource), allowed in sorted(verbs.items())
    )


def _begun(step: Mapping[str, Any], beginning: str) -> dict[str, Any]:
    inputs: Mapping[str, Any] = step["inputs"]
    return {**step, "inputs": {**inputs, "runCommand": [beginning, *inputs["runCommand"]]}}


def _team(catalog: Catalog, alert: str) -> str:
    """Return who hears of a failure when the alert itself does not carry its team."""
    return catalog.rules.alerts[alert].rule.labels.get(TEAM, catalog.routing.fallback_team)
