"""Lambda: functions and what feeds them from queues. `lambda_access` has who may call them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from sandbox.providers.aws.client import PARTITION, Aws
from sandbox.providers.aws.mapping import (
    ANYTHING,
    TAGS,
    TEXT,
    WHETHER,
    Document,
    Mapped,
    nested,
    properties,
    without_twin,
)
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine
from sandbox.providers.provider_values import Archive

_GONE = ("ResourceNotFoundException",)
_CONFIGURATION = (
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "Handler",
    "KMSKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
)
"""What CreateFunction, UpdateFunctionConfiguration and GetFunction call the same."""
_EMPTY: Mapping[str, Any] = {
    "Description": "",
    "Environment": {"Variables": {}},
    "Layers": [],
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "DeadLetterConfig": {"TargetArn": ""},
}
"""How a setting is taken away: leaving it out leaves it as it was."""


def _configuration(document: Document) -> Document:
    found = {name: document[name] for name in _CONFIGURATION if name in document}
    return found | ({"KMSKeyArn": document["KmsKeyArn"]} if "KmsKeyArn" in document else {})


def _code(wanted: Wanted) -> Document:
    archive = wanted.inputs.get("code")
    if isinstance(archive, Archive):
        return {"ZipFile": archive.zipped()}
    return dict(wanted.document.get("Code", {}))


def _create_function(aws: Aws, wanted: Wanted) -> str:
    document = wanted.document
    asked: Document = _configuration(document)
    asked |= {name: document[name] for name in ("Architectures", "PackageType") if name in document}
    code: Any = _code(wanted)
    publish = bool(wanted.inputs.get("publish", False))
    name = str(document["FunctionName"])
    aws.lambda_.create_function(FunctionName=name, Code=code, Publish=publish, Tags=wanted.tags, **asked)
    _reserve(aws, name, wanted)
    return name


def _reserve(aws: Aws, name: str, wanted: Wanted) -> None:
    reserved = wanted.inputs.get("reservedConcurrentExecutions")
    if reserved is not None and reserved >= 0:
        aws.lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
    elif wanted.old is not None:
        aws.lambda_.delete_function_concurrency(FunctionName=name)


@gone_as_none(*_GONE)
def _find_function(aws: Aws, wanted: Wanted) -> Found:
    answer = aws.lambda_.get_function(FunctionName=wanted.id)
    found = cast("Document", answer["Configuration"])
    document = {name: found[name] for name in (*_CONFIGURATION, "FunctionName", "Architectures") if name in found}
    arn = str(found["FunctionArn"])
    path = f"arn:{PARTITION}:apigateway:{aws.region}:lambda:path/2015-03-31/functions"
    outputs = {
        "arn": arn,
        "invokeArn": f"{path}/{arn}/invocations",
        "qualifiedArn": f"{arn}:{found['Version']}",
        "qualifiedInvokeArn": f"{path}/{arn}:{found['Version']}/invocations",
        "lastModified": found["LastModified"],
        "version": found["Version"],
        "sourceCodeSize": found["CodeSize"],
    }
    # moto gives the hash of a code that comes from a bucket in hexadecimal digits; AWS's is in base64, as it was said.
    hashed = wanted.inputs.get("sourceCodeHash", found["CodeSha256"])
    return Found(document=document, outputs=outputs | {"sourceCodeHash": hashed}, tags=answer.get("Tags", {}))


def _update_function(aws: Aws, wanted: Wanted) -> None:
    if wanted.changed("code", "s3Bucket", "s3Key", "s3ObjectVersion", "sourceCodeHash", "imageUri", "architectures"):
        architectures: Any = wanted.document.get("Architectures", ["x86_64"])
        publish = bool(wanted.inputs.get("publish", False))
        aws.lambda_.update_function_code(
            FunctionName=wanted.id, Architectures=architectures, Publish=publish, **_code(wanted)
        )
    before = _configuration(wanted.old.document) if wanted.old is not None else {}
    now = _configuration(wanted.document)
    changed = {name: value for name, value in now.items() if before.get(name) != value}
    changed |= {name: _EMPTY[name] for name in before.keys() - now.keys() if name in _EMPTY}
    if changed:
        aws.lambda_.update_function_configuration(FunctionName=wanted.id, **changed)
    if wanted.changed("reservedConcurrentExecutions"):
        _reserve(aws, wanted.id, wanted)


@gone_is_fine(*_GONE)
def _delete_function(aws: Aws, wanted: Wanted) -> None:
    if not wanted.inputs.get("skipDestroy"):
        aws.lambda_.delete_function(FunctionName=wanted.id)


def _tag_function(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    arn = str(wanted.state["arn"])
    if put:
        aws.lambda_.tag_resource(Resource=arn, Tags=put)
    if gone:
        aws.lambda_.untag_resource(Resource=arn, TagKeys=list(gone))


FUNCTION = AwsType(
    token="aws:lambda/function:Function",  # noqa: S106 - a type's token
    cloudformation="AWS::Lambda::Function",
    fields=properties(
        "architectures",
        "description",
        "handler",
        "kmsKeyArn",
        "layers",
        "memorySize",
        "packageType",
        "reservedConcurrentExecutions",
        "runtime",
        "timeout",
        name="FunctionName",
        role=Mapped(target=("Role",), required=True),
        s3Bucket="Code/S3Bucket",
        s3Key="Code/S3Key",
        s3ObjectVersion="Code/S3ObjectVersion",
        code=without_twin("CloudFormation takes a short source text only", ANYTHING),
        sourceCodeHash=without_twin("how pulumi-aws sees that the code is another", TEXT),
        publish=without_twin("in CloudFormation AWS::Lambda::Version does it", WHETHER),
        skipDestroy=without_twin("how pulumi-aws deletes a function", WHETHER),
        deadLetterConfig=nested("DeadLetterConfig", properties("targetArn")),
        environment=nested("Environment", properties("variables")),
        ephemeralStorage=nested("EphemeralStorage", properties("size")),
        loggingConfig=nested(
            "LoggingConfig", properties("applicationLogLevel", "logFormat", "logGroup", "systemLogLevel")
        ),
        tracingConfig=nested("TracingConfig", properties("mode")),
        vpcConfig=nested("VpcConfig", properties("ipv6AllowedForDualStack", "securityGroupIds", "subnetIds")),
        tags=TAGS,
    ),
    is_part=True,  # CloudFormation asks for its Code, which here may be an archive
    name="name",
    computed=(
        "arn",
        "invokeArn",
        "qualifiedArn",
        "qualifiedInvokeArn",
        "lastModified",
        "version",
        "sourceCodeSize",
    ),
    create=_create_function,
    find=_find_function,
    update=_update_function,
    delete=_delete_function,
    tag=_tag_function,
)


def _create_mapping(aws: Aws, wanted: Wanted) -> str:
    asked: Document = dict(wanted.document)
    return aws.lambda_.create_event_source_mapping(**asked, Tags=wanted.tags)["UUID"]


@gone_as_none(*_GONE)
def _find_mapping(aws: Aws, wanted: Wanted) -> Found:
    found = cast("Document", dict(aws.lambda_.get_event_source_mapping(UUID=wanted.id)))
    arn = aws.arn("lambda", f"event-source-mapping:{wanted.id}")
    function = str(found["FunctionArn"])
    said = wanted.inputs.get("functionName")
    document = {
        name: found[name]
        for name in (
            "BatchSize",
            "EventSourceArn",
            "FilterCriteria",
            "FunctionResponseTypes",
            "MaximumBatchingWindowInSeconds",
            "ScalingConfig",
        )
        if found.get(name)
    }
    document["FunctionName"] = said if said in {function, function.rpartition(":")[2]} else function
    document["Enabled"] = found["State"] in {"Enabled", "Enabling", "Creating"}
    outputs = {
        "arn": arn,
        "uuid": wanted.id,
        "functionArn": function,
        "state": found["State"],
        "stateTransitionReason": found.get("StateTransitionReason", ""),
    }
    return Found(document=document, outputs=outputs)


def _update_mapping(aws: Aws, wanted: Wanted) -> None:
    before = wanted.old.document if wanted.old is not None else {}
    changed = {name: value for name, value in wanted.document.items() if before.get(name) != value}
    gone = before.keys() - wanted.document.keys()
    changed |= {name: [] for name in gone & {"FunctionResponseTypes"}}
    changed |= {name: {} for name in gone & {"ScalingConfig", "FilterCriteria"}}
    changed.pop("EventSourceArn", None)
    if changed:
        aws.lambda_.update_event_source_mapping(UUID=wanted.id, **changed)


@gone_is_fine(*_GONE)
def _delete_mapping(aws: Aws, wanted: Wanted) -> None:
    aws.lambda_.delete_event_source_mapping(UUID=wanted.id)


EVENT_SOURCE_MAPPING = AwsType(
    token="aws:lambda/eventSourceMapping:EventSourceMapping",  # noqa: S106 - a type's token
    cloudformation="AWS::Lambda::EventSourceMapping",
    fields=properties(
        "batchSize",
        "enabled",
        "eventSourceArn",
        "functionName",
        "functionResponseTypes",
        "maximumBatchingWindowInSeconds",
        filterCriteria=nested("FilterCriteria", properties(filters=nested("Filters", properties("pattern")))),
        scalingConfig=nested("ScalingConfig", properties("maximumConcurrency")),
        tags=TAGS,
    ),
    computed=("arn", "uuid", "functionArn", "state", "stateTransitionReason"),
    create=_create_mapping,
    find=_find_mapping,
    update=_update_mapping,
    delete=_delete_mapping,
    tag=_tag_function,
)


TYPES = (FUNCTION, EVENT_SOURCE_MAPPING)
