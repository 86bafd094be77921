"""Prints parts of a platform in the formats of the tools that will read them."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Any, assert_never

import yaml

from alerting.platform import Platform


class Part(StrEnum):
    """What can be printed."""

    ALERTMANAGER = "alertmanager"
    TEMPLATES = "templates"
    RULES = "rules"
    ON_CALL = "oncall"
    REPAIRS = "repairs"


def render(platform: Platform, part: Part) -> str:
    """Return one part of the platform as text."""
    match part:
        case Part.ALERTMANAGER:
            return _yaml(platform.alertmanager.configuration)
        case Part.TEMPLATES:
            return "\n".join(f"# {name}\n{text}" for name, text in platform.alertmanager.templates.items())
        case Part.RULES:
            return _yaml({"groups": [group for file in platform.rules for group in file.groups]})
        case Part.ON_CALL:
            return _yaml(asdict(platform.on_call))
        case Part.REPAIRS:
            return _yaml(platform.repairs.as_function_data())
    assert_never(part)


def _yaml(value: Any) -> str:
    plain = json.loads(json.dumps(value))  # tuples and read-only mappings become what YAML has
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
