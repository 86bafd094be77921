"""Mutates rules: their expressions, how long they wait and hold, their labels, and that they are there at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from alerting.catalog import Catalog
from alerting.rules.compile import compile_rules
from alerting.rules.model import Rule, RuleSource, SourceRule
from alerting.rules.series import SEVERITY
from alerting.rules.sources import market_hours, missing_series, objectives, services
from alerting.source.durations import milliseconds, written_long
from alerting.source.fields import Severity
from tests.mutants.mutant import Kind, Mutant
from tests.mutants.promql_mutations import mutated_expressions

OTHER_GENERATORS = (market_hours.DOMAIN, missing_series.DOMAIN, services.DOMAIN)
"""The generated rules that are not of an objective."""
_SEVERITIES = [severity.value for severity in Severity]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePosition:
    """The place of a rule among a catalog's sources: indexes of source, group and rule."""

    source: int
    group: int
    rule: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMutant(Mutant):
    """A rule at a position, and what takes its place: nothing where it is removed."""

    at: RulePosition
    domain: str
    original: Rule
    mutated: Rule | None

    @property
    def key(self) -> str:
        """Returns the name of the alert or of the recorded series."""
        return rule_key(self.original)

    def applied(self, catalog: Catalog) -> Catalog:
        """Return the catalog with the mutated rule."""
        sources = list(catalog.rules.sources)
        source = sources[self.at.source]
        groups = list(source.groups)
        rules = list(groups[self.at.group].rules)
        if self.mutated is None:
            del rules[self.at.rule]
        else:
            rules[self.at.rule] = replace(rules[self.at.rule], rule=self.mutated)
        if rules:
            groups[self.at.group] = replace(groups[self.at.group], rules=tuple(rules))
        else:
            del groups[self.at.group]
        sources[self.at.source] = replace(source, groups=tuple(groups))
        return replace(catalog, rules=compile_rules(sources, catalog.series))


def rule_key(rule: Rule) -> str:
    """Return the name of an alert or of a recorded series."""
    return rule.alert or rule.record or ""


def rule_mutants(catalog: Catalog) -> Iterator[RuleMutant]:
    """Yield the mutants of all rules that are written by hand or generated from objectives."""
    names: Counter[str] = Counter()
    for number, source in enumerate(catalog.rules.sources):
        if source.domain in OTHER_GENERATORS:
            continue
        for at, each in _rules(number, source):
            for change, mutated in _mutations(each.rule):
                where = f"{source.domain} {rule_key(each.rule)}"
                count = names[f"{where}: {change}"] = names[f"{where}: {change}"] + 1
                yield RuleMutant(
                    kind=Kind.OBJECTIVE_RULE if source.domain == objectives.DOMAIN else Kind.RULE,
                    where=where,
                    change=change if count == 1 else f"{change} (no. {count})",
                    at=at,
                    domain=source.domain,
                    original=each.rule,
                    mutated=mutated,
                )


def _rules(number: int, source: RuleSource) -> Iterator[tuple[RulePosition, SourceRule]]:
    for group_number, group in enumerate(source.groups):
        for rule_number, each in enumerate(group.rules):
            yield RulePosition(source=number, group=group_number, rule=rule_number), each


def _mutations(rule: Rule) -> Iterator[tuple[str, Rule | None]]:
    yield "it is removed", None
    for mutated in mutated_expressions(rule.expr):
        yield mutated.change, rule.model_copy(update={"expr": mutated.text})
    for field, name in (("for_", "for"), ("keep_firing_for", "keep_firing_for")):
        duration = getattr(rule, field)
        if duration is not None and milliseconds(duration):
            for change, value in (
                ("is dropped", None),
                ("is doubled", written_long(milliseconds(duration) * 2)),
                ("is halved", written_long(milliseconds(duration) // 2)),
            ):
                yield f"`{name}: {duration}` {change}", rule.model_copy(update={field: value})
    for label, value in rule.labels.items():
        others = (_next_severity(value),) if label == SEVERITY else (None, f"another-{value}")
        for other in others:
            labels = {name: one for name, one in rule.labels.items() if name != label}
            changed = labels if other is None else {**labels, label: other}
            change = "is dropped" if other is None else f"becomes `{other}`"
            yield f"label `{label}: {value}` {change}", rule.model_copy(update={"labels": changed})


def _next_severity(severity: str) -> str:
    at = _SEVERITIES.index(severity)
    return _SEVERITIES[at + 1] if at + 1 < len(_SEVERITIES) else _SEVERITIES[at - 1]
