"""The catalog of the simulated repair function: which alerts are answered, by what, and how far that may go."""

from __future__ import annotations

import re

from orion_common.names import NAMESPACE, Mode
from runbook_automation.configuration import (
    Action,
    ApprovalCeiling,
    DeployedDocument,
    Parameter,
    Remediation,
    Remediations,
    Source,
)

COOLDOWN_SECONDS = 200
PER_HOUR, UNAPPROVED_PER_HOUR = 4, 2
SERVICE = "orders"
RESTART, SCALE = "restart_pod", "scale_consumers"
"""Two actions on one service: the lock of its target keeps them apart."""
ANYTHING = re.compile(".+")


def _action(name: str, mode: Mode, cooldown: int | None) -> Action:
    parameters = {NAMESPACE: "namespace", "target": "target"}
    return Action(
        name=name,
        document=f"orion-{name}",
        timeout_seconds=60,
        per_service_hour=PER_HOUR,
        per_platform_hour=PER_HOUR,
        parameters=tuple(
            Parameter(name=parameter, source=Source.LABEL, key=label, pattern=ANYTHING)
            for parameter, label in parameters.items()
        ),
        target=("target",),
        cooldown_seconds=cooldown,
        mode=mode,
    )


REMEDIATIONS = Remediations(
    by_alert={
        f"{action}-{mode}": Remediation(action=_action(f"{action}-{mode}", mode, cooldown), team="trading")
        for action, cooldown in ((RESTART, None), (SCALE, COOLDOWN_SECONDS))
        for mode in (Mode.APPROVE, Mode.ON)
    },
    namespaces=frozenset({"orion"}),
    approval_seconds=400,
    approval_above=ApprovalCeiling(per_service_hour=UNAPPROVED_PER_HOUR, per_platform_hour=UNAPPROVED_PER_HOUR),
)
"""The alerts' names say their action and its mode."""
DOCUMENTS = {
    remediation.action.name: DeployedDocument(version="1", hash="0" * 64)
    for remediation in REMEDIATIONS.by_alert.values()
}
