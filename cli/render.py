"""Prints parts of a platform in the formats of the tools that will read them. No secret is in any of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Any, assert_never

import yaml

from alerting.platform import Platform
from cli.stack_config import NOT_PAGED
from components.monitoring_values import MonitoringSpec, chart_values


class Part(StrEnum):
    """The parts of a platform that can be printed."""

    ALERTMANAGER = "alertmanager"
    TEMPLATES = "templates"
    RULES = "rules"
    DASHBOARDS = "dashboards"
    VALUES = "values"
    ON_CALL = "oncall"
    REPAIRS = "repairs"


def render(platform: Platform, part: Part) -> str:
    """Return one part of the platform as text.

    Secrets are never read: what is printed names the files and the Secrets that hold them.
    """
    match part:
        case Part.ALERTMANAGER:
            return _yaml(platform.alertmanager.configuration)
        case Part.TEMPLATES:
            return "\n".join(f"# {name}\n{text}" for name, text in platform.alertmanager.templates.items())
        case Part.RULES:
            return _yaml({"groups": [group for file in platform.rules for group in file.groups]})
        case Part.DASHBOARDS:
            return json.dumps({one.name: json.loads(one.text) for one in platform.dashboards}, indent=2) + "\n"
        case Part.VALUES:
            return _yaml(chart_values(_monitoring_spec(platform)))
        case Part.ON_CALL:
            note = "" if platform.settings.paging else f"# PagerDuty: {NOT_PAGED}.\n"
            return note + _yaml(asdict(platform.on_call))
        case Part.REPAIRS:
            return _yaml(platform.repairs.as_function_data())
    assert_never(part)


def _monitoring_spec(platform: Platform) -> MonitoringSpec:
    """Return what the program makes the monitoring stack from: what it mounts is what the Secrets' component makes."""
    files = platform.alertmanager
    return MonitoringSpec(
        settings=platform.settings,
        secrets=tuple(sorted({file.secret for file in files.secret_files})),
        config_maps=(files.template_config_map,),
    )


def _yaml(value: Any) -> str:
    plain = json.loads(json.dumps(value))  # tuples and read-only mappings become what YAML has
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
