"""Turns remediations and SSM documents into what the function and the bastion are given."""

from __future__ import annotations

import hashlib
import json

from alerting.catalog import ActionFile, Catalog
from alerting.platform import Repair, RepairAction, RepairParameter, Repairs


def repairs(catalog: Catalog) -> Repairs:
    """Return the repairs, the actions that they use, and the namespaces that may be touched."""
    used = {entry.action for entry in catalog.remediations.values()}
    return Repairs(
        actions=tuple(_action(catalog.actions[name]) for name in sorted(used)),
        repairs=tuple(
            Repair(alert=alert, action=entry.action, team=_team(catalog, alert))
            for alert, entry in sorted(catalog.remediations.items())
        ),
        teams=tuple(catalog.teams),
        namespaces=tuple(sorted({service.namespace for service in catalog.services.values()})),
    )


def _team(catalog: Catalog, alert: str) -> str:
    """Return who hears of a failure when the alert itself does not carry its team."""
    return catalog.alerts()[alert].rule.labels.get("team", catalog.routing.fallback_team)


def _action(action: ActionFile) -> RepairAction:
    content = action.document.model_dump(mode="json")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return RepairAction(
        name=action.name,
        document_name=action.document_name,
        content=content,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
        parameters=tuple(
            RepairParameter(name=name, label=label, pattern=action.document.parameters[name].allowedPattern)
            for name, label in action.parameters_from_labels.items()
        ),
        timeout_seconds=action.timeout_seconds,
    )
