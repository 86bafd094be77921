"""Keeps in a bucket, as they came, messages that a function cannot read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from orion_common.names import UNREADABLE_PREFIX
from orion_common.observer import Observer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAXIMUM_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageArchive:
    """The bucket of diagnostics."""

    s3: S3Client
    bucket: str

    def refuse(self, observer: Observer, counted_as: StrEnum, body: str, message_id: str, reason: str) -> None:
        """Keep a message that was refused, count it, and say where it is."""
        key = self.keep(message_id, body, reason)
        observer.count(counted_as)
        observer.say("message refused and kept", reason=reason, key=key)

    def keep(self, message_id: str, body: str, reason: str) -> str:
        """Keep a message as it came and return its key."""
        key = f"{UNREADABLE_PREFIX}{message_id}.json"
        shown = "".join(
            character if character.isascii() and character.isprintable() else "?"
            for character in reason[:MAXIMUM_REASON]
        )
        self.s3.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=body.encode(errors="surrogatepass"),
            ContentType="application/octet-stream",
            Metadata={"reason": shown},
        )
        return key
