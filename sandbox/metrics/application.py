"""The metrics source over HTTP: a path per exporter to scrape, and the faults to read, start and end."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.metrics.alerting_exporters import Alerting, KubeletVolumes
from sandbox.metrics.capacity_exporters import CertManager
from sandbox.metrics.cluster_exporters import ContainerAdvisor, KubeState
from sandbox.metrics.data_exporters import CloudWatch, Kafka, Redis
from sandbox.metrics.exporters import ClusterView, ServiceMetrics, Services
from sandbox.metrics.fault_kinds import FAULTS
from sandbox.metrics.fault_targets import EXPORTERS, require_place
from sandbox.metrics.faults import Fault, Faults, UnknownFault, fault


def create_application(
    cluster: ClusterView,
    faults: Faults,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """Return the application, which runs within `lifespan`.

    `GET /EXPORTER/metrics`, `GET /services/SERVICE/metrics`, and `GET`, `POST` and `DELETE /faults`.
    """
    services = Services(cluster, faults)
    collectors: dict[str, Collector] = {
        "services": services,
        "cadvisor": ContainerAdvisor(cluster, faults),
        "kube-state-metrics": KubeState(cluster, faults),
        "kubelet": KubeletVolumes(cluster, faults),
        "alerting": Alerting(faults),
        "cloudwatch": CloudWatch(faults),
        "redis": Redis(faults),
        "kafka": Kafka(cluster, faults),
        "cert-manager": CertManager(faults),
    }
    registries = {name: _registry(collector) for name, collector in collectors.items()}

    async def metrics(request: Request) -> Response:
        registry = registries.get(request.path_params["exporter"])
        if registry is None:
            return JSONResponse({"error": f"no such exporter; there are {', '.join(EXPORTERS)}"}, status_code=404)
        if faults.hits("exporter is silent", exporter=request.path_params["exporter"]):
            return Response("", headers={"content-type": "text/plain; version=0.0.4"})
        return await _exposition(request, registry)

    async def service_metrics(request: Request) -> Response:
        service = request.path_params["service"]
        if not services.serves(service):
            return Response(f"{service} serves no metrics\n", status_code=503)
        return await _exposition(request, _registry(ServiceMetrics(services, service)))

    async def read_faults(_: Request) -> Response:
        active = [{"fault": one.kind, "labels": dict(one.labels)} for one in faults.all_active()]
        kinds = {name: {"alert": kind.alert, "effect": kind.effect} for name, kind in FAULTS.items()}
        return JSONResponse({"active": active, "kinds": kinds})

    async def change_faults(request: Request) -> Response:
        try:
            wanted = _fault_in(await request.body())
            if request.method == "POST":  # one that is on can be ended, wherever it is
                await run_in_threadpool(require_place, wanted, cluster)
        except UnknownFault as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=400)
        change = faults.start if request.method == "POST" else faults.end
        change(wanted)
        return JSONResponse({"active": len(faults.all_active())})

    return Starlette(
        routes=[
            Route("/{exporter}/metrics", metrics),
            Route("/services/{service}/metrics", service_metrics),
            Route("/faults", read_faults, methods=["GET"]),
            Route("/faults", change_faults, methods=["POST", "DELETE"]),
        ],
        lifespan=lifespan,
    )


async def _exposition(request: Request, registry: CollectorRegistry) -> Response:
    """Return a registry's metrics in the format that the request accepts."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    text = await run_in_threadpool(encode, registry)
    return Response(text, headers={"content-type": content_type})


def _registry(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def _fault_in(body: bytes) -> Fault:
    """Return the fault that a request names. Raises `UnknownFault` if it does not name a whole one."""
    try:
        wanted = json.loads(body)
        return fault(wanted["fault"], wanted["labels"])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as problem:
        raise UnknownFault('expected {"fault": NAME, "labels": {NAME: VALUE}}') from problem
