"""The bastion may do in the cluster what the actions say that they need; the API server refuses it everything else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx2
import pytest
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig

from sandbox.cluster.workloads import NAMESPACE
from tests.integration.repair_stage import GROUP, rights, running_cluster
from tests.lambda_events import catalog, function_repairs

pytestmark = pytest.mark.integration

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "escalate")
OTHER_NAMESPACES = ("kube-system", "default", "monitoring")
EVERYBODYS = {
    ("authentication.k8s.io", "selfsubjectreviews", "create"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "create"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "create"),
}
"""What Kubernetes lets everybody do who has logged in: ask who they are and what they may."""

Right = tuple[str, str, str]


class _Api:
    """The API server, asked as its administrator about the bastion's group."""

    def __init__(self, kubeconfig: Any) -> None:
        configuration = KubeConfig.from_file(str(kubeconfig)).get()
        assert configuration is not None
        self._client = Client(configuration, ConnectionParams(timeout=httpx2.Timeout(30), trust_env=False))

    def resources(self) -> Iterator[tuple[str, str]]:
        """Yield the API group and name of everything that the server serves, parts such as pods/exec too."""
        roots = ["/api/v1"]
        groups = self._client.get("/apis").raise_for_status().json()["groups"]
        roots += [f"/apis/{one['preferredVersion']['groupVersion']}" for one in groups]
        for root in roots:
            served = self._client.get(root).raise_for_status().json()
            group = served["groupVersion"].rpartition("/")[0]
            yield from ((group, one["name"]) for one in served["resources"])

    def may(self, group: str, resource: str, verb: str, namespace: str) -> bool:
        name, _, part = resource.partition("/")
        attributes = {"group": group, "resource": name, "subresource": part, "verb": verb, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "bastion",
                "groups": [GROUP, "system:authenticated"],
                "resourceAttributes": attributes,
            },
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self._client.post(path, json=review).raise_for_status().json()["status"]["allowed"])


def _allowed(kind: str) -> set[Right]:
    rules = rights(kind)[0]["rules"]
    return {(rule["apiGroups"][0], rule["resources"][0], verb) for rule in rules for verb in rule["verbs"]}


def test_it_may_do_what_the_actions_need_and_nothing_else_anywhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as plane:
        api = _Api(plane.kubeconfig)
        wanted = [(*resource, verb) for resource, verb in product(sorted(set(api.resources())), VERBS)]
        assert len(wanted) > 500, "the server was not asked what it serves"
        found = {namespace: {one for one in wanted if api.may(*one, namespace)} for namespace in (NAMESPACE, "")}
        elsewhere = {one for one in _allowed("Role") for namespace in OTHER_NAMESPACES if api.may(*one, namespace)}

    everywhere = _allowed("ClusterRole") | EVERYBODYS
    assert found[NAMESPACE] == _allowed("Role") | everywhere
    assert found[""] == everywhere
    assert elsewhere == set()


def test_the_catalogs_own_repairs_need_every_right_that_is_given() -> None:
    """All actions are in use, so that the rights tested here are those that are deployed."""
    given = function_repairs({})
    used = {entry.action for entry in catalog().remediations.values()}

    assert used == set(catalog().actions) | set(catalog().hand_overs)
    assert {one.resource for one in given.cluster_rights} == {"nodes"}
    verbs = {(one.group, one.resource): set(one.verbs) for one in given.rights}
    assert {name for name, allowed in verbs.items() if allowed & {"create", "update", "patch", "delete"}} == {
        ("", "pods"),
        ("apps", "deployments"),
        ("apps", "deployments/scale"),
    }
    assert not {"secrets", "configmaps", "pods/exec", "serviceaccounts/token"} & {resource for _, resource in verbs}
