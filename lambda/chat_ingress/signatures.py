"""Signatures of Slack's requests and PagerDuty's webhooks (v3): HMAC-SHA256 of the raw body with a shared key.

While a key is replaced there are two, and either will do. Comparisons take the same time wherever texts differ.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence

TOLERANCE_SECONDS = 300
"""How far Slack's time of a request may be from ours: an older one may be repeated by somebody who saw it."""
MOST_SIGNATURES = 10
_TIMESTAMP_DIGITS = 12


def is_slacks(headers: Mapping[str, str], body: bytes, keys: Sequence[str], now: float) -> bool:
    """Return whether a request is Slack's, and recent. Header names are in lower case."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _TIMESTAMP_DIGITS):
        return False
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = b"v0:" + timestamp.encode() + b":" + body
    return _matches([headers.get("x-slack-signature", "")], "v0=", signed, keys)


def is_pagerdutys(headers: Mapping[str, str], body: bytes, keys: Sequence[str]) -> bool:
    """Return whether a webhook is PagerDuty's, which signs with each key of a subscription."""
    signatures = headers.get("x-pagerduty-signature", "").split(",")[:MOST_SIGNATURES]
    return _matches([signature.strip() for signature in signatures], "v1=", body, keys)


def _matches(signatures: Iterable[str], prefix: str, signed: bytes, keys: Sequence[str]) -> bool:
    wanted = [(prefix + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()).encode() for key in keys]
    given = [signature.encode(errors="replace") for signature in signatures]
    return any([hmac.compare_digest(one, other) for one in given for other in wanted])  # noqa: C419 - every pair takes its time
