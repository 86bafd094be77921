"""The one machine of the embedded providers. A provider is a table: what its resource types and invokes are.

A table names, for each type, the properties that a program may set and the functions that make it so. The machine does
the rest of a Pulumi provider: it refuses what is not in the table, by name; gives missing names; finds what a change
comes to; answers previews without touching anything; and keeps secrets secret. `machine_server` speaks the engine's
protocol for it.

    import boto3

    from sandbox.providers.provider_core import Created, Invoke, Property, ProviderFailed, Request, ResourceType, Table
    from sandbox.providers.provider_server import serve

    def create_topic(request: Request) -> Created:
        arn = sns().create_topic(Name=request.inputs["name"])["TopicArn"]
        return Created(id=arn, outputs={"arn": arn})

    def read_topic(request: Request) -> Properties | None:       # None: it is gone
        ...                                                      # what the program could have set, and the outputs

    def update_topic(request: Request) -> Properties:            # outputs that may have changed
        sns().set_topic_attributes(TopicArn=request.id, ...request.inputs...)
        return {}

    def delete_topic(request: Request) -> None:                  # of one that is gone: nothing
        sns().delete_topic(TopicArn=request.id)

    TOPIC = ResourceType(
        token="aws:sns/topic:Topic",
        properties={
            "name": Property(replaces=True),
            "displayName": Property(check=at_most_100_characters),  # returns what is wrong, or None
            "policy": Property(same=same_json),
        },
        name_property="name",          # made up from the resource's name when the program gives none
        computed=("arn",),             # unknown in a preview; create and update may return these and properties only
        secret_outputs=(),
        create=create_topic, read=read_topic, update=update_topic, delete=delete_topic,
    )

    def main() -> None:
        serve(Table(
            name="aws", version=version("pulumi-aws"),
            resources=by_token(TOPIC, ...), invokes=by_token(CALLER_IDENTITY, ...),
            settings={"region": Setting(), "defaultTags": Setting(is_json=True)}, configure=configure,
            expected_errors=(ClientError,),
        ))

The outputs of a resource are its inputs and, over them, what the functions return. Properties are plain Python data
under their Pulumi names (`kmsMasterKeyId`). Functions never see an unknown value, since in a preview they are not
called; checks never see one either. Functions run side by side in threads. An error that a person should read is a
`ProviderFailed`, or one of the table's `expected_errors`; any other is a fault in the table.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from sandbox.providers.provider_diff import Difference, Kind, differences
from sandbox.providers.provider_values import UNKNOWN, Path, Properties, contains_unknown, dotted, value_at

__all__ = [
    "DEFAULTS",
    "UNKNOWN",
    "Created",
    "Difference",
    "Failure",
    "Incomplete",
    "Invoke",
    "Kind",
    "Machine",
    "Path",
    "Properties",
    "Property",
    "ProviderFailed",
    "Request",
    "ResourceType",
    "Setting",
    "Table",
    "by_token",
    "contains_unknown",
]

DEFAULTS = "__defaults"
"""The input in which the names of inputs are kept that the machine gave, as Pulumi's own bridged providers do."""
_NAME_SUFFIX_LENGTH = 7


class ProviderFailed(RuntimeError):
    """A resource could not be brought to what the program says. The message is what a person reads."""


