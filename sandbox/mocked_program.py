"""Runs a program against Pulumi's mocks, in this process, and keeps everything that it registered.

`orion check` holds that to AWS's schemas, and tests assert on it. The clouds' outputs are invented here; in a preview
there are none, as in a real one.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi.runtime
import pulumi.runtime.resource
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs
from pulumi.runtime.proto.source_pb2 import StackTrace

from alerting.names import PROJECT
from sandbox.providers.provider_values import UNKNOWN, Properties, decode, dotted, leaves

ACCOUNT, REGION = "123456789012", "us-east-1"
ISSUER = f"oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
PRIVATE_ENDPOINT: Mapping[str, Any] = {
    "clusterSecurityGroupId": "sg-0123456789abcdef0",
    "endpointPrivateAccess": True,
    "endpointPublicAccess": True,
    "publicAccessCidrs": ["198.51.100.0/24"],
}
"""What EKS tells of a cluster's network where its API is reached from inside it."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One resource as the engine was told of it.

    `urns` are all that the engine knows it by: its own, its aliases, and those it inherits from its parent.
    `secrets` are the paths of inputs that are marked secret, `unknown` of those that only a deployment will tell.
    """

    type: str
    name: str
    parent: str
    provider: str
    inputs: Properties
    secrets: frozenset[str]
    unknown: frozenset[str]
    custom: bool
    secret_outputs: tuple[str, ...]
    ignored_changes: tuple[str, ...]
    replacing_changes: tuple[str, ...]
    deleted_first: bool
    dependencies: tuple[str, ...]
    protected: bool
    retained: bool
    old_names: tuple[str, ...]
    urns: frozenset[str]


@dataclass(kw_only=True)
class Run:
    """The result of a program: resources by name, lookups, components that registered outputs, and warnings."""

    resources: dict[str, Registered] = field(default_factory=dict[str, Registered])
    calls: list[MockCallArgs] = field(default_factory=list[MockCallArgs])
    finished: set[str] = field(default_factory=set[str])
    warnings: list[str] = field(default_factory=list[str])

    def of_type(self, type_: str) -> list[Registered]:
        """Return the resources of a type. Raises `LookupError` if there is none."""
        found = [one for one in self.resources.values() if one.type == type_]
        if not found:
            there = sorted({one.type for one in self.resources.values()})
            raise LookupError(f"nothing of type {type_}; there is {', '.join(there)}")
        return found

    def one(self, type_: str, **inputs: object) -> Registered:
        """Return the only resource of a type with these inputs. Raises `LookupError` if it is not the only one."""
        found = [
            one for one in self.of_type(type_) if all(one.inputs.get(key) == value for key, value in inputs.items())
        ]
        if len(found) != 1:
            raise LookupError(f"{type_} with {inputs}: found {[one.name for one in found]}")
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
                identities = [{"oidcs": [{"issuer": f"https://{ISSUER}"}]}]
                return {
                    "endpoint": "https://cluster.example.com",
                    "certificateAuthorities": authorities,
                    "identities": identities,
                    "version": "1.36",
                    "vpcConfig": {**PRIVATE_ENDPOINT, "vpcId": "vpc-0123456789abcdef0"},
                }, []
            case "aws:ec2/getSubnet:getSubnet":
                return {"id": args.args["id"], "cidrBlock": "10.0.0.0/24"}, []
            case "aws:dynamodb/getTable:getTable" | "aws:s3/getBucket:getBucket":
                return {}, [("", "an earlier stack left nothing")]
            case "pagerduty:index/getUser:getUser":
                return {"id": f"P-{args.args['email']}", "email": args.args["email"]}, []
            case _:
                raise LookupError(f"no answer for {args.token}")


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
    "aws:secretsmanager/secret:Secret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:",
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
        case "aws:lambda/functionUrl:FunctionUrl":
            outputs["functionUrl"] = f"https://{args.name}.lambda-url.{REGION}.on.aws/"
        case "aws:ssm/document:Document":
            outputs |= {"documentVersion": "1", "hash": "ab" * 32}
        case "aws:s3/bucketObjectv2:BucketObjectv2":
            outputs["versionId"] = "v1"
        case "kubernetes:core/v1:Service" if args.inputs["spec"].get("type") == "LoadBalancer":
            hostname = f"{args.name}.elb.{REGION}.amazonaws.com"
            outputs["status"] = {"loadBalancer": {"ingress": [{"hostname": hostname}]}}
        case _:
            outputs |= _pagerduty_outputs(args)
    return outputs


def _pagerduty_outputs(args: MockResourceArgs) -> dict[str, Any]:
    key = f"key-of-{args.name}"
    match args.typ:
        case "pagerduty:index/webhookSubscription:WebhookSubscription":
            methods = [{**method, "secret": f"secret-of-{args.name}"} for method in args.inputs["deliveryMethods"]]
            return {"deliveryMethods": methods}
        case "pagerduty:index/serviceIntegration:ServiceIntegration":
            return {"integrationKey": key}
        case "pagerduty:index/eventOrchestrationIntegration:EventOrchestrationIntegration":
            return {"parameters": [{"routingKey": key, "type": "global"}]}
        case _:
            return {}


class _Kept(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__()
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class _Monitor(MockMonitor):
    def __init__(self, mocks: pulumi.runtime.Mocks, run: Run) -> None:
        super().__init__(mocks)
        self.run = run

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  (the engine's own name)
        if request.type != "pulumi:pulumi:Stack":
            if request.name in self.run.resources:
                raise ValueError(f"{request.name} is registered twice")
            inputs, secrets = decode(request.object)
            self.run.resources[request.name] = Registered(
                type=request.type,
                name=request.name,
                parent=request.parent.split("::")[-1],
                provider=request.provider.split("::")[-2] if request.provider else "",
                inputs=inputs,
                secrets=frozenset(dotted(path) for path in secrets),
                unknown=frozenset(dotted(path) for path, leaf in leaves(inputs) if leaf is UNKNOWN),
                custom=request.custom,
                secret_outputs=tuple(request.additionalSecretOutputs),
                ignored_changes=tuple(request.ignoreChanges),
                replacing_changes=tuple(request.replaceOnChanges),
                deleted_first=request.deleteBeforeReplace,
                dependencies=tuple(urn.split("::")[-1] for urn in request.dependencies),
                protected=request.protect,
                retained=request.retainOnDelete,
                old_names=tuple(alias.spec.name for alias in request.aliases),
                urns=self._urns(request),
            )
        return super().RegisterResource(request)

    def _urns(self, request: Any) -> frozenset[str]:
        """Return the URNs of a resource as the engine composes them: each alias of its parent gives it one, too."""
        parent = self.run.resources.get(request.parent.split("::")[-1])
        parents = parent.urns if parent is not None else frozenset({""})
        own = {_child_urn(urn, request.type, _renamed(request, parent, urn)) for urn in parents}
        for alias in request.aliases:
            named = alias.spec.name or request.name
            above = frozenset({alias.spec.parentUrn}) if alias.spec.parentUrn else parents
            own |= {_child_urn(urn, alias.spec.type or request.type, named) for urn in above}
        return frozenset(own)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  (the engine's own name)
        self.run.finished.add(request.urn.split("::")[-1])
        return super().RegisterResourceOutputs(request)

    def Invoke(self, request: Any) -> Any:  # noqa: N802  (the engine's own name)
        provider = request.provider.split("::")[-2] if request.provider else ""
        self.run.calls.append(MockCallArgs(token=request.tok, args=dict(request.args), provider=provider))
        return super().Invoke(request)


def _child_urn(parent_urn: str, type_: str, name: str) -> str:
    """Return the URN of a child; that of the stack itself is no part of it."""
    prefix = f"urn:pulumi:{pulumi.get_stack()}::{PROJECT}"
    types = f"{parent_urn.split('::')[2]}$" if parent_urn else ""
    return f"{prefix}::{types}{type_}::{name}"


def _renamed(request: Any, parent: Registered | None, parent_urn: str) -> str:
    """Return a child's name by an alias of its parent, whose name it may begin with."""
    if parent is None or not request.name.startswith(parent.name):
        return request.name
    return parent_urn.rsplit("::", maxsplit=1)[-1] + request.name.removeprefix(parent.name)


