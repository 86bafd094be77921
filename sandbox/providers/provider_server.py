"""The core behind Pulumi's provider protocol: one gRPC server on a loopback port, for one engine.

The SDK's own server (`pulumi.provider.experimental.server`) reads values with the gaps that `provider_values` names,
leaves the old inputs out of `diff`, and answers every error with a stack trace; so the protocol's messages are read
here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import plugin_pb2, provider_pb2, status_pb2

from sandbox.ports import LOOPBACK
from sandbox.providers.provider_core import ProviderCore, secret_names
from sandbox.providers.provider_diff import Kind
from sandbox.providers.provider_table import Failure, Incomplete, ProviderFailed, Request, Setting, Table
from sandbox.providers.provider_values import Path, Properties, decode, dotted, encode, secret_paths

MESSAGE_BYTES = 400 * 1024 * 1024
"""What Pulumi's own servers take."""
SERVICE = "pulumirpc.ResourceProvider"
THREADS = 32
PARENT_POLL_SECONDS = 1.0


class ProviderServer:
    """Answers the engine, message by message."""

    def __init__(self, core: ProviderCore) -> None:
        """Answer for `core`."""
        self.core = core
        self._cancelled = threading.Event()

    def plugin_info(self, _: empty_pb2.Empty) -> plugin_pb2.PluginInfo:
        """Say the version."""
        return plugin_pb2.PluginInfo(version=self.core.table.version)

    def check_config(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Refuse settings that the provider does not have."""
        news, secrets = decode(request.news)
        _, failures = _read_settings(self.core.table.settings, news)
        return provider_pb2.CheckResponse(inputs=encode(news, secrets), failures=_failures(failures))

    def diff_config(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """Take other settings as they come: no resource is replaced for them."""
        olds, _ = decode(request.old_inputs if request.old_inputs.fields else request.olds)
        news, _ = decode(request.news)
        changed = sorted(name for name in olds.keys() | news.keys() if olds.get(name) != news.get(name))
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=changed)

    def configure(self, request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        """Take the settings."""
        arguments, _ = decode(request.args)
        settings, failures = _read_settings(self.core.table.settings, arguments)
        if failures:
            raise ProviderFailed("; ".join(failure.reason for failure in failures))
        self.core.table.configure(settings)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    def check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Refuse what the table does not allow; fill in names and defaults."""
        news, secrets = decode(request.news)
        asked = self._request(request, inputs=news, old_inputs=decode(request.olds)[0], seed=request.randomSeed)
        inputs, failures = self.core.check(asked)
        marked = encode(inputs, secret_paths(inputs, news, secrets))
        return provider_pb2.CheckResponse(inputs=marked, failures=_failures(failures))

    def diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """Say what a change comes to."""
        asked = self._request(
            request,
            id=request.id,
            inputs=decode(request.news)[0],
            old_inputs=decode(request.old_inputs)[0],
            state=decode(request.olds)[0],
        )
        difference = self.core.diff(asked)
        some = provider_pb2.DiffResponse.DIFF_SOME if difference.changes else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some,
            replaces=sorted(dotted(path) for path in difference.replaces),
            diffs=sorted({str(path[0]) for path in difference.changes}),
            deleteBeforeReplace=difference.delete_before_replace,
            detailedDiff={
                dotted(path): provider_pb2.PropertyDiff(
                    kind=_KINDS[kind, path in difference.replaces],
                    inputDiff=True,
                )
                for path, kind in difference.changes.items()
            },
            hasDetailedDiff=True,
        )

    def create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        """Make a resource."""
        inputs, secrets = decode(request.properties)
        asked = self._request(request, inputs=inputs, preview=request.preview)
        created = self.core.create(asked)
        return provider_pb2.CreateResponse(
            id=created.id, properties=self._encode(asked.token, created.outputs, inputs, secrets)
        )

    def read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        """Say what a resource is now."""
        inputs, secrets = decode(request.inputs)
        state, state_secrets = decode(request.properties)
        asked = self._request(request, id=request.id, inputs=inputs, state=state)
        found = self.core.read(asked)
        if found is None:
            return provider_pb2.ReadResponse()
        read_inputs, outputs = found
        known = secret_paths(outputs, state, state_secrets)
        return provider_pb2.ReadResponse(
            id=request.id,
            inputs=encode(read_inputs, secret_paths(read_inputs, inputs, secrets)),
            properties=self._encode(asked.token, outputs, inputs, secrets, known),
        )

    def update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        """Change a resource."""
        inputs, secrets = decode(request.news)
        state, state_secrets = decode(request.olds)
        asked = self._request(
            request,
            id=request.id,
            inputs=inputs,
            old_inputs=decode(request.old_inputs)[0],
            state=state,
            preview=request.preview,
        )
        outputs = self.core.update(asked)
        # What was secret and is not an input stays it.
        known = {path for path in secret_paths(outputs, state, state_secrets) if path[0] not in inputs}
        return provider_pb2.UpdateResponse(properties=self._encode(asked.token, outputs, inputs, secrets, known))

    def delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:
        """End a resource."""
        self.core.delete(
            self._request(
                request,
                id=request.id,
                inputs=decode(request.old_inputs)[0],
                state=decode(request.properties)[0],
            )
        )
        return empty_pb2.Empty()

    def invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        """Answer a function."""
        arguments, secrets = decode(request.args)
        returned, failures = self.core.invoke(request.tok, arguments)
        described = self.core.table.invokes.get(request.tok)
        always = {(name,) for name in (described.secret_outputs if described else ()) if name in returned}
        answer = provider_pb2.InvokeResponse(failures=_failures(failures))
        marked = encode(returned, always | secret_paths(returned, arguments, secrets))
        getattr(answer, "return").CopyFrom(marked)
        return answer

    def cancel(self, _: empty_pb2.Empty) -> empty_pb2.Empty:
        """Have every wait end."""
        self._cancelled.set()
        return empty_pb2.Empty()

    def _encode(
        self,
        token: str,
        outputs: Properties,
        inputs: Properties,
        secrets: Iterable[Path],
        known: Iterable[Path] = (),
    ) -> struct_pb2.Struct:
        always = secret_names(self.core.resource_type(token), outputs)
        return encode(outputs, always | set(known) | secret_paths(outputs, inputs, secrets))

    def details(self, request: provider_pb2.CreateRequest | provider_pb2.UpdateRequest, error: Incomplete) -> bytes:
        """Return what tells the engine to keep a resource that is not what it should be."""
        message = request.properties if isinstance(request, provider_pb2.CreateRequest) else request.news
        inputs, secrets = decode(message)
        token = self._request(request, inputs=inputs).token
        incomplete = provider_pb2.ErrorResourceInitFailed(
            id=error.id,
            properties=self._encode(token, error.outputs, inputs, secrets),
            inputs=encode(inputs, secrets),
            reasons=[str(error)],
        )
        packed = any_pb2.Any()
        packed.Pack(incomplete)
        code = grpc.StatusCode.UNKNOWN.value[0]
        return status_pb2.Status(code=code, message=str(error), details=[packed]).SerializeToString()

    def _request(
        self,
        request: Any,
        *,
        id: str = "",  # noqa: A002 - Pulumi's own word
        inputs: Properties,
        old_inputs: Properties | None = None,
        state: Properties | None = None,
        seed: bytes = b"",
        preview: bool = False,
    ) -> Request:
        *_, token, name = request.urn.split("::", 3)
        return Request(
            token=token.rpartition("$")[2],
            name=name,
            id=id,
            inputs=inputs,
            old_inputs=old_inputs or {},
            state=state or {},
            seed=seed,
            preview=preview,
            cancelled=self._cancelled,
        )


