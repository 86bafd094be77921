"""Turns rules into Grafana dashboards: one for each domain, with a panel for each of its alerts.

A panel shows what the alert looks at, beside the limit that it is held to, so that whoever is woken sees how far off it
is and since when. What an alert's text asks for besides has a panel of its own. The links of the alerts lead here
(`alerting.rules.render`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser as promql
from grafana_foundation_sdk.builders import statetimeline, timeseries
from grafana_foundation_sdk.models import dashboard as models

from alerting.catalog import Catalog
from alerting.platform import Dashboard, RuleFile
from alerting.rules.model import CompiledRule
from alerting.rules.panels import (
    HEIGHT,
    OF_SERVICE,
    SOURCE,
    WHOLE_WIDTH,
    as_text,
    drawn_as_lines,
    letter,
    new_dashboard,
    plain_panel,
    prometheus_query,
    service_variable,
    thresholds,
)
from alerting.rules.parts import domain_parts
from alerting.rules.promql import Expression, compiled
from alerting.rules.series import ALERTS, HTTP_LATENCIES, SERVICE, SERVICE_OWNER

JOINS = frozenset({"and", "unless", "or", "*"})
"""What puts several conditions together, or a condition and the labels of its owner."""
COMPARISONS = frozenset({">", "<", ">=", "<=", "==", "!="})
_OR_ELSE = re.compile(r"\{\{ with .*?\}\}.*?\{\{ else \}\}(.*?)\{\{ end \}\}")
"""A part of a link that depends on an alert's labels, and what it is without them."""
DRAWN: Mapping[str, tuple[str, ...]] = {"How long requests take": HTTP_LATENCIES}
"""Panels by title, each with the recordings that it draws: those, too, that no alert reads."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An alert's comparison. `limit` is a number, an expression, or None where it compares with nothing."""

    value: str
    limit: float | str | None


def dashboards(catalog: Catalog, files: tuple[RuleFile, ...]) -> tuple[Dashboard, ...]:
    """Return a dashboard for each PrometheusRule that has alerts, from the rules as they are deployed."""
    rendered = {file.name: [rule for group in file.groups for rule in group["rules"]] for file in files}
    result: list[Dashboard] = []
    for part in domain_parts(catalog):
        rules = [rule for group in part.groups for rule in group.rules]
        alerts = [
            _Alert(rule=rule, deployed=deployed, behind=_behind(catalog, rule))
            for rule, deployed in zip(rules, rendered[part.name], strict=True)
            if rule.rule.alert is not None
        ]
        if alerts:
            recorded = {rule.rule.record for rule in rules}
            drawn = {title: names for title, names in DRAWN.items() if recorded.issuperset(names)}
            built = _dashboard(part.name, part.title, alerts, drawn)
            result.append(as_text(part.name, built))
    return tuple(result)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alert:
    """An alert, and the rule that is deployed of it: scaled, and with its links.

    `behind` is the first generated recording that it reads: an alert may compare nothing itself.
    """

    rule: CompiledRule
    deployed: Mapping[str, Any]
    behind: Expression | None

    @property
    def name(self) -> str:
        return str(self.deployed["alert"])

    def expression(self) -> Expression:
        """Return what is deployed: where nothing is scaled, that is parsed already."""
        text = str(self.deployed["expr"])
        return self.rule.expression if text == self.rule.expression.text else compiled(text)


def _behind(catalog: Catalog, alert: CompiledRule) -> Expression | None:
    recordings = (one for name in alert.expression.series for one in catalog.rules.recordings.get(name, ()))
    return next((one.expression for one in recordings if one.generated), None)


def looked_at(expression: Expression) -> Comparison:
    """Return what an alert's expression compares with what: of several conditions, the first."""
    return (None if expression.tree is None else _compared(expression.tree)) or Comparison(expression.text, None)


