"""Counts what alerts did: how often and how long each fired, and how many incidents it would have opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from alerting.backtest.report import BacktestReport, Episode
from alerting.routing.group_key import group_key
from alerting.routing.orphaned_incidents import Deployment, incident_of
from alerting.rules.series import ALERTNAME, CLUSTER

Interval = tuple[float, float]
"""From when to when, in Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSummary:
    """The firings of an alert in the window. Its series are told apart by their labels.

    `firings` counts how often one of its series began to fire, `firing_seconds` is the time in which at least one of
    them fired. `pages` are the incidents that it opened, before inhibition and silences. `still_firing` is whether it
    fired when the window ended.
    """

    alert: str
    series: int
    firings: int
    firing_seconds: float
    longest_seconds: float
    pages: int
    pages_a_week: float
    still_firing: bool


def summarize(report: BacktestReport, deployment: Deployment) -> tuple[AlertSummary, ...]:
    """Return each alert's summary, what pages most first. Alerts of one name are one."""
    episodes: dict[str, list[Episode]] = {alert.alert: [] for alert in report.alerts}
    for episode in report.firing():
        episodes[episode.labels[ALERTNAME]].append(episode)
    pages = pages_of(report, deployment)
    summaries = (_summary(name, own, report, pages.get(name, 0)) for name, own in episodes.items())
    return tuple(sorted(summaries, key=lambda one: (-one.pages, -one.firings, one.alert)))


def _summary(name: str, episodes: list[Episode], report: BacktestReport, pages: int) -> AlertSummary:
    return AlertSummary(
        alert=name,
        series=len({episode.identity for episode in episodes}),
        firings=len(episodes),
        firing_seconds=total(union((episode.start, episode.end) for episode in episodes)),
        longest_seconds=max((episode.end - episode.start for episode in episodes), default=0.0),
        pages=pages,
        pages_a_week=pages / report.weeks,
        still_firing=any(episode.open for episode in episodes),
    )


def pages_of(report: BacktestReport, deployment: Deployment) -> Mapping[str, int]:
    """Return how many incidents each alert would have opened, by its name.

    An incident is open while anything in its group of Alertmanager's fires, and belongs to the alert that opened it.
    """
    groups: dict[str, list[Episode]] = defaultdict(list)
    for episode in report.firing():
        labels = {CLUSTER: deployment.settings.cluster.name, **episode.labels}
        incident = incident_of(deployment, labels)
        if incident is not None:
            groups[group_key(incident.route, incident.group_labels(labels))].append(episode)
    pages: dict[str, int] = defaultdict(int)
    for episodes in groups.values():
        for opened_by in _openers(episodes):
            pages[opened_by.labels[ALERTNAME]] += 1
    return pages


def _openers(episodes: Iterable[Episode]) -> Iterator[Episode]:
    """Yield those that begin when none before them fires any more. They come in the order in which they began."""
    open_until = float("-inf")
    for episode in episodes:
        if episode.start > open_until:
            yield episode
        open_until = max(open_until, episode.end)


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return intervals that do not overlap, sorted, of the same times."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def total(intervals: Iterable[Interval]) -> float:
    """Return the seconds in intervals that do not overlap."""
    return sum(end - start for start, end in intervals)
