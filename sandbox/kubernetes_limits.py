"""Holds the Kubernetes objects that a program registered to limits of the API server and of etcd.

Only those that depend on what teams write: sizes, names, labels and keys. `orion preview` has a real API server judge
the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from alerting.stored_objects import NAME_CHARACTERS, OBJECT_BYTES, SUBDOMAIN

REQUEST_BYTES = 3 * 1024 * 1024 // 2
"""The largest request that etcd takes (`--max-request-bytes`), and so the largest object."""
ANNOTATION_BYTES = 256 * 1024
"""The most bytes of all annotations of an object, keys and values (`TotalAnnotationSizeLimitB`)."""
LABEL_CHARACTERS = 63

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_PATH_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_DATA_KEY = re.compile(r"(?!\.{1,2}$)[-._A-Za-z0-9]+")
_NAMED_AS_LABELS = {"Namespace", "Service"}
_GROUP_OF_RIGHTS = "rbac.authorization.k8s.io/"


def limit_refusals(objects: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what the API server would refuse, a sentence each: the object, where, what was found, what is allowed.

    What has no kind, such as a release of helm's, is left out.
    """
    for manifest in objects:
        if "kind" in manifest and "metadata" in manifest:
            named = f"{manifest['kind']} {manifest['metadata'].get('name', '')}"
            yield from (f"{named}: {refusal}" for refusal in _refusals(manifest))


def _refusals(manifest: Mapping[str, Any]) -> Iterator[str]:
    metadata = manifest["metadata"]
    yield from _name_refusals(manifest)
    yield from _label_refusals(_known(metadata, "labels"))
    annotations = _bytes(_known(metadata, "annotations"))
    if annotations > ANNOTATION_BYTES:
        yield f"metadata.annotations: found {annotations} bytes; allowed: {ANNOTATION_BYTES}. Shorten or remove some"
    if manifest["kind"] in {"Secret", "ConfigMap"}:
        yield from _data_refusals(_known(manifest, "data") | _known(manifest, "stringData"))
    size = len(json.dumps(manifest, default=str, ensure_ascii=False).encode())
    if size > REQUEST_BYTES:
        yield f"found {size} bytes; allowed: {REQUEST_BYTES}, which is what etcd takes. Split what it is made of"


def _name_refusals(manifest: Mapping[str, Any]) -> Iterator[str]:
    name = manifest["metadata"].get("name")
    if not isinstance(name, str):  # only a deployment will tell
        return
    if manifest["kind"] in _NAMED_AS_LABELS:
        pattern, most, allowed = _DNS_LABEL, LABEL_CHARACTERS, "lower-case letters, digits and -, a letter first"
    elif str(manifest.get("apiVersion", "")).startswith(_GROUP_OF_RIGHTS):
        pattern, most, allowed = _PATH_SEGMENT, NAME_CHARACTERS, "characters but / and %"
    else:
        pattern, most, allowed = SUBDOMAIN, NAME_CHARACTERS, "lower-case letters, digits, - and ."
    if not pattern.fullmatch(name) or len(name) > most:
        yield f"metadata.name: found {len(name)} characters, {name!r}; allowed: at most {most} {allowed}. Rename it"


def _label_refusals(labels: Mapping[str, Any]) -> Iterator[str]:
    for key, value in labels.items():
        prefix, _, name = key.rpartition("/")
        in_order = bool(name) and bool(_LABEL.fullmatch(name)) and len(name) <= LABEL_CHARACTERS
        if not in_order or (prefix and (not SUBDOMAIN.fullmatch(prefix) or len(prefix) > NAME_CHARACTERS)):
            yield f"metadata.labels: found the key {key!r}; allowed: [PREFIX/]NAME, of {_LABEL_TEXT}. Rename it"
        if isinstance(value, str) and (not _LABEL.fullmatch(value) or len(value) > LABEL_CHARACTERS):
            yield f"metadata.labels.{key}: found {value!r}; allowed: {_LABEL_TEXT}. Shorten it"


def _data_refusals(data: Mapping[str, Any]) -> Iterator[str]:
    for key in data:
        if not _DATA_KEY.fullmatch(key) or len(key) > NAME_CHARACTERS:
            yield f"data: found the key {key!r}; allowed: at most {NAME_CHARACTERS} letters, digits, -, _ and ."
    size = _bytes(data)
    if size > OBJECT_BYTES:
        yield f"data: found {size} bytes; allowed: {OBJECT_BYTES}. Split it, or put less into it"


def _known(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a field's table: an empty one if it is not there, or if only a deployment will tell."""
    table = holder.get(key)
    return cast("dict[str, Any]", table) if isinstance(table, dict) else {}


def _bytes(texts: Mapping[str, Any]) -> int:
    """Return the bytes of all keys and values. What only a deployment will tell counts as nothing."""
    values = [value for value in texts.values() if isinstance(value, str)]
    return sum(len(text.encode()) for text in [*texts, *values])


_LABEL_TEXT = f"at most {LABEL_CHARACTERS} letters, digits, -, _ and ., with a letter or a digit at both ends"