class Incomplete(ProviderFailed):
    """A resource was made and is not what it should be. It is kept in the state, so that the next run goes on."""

    def __init__(self, message: str, *, id: str, outputs: Properties) -> None:  # noqa: A002 - Pulumi's own word
        super().__init__(message)
        self.id = id
        self.outputs = outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A problem with one property (its path, or empty)."""

    property: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property that a program may set. `check` says what is wrong with a value, `same` when two mean the same."""

    required: bool = False
    replaces: bool = False
    secret: bool = False
    default: Any = None
    check: Callable[[Any], str | None] | None = None
    same: Callable[[Any, Any], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One property of the provider itself. The SDKs send all but texts as JSON."""

    is_json: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The request to a function of a table.

    `inputs` is what the program says (for `read` and `delete`: said), `old_inputs` what it said before, `state` the
    outputs so far, `id` the resource's own; `seed` is for making up a name in `check` or `prepare`. `cancelled` is set
    when the user wants to stop: waits should end then. `timeout_seconds` is 0 when the program gives none.
    """

    token: str
    name: str
    urn: str = ""
    id: str = ""
    inputs: Properties = field(default_factory=dict[str, Any])
    old_inputs: Properties = field(default_factory=dict[str, Any])
    state: Properties = field(default_factory=dict[str, Any])
    seed: bytes = b""
    timeout_seconds: float = 0
    preview: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    warn: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A resource that was made: its id, and what is known of it now."""

    id: str
    outputs: Properties = field(default_factory=dict[str, Any])


def _nothing_wrong(_: Request) -> Iterable[Failure]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One type of resource. See the module's example.

    - `properties` None: any property at all; `check` has to refuse what is wrong.
    - `check`: what is wrong with the inputs together. They may hold `UNKNOWN` in a preview.
    - `prepare`: the inputs as they are kept and compared, such as with a default put in.
    - `replaces`: whether a change at a path, besides those of properties that say so, needs another resource.
    - `delete_before_replace`: always; otherwise when the name stays the same, since two can't have it.
    - `update` None: every change needs another resource.
    - `runs_in_preview`: `create` and `update` are called in previews too, with `request.preview`, maybe with unknown
      inputs, and return what would be there.
    - `diff`: what a change comes to, when comparing inputs is not enough.
    - `replaces_also`: as `replaces`, for what depends on the other inputs too.
    - `recomputed`: the computed outputs that an update will change: in its preview they are unknown, not as they were.
    """

    token: str
    properties: Mapping[str, Property] | None
    create: Callable[[Request], Created]
    read: Callable[[Request], Properties | None]
    delete: Callable[[Request], None]
    update: Callable[[Request], Properties] | None = None
    check: Callable[[Request], Iterable[Failure]] = _nothing_wrong
    prepare: Callable[[Request], Properties] | None = None
    replaces: Callable[[Path], bool] | None = None
    delete_before_replace: bool = False
    name_property: str | None = None
    computed: Collection[str] = ()
    secret_outputs: Collection[str] = ()
    runs_in_preview: bool = False
    diff: Callable[[Request], Difference] | None = None
    replaces_also: Callable[[Request, Path], bool] | None = None
    recomputed: Callable[[Request], Collection[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoke:
    """One function that a program may call, in previews too. It changes nothing."""

    token: str
    arguments: Mapping[str, Property]
    call: Callable[[Properties], Properties]
    secret_outputs: Collection[str] = ()


def _no_type(_: str) -> ResourceType | None:
    return None


def _ignore(_: Properties) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One provider. `find` makes the description of types that are not listed, `configure` takes the settings."""

    name: str
    version: str
    resources: Mapping[str, ResourceType] = field(default_factory=dict[str, ResourceType])
    invokes: Mapping[str, Invoke] = field(default_factory=dict[str, Invoke])
    settings: Mapping[str, Setting] = field(default_factory=dict[str, Setting])
    find: Callable[[str], ResourceType | None] = _no_type
    configure: Callable[[Properties], None] = _ignore
    expected_errors: tuple[type[Exception], ...] = ()


class _HasToken(Protocol):
    @property
    def token(self) -> str: ...


_T = TypeVar("_T", bound=_HasToken)


def by_token(*described: _T) -> dict[str, _T]:
    """Return types or invokes by their tokens. Raises `ValueError` if one is there twice."""
    table: dict[str, _T] = {}
    for one in described:
        if one.token in table:
            raise ValueError(f"{one.token}: described twice")
        table[one.token] = one
    return table


class Machine:
    """Does everything over a table but the protocol, in plain data."""

    def __init__(self, table: Table) -> None:
        """Use `table`."""
        self.table = table

    def resource_type(self, token: str) -> ResourceType:
        """Return a type. Raises `ProviderFailed` with those that there are."""
        found = self.table.resources.get(token) or self.table.find(token)
        if found is None:
            raise ProviderFailed(f"there is no resource type {token} here; {_allowed(self.table.resources)}")
        return found

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
        if described.diff is not None:
            return described.diff(request)
        changes = self._changes(described, request)
        replaces = frozenset(path for path in changes if _needs_another(described, request, path))
        return Difference(
            changes=changes,
            replaces=replaces,
            delete_before_replace=bool(replaces)
            and (described.delete_before_replace or _same_name(described, request)),
        )

    def _changes(self, described: ResourceType, request: Request) -> dict[Path, Kind]:
        old, new = dict(request.old_inputs), dict(request.inputs)
        for values in (old, new):
            values.pop(DEFAULTS, None)
        for name, one in (described.properties or {}).items():
            if one.same is None or name not in old or name not in new:
                continue
            if not contains_unknown(new[name]) and one.same(old[name], new[name]):
                old.pop(name)
                new.pop(name)
        return differences(old, new)

    def create(self, request: Request) -> Created:
        """Make a resource, or say what would be made."""
        described = self.resource_type(request.token)
        if request.preview and not described.runs_in_preview:
            return Created(id="", outputs={**_visible(request.inputs), **dict.fromkeys(described.computed, UNKNOWN)})
        created = described.create(request)
        return Created(id=created.id, outputs=_outputs(described, request, created.outputs))

    def update(self, request: Request) -> Properties:
        """Change a resource, or say what would be changed."""
        described = self.resource_type(request.token)
        if request.preview and not described.runs_in_preview:
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
            inputs = {name: value for name, value in found.items() if name in (described.properties or found)}
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


def check_properties(owner: str, allowed: Mapping[str, Property] | None, values: Properties) -> list[Failure]:
    """Return what is wrong with values, property by property."""
    if allowed is None:
        return []
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
    for name, one in (described.properties or {}).items():
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
    one = (described.properties or {}).get(str(path[0]))
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
    if strict and described.properties is not None:
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
    names = {name for name, one in (described.properties or {}).items() if one.secret} | set(described.secret_outputs)
    return {(name,) for name in names if value_at(outputs, (name,)) is not None}


def _allowed(names: Iterable[str]) -> str:
    listed = ", ".join(sorted(names))
    return f"allowed: {listed}" if listed else "nothing is allowed"
