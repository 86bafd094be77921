"""Validates a fault's target: an existing service, pod or database instance."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sandbox.metrics.data_exporters import DATABASE_INSTANCES, READER
from sandbox.metrics.exporters import ORDER_SERVICES, ClusterView, service_names
from sandbox.metrics.faults import Fault, UnknownFault

EXPORTERS = (
    "services",
    "cadvisor",
    "kube-state-metrics",
    "kubelet",
    "alerting",
    "cloudwatch",
    "redis",
    "kafka",
    "cert-manager",
)
WITHOUT_SILENCE = frozenset({"services", "kubelet", "alerting", "cert-manager"})
"""Exporters without ExporterSilent: an alert of each service tells it, or the dead man's switch, or it may be gone."""
_REVISION = re.compile(r"[1-9][0-9]{0,8}")
_OF_ORDERS = frozenset({"orders stop", "orders are rejected"})


def require_place(one: Fault, cluster: ClusterView) -> None:
    """Do nothing if everything that a fault's labels name is there.

    Raises `UnknownFault` with what is.
    A revision may be one that is still to be rolled out.
    """
    for label, value in sorted(one.labels):
        if label == "revision":
            _require_revision(one, value)
            continue
        allowed = sorted(_allowed(one, label, cluster))
        if value not in allowed:
            there = ", ".join(allowed) or "nothing"
            raise UnknownFault(f"fault {one.kind!r}: found {label}={value}; allowed: {there}")


def _require_revision(one: Fault, value: str) -> None:
    if not _REVISION.fullmatch(value):
        raise UnknownFault(f"fault {one.kind!r}: found revision={value}; allowed: a number such as 2")


def _allowed(one: Fault, label: str, cluster: ClusterView) -> Iterable[str]:
    match label:
        case "service":
            services = service_names(cluster)
            return ORDER_SERVICES.intersection(services) if one.kind in _OF_ORDERS else services
        case "pod":
            return [pod.name for pod in cluster.pods() if pod.service == one.at("service")]
        case "dbinstance_identifier":
            return (READER,) if one.kind == "reader lags" else DATABASE_INSTANCES
        case "exporter":
            return [exporter for exporter in EXPORTERS if exporter not in WITHOUT_SILENCE]
        case _:
            raise ValueError(f"nothing says where a fault with the label {label} can be")
