"""The core of the embedded providers and its values, without an engine: messages in, messages out."""

from __future__ import annotations

import threading
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from sandbox.providers.provider_core import ProviderCore
from sandbox.providers.provider_server import SERVICE, ProviderServer, handlers, message_bytes
from sandbox.providers.provider_table import (
    DEFAULTS,
    Created,
    Incomplete,
    Invoke,
    Property,
    ProviderFailed,
    Request,
    ResourceType,
    Setting,
    Table,
    by_token,
)
from sandbox.providers.provider_values import UNKNOWN, Properties, decode, encode

TOKEN = "demo:index:Box"
URN = "urn:pulumi:sandbox::demo::orion:alerting:Shelf$demo:index:Box::box"
SIGNATURE = "4dabf18193072939515e22adb298388d"
PASSWORD = "correct-horse-battery"


class Boxes:
    """Resources in memory."""

    def __init__(self) -> None:
        self.there: dict[str, Properties] = {}

    def create(self, request: Request) -> Created:
        if request.inputs.get("text") == "bad":
            raise ProviderFailed("box: its text is bad")
        if request.inputs.get("text") == "half":
            raise Incomplete("box: only half", id="half", outputs={"text": "half"})
        if request.inputs.get("text") == "odd":
            return Created(id="odd", outputs={"odd": 1})
        if request.inputs.get("text") == "broken":
            raise KeyError("box")
        self.there[request.inputs["name"]] = request.inputs
        return Created(id=request.inputs["name"], outputs={"arn": f"arn:{request.inputs.get('text')}"})

    def read(self, request: Request) -> Properties | None:
        return self.there.get(request.id)

    def update(self, request: Request) -> Properties:
        self.there[request.id] = request.inputs
        return {}

    def delete(self, request: Request) -> None:
        self.there.pop(request.id, None)


@pytest.fixture
def boxes() -> Boxes:
    return Boxes()


@pytest.fixture
def table(boxes: Boxes) -> Table:
    box = ResourceType(
        token=TOKEN,
        properties={
            "name": Property(replaces=True),
            "text": Property(check=lambda text: "text: found 'no'; allowed: yes" if text == "no" else None),
            "size": Property(default=1),
            "key": Property(secret=True),
            "labels": Property(),
        },
        name_property="name",
        computed=("arn",),
        replaces=lambda path: path[:2] == ("labels", "fixed"),
        create=boxes.create,
        read=boxes.read,
        update=boxes.update,
        delete=boxes.delete,
    )
    look = Invoke(
        token="demo:index:look",
        arguments={"at": Property(required=True)},
        call=lambda arguments: {"seen": arguments["at"]},
    )
    return Table(
        name="demo",
        version="1.2.3",
        resources=by_token(box),
        invokes=by_token(look),
        settings={"region": Setting(), "tags": Setting(is_json=True)},
        expected_errors=(KeyError,),
    )


@pytest.fixture
def server(table: Table) -> ProviderServer:
    return ProviderServer(ProviderCore(table))


def check(server: ProviderServer, news: Properties, olds: Properties | None = None, secrets: Any = ()) -> Any:
    return server.check(
        provider_pb2.CheckRequest(urn=URN, news=encode(news, secrets), olds=encode(olds or {}), randomSeed=b"seed")
    )


def diff(server: ProviderServer, olds: Properties, news: Properties) -> provider_pb2.DiffResponse:
    return server.diff(provider_pb2.DiffRequest(urn=URN, id="a", old_inputs=encode(olds), news=encode(news)))


def create(server: ProviderServer, properties: Properties, *, secrets: Any = (), preview: bool = False) -> Any:
    return server.create(provider_pb2.CreateRequest(urn=URN, properties=encode(properties, secrets), preview=preview))


def reasons(response: Any) -> list[str]:
    return [failure.reason for failure in response.failures]


class TestCheck:
    def test_an_unknown_property_is_named_with_what_is_allowed(self, server: ProviderServer) -> None:
        (reason,) = reasons(check(server, {"txt": "a"}))

        assert reason == "demo:index:Box has no property txt; allowed: key, labels, name, size, text"

    def test_an_unknown_type_is_named_with_what_is_allowed(self, server: ProviderServer) -> None:
        request = provider_pb2.CheckRequest(urn=URN.replace("Box", "Bag"))

        assert reasons(server.check(request)) == [
            "there is no resource type demo:index:Bag here; allowed: demo:index:Box"
        ]

    def test_checks_see_known_values_only(self, server: ProviderServer) -> None:
        assert reasons(check(server, {"text": "no"})) == ["text: found 'no'; allowed: yes"]
        assert reasons(check(server, {"text": UNKNOWN})) == []

    def test_names_and_defaults_are_given_and_remembered(self, server: ProviderServer) -> None:
        inputs, _ = decode(check(server, {}).inputs)
        again, _ = decode(
            server.check(provider_pb2.CheckRequest(urn=URN, olds=encode(inputs), randomSeed=b"other")).inputs
        )
        named, _ = decode(check(server, {"name": "mine"}, inputs).inputs)
        anew, _ = decode(check(server, {}, named).inputs)

        assert inputs["name"].startswith("box-")
        assert inputs["size"] == 1
        assert inputs[DEFAULTS] == ["size", "name"]
        assert again == inputs
        assert named["name"] == "mine"
        assert anew["name"] == inputs["name"]

    def test_a_secret_stays_one_and_a_secret_property_becomes_one(self, server: ProviderServer) -> None:
        response = check(server, {"labels": {"a": PASSWORD, "b": "plain"}}, secrets=[("labels", "a")])

        assert decode(response.inputs)[1] == {("labels", "a")}


