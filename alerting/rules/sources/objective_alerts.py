"""The alerts of all objectives: budgets that burn, are spent or will be, and series that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from alerting.rules.model import RUNBOOK_PAGE, Rule
from alerting.rules.objectives import OWN_OBJECTIVE
from alerting.rules.series import (
    OBJECTIVE,
    OBJECTIVE_BURNING,
    OBJECTIVE_COVERAGE,
    OBJECTIVE_ERROR_BUDGET,
    OBJECTIVE_EXHAUSTED_IN,
    OBJECTIVE_MONTH_LEFT,
    OBJECTIVE_NO_SERIES,
    OBJECTIVE_REMAINING,
    PAIR,
    RUNBOOK,
    SERVICE,
    SEVERITY,
    URGENCY,
)
from alerting.rules.sources.objective_windows import (
    KEPT,
    LEAST_BAD_EVENTS,
    MONTH_IN_NAMES,
    ON_OBJECTIVE,
    PAGE,
    TICKET,
    WindowSets,
    bad_events,
    owned,
)
from alerting.source.fields import Severity

HALF, A_TENTH = 0.5, 0.1
TRUSTED_COVERAGE = 0.1
"""The least share of the period that must be known until a budget counts as spent: three days of 30."""
HORIZON_SECONDS = 3 * 86_400
"""How soon a budget has to be gone, at the present rate, to be told: a rolling period has no end to compare with."""
_SUBJECT = "{{ $labels.service }}{{ with $labels.objective }} ({{ . }}){{ end }}"
_BAD = (
    "{{ $value | humanizePercentage }} of "
    "{{ with $labels.objective }}the events of {{ . }}{{ else }}the requests to {{ $labels.service }}{{ end }}"
)
_OF_OBJECTIVE = (f"{SERVICE}=%q", f"{OBJECTIVE}=%q")
"""The matchers of an alert's objective in `_query`."""


def _query(series: str, *matchers: str) -> str:
    """Return what a template asks for: a series of the alert's objective. `_OF_OBJECTIVE` is among the matchers."""
    selector = f"{series}{{{','.join(matchers)}}}"
    return f'query (printf "{selector}" $labels.service (or $labels.objective "{OWN_OBJECTIVE}"))'


_LEFT = (
    f"{{{{ with {_query(OBJECTIVE_REMAINING, *_OF_OBJECTIVE)} -}}}} "
    "{{ $left := first . | value -}} "
    "{{ if gt $left 0.0 }}{{ $left | humanizePercentage }}"
    "{{ else }}nothing ({{ $left | humanizePercentage }}){{ end }}."
    "{{ else }}not known.{{ end }}"
)


def burn_alerts(period: str) -> Iterator[Rule]:
    """Yield the alerts on the pairs of windows that burn: those of a page, then those of a ticket.

    `period` is how texts call it. A ticket's windows are long: it needs hardly any `for`.
    """
    parts = (
        ("HighErrorBudgetBurn", Severity.CRITICAL, PAGE, "2m", "15m", "too fast"),
        ("SlowErrorBudgetBurn", Severity.WARNING, TICKET, "5m", "30m", "faster than it comes in"),
    )
    for name, severity, urgency, waits, holds, how in parts:
        yield _alert(
            name,
            severity,
            _burning(urgency),
            waits=waits,
            holds=holds,
            summary=f"{_SUBJECT} spends its error budget {how}",
            description=f"{_BAD} fail ({_pairs(urgency)}). Left of {period} budget: {_LEFT}",
        )


def budget_alerts(every: WindowSets, labels: Sequence[str]) -> Iterator[Rule]:
    """Yield the alerts on what is left of a budget: one at a time, the less is left the more urgent.

    `labels` are those that objectives add to alerts.
    """
    parts = (
        ("ErrorBudgetHalfSpent", Severity.INFO, f"<= {HALF} > {A_TENTH}", "has spent half of its error budget"),
        ("ErrorBudgetNearlySpent", Severity.WARNING, f"<= {A_TENTH} > 0", "has a tenth of its error budget left"),
        ("ErrorBudgetExhausted", Severity.WARNING, "<= 0", "has spent its error budget"),
    )
    for name, severity, limits, summary in parts:
        expression = _trusted(every, lambda _, limits=limits: f"{OBJECTIVE_REMAINING} {limits}")
        yield _alert(
            name,
            severity,
            _own_unnamed(owned(expression, labels)),
            waits="5m",
            holds="30m",
            summary=f"{_SUBJECT} {summary}",
            description="{{ $value | humanizePercentage }} of the period's error budget of " + _SUBJECT + " is left.",
        )


