"""Runs a program against Pulumi's mocks and keeps everything that it registered, so that tests assert on that alone.

The clouds' outputs are invented here; in a preview there are none, as in a real one.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi
import pulumi.runtime
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs

PROJECT = "orion-alerting"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
ACCOUNT, REGION = "123456789012", "us-east-1"


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One resource as the engine was told of it. `secrets` are the paths of inputs that are marked secret."""

    type: str
    name: str
    parent: str
    provider: str
    inputs: Mapping[str, Any]
    secrets: frozenset[str]
    unknown: frozenset[str]
    custom: bool
    secret_outputs: tuple[str, ...]
    ignored_changes: tuple[str, ...]
    dependencies: tuple[str, ...]
    protected: bool
    retained: bool
    old_names: tuple[str, ...]


@dataclass(kw_only=True)
class Run:
    """What a program did: resources by name, lookups, and which components said that they were finished."""

    resources: dict[str, Registered] = field(default_factory=dict[str, Registered])
    calls: list[MockCallArgs] = field(default_factory=list[MockCallArgs])
    finished: set[str] = field(default_factory=set[str])

    def of_type(self, type_: str) -> list[Registered]:
        """Return the resources of a type; a test that finds none has nothing to say."""
        found = [one for one in self.resources.values() if one.type == type_]
        assert found, f"nothing of type {type_}; there is {sorted({one.type for one in self.resources.values()})}"
        return found

    def one(self, type_: str, **inputs: object) -> Registered:
        """Return the only resource of a type with these inputs."""
        found = [
            one for one in self.of_type(type_) if all(one.inputs.get(key) == value for key, value in inputs.items())
        ]
        assert len(found) == 1, f"{type_} with {inputs}: found {[one.name for one in found]}"
        return found[0]


Answers = Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]
"""What look-ups return, by token. One that raises `Refused` has failed, as the engine tells it."""


class Refused(Exception):
    """A look-up's failure."""


class _Clouds(pulumi.runtime.Mocks):
    def __init__(self, *, preview: bool, answers: Answers) -> None:
        self.preview = preview
        self.answers = answers

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if self.preview or not args.custom:
            return "", dict(args.inputs)
        return f"{args.name}-id", {**args.inputs, **_outputs(args)}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        if args.token in self.answers:
            try:
                return self.answers[args.token](args.args), []
            except Refused as error:
                return {}, [("", str(error))]
        match args.token:
            case "aws:ssm/getParameter:getParameter":
                return {"value": "ami-0123456789abcdef0", "name": args.args["name"]}, []
            case "aws:eks/getCluster:getCluster":
                authorities = [{"data": "Q0VSVElGSUNBVEU="}]
                return {"endpoint": "https://cluster.example.com", "certificateAuthorities": authorities}, []
            case "aws:ec2/getSubnet:getSubnet":
                return {"id": args.args["id"], "cidrBlock": "10.0.0.0/24"}, []
            case "pagerduty:index/getUser:getUser":
                return {"id": f"P-{args.args['email']}", "email": args.args["email"]}, []
            case _:
                raise AssertionError(f"no answer for {args.token}")


_ARNS = {
    "aws:sns/topic:Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:",
    "aws:sqs/queue:Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:",
    "aws:kms/key:Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/",
    "aws:s3/bucket:Bucket": "arn:aws:s3:::",
    "aws:iam/role:Role": f"arn:aws:iam::{ACCOUNT}:role/",
    "aws:dynamodb/table:Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/",
    "aws:cloudwatch/logGroup:LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:",
    "aws:ssm/document:Document": f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/",
    "aws:lambda/function:Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:",
}


