"""Changes a data file of a deployed function, as a deployment of other reviewed data would, and undoes it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sandbox import loopback
from sandbox.credentials import Credentials

REQUEST_SECONDS = 10.0

Data = dict[str, Any]


@contextmanager
def changed_data(
    credentials: Credentials, endpoint: str, function: str, file: str, change: Callable[[Data], Data]
) -> Generator[None]:
    """Have a function run with what `change` returns for the JSON of a file at the root of its zip, until the end."""
    session = credentials.session()
    s3, functions = session.client("s3", endpoint_url=endpoint), session.client("lambda", endpoint_url=endpoint)
    page = f"{endpoint}/sandbox/functions/{function}"
    answer = loopback.get(page, headers=credentials.signed(page), timeout=REQUEST_SECONDS)
    code: dict[str, Any] = answer.raise_for_status().json()
    bucket, key, version = (code[name] for name in ("S3Bucket", "S3Key", "S3ObjectVersion"))
    changed_key = f"{key}.changed"
    package = s3.get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
    s3.put_object(Bucket=bucket, Key=changed_key, Body=with_file(package, file, change))
    functions.update_function_code(FunctionName=function, S3Bucket=bucket, S3Key=changed_key)
    try:
        yield
    finally:
        functions.update_function_code(FunctionName=function, S3Bucket=bucket, S3Key=key, S3ObjectVersion=version)


def with_file(package: bytes, file: str, change: Callable[[Data], Data]) -> bytes:
    """Return a zip with what `change` returns for the JSON of one of its files. All others stay as they are."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as before, zipfile.ZipFile(changed, "w") as after:
        for entry in before.infolist():
            content = before.read(entry)
            if entry.filename == file:
                content = json.dumps(change(json.loads(content))).encode()
            after.writestr(entry, content)
    return changed.getvalue()
