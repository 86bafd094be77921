"""Translates pydantic's errors into what a team reads: which field, what was found, what is allowed.

Catalog and settings both read pydantic models through this module. They differ in the advice that they add.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Union, cast, get_args, get_origin

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from alerting.source.problems import listed, shown
from alerting.source.yaml_source import FieldPath

_MOMENT = "a time with its offset, such as 2026-02-10T09:00:00-05:00"
SHAPES = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "datetime_from_date_parsing": _MOMENT,
    "datetime_parsing": _MOMENT,
    "dict_type": "a mapping",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "mapping_type": "a mapping",
    "string_type": "a text",
    "timezone_aware": _MOMENT,
    "tuple_type": "a list, such as [A, B]",
}
"""What is allowed in place of a value of another shape, by pydantic's name of the error: its own words are Python's."""
LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
"""How pydantic's errors about the size of a number are told, and where each holds the limit."""


class Fault(Enum):
    """Kind of error of a field: it is missing, no such field exists, or its value is not allowed."""

    MISSING = auto()
    UNKNOWN = auto()
    VALUE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One error of a model. `path` is the field's; `expected` says what is allowed, as the end of a sentence.

    `found` is empty where nothing was. `add` says that an entry has to be added, and not a value changed. `cause` is
    the exception of a validator of ours.
    """

    path: FieldPath
    fault: Fault
    found: str
    expected: str
    add: bool = False
    cause: Exception | None = None


def field_errors(error: ValidationError, model: type[BaseModel]) -> Iterator[FieldError]:
    """Yield the errors of a model's fields, but for those that only follow from another."""
    every = error.errors(include_url=False)
    yield from (_field_error(model, details) for details in every if not _follows(details, every))


def _follows(details: ErrorDetails, every: list[ErrorDetails]) -> bool:
    """Say whether a list is only called too short because an entry of it is wrong, which is told by itself."""
    start = details["loc"]
    inner = [other for other in every if other["loc"] != start and other["loc"][: len(start)] == start]
    return details["type"] == "too_short" and bool(inner)


def _field_error(model: type[BaseModel], details: ErrorDetails) -> FieldError:
    # pydantic marks a key of a mapping that is itself wrong by `[key]`.
    path: FieldPath = tuple(part for part in details["loc"] if part != "[key]")
    annotation, description = annotation_at(model, path)
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            expected = f"allowed: {description or _shape(annotation)}"
            return FieldError(path=path, fault=Fault.MISSING, found="", expected=expected)
        case "extra_forbidden":
            inner = model_of(annotation_at(model, path[:-1])[0])
            expected = f"allowed: {'nothing' if inner is None else listed(field_names(inner))}"
            return FieldError(path=path, fault=Fault.UNKNOWN, found="", expected=expected)
        case "too_short" if description is None:
            found, least = f"{context.get('actual_length')} entries", context.get("min_length")
            return FieldError(path=path, fault=Fault.VALUE, found=found, expected=f"allowed: {least} or more", add=True)
        case _:
            found = "nothing" if details["input"] is None else shown(details["input"])
            expected = f"allowed: {description}" if description is not None else _expected(annotation, details)
            return FieldError(path=path, fault=Fault.VALUE, found=found, expected=expected, cause=context.get("error"))


def _expected(annotation: object, details: ErrorDetails) -> str:
    """Return what is allowed in place of a value, as the error and the type say it."""
    context = details.get("ctx", {})
    match details["type"]:
        case "enum" | "model_type":
            return f"allowed: {_shape(annotation)}"
        case "literal_error":
            return f"allowed: {context.get('expected')}"
        case "union_tag_invalid":
            return f"allowed: {context.get('expected_tags')}"
        case "string_pattern_mismatch":
            return f"allowed: a text that matches {context.get('pattern')}"
        case "value_error":
            return str(context.get("error"))
        case kind if kind in SHAPES:
            return f"allowed: {SHAPES[kind]}"
        case kind if kind in LIMITS:
            words, limit = LIMITS[kind]
            return f"allowed: {words} {context.get(limit):g}"
        case _:
            return f"{details['msg'][:1].lower()}{details['msg'][1:]}"


def _shape(annotation: object) -> str:
    """Return what a value of a type looks like, as far as the type says it."""
    inner = model_of(annotation)
    if inner is not None:
        return f"a mapping with {listed(field_names(inner))}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return listed(member.value for member in annotation)
    if get_origin(annotation) in {tuple, list}:
        return "a list"
    if get_origin(annotation) is Mapping:
        return "a mapping"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}.get(
        cast(type, annotation), "a value"
    )


def field_names(model: type[BaseModel]) -> list[str]:
    """Return the names of a model's fields as they are written, of several spellings the first."""
    return [_spellings(name, field)[0] for name, field in model.model_fields.items()]


def _spellings(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [field.alias or name]


def annotation_at(model: type[BaseModel], path: FieldPath) -> tuple[object, str | None]:
    """Return the type of the value at a path and the description that stands with it, None for what is not there."""
    annotation: object = model
    description: str | None = None
    for part in path:
        annotation, description = _step(annotation, part)
    return annotation, description


def _step(annotation: object, part: int | str) -> tuple[object, str | None]:
    inner = model_of(annotation)
    if inner is not None:
        fields = {spelling: field for name, field in inner.model_fields.items() for spelling in _spellings(name, field)}
        field = fields.get(str(part))
        if field is None:
            return None, None
        bare, description = _bare(field.annotation)
        return bare, field.description or description
    arguments = get_args(annotation)
    if get_origin(annotation) is Mapping:
        return _bare(arguments[-1])
    if get_origin(annotation) is tuple:
        return _bare(arguments[0])
    for choice in arguments:  # a union whose members are distinguished by their `source`
        member = model_of(choice)
        if member is not None and get_args(member.model_fields["source"].annotation) == (part,):
            return member, None
    return None, None


def _bare(annotation: object) -> tuple[object, str | None]:
    """Return a type without `Annotated` and `None`, and the description that stood with it."""
    description: str | None = None
    while get_origin(annotation) is Annotated:
        annotation, *metadata = get_args(annotation)
        description = next((one.description for one in metadata if isinstance(one, FieldInfo)), description)
    if get_origin(annotation) in {Union, types.UnionType}:
        choices = [choice for choice in get_args(annotation) if choice is not type(None)]
        if len(choices) == 1:
            inner, inside = _bare(choices[0])
            return inner, inside or description
    return annotation, description


def model_of(annotation: object) -> type[BaseModel] | None:
    """Return a type if it is a model, else None."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
