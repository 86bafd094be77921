"""Splits the rules of a domain into parts, each one PrometheusRule and one dashboard that Kubernetes can store.

A group stays whole, since Prometheus evaluates its rules in order. Parts are filled in the order of the groups, so that
a group added at the end moves none. A part's size is estimated from the text of its rules; `alerting.stored_objects`
holds the finished objects to the real limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alerting.catalog import Catalog
from alerting.rules.model import CompiledGroup, Rule

PART_BYTES = 300_000
"""The estimated size of a part: well below the 512 KiB of rules that the Prometheus operator takes in one object."""
RULE_BYTES = 300
ALERT_BYTES = 1_700
"""What names, links, indentation and the panel of a dashboard add to the text of a recording and of an alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPart:
    """Groups of one domain that are deployed together. `name` is that of the PrometheusRule and of the dashboard."""

    name: str
    title: str
    groups: tuple[CompiledGroup, ...]


def domain_parts(catalog: Catalog) -> Iterator[DomainPart]:
    """Yield the parts of every domain. The first has the domain's own name, the others a number after it."""
    for domain, groups in catalog.rules.groups.items():
        for number, part in enumerate(_filled(groups), 1):
            suffix = "" if number == 1 else f"-{number}"
            title = domain if number == 1 else f"{domain} {number}"
            yield DomainPart(name=f"orion-{domain}{suffix}", title=title, groups=part)


def _filled(groups: tuple[CompiledGroup, ...]) -> list[tuple[CompiledGroup, ...]]:
    parts: list[list[CompiledGroup]] = []
    used = 0
    for group in groups:
        size = sum(_size(one.rule) for one in group.rules)
        if not parts or used + size > PART_BYTES:
            parts.append([])
            used = 0
        parts[-1].append(group)
        used += size
    return [tuple(part) for part in parts]


def _size(rule: Rule) -> int:
    texts = (rule.expr, *rule.labels.values(), *rule.annotations.values())
    return sum(map(len, texts)) + (RULE_BYTES if rule.alert is None else ALERT_BYTES)
