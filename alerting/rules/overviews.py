"""Dashboards that are of no single domain: objectives, a service, alerting and on-call, repairs.

What Prometheus does not know (repairs, how long people take to acknowledge) the functions count in CloudWatch.
"""

from __future__ import annotations

from collections.abc import Iterator

from alerting.catalog import Catalog
from alerting.platform import Dashboard
from alerting.rules.burn_rates import PAGE_PAIRS, TICKET_PAIRS
from alerting.rules.drawings import Drawing, Kind, Metric, Overview, Query, built
from alerting.rules.model import RuleSet
from alerting.rules.panels import HALF_WIDTH, OF_SERVICE, WHOLE_WIDTH, as_text
from alerting.rules.series import (
    ALERTS,
    HTTP_LATENCIES,
    OBJECTIVE_BURN_RATE,
    OBJECTIVE_BURNING,
    OBJECTIVE_COVERAGE,
    OBJECTIVE_EXHAUSTED_IN,
    OBJECTIVE_REMAINING,
)

BUDGET_LIMITS = ((None, "red"), (0.0, "orange"), (0.1, "yellow"), (0.5, "green"))
_OBJECTIVE = "{{service}} {{objective}}"
_FIRING = f'{ALERTS}{{alertstate="firing", severity!="none"}}'
_WINDOWS = tuple(dict.fromkeys(pair.long for pair in (*PAGE_PAIRS, *TICKET_PAIRS)))


def _budget_left(selector: str, width: int = HALF_WIDTH) -> Drawing:
    return Drawing(
        title="Budget left",
        says="The share of each objective's error budget that is left. Below 0 it is overspent.",
        kind=Kind.BARS,
        queries=(Query(f"sort({OBJECTIVE_REMAINING}{selector})", _OBJECTIVE),),
        unit="percentunit",
        width=width,
        limits=BUDGET_LIMITS,
    )


def _burn_rates(selector: str) -> Iterator[Drawing]:
    for window in _WINDOWS:
        yield Drawing(
            title=f"Burn rate, {window}",
            says="How many times faster than sustainable the budget is spent. 1 leaves nothing at the period's end.",
            queries=(Query(f"{OBJECTIVE_BURN_RATE}{window}{selector}", _OBJECTIVE),),
            limits=((None, "transparent"), (1.0, "red")),
        )


OBJECTIVES = Overview(
    name="overview-objectives",
    title="objectives",
    since="now-7d",
    drawings=(
        _budget_left(""),
        Drawing(
            title="At risk",
            says="Objectives that have spent half of their budget, or will have spent it within three days.",
            kind=Kind.TABLE,
            queries=(
                Query(
                    f"{OBJECTIVE_REMAINING} < 0.5 "
                    f"or {OBJECTIVE_REMAINING} and on (service, objective) {OBJECTIVE_EXHAUSTED_IN} < 3 * 86400"
                ),
            ),
            unit="percentunit",
            limits=BUDGET_LIMITS,
        ),
        Drawing(
            title="Budget over time",
            says="A step down is an outage, a slope a slow burn.",
            queries=(Query(OBJECTIVE_REMAINING, _OBJECTIVE),),
            unit="percentunit",
            limits=((None, "transparent"), (0.0, "red")),
        ),
        Drawing(
            title="Pairs that burn",
            says="The share of bad events in the long window of each pair that is over its factor.",
            queries=(Query(OBJECTIVE_BURNING, f"{_OBJECTIVE} {{{{pair}}}} {{{{urgency}}}}"),),
            unit="percentunit",
        ),
        *_burn_rates(""),
        Drawing(
            title="Spent in",
            says="The time until nothing is left at the present rate; nothing is drawn where the budget lasts.",
            queries=(Query(OBJECTIVE_EXHAUSTED_IN, _OBJECTIVE),),
            unit="s",
        ),
        Drawing(
            title="Coverage",
            says="The share of the period in which events were counted. The rest counts as free of bad ones.",
            queries=(Query(f"last_over_time({OBJECTIVE_COVERAGE}[10m])", _OBJECTIVE),),
            unit="percentunit",
        ),
    ),
)

