"""Sizes as Kubernetes writes them, such as `100Gi`."""

from __future__ import annotations

import re

_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_QUANTITY = re.compile(rf"(\d+)({'|'.join(_UNITS)})")


def bytes_of(quantity: str) -> int:
    """Return the number of bytes of a size in Ki, Mi, Gi or Ti.

    Raises `ValueError` if it is not one.
    """
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError("a size such as 2Gi, in Ki, Mi, Gi or Ti")
    return int(match[1]) * _UNITS[match[2]]
