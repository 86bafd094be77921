"""The core of the embedded providers: checks, compares, makes, changes, reads and ends resources by a table.

`provider_table` says what a table holds, `provider_server` speaks the engine's protocol.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sandbox.providers.provider_diff import Difference, Kind, differences
from sandbox.providers.provider_table import (
    DEFAULTS,
    Created,
    Failure,
    Property,
    ProviderFailed,
    Request,
    ResourceType,
    Table,
)
from sandbox.providers.provider_values import UNKNOWN, Path, Properties, contains_unknown, dotted, value_at

_NAME_SUFFIX_LENGTH = 7


class ProviderCore:
    """Does everything over a table but the protocol, in plain data."""

    def __init__(self, table: Table) -> None:
        """Use `table`."""
        self.table = table

    def resource_type(self, token: str) -> ResourceType:
        """Return a type. Raises `ProviderFailed` with those that there are."""
        described = self.table.resources.get(token)
        if described is None:
            raise ProviderFailed(f"there is no resource type {token} here; {_allowed(self.table.resources)}")
        return described

    def check(self, request: Request) -> tuple[Properties, list[Failure]]:
        """Return the inputs as they are kept, and all that is wrong with them."""
        try:
            described = self.resource_type(request.token)
        except ProviderFailed as error:
            return request.inputs, [Failure(property="", reason=str(error))]
        inputs = {name: value for name, value in request.inputs.items() if value is not None and name != DEFAULTS}
        request = replace(request, inputs=_with_defaults(described, request, inputs))
        failures = check_properties(described.token, described.properties, request.inputs)
        if not failures:
            failures = list(described.check(request))
        if not failures and described.prepare is not None:
            request = replace(request, inputs=described.prepare(request))
        return request.inputs, failures

    def diff(self, request: Request) -> Difference:
        """Return what a change comes to."""
        described = self.resource_type(request.token)
        changes = self._changes(described, request)
        replaces = frozenset(path for path in changes if _needs_another(described, request, path))
        return Difference(
            changes=changes,
            replaces=replaces,
            delete_before_replace=bool(replaces) and _same_name(described, request),
        )

    def _changes(self, described: ResourceType, request: Request) -> dict[Path, Kind]:
        old, new = dict(request.old_inputs), dict(request.inputs)
        for values in (old, new):
            values.pop(DEFAULTS, None)
        for name, one in described.properties.items():
            if one.same is None or name not in old or name not in new:
                continue
            if not contains_unknown(new[name]) and one.same(old[name], new[name]):
                old.pop(name)
                new.pop(name)
        return differences(old, new)

    def create(self, request: Request) -> Created:
        """Make a resource, or say what would be made."""
        described = self.resource_type(request.token)
        if request.preview:
            return Created(id="", outputs={**_visible(request.inputs), **dict.fromkeys(described.computed, UNKNOWN)})
        created = described.create(request)
        return Created(id=created.id, outputs=_outputs(described, request, created.outputs))

    def update(self, request: Request) -> Properties:
        """Change a resource, or say what would be changed."""
        described = self.resource_type(request.token)
        if request.preview:
            kept = {name: request.state.get(name, UNKNOWN) for name in described.computed}
            if described.recomputed is not None:
                kept |= dict.fromkeys(described.recomputed(request), UNKNOWN)
            return {**kept, **_visible(request.inputs)}
        if described.update is None:
            raise ProviderFailed(f"{request.token} can't be changed, only replaced")
        kept = {name: request.state[name] for name in described.computed if name in request.state}
        return _outputs(described, request, {**kept, **described.update(request)})

    def read(self, request: Request) -> tuple[Properties, Properties] | None:
        """Return inputs and outputs as they are now, or None if the resource is gone."""
        described = self.resource_type(request.token)
        found = described.read(request)
        if found is None:
            return None
        if request.inputs:
            inputs = {name: as_given(value, found.get(name, value)) for name, value in request.inputs.items()}
        else:  # an import: everything that a program could have said
            inputs = {name: value for name, value in found.items() if name in described.properties}
        return inputs, _outputs(described, replace(request, inputs=inputs), {**request.state, **found}, strict=False)

    def delete(self, request: Request) -> None:
        """End a resource."""
        self.resource_type(request.token).delete(request)

    def invoke(self, token: str, arguments: Properties) -> tuple[Properties, list[Failure]]:
        """Return what a function says, or what is wrong with its arguments."""
        described = self.table.invokes.get(token)
        if described is None:
            reason = f"there is no function {token} here; {_allowed(self.table.invokes)}"
            return {}, [Failure(property="", reason=reason)]
        given = {name: value for name, value in arguments.items() if value is not None}
        failures = check_properties(token, described.arguments, given)
        return ({}, failures) if failures else (described.call(given), [])


def check_properties(owner: str, allowed: Mapping[str, Property], values: Properties) -> list[Failure]:
    """Return what is wrong with values, property by property."""
    failures = [
        Failure(property=dotted((name,)), reason=f"{owner} has no property {name}; {_allowed(allowed)}")
        for name in values
        if name not in allowed and name != DEFAULTS
    ]
    for name, one in allowed.items():
        if name not in values:
            if one.required:
                failures.append(Failure(property=name, reason=f"{owner} needs the property {name}"))
        elif one.check is not None and not contains_unknown(values[name]):
            wrong = one.check(values[name])
            if wrong is not None:
                failures.append(Failure(property=name, reason=wrong))
    return failures


def made_up_name(name: str, seed: bytes) -> str:
    """Return a name that nobody else has: the resource's own and some hexadecimal digits, as Pulumi does it."""
    return f"{name}-{hashlib.sha256(seed + name.encode()).hexdigest()[:_NAME_SUFFIX_LENGTH]}"


