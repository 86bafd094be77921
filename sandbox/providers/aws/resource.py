"""Resource types of pulumi-aws, as the provider's core sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from botocore.exceptions import ClientError

from sandbox.providers.aws import schemas
from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import (
    Document,
    Fields,
    Mapped,
    Translation,
    from_cloudformation,
    static_target,
    to_cloudformation,
)
from sandbox.providers.provider_table import Created, Failure, Incomplete, Property, Request, ResourceType
from sandbox.providers.provider_values import Path, Properties, dotted

TAGS = "tags"
ALL_TAGS = "tagsAll"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The desired resource (for `delete` and `read`: the recorded one), under Pulumi's and CloudFormation's names.

    `document` is without tags; `old` is what it was so far (for `update`), or None.
    """

    id: str
    inputs: Properties
    document: Document
    state: Properties
    tags: Mapping[str, str]
    old: Wanted | None = None

    def changed(self, *names: str) -> bool:
        """Say whether one of these properties is another one than before (for `create`: is there)."""
        before = self.old.inputs if self.old is not None else {}
        return any(self.inputs.get(name) != before.get(name) for name in names)

    def tag_list(self) -> list[Any]:
        """Return the tags as most APIs take them."""
        return [{"Key": name, "Value": value} for name, value in self.tags.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The actual resource: CloudFormation's properties, and those that only Pulumi has. A missing one is kept."""

    document: Document = field(default_factory=dict[str, Any])
    outputs: Properties = field(default_factory=dict[str, Any])
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsType:
    """One type of pulumi-aws.

    - `cloudformation`: the type whose schema holds; `is_part` if the resource is only a part of such a one.
    - `replaces`, `updates`: properties (`rootBlockDevice.encrypted`) for which pulumi-aws, other than CloudFormation,
      does or does not make another resource; `why` says so for each.
    - `tag`: how tags are put (and the names of those that go) on a resource that is there; None: it has no tags.
    - `create` returns the id, `find` what is there now, or None. Reading is done after `create` and `update`, too.
    - `check`: what is wrong beyond the schema.
    - `replaces_also`: whether a change at a path needs another resource because of what else the program says.
    - `recomputed`: the outputs that an update will change, unknown in its preview.
    """

    token: str
    cloudformation: str | None
    fields: Fields
    create: Callable[[Aws, Wanted], str]
    find: Callable[[Aws, Wanted], Found | None]
    delete: Callable[[Aws, Wanted], None]
    update: Callable[[Aws, Wanted], None] | None = None
    tag: Callable[[Aws, Wanted, Mapping[str, str], Collection[str]], None] | None = None
    is_part: bool = False
    name: str | None = None
    computed: Collection[str] = ()
    secrets: Collection[str] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    replaces: Mapping[str, str] = field(default_factory=dict[str, str])
    updates: Mapping[str, str] = field(default_factory=dict[str, str])
    check: Callable[[Request], Iterable[Failure]] | None = None
    replaces_also: Callable[[Request, Path], bool] | None = None
    recomputed: Callable[[Request], Collection[str]] | None = None
    is_regional: bool = True


def has_code(error: ClientError, *codes: str) -> bool:
    """Say whether AWS refused with one of these codes (or with an HTTP status, for S3's HEAD answers)."""
    return error.response.get("Error", {}).get("Code", "") in codes


def gone_as_none(
    *codes: str,
) -> Callable[[Callable[[Aws, Wanted], Found | None]], Callable[[Aws, Wanted], Found | None]]:
    """Have a reading function return None where AWS says that there is no such thing."""

    def decorate(read: Callable[[Aws, Wanted], Found | None]) -> Callable[[Aws, Wanted], Found | None]:
        def found(aws: Aws, wanted: Wanted) -> Found | None:
            try:
                return read(aws, wanted)
            except ClientError as error:
                if has_code(error, *codes):
                    return None
                raise

        return found

    return decorate


def gone_is_fine(*codes: str) -> Callable[[Callable[[Aws, Wanted], None]], Callable[[Aws, Wanted], None]]:
    """Have a deleting function do nothing where AWS says that there is no such thing."""

    def decorate(delete: Callable[[Aws, Wanted], None]) -> Callable[[Aws, Wanted], None]:
        def deleted(aws: Aws, wanted: Wanted) -> None:
            try:
                delete(aws, wanted)
            except ClientError as error:
                if not has_code(error, *codes):
                    raise

        return deleted

    return decorate


def tags_of(listed: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return tags as Pulumi has them. AWS's own are not the program's."""
    pairs = {str(tag["Key"]): str(tag["Value"]) for tag in listed}
    return {name: value for name, value in pairs.items() if not name.startswith("aws:")}


def described(aws: Aws, one: AwsType) -> ResourceType:
    """Return a type as the core takes it."""
    return ResourceType(
        token=one.token,
        properties={name: _property(one, name, mapped) for name, mapped in one.fields.items()},
        create=lambda request: _create(aws, one, request),
        read=lambda request: _read(aws, one, request),
        update=None if one.update is None and one.tag is None else lambda request: _update(aws, one, request),
        delete=lambda request: one.delete(aws, _wanted(one, request)),
        check=lambda request: _check(aws, one, request),
        prepare=lambda request: _with_default_tags(aws, one, request.inputs),
        replaces=lambda path: _replaces(one, path),
        replaces_also=one.replaces_also,
        recomputed=one.recomputed,
        name_property=one.name,
        computed=_computed(one),
        secret_outputs=one.secrets,
    )


def _computed(one: AwsType) -> frozenset[str]:
    also = {"region"} if one.is_regional else set[str]()
    return frozenset(one.computed) | also | ({ALL_TAGS} if TAGS in one.fields else set())


def _property(one: AwsType, name: str, mapped: Mapped) -> Property:
    same: Callable[[Any, Any], bool] | None = None
    if mapped.is_json:
        same = _same_json
    elif one.cloudformation is not None and schemas.is_unordered(one.cloudformation, mapped):
        same = _same_set
    return Property(default=one.defaults.get(name), same=same, secret=name in one.secrets)


def _same_json(old: Any, new: Any) -> bool:
    try:
        return bool(json.loads(old) == json.loads(new))
    except (TypeError, json.JSONDecodeError):
        return bool(old == new)


def _same_set(old: Any, new: Any) -> bool:
    if not isinstance(old, list) or not isinstance(new, list):
        return old == new
    return sorted(map(repr, cast("list[Any]", old))) == sorted(map(repr, cast("list[Any]", new)))


def _with_default_tags(aws: Aws, one: AwsType, inputs: Properties) -> Properties:
    if TAGS not in one.fields:
        return inputs
    own = inputs.get(TAGS)
    if own is not None and not isinstance(own, dict):
        return inputs
    merged = {**aws.default_tags, **cast("dict[str, Any]", own or {})}
    return {**inputs, TAGS: merged} if merged else inputs


def _translated(one: AwsType, inputs: Properties) -> Translation:
    values = {name: value for name, value in inputs.items() if not name.startswith("__")}
    return to_cloudformation(one.fields, values)


def _check(aws: Aws, one: AwsType, request: Request) -> Iterable[Failure]:
    inputs = _with_default_tags(aws, one, request.inputs)
    translation = _translated(one, inputs)
    unknown = [
        Failure(
            property=dotted(path),
            reason=f"{one.token} has no property {dotted(path)} here; allowed: {', '.join(sorted(allowed))}",
        )
        for path, allowed in translation.unknown
    ]
    if unknown:
        return unknown
    failures = list(schemas.wrong(one.cloudformation, one.fields, translation, is_part=one.is_part))
    if not failures and one.check is not None:
        failures = list(one.check(replace(request, inputs=inputs)))
    return failures


def _replaces(one: AwsType, path: Path) -> bool:
    names = [part for part in path if isinstance(part, str)]
    for length in range(len(names), 0, -1):
        name = ".".join(names[:length])
        if name in one.replaces:
            return True
        if name in one.updates:
            return False
    if names[0] == TAGS:
        return False
    if one.update is None:
        return True
    mapped, place = static_target(one.fields, path)
    if mapped is None or mapped.target is None or one.cloudformation is None:
        return False
    return schemas.is_create_only(one.cloudformation, place)


def _wanted(one: AwsType, request: Request, *, old: Properties | None = None) -> Wanted:
    document = _translated(one, request.inputs).document
    document.pop("Tags", None)
    before = replace(request, inputs=old) if old is not None else None
    return Wanted(
        id=request.id,
        inputs={name: value for name, value in request.inputs.items() if not name.startswith("__")},
        document=document,
        state=request.state,
        tags=cast("dict[str, str]", request.inputs.get(TAGS) or {}),
        old=_wanted(one, before) if before is not None else None,
    )


def _create(aws: Aws, one: AwsType, request: Request) -> Created:
    made = one.create(aws, _wanted(one, request))
    try:
        return Created(id=made, outputs=_outputs(aws, one, replace(request, id=made)))
    except ClientError as error:
        raise Incomplete(f"made, but it can't be read: {error}", id=made, outputs=request.inputs) from error


def _update(aws: Aws, one: AwsType, request: Request) -> Properties:
    wanted = _wanted(one, request, old=request.old_inputs)
    old = wanted.old
    if one.update is not None:
        one.update(aws, wanted)
    if one.tag is not None and old is not None and wanted.tags != old.tags:
        put = {name: value for name, value in wanted.tags.items() if old.tags.get(name) != value}
        one.tag(aws, wanted, put, sorted(old.tags.keys() - wanted.tags.keys()))
    return _outputs(aws, one, request)


def _outputs(aws: Aws, one: AwsType, request: Request) -> Properties:
    found = _read(aws, one, request)
    if found is None:
        raise RuntimeError(f"{one.token} {request.id}: gone right after it was made")
    return found


def _read(aws: Aws, one: AwsType, request: Request) -> Properties | None:
    found = one.find(aws, _wanted(one, request))
    if found is None:
        return None
    document = {name: value for name, value in found.document.items() if name != "Tags"}
    outputs = {**from_cloudformation(one.fields, document), **found.outputs}
    outputs = {name: _as_said(one.fields.get(name), request.inputs.get(name), now) for name, now in outputs.items()}
    if one.is_regional:
        outputs["region"] = aws.region
    if TAGS in one.fields:
        tags = dict(found.tags if found.tags is not None else request.inputs.get(TAGS) or {})
        outputs[ALL_TAGS] = tags
        if tags or TAGS in request.inputs:
            outputs[TAGS] = tags
    return outputs


def _as_said(mapped: Mapped | None, said: Any, now: Any) -> Any:
    """Return what is there now in the program's own words where both mean the same, and only what the program says."""
    if said is None:
        return now
    if mapped is not None and mapped.is_json and _same_json(said, now):
        return said
    match said, now:
        case dict(), dict():
            inner = (mapped.fields if mapped is not None else None) or {}
            told = cast("dict[str, Any]", said)
            there = cast("dict[str, Any]", now)
            if mapped is not None and mapped.fields is None:
                return now
            return {
                name: _as_said(inner.get(name), value, there[name]) if name in there else value
                for name, value in told.items()
            }
        case list(), list() if len(cast("list[Any]", said)) == len(cast("list[Any]", now)):
            if _same_set(said, now):
                return said
            return [
                _as_said(mapped, one, other)
                for one, other in zip(cast("list[Any]", said), cast("list[Any]", now), strict=True)
            ]
        case _:
            return now