class TestDiff:
    def test_nothing_changed(self, server: ProviderServer) -> None:
        response = diff(server, {"name": "a", "labels": {"x": [1, 2]}}, {"name": "a", "labels": {"x": [1, 2]}})

        assert response.changes == provider_pb2.DiffResponse.DIFF_NONE

    def test_paths_and_kinds_are_told(self, server: ProviderServer) -> None:
        olds = {"name": "a", "labels": {"a.b": "1", "gone": "1"}}
        response = diff(server, olds, {"name": "a", "labels": {"a.b": "2", "new": "1"}})
        kinds = {path: one.kind for path, one in response.detailedDiff.items()}

        assert kinds == {
            'labels["a.b"]': provider_pb2.PropertyDiff.UPDATE,
            "labels.gone": provider_pb2.PropertyDiff.DELETE,
            "labels.new": provider_pb2.PropertyDiff.ADD,
        }
        assert list(response.replaces) == []

    def test_a_fixed_property_replaces_and_a_name_that_stays_is_freed_first(self, server: ProviderServer) -> None:
        renamed = diff(server, {"name": "a"}, {"name": "b"})
        inner = diff(server, {"name": "a", "labels": {"fixed": 1}}, {"name": "a", "labels": {"fixed": 2}})
        made_up = diff(
            server,
            {"name": "a", "labels": {"fixed": 1}, DEFAULTS: ["name"]},
            {"name": "a", "labels": {"fixed": 2}, DEFAULTS: ["name"]},
        )

        assert (list(renamed.replaces), renamed.deleteBeforeReplace) == (["name"], False)
        assert (list(inner.replaces), inner.deleteBeforeReplace) == (["labels.fixed"], True)
        assert (list(made_up.replaces), made_up.deleteBeforeReplace) == (["labels.fixed"], False)

    def test_what_is_not_known_yet_is_a_change(self, server: ProviderServer) -> None:
        response = diff(server, {"name": "a", "text": "b"}, {"name": "a", "text": UNKNOWN})

        assert list(response.diffs) == ["text"]


class TestCreateUpdateReadDelete:
    def test_a_preview_makes_nothing_and_leaves_computed_outputs_unknown(
        self, server: ProviderServer, boxes: Boxes
    ) -> None:
        response = create(server, {"name": "a", "text": UNKNOWN, DEFAULTS: []}, preview=True)

        assert boxes.there == {}
        assert response.id == ""
        assert decode(response.properties)[0] == {"name": "a", "text": UNKNOWN, "arn": UNKNOWN}

    def test_outputs_hold_inputs_and_what_was_returned(self, server: ProviderServer, boxes: Boxes) -> None:
        response = create(server, {"name": "a", "text": "b"})

        assert response.id == "a"
        assert decode(response.properties)[0] == {"name": "a", "text": "b", "arn": "arn:b"}
        assert set(boxes.there) == {"a"}

    def test_a_secret_is_one_wherever_it_shows_up(self, server: ProviderServer) -> None:
        response = create(server, {"name": "a", "text": PASSWORD, "key": "k"}, secrets=[("text",)])

        assert decode(response.properties)[1] == {("text",), ("arn",), ("key",)}

    def test_an_output_that_the_table_does_not_name_is_a_fault(self, server: ProviderServer) -> None:
        with pytest.raises(TypeError, match="odd"):
            create(server, {"name": "a", "text": "odd"})

    def test_an_update_keeps_computed_outputs_and_their_secrecy(self, server: ProviderServer, boxes: Boxes) -> None:
        state = {"name": "a", "text": "b", "arn": "arn:b"}
        response = server.update(
            provider_pb2.UpdateRequest(
                urn=URN, id="a", olds=encode(state, [("arn",)]), news=encode({"name": "a", "text": "c"})
            )
        )

        assert decode(response.properties) == ({"name": "a", "text": "c", "arn": "arn:b"}, frozenset({("arn",)}))
        assert boxes.there["a"]["text"] == "c"

    def test_a_read_sees_drift_and_not_what_the_other_side_adds(self, server: ProviderServer, boxes: Boxes) -> None:
        boxes.there["a"] = {"name": "a", "text": "drifted", "labels": {"x": "1", "added": "1"}}
        request = provider_pb2.ReadRequest(
            urn=URN, id="a", inputs=encode({"name": "a", "text": "b", "labels": {"x": "1"}})
        )
        response = server.read(request)
        boxes.there.clear()

        assert decode(response.inputs)[0] == {"name": "a", "text": "drifted", "labels": {"x": "1"}}
        assert server.read(request).id == ""

    def test_delete(self, server: ProviderServer, boxes: Boxes) -> None:
        boxes.there["a"] = {}
        server.delete(provider_pb2.DeleteRequest(urn=URN, id="a"))

        assert boxes.there == {}