def _with_defaults(described: ResourceType, request: Request, inputs: Properties) -> Properties:
    made = dict(inputs)
    given: list[str] = []
    for name, one in described.properties.items():
        if one.default is not None and name not in made:
            made[name] = one.default
            given.append(name)
    named = described.name_property
    if named is not None and named not in made:
        was_given = named in request.old_inputs.get(DEFAULTS, [])
        made[named] = request.old_inputs[named] if was_given else made_up_name(request.name, request.seed)
        given.append(named)
    return {**made, DEFAULTS: given} if given else made


def _needs_another(described: ResourceType, request: Request, path: Path) -> bool:
    if described.update is None:
        return True
    if described.replaces_also is not None and described.replaces_also(request, path):
        return True
    one = described.properties.get(str(path[0]))
    return (one is not None and one.replaces) or (described.replaces is not None and described.replaces(path))


def _same_name(described: ResourceType, request: Request) -> bool:
    named = described.name_property
    return (
        named is not None
        and named not in request.inputs.get(DEFAULTS, [])
        and request.inputs.get(named) == request.old_inputs.get(named)
    )


def _visible(inputs: Properties) -> Properties:
    return {name: value for name, value in inputs.items() if name != DEFAULTS}


def _outputs(described: ResourceType, request: Request, returned: Properties, *, strict: bool = True) -> Properties:
    if strict:
        extra = returned.keys() - described.properties.keys() - set(described.computed)
        if extra:
            raise TypeError(f"{request.token}: returned {sorted(extra)}, neither a property nor computed")
    return {**_visible(request.inputs), **returned}


def as_given(given: Any, found: Any) -> Any:
    """Return what is found of what was given: without what the other side adds to it by itself."""
    match given, found:
        case dict(), dict():
            return {name: as_given(value, found[name]) for name, value in given.items() if name in found}
        case list(), list() if len(given) == len(found):
            return [as_given(one, other) for one, other in zip(given, found, strict=True)]
        case _:
            return found


def secret_names(described: ResourceType, outputs: Properties) -> set[Path]:
    """Return the outputs of a type that are secret whatever they were made from."""
    names = {name for name, one in described.properties.items() if one.secret} | set(described.secret_outputs)
    return {(name,) for name in names if value_at(outputs, (name,)) is not None}


def _allowed(names: Iterable[str]) -> str:
    listed = ", ".join(sorted(names))
    return f"allowed: {listed}" if listed else "nothing is allowed"
