"""Refuses Kubernetes objects that the API server or the Prometheus operator would not take: their size and names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from alerting import names
from alerting.catalog import Catalog
from alerting.platform import Platform
from alerting.source.problems import CatalogError, Problem

OBJECT_BYTES = 1024 * 1024
"""The most data of a Secret or a ConfigMap (`MaxSecretSize` of Kubernetes' API)."""
RULES_BYTES = OBJECT_BYTES // 2
"""The most rules of a PrometheusRule: the operator writes them to one ConfigMap, and fills it to a half at most.

What indentation adds there is far less than the other half.
"""
NAME_CHARACTERS = 253
ROUTING = "catalog/routing.yaml"

_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = re.compile(rf"{_PART}(\.{_PART})*")
"""A name of RFC 1123, as most objects have, of at most `NAME_CHARACTERS`."""


def configuration_text(platform: Platform) -> str:
    """Return Alertmanager's configuration as its Secret holds it. JSON is YAML too."""
    return json.dumps(platform.alertmanager.configuration, indent=2, ensure_ascii=False)


def object_sizes(platform: Platform) -> Iterator[tuple[str, str, int, int]]:
    """Yield the kind and name of each large object, the bytes that it has and those that it may have."""
    files = platform.alertmanager
    configuration = len(configuration_text(platform).encode())
    yield "Secret", names.ALERTMANAGER_CONFIG_SECRET, configuration, OBJECT_BYTES
    yield (
        "ConfigMap",
        files.template_config_map,
        sum(len(text.encode()) for text in files.templates.values()),
        OBJECT_BYTES,
    )
    for file in platform.rules:
        yield "PrometheusRule", file.name, _stored_bytes({"groups": file.groups}), RULES_BYTES
    for dashboard in platform.dashboards:
        yield "ConfigMap", names.dashboard_config_map(dashboard.name), len(dashboard.text.encode()), OBJECT_BYTES
    for monitor in platform.pod_monitors:
        yield "PodMonitor", monitor.name, _stored_bytes(monitor.spec), OBJECT_BYTES


def _stored_bytes(part: Any) -> int:
    """Return the bytes of a part of an object as the API server keeps it: JSON without a space."""
    return len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode())


def require_stored(catalog: Catalog, platform: Platform) -> None:
    """Do nothing if the cluster takes every object of a platform.

    Raises `CatalogError` with each object that it would refuse.
    """
    place = catalog.documents[ROUTING].place(())
    problems = [Problem(place, message) for message in _refusals(platform)]
    if problems:
        raise CatalogError(problems)


def _refusals(platform: Platform) -> Iterator[str]:
    sizes = list(object_sizes(platform))
    for kind, name, size, limit in sizes:
        if size > limit:
            yield f"{kind} {name}: found {size} bytes; allowed: {limit}. {_ADVICE[kind]}"
        if not SUBDOMAIN.fullmatch(name) or len(name) > NAME_CHARACTERS:
            allowed = f"at most {NAME_CHARACTERS} lower-case letters, digits, - and ."
            yield f"{kind} {name}: found a name that Kubernetes refuses; allowed: {allowed}. Rename its file in rules/"
    for (kind, name), count in Counter((kind, name) for kind, name, _, _ in sizes).items():
        if count > 1:
            yield f"{kind} {name}: found {count} of this name; allowed: one. Rename a file in rules/"


_ADVICE = {
    "PrometheusRule": "Split its largest group: a group is deployed as a whole",
    "Secret": "Remove routes, or have one take what several do",
    "ConfigMap": "Split the largest group of its rules, or shorten the templates",
    "PodMonitor": "Have fewer services in one monitor",
}
