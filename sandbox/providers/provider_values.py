"""Pulumi's property values as plain Python data, and back, with what is secret kept beside them as paths.

The SDK's own `pulumi.provider.experimental.PropertyValue` does not read an asset without contents (which is what the
engine sends for `diff` and `delete`), drops the hash of one, reads a folder's or a zip's archive as an empty one, and
knows no unknown values. These are the four cases that this module is for.
"""

from __future__ import annotations

import io
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path as FilePath
from typing import Any, Final, TypeAlias

from google.protobuf import struct_pb2

Properties: TypeAlias = dict[str, Any]
"""Plain data: None, bool, int, float, str, list, dict, `UNKNOWN`, `Asset`, `Archive`."""
Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: names and positions."""

# From Pulumi's sdk/go/common/resource: what marks a special object, and what stands for a value that is not known yet.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWN_TEXTS = frozenset(
    {
        _UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # a list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)
_SHORTEST_TELLING_SECRET = 6
"""Shorter secrets (`true`, `5432`) would mark what merely looks the same."""


class _Special(StrEnum):
    ASSET = "c44067f5952c0a294b673a41bacd8c17"
    ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
    SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - what marks one
    OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


class Unknown:
    """The type of `UNKNOWN`, a value that only the deployment itself will tell. It occurs in previews only."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file's contents. In a state that is compared or deleted only the hash is there."""

    path: str | None = None
    text: str | None = None
    uri: str | None = None
    hash: str | None = field(default=None, compare=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Asset):
            return NotImplemented
        if self.hash and other.hash:
            return self.hash == other.hash
        return (self.path, self.text, self.uri) == (other.path, other.text, other.uri)

    def __hash__(self) -> int:
        return hash((self.path, self.text, self.uri))

    def read(self) -> bytes:
        """Return the contents. Raises `ValueError` if they did not come along, `OSError` if they can't be read."""
        if self.path:
            return FilePath(self.path).read_bytes()
        if self.uri:
            with urllib.request.urlopen(self.uri) as answer:  # noqa: S310 - the program's own address
                return bytes(answer.read())
        if self.text is not None:
            return self.text.encode()
        raise ValueError("this asset came without its contents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Several files: named ones, or a folder or zip file at `path`. In a state only the hash may be there."""

    entries: Mapping[str, Asset | Archive] = field(default_factory=dict[str, "Asset | Archive"])
    path: str | None = None
    hash: str | None = field(default=None, compare=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Archive):
            return NotImplemented
        if self.hash and other.hash:
            return self.hash == other.hash
        return (self.path, dict(self.entries)) == (other.path, dict(other.entries))

    def __hash__(self) -> int:
        return hash((self.path, tuple(self.entries)))

    def zipped(self) -> bytes:
        """Return the files as a zip; one at `path` as it is. Raises as `Asset.read` does."""
        if self.path and FilePath(self.path).is_file():
            return FilePath(self.path).read_bytes()
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for name, contents in sorted(self.files()):
                archive.writestr(zipfile.ZipInfo(name), contents)
        return target.getvalue()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Return the files with their contents. Raises as `Asset.read` does."""
        if self.path:
            folder = FilePath(self.path)
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    yield file.relative_to(folder).as_posix(), file.read_bytes()
        for name, entry in self.entries.items():
            if isinstance(entry, Asset):
                yield name, entry.read()
            else:
                for inner, contents in entry.files():
                    yield f"{name}/{inner}", contents


def decode(message: struct_pb2.Struct) -> tuple[Properties, frozenset[Path]]:
    """Return the plain data of a message, and the paths of what is secret in it."""
    secrets: set[Path] = set()
    values = {name: _decode(value, (name,), secrets) for name, value in message.fields.items()}
    return values, frozenset(secrets)


def _decode(value: struct_pb2.Value, path: Path, secrets: set[Path]) -> Any:
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWN_TEXTS else value.string_value
        case "list_value":
            return [_decode(item, (*path, index), secrets) for index, item in enumerate(value.list_value.values)]
        case "struct_value":
            return _decode_object(value.struct_value.fields, path, secrets)
        case _:
            return None


def _decode_object(fields: Mapping[str, struct_pb2.Value], path: Path, secrets: set[Path]) -> Any:
    signature = fields[_SIGNATURE].string_value if _SIGNATURE in fields else None
    match signature:
        case None:
            return {name: _decode(value, (*path, name), secrets) for name, value in fields.items()}
        case _Special.SECRET:
            secrets.add(path)
            return _decode(fields["value"], path, secrets)
        case _Special.OUTPUT:
            if "secret" in fields and fields["secret"].bool_value:
                secrets.add(path)
            return _decode(fields["value"], path, secrets) if "value" in fields else UNKNOWN
        case _Special.ASSET:
            return Asset(
                path=_text(fields, "path"),
                text=_text(fields, "text", empty=not (_text(fields, "path") or _text(fields, "uri"))),
                uri=_text(fields, "uri"),
                hash=_text(fields, "hash"),
            )
        case _Special.ARCHIVE:
            return Archive(
                entries=_decode(fields["assets"], path, secrets) or {} if "assets" in fields else {},
                path=_text(fields, "path"),
                hash=_text(fields, "hash"),
            )
        case _:
            raise ValueError(f"{dotted(path)}: a value of a kind that is not supported ({signature})")


def _text(fields: Mapping[str, struct_pb2.Value], name: str, *, empty: bool = False) -> str | None:
    """Return a text, or None where there is none. The engine writes an absent one as an empty one, too."""
    if name not in fields or fields[name].WhichOneof("kind") != "string_value":
        return None
    return fields[name].string_value if empty else fields[name].string_value or None


def encode(values: Mapping[str, Any], secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """Return the message for plain data; what is at `secrets`, and all below, is marked secret."""
    marked = frozenset(secrets)
    return struct_pb2.Struct(fields={name: _encode(value, (name,), marked) for name, value in values.items()})


def _encode(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:  # noqa: C901 - a case each
    if path in secrets:
        return _object({_SIGNATURE: _string(_Special.SECRET), "value": _encode(value, path, frozenset())})
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=value)
        case str():
            return _string(value)
        case Unknown():
            return _string(_UNKNOWN_TEXT)
        case Asset():
            parts = {"path": value.path, "text": value.text, "uri": value.uri, "hash": value.hash}
            return _object({_SIGNATURE: _string(_Special.ASSET), **_strings(parts)})
        case Archive():
            fields = {_SIGNATURE: _string(_Special.ARCHIVE), **_strings({"path": value.path, "hash": value.hash})}
            if value.entries:
                fields["assets"] = _object({name: _encode(one, (), secrets) for name, one in value.entries.items()})
            return _object(fields)
        case Mapping():
            return _object({str(name): _encode(item, (*path, str(name)), secrets) for name, item in value.items()})
        case list() | tuple():
            items = [_encode(item, (*path, index), secrets) for index, item in enumerate(value)]
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
        case _:
            raise TypeError(f"{dotted(path)}: found a {type(value).__name__}; allowed: plain data")


def _string(text: str) -> struct_pb2.Value:
    return struct_pb2.Value(string_value=text)


def _strings(texts: Mapping[str, str | None]) -> dict[str, struct_pb2.Value]:
    return {name: _string(text) for name, text in texts.items() if text is not None}


def _object(fields: Mapping[str, struct_pb2.Value]) -> struct_pb2.Value:
    return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=dict(fields)))


def dotted(path: Path) -> str:
    """Return a path as Pulumi writes it: `spec.containers[0]["a.b"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(mark in part for mark in '."[]'):
            escaped = part.replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{part}" if text else part
    return text


def contains_unknown(value: Any) -> bool:
    """Say whether a value, or anything in it, is unknown."""
    return any(leaf is UNKNOWN for _, leaf in leaves(value))


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Return everything in a value that holds nothing further, with its path."""
    match value:
        case dict():
            for name, item in value.items():
                yield from leaves(item, (*path, name))
        case list():
            for index, item in enumerate(value):
                yield from leaves(item, (*path, index))
        case _:
            yield path, value


def value_at(values: Any, path: Path) -> Any:
    """Return what stands at a path, or None where there is nothing."""
    for part in path:
        match values:
            case dict() if part in values:
                values = values[part]
            case list() if isinstance(part, int) and part < len(values):
                values = values[part]
            case _:
                return None
    return values


def secret_paths(outputs: Properties, inputs: Properties, secrets: Iterable[Path]) -> frozenset[Path]:
    """Return what is secret in outputs, given what is secret in the inputs that they were made from.

    That is what stands at the same path, and every text that has a secret text in it.
    """
    known = frozenset(secrets)
    telling = {
        leaf
        for path in known
        for _, leaf in leaves(value_at(inputs, path))
        if isinstance(leaf, str) and len(leaf) >= _SHORTEST_TELLING_SECRET
    }
    found = {path for path in known if value_at(outputs, path) is not None}
    for path, leaf in leaves(outputs):
        if isinstance(leaf, str) and any(secret in leaf for secret in telling):
            found.add(path)
    return frozenset(found)
