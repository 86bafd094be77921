"""Translates pulumi-aws' properties to CloudFormation's names and shapes, and back.

A table of properties says for each where it stands in CloudFormation's resource: `properties("displayName",
name="TopicName")` is read as DisplayName and TopicName. Numbers in such a place are positions in a list:
`Targets/0/Arn`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias, cast

from sandbox.providers.provider_values import UNKNOWN, Path, Properties

Document: TypeAlias = dict[str, Any]
"""A resource as CloudFormation writes its properties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """One property. Without a `target` it has no twin in CloudFormation: `reason` says why, `schema` what is allowed.

    `fields` are the properties of the object, or of each object in the list, that it holds. `forth` and `back` turn
    its value into CloudFormation's and back. `beside` is what CloudFormation needs as well where this one is given.
    """

    target: Path | None = None
    reason: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fields: Fields | None = None
    forth: Callable[[Any], Any] | None = None
    back: Callable[[Any], Any] | None = None
    beside: Mapping[str, Any] = field(default_factory=dict[str, Any])
    required: bool = False
    is_json: bool = False


Fields: TypeAlias = Mapping[str, Mapped]


class Unusable(ValueError):
    """A value can't be turned into CloudFormation's. The message says what was found and what is allowed."""


def to(place: str) -> Mapped:
    """Return a property that stands at `place`, under another name."""
    return Mapped(target=target(place))


def target(place: str) -> Path:
    """Return a place such as `Targets/0/Arn` as a path; an empty one is where the properties around it stand."""
    return tuple(int(part) if part.isdigit() else part for part in place.split("/") if part)


def properties(*same: str, **others: str | Mapped) -> dict[str, Mapped]:
    """Return a table: `same` are called the same but for the first letter, `others` are said how."""
    table = {name: to(name[0].upper() + name[1:]) for name in same}
    return table | {name: to(one) if isinstance(one, str) else one for name, one in others.items()}


def nested(place: str, fields: Fields, *, beside: Mapping[str, Any] | None = None) -> Mapped:
    """Return a property that holds an object, or a list of objects, with properties of its own."""
    return Mapped(target=target(place), fields=fields, beside=beside or {})


def shaped(place: str, forth: Callable[[Any], Any], back: Callable[[Any], Any]) -> Mapped:
    """Return a property whose value is written another way there."""
    return Mapped(target=target(place), forth=forth, back=back)


def without_twin(reason: str, schema: Mapping[str, Any], *, required: bool = False, is_json: bool = False) -> Mapped:
    """Return a property that CloudFormation does not have, with the JSON schema that it is held to."""
    return Mapped(reason=reason, schema=schema, required=required, is_json=is_json)


def json_text(place: str) -> Mapped:
    """Return a property that is JSON text here, and an object there."""
    return Mapped(target=target(place), forth=parsed, back=_written, is_json=True)


def pairs(place: str, key: str = "Key", value: str = "Value") -> Mapped:
    """Return a property that is an object here, and a list of keys and values there."""

    def forth(given: Any) -> Any:
        if not isinstance(given, dict):
            raise Unusable(f"found {given!r}; allowed: an object")
        return [{key: name, value: text} for name, text in cast("dict[str, Any]", given).items()]

    def back(found: Any) -> Any:
        return {one[key]: one[value] for one in found}

    return shaped(place, forth, back)


def parsed(text: Any) -> Any:
    """Return what a JSON text says. Raises `Unusable` if it is none."""
    try:
        return json.loads(text)
    except (TypeError, json.JSONDecodeError) as error:
        raise Unusable(f"found {_short(text)}, which is not JSON ({error}); allowed: a JSON document") from error


