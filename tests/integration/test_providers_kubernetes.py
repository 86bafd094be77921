"""The embedded Kubernetes provider under the real engine, on a real API server, with the real helm."""

from __future__ import annotations

import base64
import json
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


def test_without_the_mutable_settings_they_are_replaced(stack: Stack) -> None:
    stack.program(SECRET.format(data={"a": "1"}, immutable=None))
    stack.engine.up()
    before = [stack.uid("secret", "credentials"), stack.uid("configmap", "map")]
    stack.program(SECRET.format(data={"a": "2"}, immutable=None))
    planned = stack.engine.preview()
    done = stack.engine.up()
    after = [stack.uid("secret", "credentials"), stack.uid("configmap", "map")]

    assert planned.changes == {"same": 2, "replace": 2}
    assert done.changes == {"same": 2, "replace": 2}
    assert set(before).isdisjoint(after)


def test_an_immutable_secret_is_replaced_whatever_the_settings(stack: Stack) -> None:
    stack.program(SECRET.format(data={"a": "1"}, immutable=True), **MUTABLE)
    stack.engine.up()
    before = stack.uid("secret", "credentials")
    stack.program(SECRET.format(data={"a": "2"}, immutable=True), **MUTABLE)
    done = stack.engine.up()

    assert done.changes == {"same": 2, "replace": 1, "update": 1}
    assert stack.uid("secret", "credentials") != before


def test_a_made_up_name_lets_the_new_one_be_made_before_the_old_goes(stack: Stack) -> None:
    stack.program("k8s.core.v1.ConfigMap('map', data={'a': '1'}, opts=opts)")
    stack.engine.up()
    (before,) = stack.names("configmap") - {"kube-root-ca.crt"}
    stack.program("k8s.core.v1.ConfigMap('map', data={'a': '2'}, opts=opts)")
    stack.engine.up()
    (after,) = stack.names("configmap") - {"kube-root-ca.crt"}

    assert before != after
    assert after.startswith("map-")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (
            """k8s.apps.v1.Deployment('web', opts=opts, spec={'selectr': {}, 'selector': {'match_labels': {'a': 'b'}},
            'template': {'metadata': {'labels': {'a': 'b'}},
            'spec': {'containers': [{'name': 'c', 'image': 'i'}]}}})""",
            ["kubernetes:apps/v1:Deployment web", "selectr"],
        ),
        ("pulumi.CustomResource('kubernetes:apps/v1:Deploiment', 'web', {}, opts)", ["Deploiment", "Deployment"]),
        ("pulumi.CustomResource('kubernetes:core/v1:SecretPatch', 'web', {}, opts)", ["SecretPatch"]),
        ("k8s.core.v1.Secret('web', metadata={'name': 'Not_A_Name'}, opts=opts)", ["Not_A_Name"]),
        ("k8s.core.v1.Secret('web', metadata={'annotations': {'pulumi.com/waitFor': 'x'}}, opts=opts)", ["waitFor"]),
        ("k8s.helm.v3.Release('web', chart='./none.tgz', opts=opts)", ["helm.sh/v3:Release web", "none.tgz"]),
        ("k8s.helm.v3.Release('web', chart='./none.tgz', lint=True, opts=opts)", ["lint", "skipCrds"]),
    ],
)
def test_what_is_wrong_is_refused_in_preview_by_name(stack: Stack, program: str, words: list[str]) -> None:
    stack.program(program)

    with pytest.raises(DeploymentFailed) as raised:
        stack.engine.preview()

    for word in words:
        assert word in str(raised.value)
    assert "Traceback" not in str(raised.value)


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


DEFINITION = """
definition = k8s.apiextensions.v1.CustomResourceDefinition("definition",
    metadata={"name": "widgets.%s.example.com"},
    spec={"group": "%s.example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "list_kind": "WidgetList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"open_apiv3_schema": {"type": "object",
            "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]},
    opts=opts)
k8s.apiextensions.CustomResource("widget", api_version="%s.example.com/v1", kind="Widget",
    metadata={"name": "widget"}, spec=%s, opts=pulumi.ResourceOptions(provider=provider, depends_on=[definition]))
"""


