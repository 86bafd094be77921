"""Compares rules with those in force: which alerts differ, and what each would have added and removed."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alerting.backtest.report import BacktestReport
from alerting.backtest.summary import Interval, pages_of, total, union
from alerting.platform import RuleFile
from alerting.routing.orphaned_incidents import Deployment
from alerting.rules import promql
from alerting.rules.series import ALERTNAME, ALERTS

_NOT_STATE = frozenset({"annotations"})
"""Fields of a rule that decide neither whether it fires nor with which labels."""
_WRITTEN_BY_ALERTS = frozenset({ALERTS, "ALERTS_FOR_STATE"})

Series = tuple[tuple[str, str], ...]
"""The labels of one series of an alert, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """The effect of a change on one alert: its firings and pages before and after, and the time that differs.

    `added_seconds` is the time in which a series of it fires after the change only, `removed_seconds` before it only.
    """

    alert: str
    firings_before: int
    firings_after: int
    pages_before: int
    pages_after: int
    added_seconds: float
    removed_seconds: float

    @property
    def nothing(self) -> bool:
        """Say whether the alert did the same before and after."""
        return not (self.added_seconds or self.removed_seconds) and self.pages_before == self.pages_after


def changed_alerts(before: Iterable[RuleFile], after: Iterable[RuleFile]) -> frozenset[str]:
    """Return the names of the alerts that are new, gone or different, or that read a recording that is."""
    old, new = _fingerprints(before), _fingerprints(after)
    return frozenset(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def compare(
    before: BacktestReport, deployed: Deployment, after: BacktestReport, changed: Deployment
) -> tuple[AlertChange, ...]:
    """Return what differs of each alert between two reports of the same window, the most time first."""
    old, new = _firing(before), _firing(after)
    pages_before, pages_after = pages_of(before, deployed), pages_of(after, changed)
    names = sorted({alert.alert for report in (before, after) for alert in report.alerts})
    changes = [
        AlertChange(
            alert=name,
            firings_before=sum(map(len, old[name].values())),
            firings_after=sum(map(len, new[name].values())),
            pages_before=pages_before.get(name, 0),
            pages_after=pages_after.get(name, 0),
            added_seconds=_only_in(new[name], old[name]),
            removed_seconds=_only_in(old[name], new[name]),
        )
        for name in names
    ]
    return tuple(sorted(changes, key=lambda one: (-one.added_seconds - one.removed_seconds, one.alert)))


def _firing(report: BacktestReport) -> Mapping[str, Mapping[Series, list[Interval]]]:
    """Return when each series of each alert fired."""
    firing: dict[str, dict[Series, list[Interval]]] = defaultdict(lambda: defaultdict(list))
    for episode in report.firing():
        firing[episode.labels[ALERTNAME]][episode.identity].append((episode.start, episode.end))
    return firing


def _only_in(these: Mapping[Series, list[Interval]], those: Mapping[Series, list[Interval]]) -> float:
    """Return the seconds in which a series fires in `these` and not in `those`, summed over the series."""
    return sum(
        total(union([*intervals, *those.get(series, ())])) - total(union(those.get(series, ())))
        for series, intervals in these.items()
    )


def _fingerprints(files: Iterable[RuleFile]) -> Mapping[str, str]:
    """Return a hash of all that an alert's state depends on, by its name: its rules, groups, and what they read."""
    alerts: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    recordings: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for rule in _rules_with_groups(files):
        (alerts if "alert" in rule else recordings)[str(rule.get("alert") or rule["record"])].append(rule)
    return {name: _digest(_all_read(rules, alerts, recordings)) for name, rules in alerts.items()}


def _rules_with_groups(files: Iterable[RuleFile]) -> Iterator[Mapping[str, Any]]:
    for file in files:
        for group in file.groups:
            settings = {key: value for key, value in group.items() if key not in {"name", "rules"}}
            for rule in group["rules"]:
                yield {key: value for key, value in rule.items() if key not in _NOT_STATE} | {"group": settings}


def _all_read(
    rules: list[Mapping[str, Any]],
    alerts: Mapping[str, list[Mapping[str, Any]]],
    recordings: Mapping[str, list[Mapping[str, Any]]],
) -> list[str]:
    """Return these rules and all that they read, directly or not.

    A selector without a name may read any rule, and so may an expression that this version cannot read.
    """
    every = [rule for group in (alerts, recordings) for named in group.values() for rule in named]
    read: dict[str, None] = {}
    waiting = list(rules)
    while waiting:
        rule = waiting.pop()
        text = json.dumps(rule, sort_keys=True)
        if text in read:
            continue
        read[text] = None
        expression = promql.compiled(rule["expr"], generated=True)
        names = {promql.series_name(selector) for selector in expression.selectors}
        if None in names or names & _WRITTEN_BY_ALERTS or expression.tree is None:
            waiting += every
        for name in names - {None}:
            waiting += recordings.get(str(name), ())
    return sorted(read)


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