SERVICE = Overview(
    name="overview-service",
    title="a service",
    since="now-6h",
    of_services=True,
    drawings=(
        Drawing(
            title="What fires",
            says="When which alert of the service fired.",
            kind=Kind.STATES,
            queries=(Query(f'max by (alertname) ({ALERTS}{{alertstate="firing", {OF_SERVICE}}})', "{{alertname}}"),),
            width=WHOLE_WIDTH,
        ),
        Drawing(
            title="Traffic",
            says="Requests answered per second, by status code.",
            kind=Kind.STACKED,
            queries=(
                Query(
                    f"sum by (service, code) (rate(http_requests_total{{{OF_SERVICE}}}[5m]))", "{{service}} {{code}}"
                ),
            ),
            unit="reqps",
        ),
        Drawing(
            title="Errors",
            says="The share of requests that are answered with a 5xx.",
            queries=(Query(f"orion:http_errors:rate5m{{{OF_SERVICE}}}", "{{service}}"),),
            unit="percentunit",
        ),
        Drawing(
            title="Latency",
            says="What half of the requests, nine in ten, and so on up to 999 of a thousand take no longer than.",
            queries=tuple(
                Query(f"{name}{{{OF_SERVICE}}}", f"{name.rpartition(':')[2].replace('_', '.')} {{{{service}}}}")
                for name in HTTP_LATENCIES
            ),
            unit="s",
        ),
        _budget_left(f"{{{OF_SERVICE}}}"),
        *_burn_rates(f"{{{OF_SERVICE}}}"),
        Drawing(
            title="Replicas that are available",
            says="Against those that are wanted.",
            queries=(
                Query(f"orion:service:replicas_available{{{OF_SERVICE}}}", "{{service}} available"),
                Query(
                    "kube_deployment_spec_replicas * on (namespace, deployment) group_left (service) "
                    f"orion:deployment:owner{{{OF_SERVICE}}}",
                    "{{service}} wanted",
                ),
            ),
        ),
        Drawing(
            title="Restarts of containers",
            says="Within a quarter of an hour, by pod.",
            queries=(
                Query(
                    "sum by (namespace, pod) (increase(kube_pod_container_status_restarts_total[15m])) "
                    f"* on (namespace, pod) group_left (service) orion:pod:owner{{{OF_SERVICE}}} > 0",
                    "{{pod}}",
                ),
            ),
        ),
        Drawing(
            title="Memory of its limit",
            says="The share of its limit that each container uses.",
            queries=(
                Query(
                    "orion:container_memory:usage * on (namespace, pod) group_left (service) "
                    f"orion:pod:owner{{{OF_SERVICE}}}",
                    "{{pod}} {{container}}",
                ),
            ),
            unit="percentunit",
        ),
        Drawing(
            title="CPU of its limit",
            says="The share of its limit that each container uses.",
            queries=(
                Query(
                    "orion:container_cpu:usage * on (namespace, pod) group_left (service) "
                    f"orion:pod:owner{{{OF_SERVICE}}}",
                    "{{pod}} {{container}}",
                ),
            ),
            unit="percentunit",
        ),
    ),
)

