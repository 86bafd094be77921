"""The Kubernetes provider as the sandbox installs it: under the real engine, on a real API server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.cluster.control_plane import ControlPlane
from sandbox.cluster.kubectl import kubectl
from sandbox.engine import DeploymentFailed
from sandbox.service import ServiceFailed, wait_until_ready
from tests.integration.kubernetes_harness import Stack
from tests.waiting import until

pytestmark = pytest.mark.integration

MUTABLE = {"enable_secret_mutable": True, "enable_config_map_mutable": True}
PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    control_plane = ControlPlane("providers", tmp_path_factory.mktemp("cluster"))
    control_plane.start()
    try:
        wait_until_ready(control_plane, timeout_seconds=90)
        yield control_plane.kubeconfig
    finally:
        control_plane.stop()


@pytest.fixture
def stack(tmp_path: Path, cluster: Path) -> Iterator[Stack]:
    made = Stack(tmp_path, cluster)
    yield made
    kubectl(cluster, "delete", "namespace", made.namespace, "--wait=false")


MANY = """
secret = k8s.core.v1.Secret("secret", metadata={"name": "credentials"}, string_data={"key": "one"}, opts=opts)
k8s.core.v1.ConfigMap("map", metadata={"name": "map"}, data={"a": "1"}, opts=opts)
k8s.core.v1.ServiceAccount("account", opts=opts)
k8s.rbac.v1.Role("role", metadata={"name": "role"},
    rules=[{"api_groups": [""], "resources": ["pods"], "verbs": ["get"]}], opts=opts)
k8s.rbac.v1.RoleBinding("binding", metadata={"name": "binding"},
    role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": "role"},
    subjects=[{"kind": "Group", "name": "orion:repairs", "api_group": "rbac.authorization.k8s.io"}], opts=opts)
service = k8s.core.v1.Service("service", metadata={"name": "service"},
    spec={"selector": {"app": "a"}, "ports": [{"port": 80}]}, opts=opts)
k8s.apps.v1.Deployment("deployment", metadata={"name": "deployment"}, spec={"replicas": 0,
    "selector": {"match_labels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}},
    "spec": {"containers": [{"name": "c", "image": "i", "env_from": [{"secret_ref": {"name": secret.metadata.name}}]}]},
    }}, opts=opts)
