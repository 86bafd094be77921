"""AWS's own resource schemas, as cfn-lint ships them: what a value may be, and what forces a replacement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from cfnlint.jsonschema import StandardValidator, ValidationError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from sandbox.providers.aws.mapping import Fields, Mapped, Translation, Unusable, parsed
from sandbox.providers.provider_table import Failure
from sandbox.providers.provider_values import Path, contains_unknown, dotted

SCHEMA_REGION = "us-east-1"
"""The types here have the same schema in every region."""
PRESENCE = frozenset({"required", "requiredXor", "requiredOr", "dependentRequired", "dependentExcluded"})
COMBINATIONS = frozenset({"anyOf", "oneOf", "allOf", "not", "if", "contains", "uniqueItems"})
SHOWN_CHARACTERS = 80


@cache
def schema(cloudformation: str) -> Mapping[str, Any]:
    """Return the schema of a type, such as `AWS::SNS::Topic`."""
    found = PROVIDER_SCHEMA_MANAGER.get_resource_schema(SCHEMA_REGION, cloudformation)
    return cast("Mapping[str, Any]", found.schema)


@cache
def pointers(cloudformation: str, list_name: str) -> frozenset[tuple[str, ...]]:
    """Return one of a schema's lists of properties (`createOnlyProperties`, ...) as paths without positions."""
    return frozenset(
        tuple(part for part in pointer.removeprefix("/properties/").split("/") if part != "*")
        for pointer in schema(cloudformation).get(list_name, ())
    )


def is_create_only(cloudformation: str, place: Path) -> bool:
    """Say whether what stands at a place can't be changed afterwards."""
    return any(place[: len(pointer)] == pointer for pointer in pointers(cloudformation, "createOnlyProperties"))


def subschema(cloudformation: str, place: Path) -> Mapping[str, Any]:
    """Return what a schema says of a place, or an empty one if it says nothing."""
    whole = schema(cloudformation)
    found: Mapping[str, Any] = whole
    for part in place:
        found = _resolved(whole, found)
        if isinstance(part, int) or (found.get("type") == "array" and "items" in found):
            found = _resolved(whole, found.get("items", {}))
        if isinstance(part, str):
            found = found.get("properties", {}).get(part, {})
    return _resolved(whole, found)


def knows(cloudformation: str, place: Path) -> bool:
    """Say whether a schema has such a place."""
    names = [part for part in place if isinstance(part, str)]
    if len(names) == 0:
        return True
    *_, last = names
    parent = place[: max(index for index, part in enumerate(place) if part == last)]
    around = subschema(cloudformation, parent)
    if around.get("type") == "array":
        around = _resolved(schema(cloudformation), around.get("items", {}))
    return last in around.get("properties", {}) and (not parent or knows(cloudformation, parent))