ALERTING = Overview(
    name="overview-alerting",
    title="alerting and on-call",
    since="now-24h",
    drawings=(
        Drawing(
            title="Firing",
            says="Alerts that fire now, by severity.",
            kind=Kind.NUMBERS,
            queries=(Query(f"count by (severity) ({_FIRING})", "{{severity}}"),),
        ),
        Drawing(
            title="What fires",
            says="Alerts that fire now, and how many of each.",
            kind=Kind.TABLE,
            queries=(Query(f"sort_desc(count by (alertname, severity, service, team) ({_FIRING}))"),),
        ),
        Drawing(
            title="What fired, and when",
            says="Each alert by name.",
            kind=Kind.STATES,
            queries=(Query(f"max by (alertname) ({_FIRING})", "{{alertname}}"),),
            width=WHOLE_WIDTH,
        ),
        Drawing(
            title="Who was told",
            says="Notifications that Alertmanager sent within five minutes, by what they went through.",
            kind=Kind.STACKED,
            queries=(
                Query("sum by (integration) (increase(alertmanager_notifications_total[5m]))", "{{integration}}"),
            ),
        ),
        Drawing(
            title="Notifications that were given up",
            says="By what they went through, and why.",
            kind=Kind.STACKED,
            queries=(
                Query(
                    "sum by (integration, reason) (increase(alertmanager_notifications_failed_total[5m])) > 0",
                    "{{integration}} {{reason}}",
                ),
            ),
        ),
        Drawing(
            title="Time to acknowledge",
            says="Seconds from an incident's beginning to its acknowledgement, as PagerDuty told chat: the median, "
            "nine in ten, and the longest.",
            metrics=tuple(Metric("chat_ingress", "SecondsToAcknowledge", one) for one in ("p50", "p90", "Maximum")),
            unit="s",
        ),
        Drawing(
            title="Chat",
            says="Clicks of people in threads, clicks that were refused, and effects that were given up.",
            metrics=tuple(
                Metric("chatops", name)
                for name in ("ChatNotifications", "ChatClicks", "ChatClicksRefused", "ChatEffectsGivenUp")
            ),
        ),
        Drawing(
            title="Noisy alerts: how often",
            says="The ten alerts that began to fire most often within seven days.",
            kind=Kind.BARS,
            queries=(
                Query(
                    f"topk(10, sum by (alertname) (count_over_time(({_FIRING} unless {_FIRING} offset 5m)[7d:5m])))",
                    "{{alertname}}",
                ),
            ),
        ),
        Drawing(
            title="Noisy alerts: how long",
            says="The ten alerts that fired longest within seven days, all their instances together.",
            kind=Kind.BARS,
            queries=(
                Query(f"topk(10, sum by (alertname) (count_over_time({_FIRING}[7d:5m])) * 300)", "{{alertname}}"),
            ),
            unit="s",
        ),
    ),
)


def _repairs(title: str, says: str, *names: str) -> Drawing:
    metrics = tuple(Metric("runbook_automation", name) for name in names)
    return Drawing(title=title, says=says, kind=Kind.STACKED, metrics=metrics)


REPAIRS = Overview(
    name="overview-repairs",
    title="repairs",
    since="now-7d",
    drawings=(
        _repairs("Begun", "Commands that were sent.", "RepairsSent"),
        _repairs(
            "Ended",
            "Repairs by how they ended.",
            *("RepairsSucceeded", "RepairsNothingDone", "RepairsTargetGone", "RepairsFailed", "CommandsUncertain"),
        ),
        _repairs(
            "Approvals",
            "Repairs that waited for a person.",
            *("RepairsProposed", "RepairsApproved", "RepairsRejected", "RepairsExpired"),
        ),
        _repairs(
            "Not begun",
            "What kept repairs from beginning.",
            *("RepairsDryRun", "RepairsRefused", "RepairsLimited", "RepairsStopped", "RepairsTooLate"),
            *("RepairsResolvedFirst", "RepairsHandedOver"),
        ),
        _repairs("Stops", "Stops of repairs that people set and lifted.", "StopsSet", "StopsLifted"),
        _repairs("Diagnostics", "Asked for from threads.", "DiagnosticsRequested"),
    ),
)
OVERVIEWS = (OBJECTIVES, SERVICE, ALERTING, REPAIRS)


def overviews(catalog: Catalog) -> tuple[Dashboard, ...]:
    """Return the dashboards, each without the drawings whose series nobody makes."""
    return tuple(as_text(one.name, built(one, catalog.rules)) for one in OVERVIEWS)


def read_series() -> frozenset[str]:
    """Return the names of all series that overviews read."""
    return frozenset().union(*(drawing.series() for overview in OVERVIEWS for drawing in overview.drawings))


def left_out(rules: RuleSet) -> dict[str, frozenset[str]]:
    """Return the titles of drawings that a rule set has not all series for, each with those that are missing."""
    return {
        f"{overview.title}: {drawing.title}": missing
        for overview in OVERVIEWS
        for drawing in overview.drawings
        if (missing := drawing.series() - rules.series.keys())
    }
