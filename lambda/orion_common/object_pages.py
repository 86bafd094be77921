"""Addresses at which people read an object of S3: the page of AWS' console, which asks for the account's rights."""

from __future__ import annotations

import re
from urllib.parse import quote

_OBJECT = re.compile(r"https://s3\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<bucket>[a-z0-9.-]+)/(?P<key>.+)")
"""The address that Systems Manager gives of an output, as `GetCommandInvocation` documents it. Nobody can open it: the
bucket is private."""


def object_page(region: str, bucket: str, key: str) -> str:
    """Return the address of an object's page."""
    console = f"https://{region}.console.aws.amazon.com/s3/object/{bucket}"
    return f"{console}?region={region}&prefix={quote(key, safe='')}"


def page_of_address(address: str) -> str:
    """Return the address of the page of the object at an address of S3, or the address where it is none of S3's."""
    found = _OBJECT.fullmatch(address)
    return address if found is None else object_page(found["region"], found["bucket"], found["key"])