def test_custom_resources_come_with_their_definition_and_are_checked_by_it(stack: Stack) -> None:
    group = stack.namespace
    stack.program(DEFINITION % (group, group, group, {"size": 3}))
    preview = stack.engine.preview()
    stack.engine.up()
    size = stack.get(f"widgets.{group}.example.com", "widget")["spec"]["size"]
    again = stack.engine.up()
    stack.program(DEFINITION % (group, group, group, {"size": 3, "colour": "red"}))
    with pytest.raises(DeploymentFailed, match=r"colour"):
        stack.engine.preview()
    stack.engine.destroy()

    assert any("Widget is not defined in the cluster yet" in warning for warning in preview.warnings)
    assert size == 3
    assert again.changes == {"same": 4}
    with pytest.raises(ServiceFailed):
        stack.get(f"widgets.{group}.example.com")


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


def test_fields_of_another_manager_are_taken_only_by_force(stack: Stack) -> None:
    kubectl(stack.kubeconfig, "create", "configmap", "map", "--from-literal=a=theirs", f"--namespace={stack.namespace}")
    program = "k8s.core.v1.ConfigMap('map', metadata={metadata!r}, data={{'a': 'ours'}}, opts=opts)"
    stack.program(program.format(metadata={"name": "map"}))
    with pytest.raises(DeploymentFailed) as raised:
        stack.engine.up()
    stack.program(program.format(metadata={"name": "map", "annotations": {"pulumi.com/patchForce": "true"}}))
    stack.engine.up()

    assert "pulumi.com/patchForce" in str(raised.value)
    assert stack.get("configmap", "map")["data"] == {"a": "ours"}


def test_what_never_gets_ready_is_said_kept_and_put_right(stack: Stack) -> None:
    program = """
        k8s.apps.v1.Deployment("web", metadata={{"name": "web"}}, spec={{"replicas": {replicas},
            "selector": {{"match_labels": {{"app": "a"}}}}, "template": {{"metadata": {{"labels": {{"app": "a"}}}},
            "spec": {{"containers": [{{"name": "c", "image": "i"}}]}}}}}}, opts=pulumi.ResourceOptions(
            provider=provider, custom_timeouts=pulumi.CustomTimeouts(create="2s")))
    """
    stack.program(program.format(replicas=1))  # there is no node to run it
    with pytest.raises(DeploymentFailed, match=r"web: not ready after 2 s: .*0 of 1"):
        stack.engine.up()
    uid = stack.uid("deployment", "web")
    stack.program(program.format(replicas=0))
    stack.engine.up()

    assert stack.uid("deployment", "web") == uid


def test_a_load_balancer_is_waited_for_until_something_gives_it_an_address(stack: Stack) -> None:
    stack.program("""
        service = k8s.core.v1.Service("balancer", metadata={"name": "balancer"}, spec={"type": "LoadBalancer",
            "load_balancer_class": "service.k8s.aws/nlb", "load_balancer_source_ranges": ["10.0.0.0/24"],
            "allocate_load_balancer_node_ports": False, "selector": {"app": "a"}, "ports": [{"port": 9093}]},
            opts=pulumi.ResourceOptions(provider=provider, custom_timeouts=pulumi.CustomTimeouts(create="2s")))
        pulumi.export("address", service.status.load_balancer.ingress[0].hostname)
    """)
    preview = stack.engine.preview()
    with pytest.raises(DeploymentFailed, match=r"balancer: not ready after 2 s: .*a load balancer's address"):
        stack.engine.up()
    status = json.dumps({"status": {"loadBalancer": {"ingress": [{"hostname": "balancer.elb.amazonaws.com"}]}}})
    namespace = f"--namespace={stack.namespace}"
    kubectl(stack.kubeconfig, "patch", "service", "balancer", "--subresource=status", namespace, "--patch", status)

    assert preview.changes["create"] == 3
    assert stack.engine.up().outputs["address"] == "balancer.elb.amazonaws.com"
    assert "nodePort" not in stack.get("service", "balancer")["spec"]["ports"][0]


