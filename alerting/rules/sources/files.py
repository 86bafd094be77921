"""Hands over the rules of a file of rules/."""

from __future__ import annotations

from alerting.rules.model import RulesFile, RuleSource, SourceGroup, SourceRule
from alerting.source.yaml_source import Document


def file_source(domain: str, document: Document, file: RulesFile) -> RuleSource:
    """Return the rules of a file. Its domain is the file's name without `.yaml`."""
    groups = tuple(
        SourceGroup(
            name=group.name,
            path=("groups", position),
            rules=tuple(
                SourceRule(rule=rule, path=("groups", position, "rules", index))
                for index, rule in enumerate(group.rules)
            ),
            interval=group.interval,
            query_offset=group.query_offset,
            limit=group.limit,
        )
        for position, group in enumerate(file.groups)
    )
    return RuleSource(domain=domain, document=document, groups=groups, generated=False)
