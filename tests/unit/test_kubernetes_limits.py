"""Kubernetes objects at the API server's limits pass; one step beyond each limit is refused with both numbers."""

from __future__ import annotations

from typing import Any

import pytest

from alerting.stored_objects import OBJECT_BYTES
from sandbox.kubernetes_limits import ANNOTATION_BYTES, REQUEST_BYTES, limit_refusals
from sandbox.providers.provider_values import UNKNOWN


def refused(kind: str = "ConfigMap", *, data: dict[str, str] | None = None, **metadata: Any) -> list[str]:
    """Return what is said of one object."""
    field = {"ConfigMap": "data", "Secret": "stringData"}.get(kind, "spec")
    version = "rbac.authorization.k8s.io/v1" if kind == "ClusterRole" else "v1"
    named = {"name": "an-object", "namespace": "monitoring"} | metadata
    return list(limit_refusals([{"apiVersion": version, "kind": kind, "metadata": named, field: data or {}}]))


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_data_is_at_most_a_mebibyte_with_its_keys(kind: str) -> None:
    assert refused(kind, data={"key": "x" * (OBJECT_BYTES - 3)}) == []

    [message] = refused(kind, data={"key": "x" * (OBJECT_BYTES - 2)})

    assert message.startswith(f"{kind} an-object: data: found {OBJECT_BYTES + 1} bytes; allowed: {OBJECT_BYTES}.")


def test_an_object_is_no_larger_than_what_etcd_takes() -> None:
    assert refused("PodMonitor", data={"key": "x" * OBJECT_BYTES}) == []

    [message] = refused("PodMonitor", data={"key": "x" * REQUEST_BYTES})

    assert f"allowed: {REQUEST_BYTES}, which is what etcd takes" in message


def test_annotations_count_together() -> None:
    half = "x" * (ANNOTATION_BYTES // 2 - 1)
    assert refused(annotations={"a": half, "b": half}) == []

    [message] = refused(annotations={"a": half, "b": f"{half}x"})

    assert f"metadata.annotations: found {ANNOTATION_BYTES + 1} bytes; allowed: {ANNOTATION_BYTES}" in message


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ConfigMap", "a" * 253),
        ("ConfigMap", "0.a-b.c"),
        ("Service", "a" * 63),
        ("ClusterRole", "system:Reads"),
    ],
)
def test_a_name_that_its_kind_may_have_passes(kind: str, name: str) -> None:
    assert refused(kind, name=name) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ConfigMap", "a" * 254),
        ("ConfigMap", "a..b"),
        ("ConfigMap", "a-.b"),
        ("ConfigMap", "A"),
        ("Service", "a" * 64),
        ("Service", "a.b"),
        ("Service", "0a"),
        ("ClusterRole", "a/b"),
    ],
)
def test_a_name_that_its_kind_may_not_have_is_refused(kind: str, name: str) -> None:
    [message] = refused(kind, name=name)

    assert f"metadata.name: found {len(name)} characters, {name!r}; allowed: at most" in message


@pytest.mark.parametrize("value", ["", "a" * 63, "v1.2_b-C"])
def test_a_label_that_is_allowed_passes(value: str) -> None:
    assert refused(labels={"orion.example.com/part": value}) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("part", "a" * 64), ("part", "-a"), ("part", "a b"), ("a" * 64, "v"), ("Upper.Case/part", "v"), ("a/", "v")],
)
def test_a_label_that_is_not_allowed_is_refused(key: str, value: str) -> None:
    [message] = refused(labels={key: value})

    assert message.startswith("ConfigMap an-object: metadata.labels")


@pytest.mark.parametrize("key", ["a b", "..", "a" * 254, "a/b"])
def test_a_key_of_data_that_is_not_allowed_is_refused(key: str) -> None:
    [message] = refused(data={key: "text"})

    assert f"data: found the key {key!r}" in message


def test_what_only_a_deployment_will_tell_counts_as_nothing() -> None:
    unknown = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": UNKNOWN}, "stringData": UNKNOWN}

    assert list(limit_refusals([unknown])) == []