def test_refresh_sees_drift_and_what_is_gone(stack: Stack) -> None:
    stack.program(MANY, **MUTABLE)
    stack.engine.up()
    kubectl(stack.kubeconfig, "delete", "configmap", "map", "--namespace", stack.namespace)
    patch = json.dumps({"data": {"key": base64.b64encode(b"drifted").decode()}})
    kubectl(stack.kubeconfig, "patch", "secret", "credentials", "--namespace", stack.namespace, "--patch", patch)
    refreshed = stack.engine.refresh()
    stack.program(MANY.replace('"replicas": 0', '"replicas": 0, "paused": True'), **MUTABLE)
    up = stack.engine.up()

    assert refreshed.changes["delete"] == 1
    assert up.changes["create"] == 1
    assert up.changes["update"] == 1
    assert stack.get("deployment", "deployment")["spec"]["paused"] is True


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
        stack.engine.preview()
    stack.engine.destroy()

    assert preview.changes["create"] == 3
    assert before == {"kube-root-ca.crt"}
    assert greeting == "good day"
    assert up.outputs["status"]["status"] == "deployed"
    assert up.outputs["status"]["namespace"] == stack.namespace
    assert up.outputs["status"]["version"] == "1.2.3"
    assert up.outputs["names"] == {"ConfigMap.v1": ["little-map"]}
    assert again.changes == {"same": 3}
    assert changed.changes == {"same": 2, "update": 1}
    assert changed.outputs["status"]["revision"] == 2
    assert later["data"]["greeting"] == "good night"
    assert later["metadata"]["uid"] == uid
    assert stack.names("configmap") == {"kube-root-ca.crt"}


def test_a_release_that_fails_is_kept_and_put_right(stack: Stack, chart: Path) -> None:
    broken = chart / "templates" / "broken.yaml"
    broken.write_text("apiVersion: v1\nkind: Service\nmetadata:\n  name: broken\nspec:\n  ports: [{port: 99999}]\n")
    stack.program(f"k8s.helm.v3.Release('release', name='little', chart={str(chart)!r}, opts=opts)")
    with pytest.raises(DeploymentFailed) as raised:
        stack.engine.up()
    broken.unlink()
    stack.engine.up()
    greeting = stack.get("configmap", "little-map")["data"]["greeting"]

    assert "kubernetes:helm.sh/v3:Release release: helm upgrade: " in str(raised.value)
    assert "99999" in str(raised.value)
    assert greeting == "hello"


def test_what_a_killed_run_left_of_a_release_is_put_right(stack: Stack, chart: Path) -> None:
    (chart / "templates" / "pod.yaml").write_text(
        "{{ if .Values.pod }}\napiVersion: v1\nkind: Pod\nmetadata:\n  name: never-ready\nspec:\n"
        "  containers: [{name: c, image: i}]\n{{ end }}\n"
    )
    program = "k8s.helm.v3.Release('release', name='little', chart={chart!r}, values={values!r}, opts=opts)"
    stack.program(program.format(chart=str(chart), values={"pod": True}))
    killed = stack.start_elsewhere()
    until("helm waits for it", lambda: "never-ready" in stack.names("pod"))
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.wait()
    _, left = psutil.wait_procs(children, timeout=10)
    status = json.loads(stack.helm("status", "little", "--output", "json"))["info"]["status"]
    stack.program(program.format(chart=str(chart), values={"pod": False}))
    stack.engine.up()

    assert left == []
    assert status == "pending-install"
    assert stack.names("pod") == set()
    assert stack.names("configmap") == {"kube-root-ca.crt", "little-map"}