def _methods(server: ProviderServer) -> dict[str, tuple[Callable[[Any], Message], type[Message]]]:
    """Return the protocol's methods. What is not here is answered as not implemented, which the engine copes with."""
    return {
        "GetPluginInfo": (server.plugin_info, empty_pb2.Empty),
        "CheckConfig": (server.check_config, provider_pb2.CheckRequest),
        "DiffConfig": (server.diff_config, provider_pb2.DiffRequest),
        "Configure": (server.configure, provider_pb2.ConfigureRequest),
        "Check": (server.check, provider_pb2.CheckRequest),
        "Diff": (server.diff, provider_pb2.DiffRequest),
        "Create": (server.create, provider_pb2.CreateRequest),
        "Read": (server.read, provider_pb2.ReadRequest),
        "Update": (server.update, provider_pb2.UpdateRequest),
        "Delete": (server.delete, provider_pb2.DeleteRequest),
        "Invoke": (server.invoke, provider_pb2.InvokeRequest),
        "Cancel": (server.cancel, empty_pb2.Empty),
    }


def handlers(server: ProviderServer) -> grpc.GenericRpcHandler:
    """Return what gRPC calls for each method. What a person should read of an error is all that the engine gets."""
    expected = (ProviderFailed, *server.core.table.expected_errors)

    def readable(method: Callable[[Any], Message]) -> Callable[[Any, grpc.ServicerContext], Message]:
        def answer(request: Any, context: grpc.ServicerContext) -> Message:
            try:
                return method(request)
            except expected as error:
                if isinstance(error, Incomplete):
                    context.set_trailing_metadata((("grpc-status-details-bin", server.details(request, error)),))
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
                raise AssertionError("abort raises") from error

        return answer

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            name: grpc.unary_unary_rpc_method_handler(
                readable(method),
                request_deserializer=message.FromString,
                response_serializer=message_bytes,
            )
            for name, (method, message) in _methods(server).items()
        },
    )


