"""An AWS account of moto for tests, and the embedded AWS provider as the engine uses it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from sandbox.clouds.aws.protocol import Answer, AwsError, error_answer, read_request
from sandbox.clouds.aws.protocol import Request as AwsRequest
from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.table import table
from sandbox.providers.provider_core import ProviderCore
from sandbox.providers.provider_diff import Difference
from sandbox.providers.provider_table import Failure, Request
from sandbox.providers.provider_values import Properties
from tests.http_stub import POLL_SECONDS

ACCOUNT = "123456789012"
REGION = "us-east-1"
DEFAULT_TAGS = {"project": "orion"}
POLICIES = ("AmazonSSMManagedInstanceCore", "ReadOnlyAccess")
"""The managed policies that the examples attach."""


@cache
def managed_policies() -> str:
    """Return moto's data of `POLICIES`. It reads its 1,500 policies at each reset, for each of AWS' partitions."""
    policies = json.loads(aws_managed_policies_data)
    return json.dumps({name: policies[name] for name in POLICIES})


@contextmanager
def moto_account() -> Generator[dict[str, str]]:
    """Run moto on a free port of the loopback address, and give the environment that means it."""
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    }
    before = dict(os.environ)
    os.environ.update(environment)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
        with patch("moto.iam.models.aws_managed_policies_data", managed_policies()):
            # Servers of one process share what they hold: only one account may be in use at a time.
            httpx.post(f"http://{host}:{port}/moto-api/reset", timeout=60).raise_for_status()
            yield {**environment, "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]}
    finally:
        server.stop()
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def served(answer: Callable[[AwsRequest], Answer | None], monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Serve answers of the stand-in for AWS without moto, and set the environment so that clients ask there."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answered = answer(read_request(environ))
        except AwsError as error:
            answered = error_answer(error)
        assert answered is not None
        return answered.send(start_response)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,))
    thread.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(slots=True)
class Made:
    """A resource as the engine would keep it."""

    token: str
    id: str
    inputs: Properties
    outputs: Properties


class Provider:
    """The machine over the AWS table, used as the engine uses it."""

    def __init__(self, aws: Aws | None = None) -> None:
        self.aws = aws or Aws(region=REGION, default_tags=dict(DEFAULT_TAGS))
        self.core = ProviderCore(table(self.aws))

    def check(self, token: str, inputs: Properties, old: Properties | None = None) -> tuple[Properties, list[Failure]]:
        request = Request(token=token, name="example", inputs=inputs, old_inputs=old or {}, seed=b"seed")
        return self.core.check(request)

    def failures(self, token: str, inputs: Properties) -> list[str]:
        return [f"{failure.property}: {failure.reason}" for failure in self.check(token, inputs)[1]]

    def checked(self, token: str, inputs: Properties, old: Properties | None = None) -> Properties:
        checked, failures = self.check(token, inputs, old)
        assert failures == []
        return checked

    def create(self, token: str, inputs: Properties) -> Made:
        checked = self.checked(token, inputs)
        created = self.core.create(Request(token=token, name="example", inputs=checked))
        assert created.id
        return Made(token, created.id, checked, created.outputs)

    def as_if_made(self, token: str, inputs: Properties) -> Made:
        return Made(token, "id", self.checked(token, inputs), {})

    def _request(self, made: Made, inputs: Properties) -> Request:
        return Request(
            token=made.token,
            name="example",
            id=made.id,
            inputs=self.checked(made.token, inputs, made.inputs),
            old_inputs=made.inputs,
            state=made.outputs,
        )

    def diff(self, made: Made, inputs: Properties) -> Difference:
        return self.core.diff(self._request(made, inputs))

    def update(self, made: Made, inputs: Properties) -> Made:
        request = self._request(made, inputs)
        return Made(made.token, made.id, request.inputs, self.core.update(request))

    def read(self, made: Made) -> tuple[Properties, Properties] | None:
        request = Request(token=made.token, name="example", id=made.id, inputs=made.inputs, state=made.outputs)
        return self.core.read(request)

    def delete(self, made: Made) -> None:
        request = Request(token=made.token, name="example", id=made.id, inputs=made.inputs, state=made.outputs)
        self.core.delete(request)
