"""Rights in the cluster, by the API server's own answer.

The bastion may do what the actions say that they need, a preview of a pull request ask what there is; no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerting.names import MAINTENANCE_CONFIG_MAP, MAINTENANCE_NAMESPACE
from alerting.repairs.compile import repairs
from sandbox.cluster.api_client import http_client
from sandbox.cluster.kubectl import apply_files
from sandbox.cluster.workloads import NAMESPACE
from tests.alerting_data import ROOT, fixture_catalog
from tests.integration.repair_harness import GROUP, rights, running_cluster
from tests.lambda_events import function_repairs

pytestmark = pytest.mark.integration

UNUSED = {"cordon_node", "fail_over_aurora", "restart_deployment"}
"""The actions that answer no alert of the catalog."""
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "escalate")
MONITORING = "monitoring"
OTHER_NAMESPACES = ("kube-system", "default", MONITORING)
EVERYBODYS = {
    ("authentication.k8s.io", "selfsubjectreviews", "create"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "create"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "create"),
}
"""What Kubernetes lets everybody do who has logged in: ask who they are and what they may."""

PREVIEWS = "orion:previews"
LOGGED_IN = "system:authenticated"
ASKED_BY_A_PREVIEW = ("/readyz", "/version", "/openapi/v2", "/api", "/apis", "/api/v1", "/apis/apps/v1")

Right = tuple[str, str, str]


class _Api:
    """The API server, asked as its administrator about a group."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = http_client(kubeconfig, timeout_seconds=30)

    def resources(self) -> Iterator[tuple[str, str]]:
        """Yield the API group and name of everything that the server serves, parts such as pods/exec too."""
        roots = ["/api/v1"]
        groups = self._client.get("/apis").raise_for_status().json()["groups"]
        roots += [f"/apis/{one['preferredVersion']['groupVersion']}" for one in groups]
        for root in roots:
            served = self._client.get(root).raise_for_status().json()
            group = served["groupVersion"].rpartition("/")[0]
            yield from ((group, one["name"]) for one in served["resources"])

    def rights(self, who: str, namespace: str) -> set[Right]:
        """Return what a group may do to all that the server serves, in a namespace, or everywhere with ""."""
        wanted = [(*resource, verb) for resource, verb in product(sorted(set(self.resources())), VERBS)]
        assert len(wanted) > 500, "the server was not asked what it serves"
        return {one for one in wanted if self.may(who, *one, namespace)}

    def may(self, who: str, group: str, resource: str, verb: str, namespace: str) -> bool:
        name, _, part = resource.partition("/")
        attributes = {"group": group, "resource": name, "subresource": part, "verb": verb, "namespace": namespace}
        return self._allows((who, LOGGED_IN), resourceAttributes=attributes)

    def may_with(self, who: str, **attributes: str) -> bool:
        return self._allows((who, LOGGED_IN), resourceAttributes=attributes)

    def may_get(self, groups: Sequence[str], path: str) -> bool:
        return self._allows(groups, nonResourceAttributes={"path": path, "verb": "get"})

    def _allows(self, groups: Sequence[str], **attributes: Any) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": "somebody", "groups": list(groups), **attributes},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self._client.post(path, json=review).raise_for_status().json()["status"]["allowed"])

    def answer(self, who: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Return what the server answers to somebody of a group."""
        headers = {"Impersonate-User": "somebody", "Impersonate-Group": who, **request.pop("headers", {})}
        return self._client.request(method, path, headers=headers, **request)


def _allowed(kind: str) -> set[Right]:
    rules = rights(kind)[0]["rules"]
    return {(rule["apiGroups"][0], rule["resources"][0], verb) for rule in rules for verb in rule["verbs"]}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Api]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as plane:
        apply_files(plane.kubeconfig, [ROOT / ".github" / "cluster-role-preview.yaml"])
        yield _Api(plane.kubeconfig)


def test_the_bastion_may_do_what_the_actions_need_and_nothing_else_anywhere(api: _Api) -> None:
    elsewhere = {one for one in _allowed("Role") for namespace in OTHER_NAMESPACES if api.may(GROUP, *one, namespace)}
    everywhere = _allowed("ClusterRole") | EVERYBODYS

    assert api.rights(GROUP, NAMESPACE) == _allowed("Role") | everywhere
    assert api.rights(GROUP, "") == everywhere
    assert elsewhere == set()
    declaration = {"resource": "configmaps", "name": MAINTENANCE_CONFIG_MAP, "namespace": MAINTENANCE_NAMESPACE}
    assert [verb for verb in VERBS if api.may_with(GROUP, **declaration, verb=verb)] == ["get"]


def test_a_preview_may_ask_what_there_is_and_read_no_object_but_the_namespace(api: _Api) -> None:
    """The manifest alone gives the first: a cluster may have taken away what Kubernetes gives whoever has logged in."""
    refused = ("/metrics", "/logs", "/debug/pprof", "/openapi/v3")

    assert [path for path in (*ASKED_BY_A_PREVIEW, *refused) if api.may_get([PREVIEWS], path)] == [*ASKED_BY_A_PREVIEW]
    assert not [path for path in refused[:3] if api.may_get([PREVIEWS, LOGGED_IN], path)]
    # Asked in the namespace of the Secrets: what is given everywhere is given there too.
    assert api.rights(PREVIEWS, MONITORING) == EVERYBODYS
    namespace = {"resource": "namespaces", "name": MONITORING, "namespace": MONITORING}
    assert [verb for verb in VERBS if api.may_with(PREVIEWS, **namespace, verb=verb)] == ["get"]
    assert not api.may_with(PREVIEWS, resource="namespaces", name="orion", namespace="orion", verb="get")


def test_a_dry_run_is_forbidden_to_a_preview_as_the_change_itself_is(api: _Api) -> None:
    """The provider shows a change as the program has it where the answer is Forbidden; any other ends the preview."""
    secrets = f"/api/v1/namespaces/{MONITORING}/secrets"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "alertmanager-config"}}
    applied = {"content": json.dumps(secret), "headers": {"Content-Type": "application/apply-patch+yaml"}}
    asked = [api.answer(PREVIEWS, "GET", path) for path in ASKED_BY_A_PREVIEW]
    tried = [
        api.answer(PREVIEWS, "GET", f"{secrets}/alertmanager-config"),
        *(api.answer(PREVIEWS, "POST", f"{secrets}{dry_run}", json=secret) for dry_run in ("?dryRun=All", "")),
        *(
            api.answer(PREVIEWS, "PATCH", f"{secrets}/alertmanager-config?fieldManager=pulumi{dry_run}", **applied)
            for dry_run in ("&dryRun=All", "")
        ),
    ]

    assert [one.status_code for one in asked] == [HTTPStatus.OK] * len(asked)
    assert [(one.status_code, one.json()["reason"]) for one in tried] == [(HTTPStatus.FORBIDDEN, "Forbidden")] * 5


def test_the_bastion_is_given_the_rights_of_the_actions_that_answer_an_alert() -> None:
    """The rights tested above are those of all actions: of those in use, and of those that a catalog may use."""
    used = {entry.action for entry in fixture_catalog().remediations.values()}
    every_action = set(fixture_catalog().actions) | set(fixture_catalog().hand_overs)

    assert used < every_action
    assert every_action - used == UNUSED
    deployed = repairs(fixture_catalog())
    assert {(one.resource, one.verbs) for one in deployed.cluster_rights} == {("nodes", ("get",))}
    assert {(one.resource, one.verbs) for one in function_repairs({}).cluster_rights} == {
        ("nodes", ("get", "list", "patch"))
    }
    given = function_repairs({})
    assert deployed.rights == given.rights
    verbs = {(one.group, one.resource): set(one.verbs) for one in given.rights}
    assert {name for name, allowed in verbs.items() if allowed & {"create", "update", "patch", "delete"}} == {
        ("", "pods/eviction"),
        ("apps", "deployments"),
        ("apps", "deployments/scale"),
    }
    assert not {"secrets", "configmaps", "pods/exec", "serviceaccounts/token"} & {resource for _, resource in verbs}