@contextmanager
def _places_unread() -> Generator[None]:
    """Tell the engine nothing of where in the program a resource is made.

    For that Pulumi walks the stack twice for each resource, and looks at every file in it. Nobody reads it here.
    """
    name = "_get_stack_trace"
    read = getattr(pulumi.runtime.resource, name)
    setattr(pulumi.runtime.resource, name, StackTrace)
    try:
        yield
    finally:
        setattr(pulumi.runtime.resource, name, read)


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
    logger = logging.Logger(PROJECT, logging.WARNING)  # noqa: LOG001 - of this run alone; a shared one adds up handlers
    logger.addHandler(_Kept(run.warnings))

    @pulumi.runtime.test
    def awaited() -> None:
        program()

    def to_its_end() -> None:
        pulumi.runtime.set_mocks(
            mocks, project=PROJECT, stack=stack, preview=preview, logger=logger, monitor=_Monitor(mocks, run)
        )
        pulumi.runtime.set_all_config(
            {f"{PROJECT}:{key}": value for key, value in (config or {}).items()},
            [f"{PROJECT}:{key}" for key in secret_keys],
        )
        awaited()

    # Pulumi keeps the stack's own resource in the context: a run in another's would be in another's stack.
    with _places_unread():
        contextvars.Context().run(to_its_end)
    return run
