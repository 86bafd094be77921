"""A pod's status, as a kubelet would report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.cluster.api_client import JsonObject
from sandbox.cluster.node_agent.node_manifests import timestamp
from sandbox.cluster.node_agent.processes import ContainerProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerReport:
    """The state of one container. `waiting` is a reason, used when there is no process."""

    specification: JsonObject
    process: ContainerProcess
    ready: bool
    started: bool
    waiting: str
    message: str = ""
    completed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PodReport:
    """The state of a pod."""

    host_address: str
    pod_address: str
    start_time: str
    initialised: bool
    init_containers: Sequence[ContainerReport]
    containers: Sequence[ContainerReport]
    message: str = ""


def pod_status(pod: JsonObject, report: PodReport) -> JsonObject:
    """Return the status; conditions that did not change keep the time at which they last did."""
    ready = report.initialised and all(container.ready for container in report.containers)
    not_ready = [one.specification["name"] for one in report.containers if not one.ready]
    reason = "" if ready else "ContainersNotReady"
    message = report.message or ("" if ready else f"containers with unready status: [{' '.join(not_ready)}]")
    conditions = {
        "PodReadyToStartContainers": (True, "", ""),
        "Initialized": (report.initialised, "" if report.initialised else "ContainersNotInitialized", ""),
        "ContainersReady": (ready, reason, message),
        "Ready": (ready, reason, message),
    }
    before: list[JsonObject] = pod.get("status", {}).get("conditions", [])
    kept = [condition for condition in before if condition["type"] not in conditions]
    return {
        "phase": "Running" if report.initialised else "Pending",
        "hostIP": report.host_address,
        "hostIPs": [{"ip": report.host_address}],
        "podIP": report.pod_address,
        "podIPs": [{"ip": report.pod_address}],
        "startTime": report.start_time,
        "conditions": [*kept, *(_condition(name, *values, before) for name, values in conditions.items())],
        "initContainerStatuses": [_container(one) for one in report.init_containers],
        "containerStatuses": [_container(one) for one in report.containers],
    }


def _condition(name: str, holds: bool, reason: str, message: str, before: Sequence[JsonObject]) -> JsonObject:  # noqa: FBT001 - a row of the table above
    status = "True" if holds else "False"
    old = next((one for one in before if one["type"] == name), {})
    changed = timestamp() if old.get("status") != status else old.get("lastTransitionTime", timestamp())
    condition: JsonObject = {"type": name, "status": status, "lastTransitionTime": changed}
    return condition | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def _container(report: ContainerReport) -> JsonObject:
    process = report.process
    terminated: JsonObject = {}
    if process.last is not None:
        terminated = {
            "exitCode": process.last.code,
            "reason": "Completed" if process.last.code == 0 else "Error",
            "startedAt": process.last.started,
            "finishedAt": process.last.finished,
            "message": process.log_tail()[-2048:] if process.last.code else "",
        }
    if process.is_running:
        state: JsonObject = {"running": {"startedAt": process.started}}
    elif report.completed:
        state = {"terminated": terminated}
    else:
        waiting = {"reason": report.waiting}
        state = {"waiting": waiting | ({"message": report.message} if report.message else {})}
    status: JsonObject = {
        "name": report.specification["name"],
        "image": report.specification["image"],
        "imageID": report.specification["image"],
        "ready": report.ready,
        "started": report.started,
        "restartCount": process.restarts,
        "state": state,
    }
    if process.pid is not None:
        status["containerID"] = f"process://{process.pid}"
    if terminated and not report.completed:
        status["lastState"] = {"terminated": terminated}
    return status
