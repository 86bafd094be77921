"""Service discovery files follow pods, Services and requests, and are not computed again for nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.node_agent.addresses import Addresses
from sandbox.cluster.node_agent.changed_files import ChangedFiles
from sandbox.cluster.node_agent.prometheus_discovery import DiscoveryFiles
from sandbox.cluster.node_agent.translate import DiscoveryRequest

POD_REQUEST = DiscoveryRequest(role="pod", namespaces=())
ENDPOINTS_REQUEST = DiscoveryRequest(role="endpoints", namespaces=())
NAME_LABEL = "__meta_kubernetes_pod_name"


def pod(name: str, version: int = 1, *, phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "monitoring",
            "uid": name,
            "labels": {"app": "am"},
            "resourceVersion": str(version),
        },
        "spec": {
            "nodeName": "node-a",
            "containers": [{"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 80}]}],
        },
        "status": {"phase": phase},
    }


def service() -> dict[str, Any]:
    return {
        "metadata": {"name": "am", "namespace": "monitoring", "uid": "am-service", "resourceVersion": "1"},
        "spec": {"selector": {"app": "am"}, "ports": [{"port": 80, "targetPort": "web"}]},
    }


class Discovery:
    """The files of one Prometheus pod."""

    def __init__(self, folder: Path) -> None:
        self.files = DiscoveryFiles(Addresses(), ChangedFiles())
        self.path = folder / "pod.json"
        self.endpoints = folder / "endpoints.json"

    def update(self, *pods: dict[str, Any]) -> None:
        self.files.update([(self.path, POD_REQUEST)], [], pods)

    def labels(self, name: str) -> list[str]:
        return sorted(target["labels"][name] for target in json.loads(self.path.read_text()))


@pytest.fixture
def discovery(tmp_path: Path) -> Discovery:
    return Discovery(tmp_path)


def test_a_pod_that_comes_changes_or_goes_changes_the_file(discovery: Discovery) -> None:
    discovery.update(pod("one"))
    discovery.update(pod("one"), pod("two"))
    assert discovery.labels(NAME_LABEL) == ["one", "two"]

    discovery.update(pod("one", 2, phase="Failed"), pod("two"))
    assert discovery.labels("__meta_kubernetes_pod_phase") == ["Failed", "Running"]

    discovery.update(pod("two"))
    assert discovery.labels(NAME_LABEL) == ["two"]


def test_a_service_that_comes_later_changes_the_file(discovery: Discovery) -> None:
    requests = [(discovery.endpoints, ENDPOINTS_REQUEST)]
    discovery.files.update(requests, [], [pod("one")])
    assert json.loads(discovery.endpoints.read_text()) == []

    discovery.files.update(requests, [service()], [pod("one")])
    assert len(json.loads(discovery.endpoints.read_text())) == 1


def test_a_request_that_comes_later_gets_its_file(discovery: Discovery) -> None:
    discovery.update(pod("one"))

    requests = [(discovery.path, POD_REQUEST), (discovery.endpoints, ENDPOINTS_REQUEST)]
    discovery.files.update(requests, [service()], [pod("one")])

    assert len(json.loads(discovery.endpoints.read_text())) == 1


def test_a_file_is_written_once_its_folder_is_there(tmp_path: Path) -> None:
    discovery = Discovery(tmp_path / "later")
    discovery.update(pod("one"))
    (tmp_path / "later").mkdir()

    discovery.update(pod("one"))

    assert discovery.labels(NAME_LABEL) == ["one"]


def test_nothing_is_computed_while_every_version_stays(discovery: Discovery, monkeypatch: pytest.MonkeyPatch) -> None:
    discovery.update(pod("one"))
    monkeypatch.setattr("sandbox.cluster.node_agent.prometheus_discovery.targets", None)  # a call would fail

    discovery.update(pod("one"))

    with pytest.raises(TypeError):
        discovery.update(pod("one", 2))
