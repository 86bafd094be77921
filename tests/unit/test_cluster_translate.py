from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import yaml

from sandbox.cluster.node_agent.addresses import Addresses, PodPorts
from sandbox.cluster.node_agent.programs import PROGRAMS, program_of
from sandbox.cluster.node_agent.prometheus_discovery import targets
from sandbox.cluster.node_agent.translate import (
    DiscoveryRequest,
    Root,
    Untranslatable,
    arguments,
    configuration,
    discovery_requests,
    expanded,
)

ROOT = Root(
    Path("/run/pod/root"), frozenset({"/etc/alertmanager/config_out", "/etc/prometheus/rules/r0", "/alertmanager"})
)
ADDRESSES = Addresses()
PORTS = PodPorts(ADDRESSES, "monitoring", "alertmanager-main-0")


def translated(program: str, *given: str) -> list[str]:
    return arguments(PROGRAMS[program], given, ROOT, PORTS)


def test_paths_are_below_the_pods_root() -> None:
    found = translated("alertmanager", "--config.file=/etc/alertmanager/config_out/alertmanager.env.yaml")

    assert found[0] == "--config.file=/run/pod/root/etc/alertmanager/config_out/alertmanager.env.yaml"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/etc/alertmanager/config_outside", "/alertmanager/../etc/passwd", "x"]
)
def test_a_path_on_no_volume_is_refused(path: str) -> None:
    with pytest.raises(Untranslatable, match="none of the container's volumes"):
        translated("alertmanager", f"--config.file={path}")


def test_listening_addresses_are_loopback_whatever_was_asked_for() -> None:
    found = translated("alertmanager", "--cluster.listen-address=[10.200.0.3]:9094", "--web.listen-address=:9093")

    assert found == [
        f"--cluster.listen-address=127.0.0.1:{PORTS.own(9094)}",
        f"--web.listen-address=127.0.0.1:{PORTS.own(9093)}",
    ]


def test_a_program_that_was_given_no_address_does_not_get_its_default() -> None:
    assert translated("prometheus") == [f"--web.listen-address=127.0.0.1:{PORTS.own(9090)}"]


@pytest.mark.parametrize("rest", ["", ".monitoring", ".monitoring.svc.cluster.local"])
def test_a_peers_name_is_its_own_port(rest: str) -> None:
    found = translated("alertmanager", f"--cluster.peer=alertmanager-main-1.alertmanager-operated{rest}:9094")

    assert found[0] == f"--cluster.peer=127.0.0.1:{ADDRESSES.port('monitoring', 'alertmanager-main-1', 9094)}"


def test_a_reload_goes_to_the_own_pod_and_nowhere_else() -> None:
    found = translated("prometheus-config-reloader", "--reload-url=http://localhost:9093/-/reload")

    assert found[0] == f"--reload-url=http://127.0.0.1:{PORTS.own(9093)}/-/reload"
    with pytest.raises(Untranslatable, match="an address of the pod itself"):
        translated("prometheus-config-reloader", "--reload-url=http://elsewhere:9093/-/reload")


@pytest.mark.parametrize("argument", ["--web.new-file=/etc/x", "--web.new", "config"])
def test_an_unknown_argument_is_named(argument: str) -> None:
    with pytest.raises(Untranslatable, match=argument):
        translated("alertmanager", argument)


def test_variables_are_replaced_as_kubernetes_does() -> None:
    assert (
        expanded("[$(POD_IP)]:9094 $(OTHER) $$(POD_IP) $x", {"POD_IP": "10.0.0.1"})
        == "[10.0.0.1]:9094 $(OTHER) $(POD_IP) $x"
    )


@pytest.mark.parametrize(
    ("image", "binary"),
    [
        ("quay.io/prometheus/alertmanager:v0.34.0", "alertmanager"),
        ("registry:5000/prometheus@sha256:00", "prometheus"),
        ("quay.io/prometheus-operator/prometheus-config-reloader:v0.85.0", "prometheus-config-reloader"),
        ("quay.io/thanos/thanos:v0.40.0", None),
    ],
)
def test_programs_by_image(image: str, binary: str | None) -> None:
    program = program_of(image)

    assert (None if program is None else program.binary) == binary


def changed(name: str, document: object) -> dict[str, object]:
    packed = gzip.compress(yaml.safe_dump(document).encode())
    answer: dict[str, object] = yaml.safe_load(
        gzip.decompress(configuration(name, packed, ROOT, Path("/run/pod/discovery")))
    )
    return answer


