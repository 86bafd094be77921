"""The keys that Alertmanager gives a group of alerts and PagerDuty its incident.

A template cannot read the group key, so a function derives it from the static key of the route, which our messages
carry, and the group's labels. `alerting.routing.group_key` is the program's copy; a test holds both equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_LOWEST_PRINTABLE, _DELETE, _LAST_OF_TWO_BYTES = 0x20, 0x7F, 0xFFFF


def group_key(route: str, labels: Mapping[str, str]) -> str:
    """Return the key of a group: its route's key and its labels, as `dispatch.aggrGroup.GroupKey` writes them."""
    return route + ":{" + ", ".join(f"{name}={quoted(labels[name])}" for name in sorted(labels)) + "}"


def deduplication_key(route: str, labels: Mapping[str, str]) -> str:
    """Return the `dedup_key` under which PagerDuty knows the group: the sha256 of its key, in hex."""
    return hashlib.sha256(group_key(route, labels).encode()).hexdigest()


def quoted(text: str) -> str:
    """Quote a text as Go's `strconv.Quote` does. Alertmanager takes UTF-8 only, so there are no broken bytes."""
    return '"' + "".join(_quoted_character(character) for character in text) + '"'


def _quoted_character(character: str) -> str:
    number = ord(character)
    if number in _ESCAPES:
        return _ESCAPES[number]
    if character == " " or (character.isprintable() and number >= _LOWEST_PRINTABLE):
        return character
    if number < _LOWEST_PRINTABLE or number == _DELETE:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= _LAST_OF_TWO_BYTES else f"\\U{number:08x}"
