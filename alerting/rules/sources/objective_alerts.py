"""The alerts of all objectives: budgets that burn, are spent or will be, and series that are gone."""

from __future__ import annotations

from collections.abc import Iterator

from alerting.rules.model import RUNBOOK_PAGE, Rule
from alerting.rules.objectives import OWN_OBJECTIVE
from alerting.rules.series import (
    OBJECTIVE,
    OBJECTIVE_BURNING,
    OBJECTIVE_ERROR_BUDGET,
    OBJECTIVE_NO_SERIES,
    OBJECTIVE_REMAINING,
    OBJECTIVE_STAGE_RUNNING_OUT,
    OBJECTIVE_STAGE_SPENT,
    PAIR,
    RUNBOOK,
    SERVICE,
    SEVERITY,
    URGENCY,
)
from alerting.rules.sources.objective_budgets import A_TENTH, HALF, lasting
from alerting.rules.sources.objective_windows import PAGE, TICKET, WindowSets
from alerting.source.fields import Severity

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


def budget_alerts() -> Iterator[Rule]:
    """Yield the alerts on what is left of a budget: one at a time, the less is left the more urgent."""
    parts = (
        ("ErrorBudgetHalfSpent", Severity.INFO, f"<= {HALF} > {A_TENTH}", "has spent half of its error budget"),
        ("ErrorBudgetNearlySpent", Severity.WARNING, f"<= {A_TENTH} > 0", "has a tenth of its error budget left"),
        ("ErrorBudgetExhausted", Severity.WARNING, "<= 0", "has spent its error budget"),
    )
    for name, severity, limits, summary in parts:
        yield _alert(
            name,
            severity,
            _own_unnamed(lasting(OBJECTIVE_STAGE_SPENT, limits)),
            waits="5m",
            holds="30m",
            summary=f"{_SUBJECT} {summary}",
            description="{{ $value | humanizePercentage }} of the period's error budget of " + _SUBJECT + " is left.",
        )


def running_out_alert(every: WindowSets) -> Rule:
    """Return the alert on a budget that will be gone soon at the present rate, or before the month ends."""
    before = "within three days, or before its month ends" if every.time_zones() else "within three days"
    return _alert(
        "ErrorBudgetRunningOut",
        Severity.INFO,
        _own_unnamed(lasting(OBJECTIVE_STAGE_RUNNING_OUT)),
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