def _resolved(whole: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in part:
        part = whole["definitions"][part["$ref"].rpartition("/")[2]]
    return part


def wrong(cloudformation: str | None, fields: Fields, translation: Translation, *, is_part: bool) -> Iterator[Failure]:
    """Return all that is wrong with a resource, under Pulumi's names.

    `is_part`: the resource is only a part of what CloudFormation has the type for, so that the rest may be missing.
    """
    yield from _wrong_without_twin(translation)
    for path, reason in translation.unusable:
        yield Failure(property=dotted(path), reason=f"{dotted(path)}: {reason}")
    if cloudformation is None:
        return
    for error in _errors(schema(cloudformation), translation.document):
        if is_part and not error.path and error.validator in PRESENCE:
            continue
        path = _source(translation, tuple(error.path))
        names = _names(_fields_at(fields, path), _rest(translation, tuple(error.path)))
        yield Failure(property=dotted(path), reason=_reason(error, dotted(path), names))


def _wrong_without_twin(translation: Translation) -> Iterator[Failure]:
    for path in translation.missing:
        yield Failure(property=dotted(path), reason=f"{dotted(path)}: missing; it is required")
    for path, one, value in translation.alone:
        for error in _errors(one.schema, value):
            yield Failure(property=dotted((*path, *error.path)), reason=_reason(error, dotted(path), {}))
        if one.is_json and isinstance(value, str):
            try:
                parsed(value)
            except Unusable as error:
                yield Failure(property=dotted(path), reason=f"{dotted(path)}: {error}")


def _fields_at(fields: Fields, path: Path) -> Fields:
    for part in path:
        if isinstance(part, str):
            fields = fields[part].fields or {} if part in fields else {}
    return fields


def _errors(allowed: Mapping[str, Any], instance: Any) -> Iterator[ValidationError]:
    """Return what is wrong, without what can't be told because a value is not known yet."""
    for error in StandardValidator(schema=allowed).iter_errors(instance):
        found: Any = error.instance
        if error.validator in PRESENCE:
            yield error
        elif error.validator in COMBINATIONS or not isinstance(found, dict | list):
            if not contains_unknown(found):
                yield error
        else:
            yield error


def _source(translation: Translation, place: Path) -> Path:
    """Return the property that a place of the document comes from: the closest that is known."""
    for length in range(len(place), 0, -1):
        if place[:length] in translation.sources:
            return translation.sources[place[:length]]
    return ()


def _rest(translation: Translation, place: Path) -> tuple[str, ...]:
    """Return the part of a place, without positions, below the closest that is known."""
    for length in range(len(place), 0, -1):
        if place[:length] in translation.sources:
            return tuple(part for part in place[length:] if isinstance(part, str))
    return tuple(part for part in place if isinstance(part, str))


def _names(fields: Fields, below: tuple[str, ...]) -> dict[str, str]:
    """Return what CloudFormation's names at a place are called here."""
    names: dict[str, str] = {}
    for name, one in fields.items():
        place = tuple(part for part in one.target or () if isinstance(part, str))
        if len(place) > len(below) and place[: len(below)] == below:
            names.setdefault(place[len(below)], name)
    return names


def _reason(error: ValidationError, where: str, names: Mapping[str, str]) -> str:
    """Return an error as a person reads it: what, found, allowed. `names` are Pulumi's for CloudFormation's."""
    allowed: Any = error.validator_value
    prefix = f"{where}: " if where else ""
    instance: Any = error.instance
    kind = str(error.validator)

    def name(there: str) -> str:
        return names.get(there, there)

    match kind:
        case "required":
            lacking = [name(one) for one in allowed if one not in instance]
            return f"{prefix}{', '.join(lacking)}: missing; it is required"
        case "requiredXor":
            given = [name(one) for one in allowed if one in instance]
            listed = ", ".join(name(one) for one in allowed)
            return f"{prefix}found {', '.join(given) or 'none'}; allowed: exactly one of {listed}"
        case "requiredOr":
            return f"{prefix}found none; allowed: at least one of {', '.join(name(one) for one in allowed)}"
        case "enum" | "enumCaseInsensitive":
            return f"{prefix}found {_shown(error)}; allowed: {', '.join(str(one) for one in allowed)}"
        case "type":
            kinds = allowed if isinstance(allowed, list) else [allowed]
            return f"{prefix}found {_shown(error)}; allowed: a value of type {' or '.join(map(str, kinds))}"
        case "pattern":
            return f"{prefix}found {_shown(error)}; allowed: what matches {allowed}"
        case "minimum" | "minLength" | "minItems":
            return f"{prefix}found {_shown(error)}; allowed: {_of_what(kind)}{allowed} or more"
        case "maximum" | "maxLength" | "maxItems":
            return f"{prefix}found {_shown(error)}; allowed: {_of_what(kind)}at most {allowed}"
        case _:
            return f"{prefix}{error.message}"


def _of_what(validator: str) -> str:
    return {"Length": "a length of ", "Items": "a number of entries of "}.get(validator[3:], "")


def _shown(error: ValidationError) -> str:
    written = repr(error.instance)
    return written if len(written) <= SHOWN_CHARACTERS else f"{written[:SHOWN_CHARACTERS]}..."


def is_unordered(cloudformation: str, one: Mapped) -> bool:
    """Say whether a property is a list in which the order of entries means nothing."""
    if one.target is None:
        return False
    found = subschema(cloudformation, one.target)
    return found.get("type") == "array" and found.get("insertionOrder") is False


def typed(cloudformation: str, texts: Mapping[Any, str]) -> dict[str, Any]:
    """Return what an API gives as texts (SNS and SQS attributes) in the types of the schema; others are left out."""
    known: Mapping[str, Any] = schema(cloudformation)["properties"]
    return {name: _typed(subschema(cloudformation, (name,)), text) for name, text in texts.items() if name in known}


def _typed(allowed: Mapping[str, Any], text: str) -> Any:
    kind = allowed.get("type")
    match kind:
        case "boolean":
            return text.lower() == "true"
        case "integer":
            return int(text)
        case _:
            return text
