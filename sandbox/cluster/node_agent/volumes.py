"""A pod's volumes as folders of this machine: Secrets and ConfigMaps written, and swapped when they change."""

from __future__ import annotations

import base64
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster.api_client import Api, ApiRefused, JsonObject
from sandbox.cluster.node_agent.mirror import Mirror
from sandbox.cluster.node_agent.translate import DiscoveryRequest, Root, configuration, discovery_requests

DATA_LINK = "..data"
TOKEN_REFRESH = 0.8
"""A token is renewed when this part of its life is over, as a kubelet does."""

Payload = dict[str, bytes]
"""A volume's files, by their relative path."""


class NotMountable(RuntimeError):
    """A volume is not to be had yet, or never; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The sources of volumes' contents."""

    api: Api
    secrets: Mirror
    config_maps: Mirror


@dataclass(slots=True)
class _Token:
    text: str
    renew_at: float


class Volumes:
    """The volumes of one pod, mounted below its root folder. Used from one thread."""

    def __init__(self, pod: JsonObject, folder: Path, sources: Sources, fields: Callable[[str], str]) -> None:
        """Describe them; `fields` gives the value of a pod's field by its path."""
        self._pod = pod
        self._namespace: str = pod["metadata"]["namespace"]
        self._sources = sources
        self._fields = fields
        self._folder = folder
        self._volumes: dict[str, JsonObject] = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        self._mounts = _mounts(pod)
        self._written: dict[str, Payload] = {}
        self._tokens: dict[str, _Token] = {}
        self.root = Root(folder / "root", frozenset(self._mounts))
        self.discovery_folder = folder / "discovery"
        self.requests: set[DiscoveryRequest] = set()

    def mount(self) -> None:
        """Make every mount. Raises `NotMountable` or `Untranslatable`; may be called again then."""
        self.discovery_folder.mkdir(parents=True, exist_ok=True)
        for path, (volume, sub_path) in sorted(self._mounts.items()):
            self._mount(self._outside(path), self._volumes[volume], sub_path, path)

    def refresh(self) -> bool:
        """Bring Secrets, ConfigMaps and tokens up to date, each volume at once; say whether anything changed.

        As with a kubelet, a single file that is mounted by `subPath` keeps what it had, and a volume whose source has
        gone keeps its contents. Raises `Untranslatable`.
        """
        changed = False
        for path, (volume, sub_path) in self._mounts.items():
            if sub_path or not _is_written(self._volumes[volume]):
                continue
            try:
                payload = self._payload(self._volumes[volume])
            except (NotMountable, ApiRefused):
                continue
            changed |= self._write(path, payload)
        return changed

    def _outside(self, path: str) -> Path:
        return Path(f"{self.root.folder}{path}")

    def _mount(self, target: Path, volume: JsonObject, sub_path: str, path: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_written(volume):
            payload = self._payload(volume)
            if not sub_path:
                self._write(path, payload)
            elif sub_path in payload:
                target.write_bytes(payload[sub_path])
            else:
                raise NotMountable(f"volume {volume['name']}: no {sub_path} in it")
            return
        source = self._claimed(volume) if "persistentVolumeClaim" in volume else self._folder / "empty" / volume["name"]
        source = source / sub_path
        source.mkdir(parents=True, exist_ok=True)
        if not target.is_symlink():
            target.symlink_to(source)

    def _claimed(self, volume: JsonObject) -> Path:
        name = volume["persistentVolumeClaim"]["claimName"]
        claim = self._sources.api.get(f"/api/v1/namespaces/{self._namespace}/persistentvolumeclaims/{name}")
        bound = (claim or {}).get("spec", {}).get("volumeName")
        if not bound or (claim or {}).get("status", {}).get("phase") != "Bound":
            raise NotMountable(f"volume {volume['name']}: claim {name} is not bound")
        persistent = self._sources.api.get(f"/api/v1/persistentvolumes/{bound}") or {}
        path = persistent.get("spec", {}).get("hostPath", {}).get("path")
        if path is None:
            raise NotMountable(f"volume {volume['name']}: {bound} is no hostPath volume, the only kind known here")
        return Path(path)

    def _payload(self, volume: JsonObject) -> Payload:
        payload: Payload = {}
        if "secret" in volume:
            source = {**volume["secret"], "name": volume["secret"]["secretName"]}
            payload = self._kept("Secret", self._sources.secrets, source)
        elif "configMap" in volume:
            payload = self._kept("ConfigMap", self._sources.config_maps, volume["configMap"])
        else:
            for source in volume["projected"].get("sources", []):
                payload |= self._projected(volume["name"], source)
        translated: Payload = {}
        for name, content in payload.items():
            self.requests.update(discovery_requests(name, content))
            translated[name] = configuration(name, content, self.root, self.discovery_folder)
        return translated

    def _projected(self, volume: str, source: JsonObject) -> Payload:
        if "secret" in source:
            return self._kept("Secret", self._sources.secrets, source["secret"])
        if "configMap" in source:
            return self._kept("ConfigMap", self._sources.config_maps, source["configMap"])
        if "downwardAPI" in source:
            items = source["downwardAPI"].get("items", [])
            return {item["path"]: self._fields(item["fieldRef"]["fieldPath"]).encode() for item in items}
        return {source["serviceAccountToken"]["path"]: self._token(volume, source["serviceAccountToken"]).encode()}

    def _kept(self, kind: str, mirror: Mirror, source: JsonObject) -> Payload:
        kept = mirror.get(self._namespace, source["name"])
        if kept is None:
            if source.get("optional"):
                return {}
            raise NotMountable(f"{kind} {source['name']} not found")
        values = _values(kept)
        if "items" not in source:
            return values
        missing = [item["key"] for item in source["items"] if item["key"] not in values]
        if missing and not source.get("optional"):
            raise NotMountable(f"{kind} {source['name']} has no {', '.join(missing)}")
        return {item["path"]: values[item["key"]] for item in source["items"] if item["key"] in values}

    def _token(self, volume: str, source: JsonObject) -> str:
        kept = self._tokens.get(volume)
        if kept is None or time.monotonic() >= kept.renew_at:
            seconds = source.get("expirationSeconds", 3600)
            metadata = self._pod["metadata"]
            spec: JsonObject = {
                "expirationSeconds": seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
            }
            if "audience" in source:
                spec["audiences"] = [source["audience"]]
            account = self._pod["spec"].get("serviceAccountName", "default")
            answer = self._sources.api.create(
                f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{account}/token", {"spec": spec}
            )
            kept = _Token(answer["status"]["token"], time.monotonic() + TOKEN_REFRESH * seconds)
            self._tokens[volume] = kept
        return kept.text

    def _write(self, path: str, payload: Payload) -> bool:
        if self._written.get(path) == payload:
            return False
        swap(self._outside(path), payload)
        self._written[path] = payload
        return True


def swap(folder: Path, payload: Mapping[str, bytes]) -> None:
    """Replace a volume's contents in one step, in the layout and the order of a kubelet's writer.

    Files are links through `..data`, itself a link to a folder that is never changed: whoever watches sees `..data`
    move, and sees all of the new or all of the old.
    """
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / DATA_LINK
    before = link.readlink().name if link.is_symlink() else None
    versioned = folder / f"..{time.strftime('%Y_%m_%d_%H_%M_%S')}.{secrets.randbelow(10**9)}"
    versioned.mkdir()
    for name, content in payload.items():
        file = versioned / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    following = folder / "..data_tmp"
    following.unlink(missing_ok=True)
    following.symlink_to(versioned.name)
    following.replace(link)
    visible = {name.split("/", 1)[0] for name in payload}
    for name in visible:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA_LINK}/{name}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in visible:
            entry.unlink()
    if before is not None:
        shutil.rmtree(folder / before)


def _values(kept: JsonObject) -> Payload:
    encoded: dict[str, str] = kept.get("binaryData") or {}
    if kept.get("kind") == "Secret" or "type" in kept:
        return {key: base64.b64decode(value) for key, value in (kept.get("data") or {}).items()}
    plain: dict[str, str] = kept.get("data") or {}
    return {
        **{key: value.encode() for key, value in plain.items()},
        **{key: base64.b64decode(value) for key, value in encoded.items()},
    }


def _is_written(volume: JsonObject) -> bool:
    return bool({"secret", "configMap", "projected"} & volume.keys())


def _mounts(pod: JsonObject) -> dict[str, tuple[str, str]]:
    return dict(_each_mount(pod))


def _each_mount(pod: JsonObject) -> Iterator[tuple[str, tuple[str, str]]]:
    for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
        for mount in container.get("volumeMounts", []):
            yield mount["mountPath"], (mount["name"], mount.get("subPath", ""))
