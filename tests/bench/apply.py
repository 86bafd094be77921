"""apply_10000: the Kubernetes objects of 10,000 services, accepted by the real API server and the real operator."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.chart import choose_chart
from components.naming import ALERTMANAGER
from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.kubectl import apply, apply_files, kubectl
from sandbox.cluster.operator import Operator
from sandbox.engine import Engine
from sandbox.providers.plugins import installed
from sandbox.service import ServiceFailed, wait_until_ready
from tests.bench.catalog import ROOT, write_catalog
from tests.bench.figures import Figure
from tests.bench.kubernetes_program import cluster_settings, manifests
from tests.bench.sizes import ALERTS, SERVICES
from tools.paths import tool

APPLY = f"apply_{SERVICES}"
ACCEPTED = f"{APPLY}_objects"
TAKEN = f"{APPLY}_rules_taken"
APPLY_FIGURES = (APPLY, ACCEPTED, TAKEN)
NAMESPACE = "monitoring"
PEER_NAMESPACE = "peer"
READY_SECONDS = 120.0
OPERATOR_SECONDS = 120.0
POLL_SECONDS = 2.0
GENERATED_CONFIGURATION = f"alertmanager-{ALERTMANAGER}-generated"
PROGRAM = """from pathlib import Path
from tests.bench.kubernetes_program import deploy
deploy(Path({folder!r}), Path({kubeconfig!r}), {namespace!r})
"""


def applied(
    wanted: Callable[[str], bool], tell: Callable[[str], None], *, services: int = SERVICES
) -> Iterator[Figure]:
    """Deploy the objects of so many services into a cluster of their own, and then have the operator take them.

    Raises `DeploymentFailed` if the API server refuses an object, `ServiceFailed` if the operator does not take the
    configuration or a file of rules, or if amtool refuses the configuration that the operator wrote.
    """
    if not any(map(wanted, APPLY_FIGURES)):
        return
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        folder = Path(directory)
        write_catalog(folder / "data", ALERTS, services=services)
        plane = ControlPlane("orion-bench", folder / "control-plane")
        operator: Operator | None = None
        try:
            tell("a control plane starts")
            plane.start()
            wait_until_ready(plane, timeout_seconds=READY_SECONDS)
            operator = Operator(plane.kubeconfig, folder)
            operator.install_definitions(_chart())
            apply(plane.kubeconfig, [_storage_class()])
            tell(f"the objects of {services} services are deployed")
            ours = _deployed(folder, plane.kubeconfig)
            peer = _peer(folder, plane.kubeconfig)
            objects = manifests(folder / "data", NAMESPACE)
            accepted = _stored(folder, plane.kubeconfig, objects)
            yield Figure(name=APPLY, value=ours, unit="s", peer="kubectl apply --server-side", peer_value=peer)
            yield Figure(name=ACCEPTED, value=accepted, unit="objects", peer="of the program", peer_value=len(objects))
            tell("the operator takes them")
            operator.start()
            wait_until_ready(operator, timeout_seconds=READY_SECONDS)
            rules = {one["metadata"]["name"] for one in objects if one["kind"] == "PrometheusRule"}
            taken = _taken(operator, rules)
            _check_configuration(folder, plane.kubeconfig, objects)
            yield Figure(name=TAKEN, value=len(taken), unit="PrometheusRules", peer="deployed", peer_value=len(rules))
        finally:
            if operator is not None:
                operator.stop()
            plane.stop()


def _storage_class() -> Mapping[str, Any]:
    """Return the class of prod's volumes: the operator takes nothing of an instance whose class is not there."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": cluster_settings(NAMESPACE).monitoring.storage_class},
        "provisioner": "kubernetes.io/no-provisioner",
    }


def _chart() -> Path | None:
    setting, _ = choose_chart(ROOT, None)
    return Path(setting["path"]) if "path" in setting else None


def _deployed(folder: Path, kubeconfig: Path) -> float:
    """Return the seconds that the real engine takes, from the files to the last object that is accepted."""
    project = folder / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: orion-alerting\nruntime: python\n")
    program = PROGRAM.format(folder=str(folder / "data"), kubeconfig=str(kubeconfig), namespace=NAMESPACE)
    (project / "__main__.py").write_text(program)
    providers = [plugin for plugin in installed() if plugin.name == "kubernetes"]
    engine = Engine(folder / "engine", {}, project=project, providers=providers)
    began = time.perf_counter()
    engine.up()
    return time.perf_counter() - began


def _peer(folder: Path, kubeconfig: Path) -> float:
    """Return the seconds that kubectl takes to apply the same objects to another namespace of the same cluster."""
    path = _written(folder / "peer.json", manifests(folder / "data", PEER_NAMESPACE))
    began = time.perf_counter()
    apply_files(kubeconfig, [path])
    return time.perf_counter() - began


def _stored(folder: Path, kubeconfig: Path, objects: list[dict[str, Any]]) -> int:
    path = _written(folder / "objects.json", objects)
    return len(kubectl(kubeconfig, "get", f"--filename={path}", "--output=name").splitlines())


def _written(path: Path, objects: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return path


def _taken(operator: Operator, rules: set[str]) -> set[str]:
    """Return the PrometheusRules that the operator has written for Prometheus, once it has written all of them.

    It leaves out a PrometheusRule that it refuses. Raises `ServiceFailed` with those that are missing in the end.
    """
    kubeconfig = operator.kubeconfig
    end = time.monotonic() + OPERATOR_SECONDS
    while True:
        taken = {name for name in rules if any(f"{NAMESPACE}-{name}-" in key for key in _rule_files(kubeconfig))}
        if taken == rules and GENERATED_CONFIGURATION in _names(kubeconfig, "secret"):
            return taken
        if time.monotonic() > end:
            missing = ", ".join(sorted(rules - taken)) or GENERATED_CONFIGURATION
            log = operator.log_tail()
            raise ServiceFailed(f"the operator has not taken within {OPERATOR_SECONDS:.0f} s: {missing}\n{log}")
        time.sleep(POLL_SECONDS)


def _rule_files(kubeconfig: Path) -> set[str]:
    maps = json.loads(kubectl(kubeconfig, "get", "configmap", f"--namespace={NAMESPACE}", "--output=json"))["items"]
    return {key for one in maps if "-rulefiles-" in one["metadata"]["name"] for key in one.get("data", {})}


def _names(kubeconfig: Path, kind: str) -> set[str]:
    lines = kubectl(kubeconfig, "get", kind, f"--namespace={NAMESPACE}", "--output=name").splitlines()
    return {line.partition("/")[2] for line in lines}


def _check_configuration(folder: Path, kubeconfig: Path, objects: list[dict[str, Any]]) -> None:
    """Have amtool check the configuration that the operator wrote, with its templates.

    Raises `ServiceFailed` with amtool's own message if it refuses them.
    """
    command = ("get", "secret", GENERATED_CONFIGURATION, f"--namespace={NAMESPACE}", "--output=json")
    data: Mapping[str, str] = json.loads(kubectl(kubeconfig, *command))["data"]
    text = gzip.decompress(base64.b64decode(data["alertmanager.yaml.gz"])).decode()
    templates = folder / "templates"
    templates.mkdir()
    for one in objects:
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "alertmanager-templates":
            for name, template in one["data"].items():
                (templates / name).write_text(template)
    path = folder / "alertmanager.yaml"
    path.write_text(text.replace("/etc/alertmanager/configmaps/alertmanager-templates", str(templates)))
    done = subprocess.run([str(tool("amtool")), "check-config", str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServiceFailed(f"amtool check-config: {done.stdout}{done.stderr}")
