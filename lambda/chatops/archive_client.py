"""S3 as the executor sees it: the audit record, and the post-incident drafts."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chatops.clients import Unavailable
from orion_common.object_pages import object_page

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IS_THERE = "PreconditionFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveClient:
    """Two buckets. That of the audit record has an object lock, by which S3 keeps what is written for its time."""

    s3: S3Client
    audit_bucket: str
    drafts_bucket: str
    region: str

    def keep(self, key: str, text: str) -> None:
        """Write an object of the audit record, unless it is there: an earlier attempt has written it then."""
        with _errors_told():
            self.s3.put_object(
                Bucket=self.audit_bucket,
                Key=key,
                Body=text.encode(),
                ContentType="application/json",
                IfNoneMatch="*",
            )

    def write_draft(self, key: str, text: str) -> str:
        """Write a draft over the one that is there, and return the address at which people of the account read it."""
        with _errors_told():
            self.s3.put_object(
                Bucket=self.drafts_bucket,
                Key=key,
                Body=text.encode(errors="replace"),
                ContentType="text/markdown; charset=utf-8",
            )
        return object_page(self.region, self.drafts_bucket, key)


@contextmanager
def _errors_told() -> Generator[None]:
    """Turn what boto3 raises into `Unavailable`. An object that is there already is no error."""
    try:
        yield
    except BotoCoreError as error:
        raise Unavailable(f"S3 did not answer: {error}") from error
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code != IS_THERE:
            raise Unavailable(f"S3: {code}") from error
