"""The table of an embedded provider: its resource types, and the functions that a program may call.

A table names, for each type, the properties that a program may set and the functions that make it so. The core does
the rest of a Pulumi provider: it refuses what is not in the table, by name; gives missing names; finds what a change
comes to; answers previews without touching anything; and keeps secrets secret. `provider_server` speaks the engine's
protocol for it.

    import boto3

    from sandbox.providers.provider_table import Created, Invoke, Property, ProviderFailed, Request, ResourceType, Table
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

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sandbox.providers.provider_values import Path, Properties

DEFAULTS = "__defaults"
"""The input in which the names of inputs are kept that the core gave, as Pulumi's own bridged providers do."""


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
    when the user wants to stop: waits should end then.
    """

    token: str
    name: str
    id: str = ""
    inputs: Properties = field(default_factory=dict[str, Any])
    old_inputs: Properties = field(default_factory=dict[str, Any])
    state: Properties = field(default_factory=dict[str, Any])
    seed: bytes = b""
    preview: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)


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

    - `check`: what is wrong with the inputs together. They may hold `UNKNOWN` in a preview.
    - `prepare`: the inputs as they are kept and compared, such as with a default put in.
    - `replaces`: whether a change at a path, besides those of properties that say so, needs another resource.
    - `name_property`: a replacement that keeps this name deletes the old resource first, since two can't have it.
    - `update` None: every change needs another resource.
    - `replaces_also`: as `replaces`, for what depends on the other inputs too.
    - `recomputed`: the computed outputs that an update will change: in its preview they are unknown, not as they were.
    """

    token: str
    properties: Mapping[str, Property]
    create: Callable[[Request], Created]
    read: Callable[[Request], Properties | None]
    delete: Callable[[Request], None]
    update: Callable[[Request], Properties] | None = None
    check: Callable[[Request], Iterable[Failure]] = _nothing_wrong
    prepare: Callable[[Request], Properties] | None = None
    replaces: Callable[[Path], bool] | None = None
    name_property: str | None = None
    computed: Collection[str] = ()
    secret_outputs: Collection[str] = ()
    replaces_also: Callable[[Request, Path], bool] | None = None
    recomputed: Callable[[Request], Collection[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoke:
    """One function that a program may call, in previews too. It changes nothing."""

    token: str
    arguments: Mapping[str, Property]
    call: Callable[[Properties], Properties]
    secret_outputs: Collection[str] = ()


def _ignore(_: Properties) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One provider. `configure` takes the settings."""

    name: str
    version: str
    resources: Mapping[str, ResourceType] = field(default_factory=dict[str, ResourceType])
    invokes: Mapping[str, Invoke] = field(default_factory=dict[str, Invoke])
    settings: Mapping[str, Setting] = field(default_factory=dict[str, Setting])
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
