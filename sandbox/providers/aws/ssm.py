"""Systems Manager: documents and associations."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, Document, Mapped, Unusable, nested, properties, shaped
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of
from sandbox.providers.provider_table import Incomplete

_GONE = ("InvalidDocument", "InvalidDocumentOperation")
_NEW_VERSION = "pulumi-aws makes a new version of the document the default one"
_NAMES = ("Name", "DocumentType", "DocumentFormat", "TargetType", "VersionName")


def _create_document(aws: Aws, wanted: Wanted) -> str:
    asked: Document = {name: wanted.document[name] for name in _NAMES if name in wanted.document}
    aws.ssm.create_document(Content=wanted.inputs["content"], Tags=wanted.tag_list(), **asked)
    return str(wanted.document["Name"])


@gone_as_none(*_GONE)
def _find_document(aws: Aws, wanted: Wanted) -> Found:
    found = cast("Document", aws.ssm.describe_document(Name=wanted.id)["Document"])
    content = aws.ssm.get_document(Name=wanted.id, DocumentFormat=found.get("DocumentFormat", "JSON"))
    document = {name: found[name] for name in _NAMES if found.get(name)}
    created = found.get("CreatedDate")
    outputs = {
        "arn": aws.arn("ssm", f"document/{wanted.id}"),
        "createdDate": created.isoformat() if created is not None else "",
        "defaultVersion": found.get("DefaultVersion", ""),
        "description": found.get("Description", ""),
        "documentVersion": found.get("DocumentVersion", ""),
        "hash": found.get("Hash", ""),
        "hashType": found.get("HashType", ""),
        "latestVersion": found.get("LatestVersion", ""),
        "owner": found.get("Owner", ""),
        "schemaVersion": found.get("SchemaVersion", ""),
        "status": found.get("Status", ""),
    }
    tags = tags_of(aws.ssm.list_tags_for_resource(ResourceType="Document", ResourceId=wanted.id).get("TagList", []))
    return Found(document={**document, "Content": content["Content"]}, outputs=outputs, tags=tags)


def _update_document(aws: Aws, wanted: Wanted) -> None:
    if not wanted.changed("content", "documentFormat", "targetType", "versionName"):
        return
    asked: Document = {
        name: wanted.document[name]
        for name in ("DocumentFormat", "TargetType", "VersionName")
        if name in wanted.document
    }
    answer = aws.ssm.update_document(
        Name=wanted.id, Content=wanted.inputs["content"], DocumentVersion="$LATEST", **asked
    )
    version = answer["DocumentDescription"].get("DocumentVersion", "")
    aws.ssm.update_document_default_version(Name=wanted.id, DocumentVersion=version)


@gone_is_fine(*_GONE)
def _delete_document(aws: Aws, wanted: Wanted) -> None:
    aws.ssm.delete_document(Name=wanted.id)


def _tag_document(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    if put:
        tags: list[Any] = [{"Key": name, "Value": put[name]} for name in put]
        aws.ssm.add_tags_to_resource(ResourceType="Document", ResourceId=wanted.id, Tags=tags)
    if gone:
        aws.ssm.remove_tags_from_resource(ResourceType="Document", ResourceId=wanted.id, TagKeys=list(gone))


DOCUMENT = AwsType(
    token="aws:ssm/document:Document",  # noqa: S106 - a type's token
    cloudformation="AWS::SSM::Document",
    fields=properties(
        "documentFormat",
        "documentType",
        "name",
        "targetType",
        "versionName",
        content=Mapped(target=("Content",), is_json=True),  # or YAML, which is compared as text
        tags=TAGS,
    ),
    name="name",
    computed=(
        "arn",
        "createdDate",
        "defaultVersion",
        "description",
        "documentVersion",
        "hash",
        "hashType",
        "latestVersion",
        "owner",
        "schemaVersion",
        "status",
    ),
    updates={"content": _NEW_VERSION, "documentFormat": _NEW_VERSION, "targetType": _NEW_VERSION},
    create=_create_document,
    find=_find_document,
    update=_update_document,
    delete=_delete_document,
    tag=_tag_document,
)

_ASSOCIATION_GONE = ("AssociationDoesNotExist",)
_ASKED = ("AssociationName", "DocumentVersion", "Parameters", "Targets")
_POLL_SECONDS = 0.2
_OTHER_DOCUMENT = "pulumi-aws makes another association for another document"


def _create_association(aws: Aws, wanted: Wanted) -> str:
    asked: Document = {name: wanted.document[name] for name in ("Name", *_ASKED) if name in wanted.document}
    answer = aws.ssm.create_association(**asked)
    made = answer["AssociationDescription"].get("AssociationId", "")
    seconds = wanted.inputs.get("waitForSuccessTimeoutSeconds")
    if seconds is not None:
        _wait_for_success(aws, wanted, made, float(seconds))
    return made


def _wait_for_success(aws: Aws, wanted: Wanted, made: str, seconds: float) -> None:
    """Wait as pulumi-aws does: after a creation only, and for no other end than success."""
    until = time.monotonic() + seconds
    while (status := _status(aws, made)) == "Pending" and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    if status != "Success":
        message = f"waiting for SSM Association ({made}) to be Success: unexpected state '{status}'"
        raise Incomplete(message, id=made, outputs=wanted.inputs)


def _status(aws: Aws, association: str) -> str:
    described = aws.ssm.describe_association(AssociationId=association)["AssociationDescription"]
    return described.get("Overview", {}).get("Status", "")


@gone_as_none(*_ASSOCIATION_GONE)
def _find_association(aws: Aws, wanted: Wanted) -> Found:
    found = cast("Document", aws.ssm.describe_association(AssociationId=wanted.id)["AssociationDescription"])
    outputs = {"arn": aws.arn("ssm", f"association/{wanted.id}"), "associationId": wanted.id}
    return Found(document={name: found[name] for name in ("Name", *_ASKED) if name in found}, outputs=outputs)


def _update_association(aws: Aws, wanted: Wanted) -> None:
    """Change it, which runs it again. pulumi-aws waits for nothing here."""
    asked: Document = {name: wanted.document[name] for name in _ASKED if name in wanted.document}
    aws.ssm.update_association(AssociationId=wanted.id, **asked)


@gone_is_fine(*_ASSOCIATION_GONE)
def _delete_association(aws: Aws, wanted: Wanted) -> None:
    aws.ssm.delete_association(AssociationId=wanted.id)


def _each_in_a_list(given: Any) -> Any:
    if not isinstance(given, dict):
        raise Unusable(f"found {given!r}; allowed: an object")
    return {name: [value] for name, value in cast("dict[str, Any]", given).items()}


def _first_of_each(found: Any) -> Any:
    return {name: values[0] for name, values in found.items()}


ASSOCIATION = AwsType(
    token="aws:ssm/association:Association",  # noqa: S106 - a type's token
    cloudformation="AWS::SSM::Association",
    fields=properties(
        "associationName",
        "documentVersion",
        "name",
        "waitForSuccessTimeoutSeconds",
        parameters=shaped("Parameters", _each_in_a_list, _first_of_each),
        targets=nested("Targets", properties("key", "values")),
    ),
    computed=("arn", "associationId"),
    replaces={"name": _OTHER_DOCUMENT},
    create=_create_association,
    find=_find_association,
    update=_update_association,
    delete=_delete_association,
)

TYPES = (DOCUMENT, ASSOCIATION)
