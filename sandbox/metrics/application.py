"""The metrics source over HTTP: a path per exporter to scrape, and the faults to read, start and end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.metrics.exporters import CloudWatch, ClusterView, ContainerAdvisor, KubeState, Services
from sandbox.metrics.faults import FAULTS, Faults, UnknownFault, fault

EXPORTERS = ("services", "cadvisor", "kube-state-metrics", "cloudwatch")


def create_application(cluster: ClusterView, faults: Faults) -> Starlette:
    """Return the application. `GET /EXPORTER/metrics`, and `GET`, `POST` and `DELETE /faults`."""
    collectors: dict[str, Collector] = {
        "services": Services(cluster, faults),
        "cadvisor": ContainerAdvisor(cluster, faults),
        "kube-state-metrics": KubeState(cluster, faults),
        "cloudwatch": CloudWatch(faults),
    }
    registries = {name: _registry(collector) for name, collector in collectors.items()}

    async def metrics(request: Request) -> Response:
        registry = registries.get(request.path_params["exporter"])
        if registry is None:
            return JSONResponse({"error": f"no such exporter; there are {', '.join(EXPORTERS)}"}, status_code=404)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        text = await run_in_threadpool(encode, registry)
        return Response(text, headers={"content-type": content_type})

    async def read_faults(_: Request) -> Response:
        active = [{"fault": one.kind, "labels": dict(one.labels)} for one in faults.all_active()]
        kinds = {name: {"alert": kind.alert, "effect": kind.effect} for name, kind in FAULTS.items()}
        return JSONResponse({"active": active, "kinds": kinds})

    async def change_faults(request: Request) -> Response:
        try:
            wanted = _fault_in(await request.body())
        except UnknownFault as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=400)
        change = faults.start if request.method == "POST" else faults.end
        change(fault(wanted["fault"], wanted["labels"]))
        return JSONResponse({"active": len(faults.all_active())})

    return Starlette(
        routes=[
            Route("/{exporter}/metrics", metrics),
            Route("/faults", read_faults, methods=["GET"]),
            Route("/faults", change_faults, methods=["POST", "DELETE"]),
        ]
    )


def _registry(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def _fault_in(body: bytes) -> Mapping[str, Any]:
    """Return the fault that a request names. Raises `UnknownFault` if it does not name a whole one."""
    try:
        wanted = json.loads(body)
        fault(wanted["fault"], wanted["labels"])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as problem:
        raise UnknownFault('expected {"fault": NAME, "labels": {NAME: VALUE}}') from problem
    return wanted