pulumi.export("address", service.spec.cluster_ip)
pulumi.export("uid", secret.metadata.uid)
"""


def test_preview_makes_nothing_up_makes_it_a_second_up_changes_nothing_destroy_leaves_nothing(stack: Stack) -> None:
    stack.program(MANY)
    preview = stack.engine.preview()
    names_before = {kind: stack.names(kind) for kind in ("secret", "deployment", "role", "service")}
    up = stack.engine.up()
    secret = stack.get("secret", "credentials")
    again_planned = stack.engine.preview()
    again = stack.engine.up()
    accounts = stack.names("serviceaccount")

    assert preview.changes["create"] == 9
    assert names_before == {"secret": set(), "deployment": set(), "role": set(), "service": set()}
    assert up.changes == {"create": 9}
    assert secret["data"] == {"key": base64.b64encode(b"one").decode()}
    assert up.outputs["uid"] == secret["metadata"]["uid"]
    assert up.outputs["address"] == stack.get("service", "service")["spec"]["clusterIP"]
    assert again_planned.changes == {"same": 9}
    assert again.changes == {"same": 9}
    assert any(name.startswith("account-") for name in accounts)

    stack.engine.destroy()

    left = {kind: stack.names(kind) for kind in ("secret", "deployment", "role", "rolebinding", "service")}
    assert left == {"secret": set(), "deployment": set(), "role": set(), "rolebinding": set(), "service": set()}
    assert stack.names("serviceaccount") == {"default"}
    assert stack.engine.state().get("resources", []) == []


SECRET = """
k8s.core.v1.Secret("secret", metadata={{"name": "credentials"}}, string_data={data!r}, immutable={immutable}, opts=opts)
k8s.core.v1.ConfigMap("map", metadata={{"name": "map"}}, data={data!r}, opts=opts)
"""


def test_with_the_mutable_settings_a_changed_secret_and_config_map_keep_their_uid(stack: Stack) -> None:
    stack.program(SECRET.format(data={"a": "1", "b": "1"}, immutable=None), **MUTABLE)
    stack.engine.up()
    before = [stack.uid("secret", "credentials"), stack.uid("configmap", "map")]
    stack.program(SECRET.format(data={"a": "2"}, immutable=None), **MUTABLE)
    planned = stack.engine.preview()
    done = stack.engine.up()

    assert planned.changes == {"same": 2, "update": 2}
    assert done.changes == {"same": 2, "update": 2}
    assert [stack.uid("secret", "credentials"), stack.uid("configmap", "map")] == before
    assert stack.get("secret", "credentials")["data"] == {"a": base64.b64encode(b"2").decode()}
    assert stack.get("configmap", "map")["data"] == {"a": "2"}


def test_secrets_stay_out_of_the_state_and_out_of_plain_outputs(stack: Stack) -> None:
    stack.program("""
        password = config.require_secret("password")
        k8s.core.v1.Secret("secret", metadata={"name": "a"}, string_data={"password": password}, opts=opts)
        k8s.core.v1.Secret("plain", metadata={"name": "b"}, string_data={"password": "also-correct-horse"}, opts=opts)
    """)
    stack.engine.configure({}, secret={"password": PASSWORD})
    stack.engine.up()
    texts = [PASSWORD, "also-correct-horse"]
    hidden = texts + [base64.b64encode(text.encode()).decode() for text in texts]
    files = [path.read_bytes() for path in stack.directory.rglob("*") if path.is_file()]

    assert stack.get("secret", "a")["data"]["password"] == hidden[2]
    assert [text for text in hidden if any(text.encode() in content for content in files)] == []


def test_a_namespace_and_what_is_in_it_can_be_previewed_together(stack: Stack) -> None:
    inner = f"{stack.namespace}-inner"
    stack.program(f"""
        namespace = k8s.core.v1.Namespace("inner", metadata={{"name": {inner!r}}}, opts=opts)
        k8s.core.v1.ConfigMap("map", metadata={{"name": "map", "namespace": namespace.metadata.name}}, opts=opts)
    """)
    preview = stack.engine.preview()
    stack.engine.up()
    stack.engine.destroy()

    assert preview.changes["create"] == 4
    with pytest.raises(ServiceFailed, match="not found"):
        kubectl(stack.kubeconfig, "get", "namespace", inner)


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: little\nversion: 1.2.3\nappVersion: '9'\n",
    "values.yaml": "greeting: hello\nextra: {}\n",
    "values.schema.json": '{"type": "object", "properties": {"greeting": {"type": "string"}}}',
    "templates/map.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-map\n"
        "data:\n  greeting: {{ .Values.greeting | quote }}\n"
    ),
}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    for name, text in CHART.items():
        path = tmp_path / "little" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "little"


def test_a_release_is_installed_upgraded_and_uninstalled_by_helm(stack: Stack, chart: Path) -> None:
    program = """
        release = k8s.helm.v3.Release("release", name="little", chart={chart!r}, values={values!r}, opts=opts)
        pulumi.export("status", release.status)
        pulumi.export("names", release.resource_names)
    """
    stack.program(program.format(chart=str(chart), values={"greeting": "good day"}))
    preview = stack.engine.preview()
    before = stack.names("configmap")
    up = stack.engine.up()
    greeting = stack.get("configmap", "little-map")["data"]["greeting"]
    again = stack.engine.up()
    uid = stack.uid("configmap", "little-map")
    stack.program(program.format(chart=str(chart), values={"greeting": "good night"}))
    changed = stack.engine.up()
    later = stack.get("configmap", "little-map")
    stack.program(program.format(chart=str(chart), values={"greeting": 1}))
    with pytest.raises(DeploymentFailed, match="greeting"):
        stack.engine.up()
    kept = stack.get("configmap", "little-map")
    stack.engine.destroy()

    assert preview.changes["create"] == 3
    assert before == {"kube-root-ca.crt"}
    assert greeting == "good day"
    assert up.outputs["status"]["status"] == "deployed"
    assert up.outputs["status"]["namespace"] == stack.namespace
    assert up.outputs["status"]["version"] == "1.2.3"
    assert up.outputs["names"] == {"ConfigMap/v1": ["little-map"]}
    assert again.changes == {"same": 3}
    assert changed.changes == {"same": 2, "update": 1}
    assert changed.outputs["status"]["revision"] == 2
    assert later["data"]["greeting"] == "good night"
    assert later["metadata"]["uid"] == uid
    assert kept["data"] == later["data"]
    assert stack.names("configmap") == {"kube-root-ca.crt"}


def test_the_provider_ends_with_an_engine_that_is_killed(stack: Stack) -> None:
    stack.program("""
        k8s.core.v1.Pod("pod", metadata={"name": "never-ready"}, spec={"containers": [{"name": "c", "image": "i"}]},
            opts=opts)
    """)
    killed = stack.start_elsewhere()
    until("the provider waits for the pod", lambda: "never-ready" in stack.names("pod"))
    children = psutil.Process(killed.pid).children(recursive=True)
    names = [process.name() for process in children]
    killed.kill()
    killed.wait()
    _, left = psutil.wait_procs(children, timeout=10)

    assert [name for name in names if name.startswith("pulumi-resource")] != []
    assert left == []
