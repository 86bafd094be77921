"""S3: objects. CloudFormation has no objects, so that their properties are held to schemas of our own."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import ANYTHING, TEXT, TEXTS_BY_NAME, WHETHER, Mapped, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of
from sandbox.providers.provider_table import Failure, ProviderFailed, Request
from sandbox.providers.provider_values import Archive, Asset

_GONE = ("NoSuchBucket", "NoSuchKey", "404")
_NO_OBJECTS = "CloudFormation has no objects"
_CONTENTS = ("source", "content", "contentBase64")
_HEADERS = {
    "cacheControl": "CacheControl",
    "contentDisposition": "ContentDisposition",
    "contentEncoding": "ContentEncoding",
    "contentLanguage": "ContentLanguage",
    "contentType": "ContentType",
    "kmsKeyId": "SSEKMSKeyId",
    "metadata": "Metadata",
    "serverSideEncryption": "ServerSideEncryption",
    "storageClass": "StorageClass",
    "bucketKeyEnabled": "BucketKeyEnabled",
}
"""What Pulumi calls what S3's PutObject and HeadObject know of an object besides its contents."""


def _one(schema: Mapping[str, Any], *, required: bool = False) -> Mapped:
    return without_twin(_NO_OBJECTS, schema, required=required)


def _contents(wanted: Wanted) -> bytes:
    inputs = wanted.inputs
    if "content" in inputs:
        return str(inputs["content"]).encode()
    if "contentBase64" in inputs:
        return base64.b64decode(inputs["contentBase64"])
    source = inputs.get("source")
    match source:
        case Asset():
            return source.read()
        case Archive():
            return source.zipped()
        case _:
            return b""


def _put(aws: Aws, wanted: Wanted) -> None:
    asked: dict[str, Any] = {there: wanted.inputs[here] for here, there in _HEADERS.items() if here in wanted.inputs}
    if wanted.tags:
        asked["Tagging"] = urlencode(wanted.tags)
    try:
        body = _contents(wanted)
    except OSError as error:
        raise ProviderFailed(f"source: {error}") from error
    aws.s3.put_object(Bucket=wanted.inputs["bucket"], Key=wanted.inputs["key"], Body=body, **asked)


def _create(aws: Aws, wanted: Wanted) -> str:
    _put(aws, wanted)
    return f"{wanted.inputs['bucket']}/{wanted.inputs['key']}"


def _where(wanted: Wanted) -> tuple[str, str]:
    bucket, _, key = wanted.id.removeprefix("s3://").partition("/")
    return bucket, key


@gone_as_none(*_GONE)
def _find(aws: Aws, wanted: Wanted) -> Found:
    bucket, key = _where(wanted)
    head: Mapping[str, Any] = aws.s3.head_object(Bucket=bucket, Key=key)
    outputs = {here: head[there] for here, there in _HEADERS.items() if head.get(there) and here in wanted.inputs}
    outputs |= {
        "bucket": bucket,
        "key": key,
        "contentType": head.get("ContentType", ""),
        "etag": str(head["ETag"]).strip('"'),
        "versionId": head.get("VersionId", ""),
        "arn": f"arn:aws:s3:::{bucket}/{key}",
    }
    outputs |= _changed_contents(wanted, outputs["etag"])
    tags = tags_of(aws.s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"])
    return Found(outputs=outputs, tags=tags)


def _changed_contents(wanted: Wanted, etag: str) -> dict[str, Any]:
    """Return what tells the next comparison that somebody else has put other contents there."""
    known = wanted.state.get("etag")
    if known is None or known == etag or "sourceHash" not in wanted.inputs or wanted.old is not None:
        return {}
    return {"sourceHash": f"not as deployed: {etag}"}


def _update(aws: Aws, wanted: Wanted) -> None:
    if wanted.changed(*_CONTENTS, "sourceHash", "etag", *_HEADERS):
        _put(aws, wanted)


@gone_is_fine(*_GONE)
def _delete(aws: Aws, wanted: Wanted) -> None:
    """Every version goes, so that the bucket can go afterwards: as pulumi-aws does it."""
    bucket, key = _where(wanted)
    for page in aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
        for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            if one.get("Key") == key:
                aws.s3.delete_object(Bucket=bucket, Key=key, VersionId=one.get("VersionId", ""))


def _tag(aws: Aws, wanted: Wanted, _put: Mapping[str, str], _gone: Collection[str]) -> None:
    bucket, key = _where(wanted)
    aws.s3.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": wanted.tag_list()})


def _check(request: Request) -> Iterator[Failure]:
    given = [name for name in _CONTENTS if name in request.inputs]
    if len(given) > 1:
        reason = f"found {', '.join(given)}; allowed: only one of {', '.join(_CONTENTS)}"
        yield Failure(property=given[1], reason=reason)


_FIELDS = properties(
    bucket=_one({"type": "string", "minLength": 3}, required=True),
    key=_one({"type": "string", "minLength": 1, "maxLength": 1024}),
    source=_one(ANYTHING),
    sourceHash=_one(TEXT),
    content=_one(TEXT),
    contentBase64=_one(TEXT),
    etag=_one(TEXT),
    metadata=_one(TEXTS_BY_NAME),
    serverSideEncryption=_one({"enum": ["AES256", "aws:kms", "aws:kms:dsse"]}),
    storageClass=_one({"enum": ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"]}),
    bucketKeyEnabled=_one(WHETHER),
    forceDestroy=without_twin("how pulumi-aws deletes an object", WHETHER),
    tags=_one(TEXTS_BY_NAME),
    **{
        name: _one(TEXT)
        for name in (
            "cacheControl",
            "contentDisposition",
            "contentEncoding",
            "contentLanguage",
            "contentType",
            "kmsKeyId",
        )
    },
)


def _recomputed(request: Request) -> Collection[str]:
    names = (*_CONTENTS, "sourceHash", "etag", *_HEADERS)
    changed = any(request.inputs.get(name) != request.old_inputs.get(name) for name in names)
    return ("versionId",) if changed else ()


def _object_type(token: str) -> AwsType:
    return AwsType(
        token=token,
        cloudformation=None,
        fields=_FIELDS,
        name="key",
        computed=("arn", "versionId"),
        replaces={"bucket": "an object can't be moved", "key": "an object can't be moved"},
        check=_check,
        recomputed=_recomputed,
        create=_create,
        find=_find,
        update=_update,
        delete=_delete,
        tag=_tag,
    )


OBJECT = _object_type("aws:s3/bucketObjectv2:BucketObjectv2")

TYPES = (OBJECT,)