class TestInvokeAndSettings:
    def test_an_invoke_answers_and_keeps_secrets(self, server: ProviderServer) -> None:
        arguments = encode({"at": PASSWORD}, [("at",)])
        response = server.invoke(provider_pb2.InvokeRequest(tok="demo:index:look", args=arguments))

        assert decode(getattr(response, "return")) == ({"seen": PASSWORD}, frozenset({("seen",)}))

    def test_an_unknown_invoke_or_argument_is_named(self, server: ProviderServer) -> None:
        unknown = server.invoke(provider_pb2.InvokeRequest(tok="demo:index:find"))
        wrong = server.invoke(provider_pb2.InvokeRequest(tok="demo:index:look", args=encode({"to": 1})))

        assert reasons(unknown) == ["there is no function demo:index:find here; allowed: demo:index:look"]
        assert reasons(wrong) == [
            "demo:index:look has no property to; allowed: at",
            "demo:index:look needs the property at",
        ]

    def test_settings_come_as_json_and_unknown_ones_are_named(self, table: Table) -> None:
        seen: list[Properties] = []
        configured = Table(name="demo", version="1", settings=table.settings, configure=seen.append)
        server = ProviderServer(ProviderCore(configured))
        server.configure(
            provider_pb2.ConfigureRequest(args=encode({"region": "eu", "tags": '{"a": "b"}', "version": "1"}))
        )
        refused = server.check_config(provider_pb2.CheckRequest(news=encode({"regoin": "eu"})))

        assert seen == [{"region": "eu", "tags": {"a": "b"}}]
        assert reasons(refused) == ["this provider has no setting regoin; allowed: region, tags"]


class Wire:
    """The context that gRPC passes to a handler, and the handler's answers."""

    def __init__(self) -> None:
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.metadata: dict[str, bytes] = {}

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.code, self.details = code, details
        raise RuntimeError(details)

    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None:
        self.metadata = dict(metadata)


class Call:
    """The name of a method, as gRPC looks it up."""

    invocation_metadata = ()

    def __init__(self, method: str) -> None:
        self.method = f"/{SERVICE}/{method}"


def call(server: ProviderServer, method: str, request: Any) -> Wire:
    handler: Any = handlers(server).service(Call(method))  # pyright: ignore[reportArgumentType] - all that it reads
    wire = Wire()
    with pytest.raises(RuntimeError):
        handler.unary_unary(handler.request_deserializer(message_bytes(request)), wire)
    return wire


class TestErrors:
    @pytest.mark.parametrize(("text", "message"), [("bad", "box: its text is bad"), ("broken", "'box'")])
    def test_the_engine_gets_the_reason_and_no_trace(self, server: ProviderServer, text: str, message: str) -> None:
        request = provider_pb2.CreateRequest(urn=URN, properties=encode({"name": "a", "text": text}))
        wire = call(server, "Create", request)

        assert (wire.code, wire.details) == (grpc.StatusCode.UNKNOWN, message)

    def test_what_is_incomplete_is_kept_with_its_secrets(self, server: ProviderServer) -> None:
        request = provider_pb2.CreateRequest(urn=URN, properties=encode({"name": "a", "text": "half"}, [("text",)]))
        wire = call(server, "Create", request)
        status = status_pb2.Status.FromString(wire.metadata["grpc-status-details-bin"])
        kept = provider_pb2.ErrorResourceInitFailed()
        status.details[0].Unpack(kept)

        assert kept.id == "half"
        assert list(kept.reasons) == ["box: only half"]
        assert decode(kept.properties) == ({"text": "half"}, frozenset({("text",)}))

    def test_a_type_is_not_described_twice(self, table: Table) -> None:
        (box,) = table.resources.values()
        with pytest.raises(ValueError, match="demo:index:Box: described twice"):
            by_token(box, box)

    def test_cancel_reaches_whoever_waits(self, server: ProviderServer, table: Table) -> None:
        seen: list[threading.Event] = []
        (box,) = table.resources.values()

        def create_and_look(request: Request) -> Created:
            seen.append(request.cancelled)
            return Created(id="a")

        waiting = ResourceType(token=TOKEN, properties={}, create=create_and_look, read=box.read, delete=box.delete)
        server = ProviderServer(ProviderCore(Table(name="demo", version="1", resources=by_token(waiting))))
        create(server, {})
        before = seen[0].is_set()
        server.cancel(empty_pb2.Empty())

        assert (before, seen[0].is_set()) == (False, True)
