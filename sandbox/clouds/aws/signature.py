"""Holds every request to AWS' Signature Version 4, as AWS does: an unsigned or wrongly signed one is refused.

botocore signs the request once more with the secret key; both signatures have to be the same.
"""

from __future__ import annotations

import hmac
import io
import re
from hashlib import sha256
from http import HTTPStatus
from wsgiref.types import WSGIEnvironment
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from sandbox.clouds.aws.protocol import Answer, AwsError, error_answer
from sandbox.credentials import Credentials

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
CONTENT_HASH = "HTTP_X_AMZ_CONTENT_SHA256"
HASH = re.compile(r"[0-9a-f]{64}")
HEADERS_WITHOUT_PREFIX = ("CONTENT_TYPE", "CONTENT_LENGTH")
"""What CGI, hence WSGI, names without `HTTP_`."""
JSON_REST_SERVICES = frozenset({"eks", "lambda", "scheduler"})


def check_signature(environ: WSGIEnvironment, credentials: Credentials) -> None:
    """Let a request pass that was signed with `credentials`; its body can be read again.

    Raises `AwsError` for any other one.
    """
    text = environ.get("HTTP_AUTHORIZATION", "")
    if not text:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", HTTPStatus.FORBIDDEN)
    found = AUTHORIZATION.fullmatch(text.strip())
    if found is None:
        raise AwsError("IncompleteSignature", "Authorization header is not of Signature Version 4")
    if not hmac.compare_digest(found["key"].encode(), credentials.access_key_id.encode()):
        raise AwsError(
            "InvalidClientTokenId", "The security token included in the request is invalid", HTTPStatus.FORBIDDEN
        )
    names = found["headers"].lower().split(";")
    if "host" not in names or not hmac.compare_digest(
        _signature(environ, credentials, found, names), found["signature"]
    ):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided",
            HTTPStatus.FORBIDDEN,
        )


def _signature(environ: WSGIEnvironment, credentials: Credentials, found: re.Match[str], names: list[str]) -> str:
    """Return the signature that the request has when it is signed with `credentials`."""
    body = _body(environ)
    stated = str(environ.get(CONTENT_HASH, ""))
    if HASH.fullmatch(stated) and sha256(body).hexdigest() != stated:
        raise AwsError("XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 header is not the body's")
    target = str(environ.get("RAW_URI", environ["PATH_INFO"]))
    request = AWSRequest(
        environ["REQUEST_METHOD"],
        f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}{target}",
        headers={name: _header(environ, name) for name in names},
        data=body,
    )
    if stated and "x-amz-content-sha256" not in names:
        raise AwsError("SignatureDoesNotMatch", "x-amz-content-sha256 is not signed", HTTPStatus.FORBIDDEN)
    request.context["timestamp"] = _header(environ, "x-amz-date")
    key = BotoCredentials(credentials.access_key_id, credentials.secret_access_key)
    kind = S3SigV4Auth if found["service"] == "s3" else SigV4Auth
    signer = kind(key, found["service"], found["region"])
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


def _header(environ: WSGIEnvironment, name: str) -> str:
    variable = name.upper().replace("-", "_")
    return str(environ.get(variable if variable in HEADERS_WITHOUT_PREFIX else f"HTTP_{variable}", ""))


def _body(environ: WSGIEnvironment) -> bytes:
    """Return the body, and have it read again by whoever comes next."""
    stream = environ["wsgi.input"]
    ends_by_itself = environ.get("wsgi.input_terminated", False)
    body: bytes = stream.read() if ends_by_itself else stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def refused(environ: WSGIEnvironment, error: AwsError) -> Answer:
    """Return a refusal in the protocol that the request's client reads: JSON, or XML of the query services or S3."""
    service = str(environ.get("HTTP_AUTHORIZATION", "")).partition("/aws4_request")[0].rsplit("/", maxsplit=1)[-1]
    if "HTTP_X_AMZ_TARGET" in environ or service in JSON_REST_SERVICES:
        return error_answer(error)
    text = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    inner = f"<Error>{text}</Error>"
    body = inner if service == "s3" else f"<ErrorResponse>{inner}</ErrorResponse>"
    return Answer(status=error.status, body=body.encode(), headers=(("Content-Type", "text/xml"),))
