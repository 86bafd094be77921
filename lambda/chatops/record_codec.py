"""Stored values as JSON and back: dataclasses by their fields' names, members of a union by the name of their type.

The form has a version. A function that meets a newer one, which a newer release wrote, leaves the item alone.

CannotRead   the text is none of these values, or of a newer version
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from chatops.channel import Channel
from chatops.pace import Pace
from chatops.record import NewestEpisode, Record, RepairHolder, SeenSilences, Stored

FORM_VERSION = 1
TYPE = "type"
"""The key that names the type of a member of a union."""
_ROOTS: Mapping[str, type[Stored]] = {
    cls.__name__: cls for cls in (Record, NewestEpisode, RepairHolder, SeenSilences, Channel, Pace)
}


class CannotRead(ValueError):
    """A stored text cannot be read; the text says where."""


def encode(value: Stored) -> str:
    """Return the JSON of a stored value."""
    content = {"form": FORM_VERSION, TYPE: type(value).__name__, "value": _encoded(value)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def decode(text: str) -> Stored:
    """Return the stored value of a JSON text. Raises `CannotRead`."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CannotRead(f"not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("form") != FORM_VERSION:
        form = content.get("form") if isinstance(content, dict) else type(content).__name__
        raise CannotRead(f"form: found {form!r:.50}; allowed: {FORM_VERSION}")
    root = _ROOTS.get(str(content.get(TYPE)))
    if root is None:
        raise CannotRead(f"{TYPE}: found {content.get(TYPE)!r:.50}; allowed: {', '.join(_ROOTS)}")
    return cast("Stored", _decoded(content.get("value"), root, root.__name__))


def as_content(value: object) -> Any:
    """Return a dataclass, or a tuple of them, as JSON has it."""
    return _encoded(value)


def from_content(content: object, hint: Any, place: str) -> Any:
    """Return the value of a type, such as `tuple[Group, ...]`, that JSON content has. Raises `CannotRead`."""
    return _decoded(content, hint, place)


def _encoded(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and math.isinf(value):
        return str(value)  # JSON has no infinity
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _member(getattr(value, name), hint) for name, hint in _hints(type(value)).items()}
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[str]", value))
    if isinstance(value, tuple):
        return [_encoded(item) for item in cast("tuple[object, ...]", value)]
    return value


def _member(value: object, hint: Any) -> object:
    """Return a field's value, with its type's name where its hint leaves open which dataclass it is."""
    content = _encoded(value)
    if len(_dataclasses_of(hint)) > 1 and isinstance(content, dict):
        return {TYPE: type(value).__name__, **content}
    return content


@cache
def _hints(cls: type[Any]) -> Mapping[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)


def _dataclasses_of(hint: Any) -> dict[str, type[Any]]:
    return {cls.__name__: cls for cls in _alternatives(hint) if isinstance(cls, type) and is_dataclass(cls)}


def _decoded(content: Any, hint: Any, place: str) -> Any:
    alternatives = _alternatives(hint)
    if content is None and NoneType in alternatives:
        return None
    classes = _dataclasses_of(hint)
    if classes:
        return _dataclass(content, classes, place)
    (wanted,) = (alternative for alternative in alternatives if alternative is not NoneType)
    origin = get_origin(wanted) or wanted
    if origin is tuple:
        return _tuple(content, get_args(wanted), place)
    if origin is frozenset:
        return frozenset(_decoded(item, get_args(wanted)[0], place) for item in _list(content, place))
    if issubclass(origin, tuple):  # a NamedTuple
        hints = get_type_hints(origin)
        return origin(*_tuple(content, tuple(hints.values()), place))
    if issubclass(origin, Enum):
        return _enum(content, origin, place)
    return _scalar(content, origin, place)


def _dataclass(content: Any, classes: Mapping[str, type[Any]], place: str) -> Any:
    if not isinstance(content, dict):
        raise _wrong(content, "an object", place)
    known = dict(cast("dict[str, Any]", content))
    name = next(iter(classes)) if len(classes) == 1 else str(known.pop(TYPE, None))
    if name not in classes:
        raise _wrong(name, ", ".join(classes), f"{place}.{TYPE}")
    cls = classes[name]
    hints = _hints(cls)
    for field in known.keys() - hints.keys():
        raise _wrong(field, ", ".join(hints), f"{place}, a field of {name}")
    values = {field: _decoded(value, hints[field], f"{place}.{field}") for field, value in known.items()}
    try:
        return cls(**values)
    except TypeError as error:  # a field without a default is missing
        raise CannotRead(f"{place}: {error}") from error


def _tuple(content: Any, hints: tuple[Any, ...], place: str) -> tuple[Any, ...]:
    items = _list(content, place)
    if len(hints) == 2 and hints[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        return tuple(_decoded(item, hints[0], f"{place}[{index}]") for index, item in enumerate(items))
    if len(items) != len(hints):
        raise _wrong(f"{len(items)} items", str(len(hints)), place)
    pairs: Iterable[tuple[int, tuple[Any, Any]]] = enumerate(zip(items, hints, strict=True))
    return tuple(_decoded(item, hint, f"{place}[{index}]") for index, (item, hint) in pairs)


def _list(content: Any, place: str) -> list[Any]:
    if not isinstance(content, list):
        raise _wrong(content, "a list", place)
    return cast("list[Any]", content)


def _enum(content: Any, cls: type[Enum], place: str) -> Enum:
    try:
        return cls(content)
    except ValueError as error:
        raise _wrong(content, ", ".join(str(member.value) for member in cls), place) from error


def _scalar(content: Any, cls: type[Any], place: str) -> Any:
    if cls is float and not isinstance(content, bool):
        if isinstance(content, int | float):
            return float(content)
        if content in {"inf", "-inf"}:
            return float(content)
    if isinstance(content, cls) and (cls is bool or not isinstance(content, bool)):
        return content
    raise _wrong(content, cls.__name__, place)


def _wrong(found: object, allowed: str, place: str) -> CannotRead:
    return CannotRead(f"{place}: found {found!r:.100}; allowed: {allowed}")
