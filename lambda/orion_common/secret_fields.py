"""Reads secrets that are JSON objects.

BadSecret   the secret is not what it should be; the text names the field and never a value
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast


class BadSecret(ValueError):
    """A secret lacks a field, or has it with a wrong type."""


def secret_object(text: str) -> Mapping[str, object]:
    """Return the JSON object of a secret. Raises `BadSecret`."""
    try:
        content = json.loads(text)
    except ValueError:
        # The error itself would show what it could not read.
        raise BadSecret("the secret is not JSON; allowed: an object") from None
    if not isinstance(content, dict):
        raise BadSecret(f"the secret is JSON of a {type(content).__name__}; allowed: an object")
    return cast("Mapping[str, object]", content)


def text_of(content: Mapping[str, object], name: str) -> str:
    """Return a text of a secret. Raises `BadSecret`."""
    value = content.get(name)
    if not isinstance(value, str) or not value:
        found = "nothing" if not value else type(value).__name__
        raise BadSecret(f"the secret's field {name}: found {found}; allowed: a text")
    return value


def texts_of(content: Mapping[str, object], name: str) -> tuple[str, ...]:
    """Return the texts of a secret's list, one at least. Raises `BadSecret`."""
    values = content.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(value, str) and value for value in values):
        raise BadSecret(f"the secret's field {name}: allowed: a list of texts, one or more")
    return tuple(cast("list[str]", values))