def _compared(expression: promql.Expr) -> Comparison | None:
    if isinstance(expression, promql.ParenExpr):
        return _compared(expression.expr)
    if isinstance(expression, promql.Call) and expression.func.name == "label_replace":
        return _compared(expression.args[0])
    if not isinstance(expression, promql.BinaryExpr):
        return None
    operator = str(expression.op)
    if operator in JOINS:
        return _compared(expression.lhs) or (_compared(expression.rhs) if operator == "and" else None)
    if operator not in COMPARISONS:
        return None
    if isinstance(expression.lhs, promql.BinaryExpr) and str(expression.lhs.op) in COMPARISONS:  # a <= 2 > 1
        return _compared(expression.lhs)
    right = expression.rhs
    return Comparison(
        expression.lhs.prettify(), right.val if isinstance(right, promql.NumberLiteral) else right.prettify()
    )


def _dashboard(uid: str, title: str, alerts: list[_Alert], drawn: Mapping[str, tuple[str, ...]]) -> models.Dashboard:
    built = new_dashboard(uid, title).with_variable(service_variable()).with_panel(_states(alerts))
    for alert in alerts:
        built = built.with_panel(_panel(alert))
    for name, recordings in drawn.items():
        built = built.with_panel(_drawn(name, recordings))
    for name, query in _told(alerts).items():
        built = built.with_panel(plain_panel(name).with_target(prometheus_query("A", query, "__auto")))
    return built.build()


def _told(alerts: list[_Alert]) -> dict[str, str]:
    """Return the series that the texts of alerts ask for, each with the query that draws it."""
    found: dict[str, str] = {}
    for alert in alerts:
        for query in alert.rule.queries:
            for name in () if query.expression is None else query.expression.series:
                found.setdefault(name, _of_the_service(name, alert))
    return found


def _states(alerts: list[_Alert]) -> statetimeline.Panel:
    """Return when which alert fired, and for which service."""
    names = "|".join(alert.name for alert in alerts)
    firing = f'{ALERTS}{{alertstate="firing", alertname=~"{names}", service=~"$service|"}}'
    return (
        statetimeline.Panel()
        .title("Firing")
        .datasource(SOURCE)
        .span(WHOLE_WIDTH)
        .height(HEIGHT)
        .with_target(prometheus_query("A", f"max by (alertname, service) ({firing})", "{{alertname}} {{service}}"))
    )


def _panel(alert: _Alert) -> timeseries.Panel:
    looked = looked_at(alert.expression())
    if looked.limit is None and alert.behind is not None:
        looked = looked_at(alert.behind)
    annotations = alert.deployed["annotations"]
    runbook = _OR_ELSE.sub(r"\1", annotations["runbook_url"])
    panel = (
        plain_panel(alert.name)
        .description(f"{annotations['summary']}\n\n[Runbook]({runbook})")
        .with_target(prometheus_query("A", _of_the_service(looked.value, alert), "__auto"))
    )
    if isinstance(looked.limit, str):
        return panel.with_target(prometheus_query("B", _of_the_service(looked.limit, alert), "limit {{service}}"))
    if looked.limit is None:
        return panel
    # Only the line is drawn: which side of it is the wrong one is the alert's to say.
    limits = ((None, "transparent"), (looked.limit, "red"))
    return panel.thresholds(thresholds(limits)).thresholds_style(drawn_as_lines())


def _drawn(title: str, recordings: tuple[str, ...]) -> timeseries.Panel:
    """Return a panel with several recordings that have the label `service`."""
    panel = plain_panel(title)
    for number, name in enumerate(recordings):
        legend = f"{name.rpartition(':')[2]} {{{{service}}}}"
        panel = panel.with_target(prometheus_query(letter(number), f"{name}{{{OF_SERVICE}}}", legend))
    return panel


def _of_the_service(expression: str, alert: _Alert) -> str:
    """Keep to the service that is chosen, unless the rule itself names one: its series tell none apart."""
    if SERVICE in alert.rule.rule.labels:
        return expression
    return f"({expression}) and on (service) {SERVICE_OWNER}{{{OF_SERVICE}}}"
