"""The report of `orion-backtest` (tools/go/prometheus/backtest): what Prometheus' rule engine had every alert do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import ValidationError

from alerting.errors import AlertingError
from alerting.source.fields import ClosedModel

SECONDS_A_DAY = 86400.0
SECONDS_A_WEEK = 7 * SECONDS_A_DAY


class ReportUnreadable(AlertingError):
    """The tool's report is not of the expected shape. The message says where."""


class Episode(ClosedModel):
    """A time in which an alert was pending or firing, from its first sample of `ALERTS` until it was gone.

    `labels` are the alert's, with `alertname`. `open` is one that had not ended when the window did. Unix seconds.
    """

    labels: Mapping[str, str]
    state: Literal["pending", "firing"]
    start: float
    end: float
    open: bool

    @property
    def identity(self) -> tuple[tuple[str, str], ...]:
        """The labels, in an order of their own."""
        return tuple(sorted(self.labels.items()))


class AlertHistory(ClosedModel):
    """Firings of one alerting rule. `interval` is its group's, in seconds, and `first_tick` its first evaluation."""

    alert: str
    file: str
    group: str
    index: int
    interval: float
    first_tick: float
    episodes: tuple[Episode, ...]


class RuleFailure(ClosedModel):
    """A rule that failed at `count` evaluations, first at `first` (Unix seconds), as it would have in Prometheus."""

    rule: str
    group: str
    count: int
    first: float
    error: str


class BacktestReport(ClosedModel):
    """Firings of every alert from `start` to `end` (Unix seconds). `history_start` is None where it is not known."""

    start: float
    end: float
    history_start: float | None
    alerts: tuple[AlertHistory, ...]
    failures: tuple[RuleFailure, ...]

    @property
    def weeks(self) -> float:
        """The window's length in weeks."""
        return (self.end - self.start) / SECONDS_A_WEEK

    def firing(self) -> Iterator[Episode]:
        """Yield each time in which an alert fired, cut to the window, in the order in which they began."""
        episodes = (one for alert in self.alerts for one in alert.episodes if one.state == "firing")
        cut = (
            one.model_copy(update={"start": max(one.start, self.start), "end": min(one.end, self.end)})
            for one in episodes
        )
        yield from sorted((one for one in cut if one.end > one.start), key=lambda one: (one.start, one.identity))


def read_report(text: str) -> BacktestReport:
    """Return the report in a JSON text. Raises `ReportUnreadable`."""
    try:
        return BacktestReport.model_validate_json(text)
    except ValidationError as error:
        raise ReportUnreadable(f"orion-backtest printed something else than its report: {error}") from error