def message_bytes(message: Message) -> bytes:
    """Return a message as it is sent."""
    return message.SerializeToString()


_KINDS = {
    (Kind.ADDED, False): provider_pb2.PropertyDiff.ADD,
    (Kind.ADDED, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Kind.REMOVED, False): provider_pb2.PropertyDiff.DELETE,
    (Kind.REMOVED, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (Kind.CHANGED, False): provider_pb2.PropertyDiff.UPDATE,
    (Kind.CHANGED, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def _failures(failures: Iterable[Failure]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=failure.property, reason=failure.reason) for failure in failures]


def _read_settings(known: Mapping[str, Setting], given: Properties) -> tuple[Properties, list[Failure]]:
    settings: Properties = {}
    failures: list[Failure] = []
    for name, value in given.items():
        if name in {"version", "pluginDownloadURL", "pluginChecksums"} or name.startswith("__") or value is None:
            continue  # the engine's own
        if name not in known:
            reason = f"this provider has no setting {name}; allowed: {', '.join(sorted(known))}"
            failures.append(Failure(property=name, reason=reason))
        elif known[name].is_json and isinstance(value, str):
            try:
                settings[name] = json.loads(value)
            except json.JSONDecodeError as error:
                failures.append(Failure(property=name, reason=f"{name}: not JSON: {error}"))
        else:
            settings[name] = value
    return settings, failures


def serve(table: Table) -> None:
    """Serve the provider of `table` to the engine that started this program, until either ends."""
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    starter = os.getppid()
    server = grpc.server(ThreadPoolExecutor(THREADS), options=options)
    server.add_generic_rpc_handlers((handlers(ProviderServer(ProviderCore(table))),))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # The engine ends its providers by SIGINT, and waits five seconds for one that a shell had it ignore.
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    # An engine that was killed can't end its providers.
    while os.getppid() == starter and not ended.wait(PARENT_POLL_SECONDS):
        pass
    os._exit(0)  # whatever a thread still waits for
