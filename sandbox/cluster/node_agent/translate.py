"""From a container's view to this machine's: paths below its root folder, addresses on loopback ports."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import yaml

from sandbox.cluster.api_client import JsonObject
from sandbox.cluster.node_agent.addresses import PodPorts
from sandbox.cluster.node_agent.programs import Program
from sandbox.ports import LOOPBACK

CONFIGURATIONS = {"alertmanager.yaml.gz", "prometheus.yaml.gz", "web-config.yaml", "cluster-tls-config.yaml"}
"""What the operator generates, by file name: the paths in these files are a container's."""
KUBERNETES_DISCOVERY = "kubernetes_sd_configs"
_OWN_HOSTS = {"localhost", "127.0.0.1", "::1"}


class Untranslatable(ValueError):
    """Something in a pod that would mean another thing on this machine; the message names it."""


@dataclass(frozen=True, slots=True)
class Root:
    """A pod's root folder, shared by its containers, and the paths at which volumes are mounted."""

    folder: Path
    mount_paths: frozenset[str]

    def outside(self, path: str) -> str | None:
        """Return where a container's path is on this machine, or None if it is on none of its volumes."""
        pure = PurePosixPath(path)
        if not pure.is_absolute() or ".." in pure.parts:
            return None
        if any(pure.is_relative_to(mount) for mount in self.mount_paths):
            return f"{self.folder}{path}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryRequest:
    """One Kubernetes discovery configuration of Prometheus. No namespaces means all of them."""

    role: str
    namespaces: tuple[str, ...]
    with_node_labels: bool = False

    @property
    def file_name(self) -> str:
        """The file, in the pod's own folder, that answers it."""
        nodes = ("with-nodes",) if self.with_node_labels else ()
        return f"{'-'.join((self.role, *nodes, *self.namespaces))}.json"


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Return a command's argument with its `$(NAME)`s replaced, as Kubernetes does: unknown ones stay, `$$` is `$`."""

    def replacement(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        return environment.get(match.group(1), match.group())

    return re.sub(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", replacement, text)


def arguments(program: Program, given: Sequence[str], root: Root, ports: PodPorts) -> list[str]:
    """Return a program's arguments for this machine.

    Raises `Untranslatable` for an argument that is not known: nobody could say whether it holds a path or an address.
    """
    translated = [_argument(program, argument, root, ports) for argument in given]
    names = {_split(argument)[0] for argument in given}
    for name, port in program.listens.items():
        if name not in names:
            translated.append(f"--{name}={LOOPBACK}:{ports.own(port)}")
    return translated


def _split(argument: str) -> tuple[str, str | None]:
    name, separator, value = argument.removeprefix("--").partition("=")
    return name, value if separator else None


def _argument(program: Program, argument: str, root: Root, ports: PodPorts) -> str:
    name, value = _split(argument)
    if not argument.startswith("--"):
        raise Untranslatable(f"{program.binary}: argument {argument}: not of the form --name=value")
    if name.removeprefix("no-") in program.plain or name in program.plain:
        return argument
    if value is None:
        raise Untranslatable(f"{program.binary}: argument {argument}: not known to the node agent")
    if name in program.paths:
        path = root.outside(value)
        if path is None:
            raise Untranslatable(f"{program.binary}: argument {argument}: on none of the container's volumes")
        return f"--{name}={path}"
    if name in program.listens:
        return f"--{name}={LOOPBACK}:{ports.own(_host_and_port(argument, value)[1])}" if value else argument
    if name in program.peers:
        host, port = _host_and_port(argument, value)
        return f"--{name}={LOOPBACK}:{ports.of_name(host, port)}"
    if name in program.urls:
        return f"--{name}={_own_url(argument, value, ports)}"
    raise Untranslatable(f"{program.binary}: argument {argument}: not known to the node agent")


def _host_and_port(argument: str, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not port.isdecimal():
        raise Untranslatable(f"argument {argument}: not of the form host:port")
    return host, int(port)


def _own_url(argument: str, value: str, ports: PodPorts) -> str:
    parts = urlsplit(value)
    if parts.hostname not in _OWN_HOSTS or parts.port is None:
        raise Untranslatable(f"argument {argument}: found {parts.netloc}; allowed: an address of the pod itself")
    return urlunsplit(parts._replace(netloc=f"{LOOPBACK}:{ports.own(parts.port)}"))


KEPT_FILES = 64
"""How many files' translations are remembered: a volume is looked over far more often than it changes."""


_FASTEST: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader where PyYAML was built with it: ten times as fast."""


class _Loader(_FASTEST):
    """Reads a time stamp as the text that it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@lru_cache(KEPT_FILES)
def configuration(name: str, content: bytes, root: Root, discovery_folder: Path) -> bytes:
    """Return a generated configuration file for this machine; another file as it is."""
    if name not in CONFIGURATIONS:
        return content
    document = _document(name, content)
    if document is None:
        return content
    text = json.dumps(_value(document, root, discovery_folder), ensure_ascii=False, indent=1).encode()
    return gzip.compress(text, mtime=0) if name.endswith(".gz") else text


@lru_cache(KEPT_FILES)
def _document(name: str, content: bytes) -> object:
    """Return what a YAML file holds, which is not to be changed: several pods have the same file."""
    text = gzip.decompress(content) if name.endswith(".gz") else content
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader


def discovery_requests(name: str, content: bytes) -> Iterator[DiscoveryRequest]:
    """Yield what a generated configuration asks Kubernetes for.

    Raises `Untranslatable` for a question that the agent can't answer.
    """
    if name == "prometheus.yaml.gz":
        yield from _requests(_document(name, content))


def _requests(value: object) -> Iterator[DiscoveryRequest]:
    if isinstance(value, dict):
        for key, inner in cast("JsonObject", value).items():
            if key == KUBERNETES_DISCOVERY:
                yield from (_request(entry) for entry in inner)
            else:
                yield from _requests(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _requests(inner)


def _request(entry: JsonObject) -> DiscoveryRequest:
    namespaces: JsonObject = entry.get("namespaces", {})
    attached: JsonObject = entry.get("attach_metadata", {})
    unknown = [
        *sorted(set(entry) - {"role", "namespaces", "attach_metadata"}),
        *sorted(f"namespaces.{name}" for name in set(namespaces) - {"names"}),
        *sorted(f"attach_metadata.{name}" for name in set(attached) - {"node"} if attached[name]),
    ]
    if unknown:
        raise Untranslatable(f"{KUBERNETES_DISCOVERY}: {', '.join(unknown)}: not known to the node agent")
    return DiscoveryRequest(
        role=entry["role"],
        namespaces=tuple(namespaces.get("names", ())),
        with_node_labels=bool(attached.get("node")),
    )


def _value(value: object, root: Root, discovery_folder: Path) -> Any:
    if isinstance(value, dict):
        result: JsonObject = {}
        for key, inner in cast("JsonObject", value).items():
            if key == KUBERNETES_DISCOVERY:
                files = [str(discovery_folder / _request(entry).file_name) for entry in inner]
                result.setdefault("file_sd_configs", []).extend([{"files": files, "refresh_interval": "30s"}])
            elif _holds_paths(key):
                result[key] = _path(inner, root)
            else:
                result[key] = _value(inner, root, discovery_folder)
        return result
    if isinstance(value, list):
        return [_value(inner, root, discovery_folder) for inner in cast("list[object]", value)]
    return value


def _holds_paths(key: str) -> bool:
    return key.endswith("_file") or key in {"rule_files", "templates", "files"}


def _path(value: object, root: Root) -> Any:
    if isinstance(value, list):
        return [_path(inner, root) for inner in cast("list[object]", value)]
    return (root.outside(value) or value) if isinstance(value, str) else value