def _written(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


def _short(text: Any) -> str:
    written = repr(text)
    limit = 80
    return written if len(written) <= limit else f"{written[:limit]}..."


TEXT: Mapping[str, Any] = {"type": "string"}
WHETHER: Mapping[str, Any] = {"type": "boolean"}
WHOLE_NUMBER: Mapping[str, Any] = {"type": "integer"}
TEXTS_BY_NAME: Mapping[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
ANYTHING: Mapping[str, Any] = {}
TAGS = pairs("Tags")
"""Tags as most types have them in CloudFormation."""


@dataclass(slots=True)
class Translation:
    """The result of translating properties to CloudFormation's."""

    document: Document = field(default_factory=dict[str, Any])
    sources: dict[Path, Path] = field(default_factory=dict[Path, Path])
    """Where each part of the document comes from."""
    unknown: list[tuple[Path, Fields]] = field(default_factory=list[tuple[Path, Fields]])
    """Properties that the table does not have, with those that it has there."""
    unusable: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    """Properties with values that have no meaning there, and what is wrong with them."""
    alone: list[tuple[Path, Mapped, Any]] = field(default_factory=list[tuple[Path, Mapped, Any]])
    """Properties without a twin, with their values."""
    missing: list[Path] = field(default_factory=list[Path])
    """Properties without a twin that are needed."""


def to_cloudformation(fields: Fields, values: Properties) -> Translation:
    """Return values as CloudFormation writes them. Nothing is raised: what is wrong is in the answer."""
    translation = Translation()
    _add(translation, fields, values, (), ())
    translation.document = _without_gaps(translation.document)
    return translation


def _add(translation: Translation, fields: Fields, values: Properties, place: Path, source: Path) -> None:
    translation.missing += [
        (*source, name) for name, one in fields.items() if one.required and values.get(name) is None
    ]
    for name, value in values.items():
        here = (*source, name)
        one = fields.get(name)
        if value is None:
            continue
        if one is None:
            translation.unknown.append((here, fields))
        elif one.target is None:
            translation.alone.append((here, one, value))
        else:
            for beside, constant in one.beside.items():
                _put(translation.document, (*place, *target(beside)), constant)
            _add_one(translation, one, value, (*place, *one.target), here)


def _add_one(translation: Translation, one: Mapped, value: Any, place: Path, source: Path) -> None:
    translation.sources.setdefault(place, source)
    if one.fields is not None and isinstance(value, dict):
        _put(translation.document, place, {})
        _add(translation, one.fields, cast("Properties", value), place, source)
    elif one.fields is not None and isinstance(value, list):
        _put(translation.document, place, [])
        for index, item in enumerate(cast("list[Any]", value)):
            _add_one(translation, one, item, (*place, index), (*source, index))
    elif one.forth is not None and value is not UNKNOWN:
        try:
            _put(translation.document, place, one.forth(value))
        except Unusable as error:
            translation.unusable.append((source, str(error)))
    else:
        _put(translation.document, place, value)


def _put(document: Any, place: Path, value: Any) -> None:
    """Put a value at a place, making what leads there. What is there already and holds more stays."""
    last = place[-1]
    for part, following in pairwise(place):
        document = _member(document, part, [] if isinstance(following, int) else {})
    if value in ({}, []):
        _member(document, last, value)
    else:
        _member(document, last, None)
        document[last] = value


def _member(document: Any, part: str | int, default: Any) -> Any:
    if isinstance(part, int):
        document.extend([None] * (part + 1 - len(document)))
        if document[part] is None:
            document[part] = default
    else:
        document.setdefault(part, default)
    return document[part]


def _without_gaps(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_gaps(item) for name, item in cast("Document", value).items()}
        case list():
            return [_without_gaps(item) for item in cast("list[Any]", value) if item is not None]
        case _:
            return value


def from_cloudformation(fields: Fields, document: Document) -> Properties:
    """Return what a document says, under Pulumi's names. What it does not say is left out."""
    return dict(_read(fields, document))


def _read(fields: Fields, document: Document) -> Iterator[tuple[str, Any]]:
    for name, one in fields.items():
        found = at(document, one.target) if one.target is not None else None
        if found is None:
            continue
        if one.fields is not None and isinstance(found, list):
            yield name, [dict(_read(one.fields, item)) for item in cast("list[Document]", found)]
        elif one.fields is not None and isinstance(found, dict):
            yield name, dict(_read(one.fields, cast("Document", found)))
        elif one.back is not None:
            yield name, one.back(found)
        else:
            yield name, found


def at(document: Any, place: Path) -> Any:
    """Return what stands at a place, or None."""
    for part in place:
        match document:
            case dict() if part in document:
                document = cast("Document", document)[cast("str", part)]
            case list() if isinstance(part, int) and part < len(cast("list[Any]", document)):
                document = cast("list[Any]", document)[part]
            case _:
                return None
    return document


def static_target(fields: Fields, path: Path) -> tuple[Mapped | None, Path]:
    """Return the property at a Pulumi path and its place in CloudFormation without positions, as deep as it is told."""
    found: Mapped | None = None
    place: Path = ()
    table: Fields | None = fields
    for part in path:
        if isinstance(part, int):
            continue
        if table is None or part not in table:
            break
        found = table[part]
        if found.target is None:
            return found, ()
        place = (*place, *(step for step in found.target if isinstance(step, str)))
        table = found.fields
    return found, place