def running_out_alert(every: WindowSets, labels: Sequence[str]) -> Rule:
    """Return the alert on a budget that will be gone soon at the present rate, or before the month ends."""
    month = f"{ON_OBJECTIVE} group_left () {OBJECTIVE_MONTH_LEFT}"
    expression = _trusted(
        every,
        lambda period: f"{OBJECTIVE_EXHAUSTED_IN} < {month if period == MONTH_IN_NAMES else HORIZON_SECONDS}",
    )
    before = "within three days, or before its month ends" if every.time_zones() else "within three days"
    return _alert(
        "ErrorBudgetRunningOut",
        Severity.INFO,
        _own_unnamed(owned(expression, labels)),
        waits="5m",
        holds="30m",
        summary=f"{_SUBJECT} will have spent its error budget {before}",
        description=f"At the rate of the last day, {_SUBJECT} has none left in {{{{ $value | humanizeDuration }}}}.",
    )


def series_alert() -> Rule:
    """Return the alert on an objective without a series. A service's own is watched by ServiceMetricsMissing."""
    return _alert(
        "ObjectiveSeriesMissing",
        Severity.HIGH,
        f'{OBJECTIVE_NO_SERIES}{{{OBJECTIVE}!="{OWN_OBJECTIVE}"}}',
        waits="10m",
        holds=None,
        summary=f"Objective {{{{ $labels.{OBJECTIVE} }}}} of {{{{ $labels.{SERVICE} }}}} has nothing to count",
        description="Prometheus has no series of its indicator: nothing that goes wrong with it would page.",
    )


def with_objectives_page(alert: Rule) -> Rule:
    """Return an alert that links to the page that its objective names, if it names one."""
    query = _query(OBJECTIVE_ERROR_BUDGET, *_OF_OBJECTIVE, f'{RUNBOOK}!=\\"\\"')
    page = f'{{{{ with {query} }}}}{{{{ . | first | label "{RUNBOOK}" }}}}{{{{ else }}}}{alert.alert}{{{{ end }}}}'
    return alert.model_copy(update={"annotations": {**alert.annotations, RUNBOOK_PAGE: page}})


def _alert(
    name: str, severity: Severity, expression: str, *, waits: str, holds: str | None, summary: str, description: str
) -> Rule:
    return Rule.model_validate(
        {
            "alert": name,
            "expr": expression,
            "for": waits,
            "keep_firing_for": holds,
            "labels": {SEVERITY: severity.value},
            "annotations": {"summary": summary, "description": description},
        }
    )


def _burning(urgency: str) -> str:
    return _own_unnamed(f'max without ({PAIR}, {URGENCY}) ({OBJECTIVE_BURNING}{{{URGENCY}="{urgency}"}})')


def _pairs(urgency: str) -> str:
    """Return a template that tells the pairs of windows that burn."""
    query = _query(OBJECTIVE_BURNING, f'{URGENCY}=\\"{urgency}\\"', *_OF_OBJECTIVE)
    each = f'{{{{ if $at }}}}, {{{{ end }}}}{{{{ $pair | label "{PAIR}" }}}}'
    return f"{{{{ range $at, $pair := {query} }}}}{each}{{{{ end }}}}"


def _own_unnamed(expression: str) -> str:
    """Return an expression whose series of a service's own objective do not name it: alerts on it are the service's."""
    return f'label_replace(\n{expression},\n"{OBJECTIVE}", "", "{OBJECTIVE}", "{OWN_OBJECTIVE}"\n)'


def _trusted(every: WindowSets, condition: Callable[[str], str]) -> str:
    """Return a condition on the budget of a period, told if enough of it is known and enough of its events were bad."""
    known = f"last_over_time({OBJECTIVE_COVERAGE}[{KEPT}]) >= {TRUSTED_COVERAGE}"
    return every.each_period(
        lambda period: (
            f"{condition(period)} and {known}"
            f" and last_over_time({bad_events(f'increase{period}')}[{KEPT}]) >= {LEAST_BAD_EVENTS}"
        )
    )