def _outputs(args: MockResourceArgs) -> dict[str, Any]:
    name = args.inputs.get("name") or args.inputs.get("bucket") or args.name
    outputs: dict[str, Any] = {}
    if args.typ in _ARNS:
        outputs["arn"] = f"{_ARNS[args.typ]}{name}"
    match args.typ:
        case "aws:sqs/queue:Queue":
            outputs["url"] = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"
        case "aws:kms/key:Key":
            outputs["keyId"] = "1"
        case "aws:ssm/document:Document":
            outputs |= {"documentVersion": "1", "hash": "ab" * 32}
        case "aws:s3/bucketObject:BucketObject":
            outputs["versionId"] = "v1"
        case "pagerduty:index/serviceIntegration:ServiceIntegration":
            outputs["integrationKey"] = f"key-of-{args.name}"
        case "kubernetes:core/v1:Service" if args.inputs["spec"].get("type") == "LoadBalancer":
            hostname = f"{args.name}.elb.{REGION}.amazonaws.com"
            outputs["status"] = {"loadBalancer": {"ingress": [{"hostname": hostname}]}}
        case _:
            pass
    return outputs


class _Monitor(MockMonitor):
    def __init__(self, mocks: pulumi.runtime.Mocks, run: Run) -> None:
        super().__init__(mocks)
        self.run = run

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  (the engine's own name)
        if request.type != "pulumi:pulumi:Stack":
            assert request.name not in self.run.resources, f"{request.name} is registered twice"
            inputs, secrets, unknown = _plain(MessageToDict(request.object))
            self.run.resources[request.name] = Registered(
                type=request.type,
                name=request.name,
                parent=request.parent.split("::")[-1],
                provider=request.provider.split("::")[-2] if request.provider else "",
                inputs=cast("dict[str, Any]", inputs),
                secrets=frozenset(secrets),
                unknown=frozenset(unknown),
                custom=request.custom,
                secret_outputs=tuple(request.additionalSecretOutputs),
                ignored_changes=tuple(request.ignoreChanges),
                dependencies=tuple(urn.split("::")[-1] for urn in request.dependencies),
                protected=request.protect,
                retained=request.retainOnDelete,
                old_names=tuple(alias.spec.name for alias in request.aliases),
            )
        return super().RegisterResource(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  (the engine's own name)
        self.run.finished.add(request.urn.split("::")[-1])
        return super().RegisterResourceOutputs(request)

    def Invoke(self, request: Any) -> Any:  # noqa: N802  (the engine's own name)
        provider = request.provider.split("::")[-2] if request.provider else ""
        self.run.calls.append(MockCallArgs(token=request.tok, args=dict(request.args), provider=provider))
        return super().Invoke(request)


def _plain(value: Any, path: str = "") -> tuple[Any, set[str], set[str]]:
    """Return a wire value without its marks, and the paths that were marked secret or unknown."""
    if value == UNKNOWN:
        return None, set(), {path}
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        if table.get(SIGNATURE) == SECRET:
            inner, secrets, unknown = _plain(table["value"], path)
            return inner, {path, *secrets}, unknown
        parts = [(key, _plain(one, f"{path}.{key}".removeprefix("."))) for key, one in table.items()]
        plain: Any = {key: part[0] for key, part in parts}
    elif isinstance(value, list):
        parts = [(str(at), _plain(one, f"{path}[{at}]")) for at, one in enumerate(cast("list[Any]", value))]
        plain = [part[0] for _, part in parts]
    else:
        return value, set(), set()
    return plain, {one for _, part in parts for one in part[1]}, {one for _, part in parts for one in part[2]}


def run_program(
    program: Callable[[], object],
    *,
    preview: bool = False,
    config: Mapping[str, str] | None = None,
    secret_keys: tuple[str, ...] = (),
    stack: str = "prod",
    answers: Answers | None = None,
) -> Run:
    """Run a program to its end, everything awaited, and return what it registered. Its errors come out as they are."""
    run = Run()
    mocks = _Clouds(preview=preview, answers=answers or {})
    logger = logging.getLogger(f"pulumi-{uuid.uuid4()}")
    pulumi.runtime.set_mocks(
        mocks, project=PROJECT, stack=stack, preview=preview, logger=logger, monitor=_Monitor(mocks, run)
    )
    pulumi.runtime.set_all_config(
        {f"{PROJECT}:{key}": value for key, value in (config or {}).items()},
        [f"{PROJECT}:{key}" for key in secret_keys],
    )

    @pulumi.runtime.test
    def awaited() -> None:
        program()

    awaited()
    return run