def test_only_files_are_translated_in_a_configuration_never_text() -> None:
    path = "/alertmanager/secret"
    found = changed(
        "alertmanager.yaml.gz",
        {
            "receivers": [{"slack_configs": [{"api_url_file": path, "text": path, "title": "09:30"}]}],
            "templates": [path],
        },
    )

    outside = f"/run/pod/root{path}"
    assert found == {
        "receivers": [{"slack_configs": [{"api_url_file": outside, "text": path, "title": "09:30"}]}],
        "templates": [outside],
    }


def test_discovery_becomes_files_and_relabelling_stays() -> None:
    relabel = [{"action": "keep", "source_labels": ["__meta_kubernetes_service_name"], "regex": "x"}]
    discovery = [{"role": "endpoints", "namespaces": {"names": ["monitoring"]}, "attach_metadata": {"node": False}}]
    found = changed(
        "prometheus.yaml.gz",
        {
            "rule_files": ["/etc/prometheus/rules/r0/*.yaml"],
            "scrape_configs": [{"job_name": "j", "kubernetes_sd_configs": discovery, "relabel_configs": relabel}],
        },
    )

    assert found["rule_files"] == ["/run/pod/root/etc/prometheus/rules/r0/*.yaml"]
    assert found["scrape_configs"] == [
        {
            "job_name": "j",
            "file_sd_configs": [{"files": ["/run/pod/discovery/endpoints-monitoring.json"], "refresh_interval": "30s"}],
            "relabel_configs": relabel,
        }
    ]


def test_a_question_that_cannot_be_answered_is_named() -> None:
    document = {"alerting": {"alertmanagers": [{"kubernetes_sd_configs": [{"role": "pod", "selectors": []}]}]}}
    packed = gzip.compress(yaml.safe_dump(document).encode())

    with pytest.raises(Untranslatable, match="selectors"):
        list(discovery_requests("prometheus.yaml.gz", packed))


def pod(name: str, *, namespace: str = "monitoring") -> dict[str, object]:
    ports = [
        {"name": "http-web", "containerPort": 9093},
        {"name": "mesh-udp", "containerPort": 9094, "protocol": "UDP"},
    ]
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"app": "am"}},
        "spec": {
            "nodeName": "agent-us-east-1b",
            "containers": [{"name": "alertmanager", "image": "alertmanager", "ports": ports}],
        },
        "status": {"phase": "Running"},
    }


def service(**selector: str) -> dict[str, object]:
    ports = [{"name": "web", "port": 80, "targetPort": "http-web"}, {"name": "udp", "port": 9094, "protocol": "UDP"}]
    metadata = {"name": "am", "namespace": "monitoring", "labels": {"a.b/c": "d"}}
    return {"metadata": metadata, "spec": {"selector": selector, "ports": ports}}


def test_endpoints_are_the_selected_pods_ports_with_the_documented_labels() -> None:
    request = DiscoveryRequest(role="endpoints", namespaces=("monitoring",), with_node_labels=True)
    found = targets(request, [service(app="am")], [pod("one"), pod("two", namespace="other")], ADDRESSES)

    assert [one["targets"] for one in found] == [[ADDRESSES.address("monitoring", "one", 9093)]]
    labels = found[0]["labels"]
    assert isinstance(labels, dict)
    expected = {
        "__meta_kubernetes_namespace": "monitoring",
        "__meta_kubernetes_service_name": "am",
        "__meta_kubernetes_service_label_a_b_c": "d",
        "__meta_kubernetes_service_labelpresent_a_b_c": "true",
        "__meta_kubernetes_endpoint_port_name": "web",
        "__meta_kubernetes_pod_name": "one",
        "__meta_kubernetes_pod_ready": "false",
        "__meta_kubernetes_node_label_topology_kubernetes_io_zone": "us-east-1b",
    }
    assert expected.items() <= labels.items()


@pytest.mark.parametrize("selector", [{}, {"app": "other"}])
def test_a_service_that_selects_nothing_has_no_endpoints(selector: dict[str, str]) -> None:
    request = DiscoveryRequest(role="endpoints", namespaces=())

    assert targets(request, [service(**selector)], [pod("one")], ADDRESSES) == []


def test_two_pods_never_share_a_port() -> None:
    ports = {ADDRESSES.port("monitoring", f"pod-{number}", 9093) for number in range(50)}

    assert len(ports) == 50
    assert ADDRESSES.port("monitoring", "pod-7", 9093) == ADDRESSES.port("monitoring", "pod-7", 9093)
