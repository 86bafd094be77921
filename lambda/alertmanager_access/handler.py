"""Entry of the function inside the network: it carries an operation to Alertmanager, and nothing else.

It is invoked with `{"operation": ..., "arguments": {...}}` and answers `{"answer": ...}`, or an error by its name.
`chatops.alertmanager_client` is the other side.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from chatops.alertmanager_replicas import AlertmanagerReplicas
from chatops.clients import NewSilence, Refused, Unavailable
from chatops.episode import Group
from chatops.record_codec import as_content, from_content
from orion_common.names import AlertmanagerOperation, Variable

LOGGER = Logger(service="alertmanager_access")


def replicas() -> AlertmanagerReplicas:
    """Return the replicas that the environment names. Connections are opened for each operation."""
    return AlertmanagerReplicas(
        addresses=tuple(os.environ[Variable.ALERTMANAGER_API].split(",")),
        replicas=int(os.environ[Variable.ALERTMANAGER_REPLICAS]),
    )


def carry_out(alertmanager: AlertmanagerReplicas, request: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out an operation, and return its answer or what hindered it."""
    operation = AlertmanagerOperation(request["operation"])
    try:
        return {"answer": as_content(_answer(alertmanager, operation, request.get("arguments", {})))}
    except Unavailable as error:
        return {"unavailable": str(error)}
    except Refused as error:
        return {"refused": str(error)}


def _answer(alertmanager: AlertmanagerReplicas, operation: AlertmanagerOperation, arguments: Mapping[str, Any]) -> Any:
    match operation:
        case AlertmanagerOperation.LOOK:
            return alertmanager.look(_group(arguments))
        case AlertmanagerOperation.FIRING_GROUPS:
            return alertmanager.firing_groups()
        case AlertmanagerOperation.SILENCES:
            return alertmanager.silences(str(arguments["key"]))
        case AlertmanagerOperation.SET_SILENCE:
            id_ = arguments["id"]
            ends_at = float(arguments["ends_at"])
            alertmanager.set_silence(id_, _group(arguments), str(arguments["key"]), ends_at)
        case AlertmanagerOperation.EXPIRE_SILENCE:
            alertmanager.expire_silence(str(arguments["id"]))
        case AlertmanagerOperation.ALL_SILENCES:
            return alertmanager.all_silences()
        case AlertmanagerOperation.CREATE_SILENCE:
            alertmanager.create_silence(from_content(arguments["silence"], NewSilence, "silence"))
    return None


def _group(arguments: Mapping[str, Any]) -> Group:
    return from_content(arguments["group"], Group, "group")


@LOGGER.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one invocation."""
    del context
    answer = carry_out(replicas(), event)
    if "answer" not in answer:
        LOGGER.warning("not carried out", extra={"operation": event.get("operation"), **answer})
    return answer
