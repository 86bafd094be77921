"""Objectives of Sloth, OpenSLO and Pyrra: what they become, what is named as not carried over, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.source.yaml_source import MOST_BYTES
from tests.alerting_data import copied_root, line_of, problems

FILE = "rules/objectives/read.yaml"
OWN = """\
objectives:
  orders-availability:
    description: Orders are answered.
    service: orders
    objective: 0.995
    sli: {ratio: {total: http_requests_total, bad: 'http_requests_total{code=~"5..|429"}'}}
    labels: {grade: gold}
  orders-latency:
    description: Orders are answered within half a second.
    service: orders
    objective: 0.99
    sli: {latency: {histogram: http_request_duration_seconds_bucket, seconds: 0.5}}
    labels: {grade: gold}
"""
SLOTH = """\
version: prometheus/v1
service: orders
labels: {grade: gold}
slos:
  - name: availability
    description: Orders are answered.
    objective: 99.5
    sli:
      events:
        error_query: sum(rate(http_requests_total{code=~"5..|429"}[{{.window}}])) or vector(0)
        total_query: sum(rate(http_requests_total[{{ .window }}]))
    alerting:
      name: OrdersUnavailable
      page_alert: {labels: {severity: page}}
  - name: latency
    description: Orders are answered within half a second.
    objective: 99
    sli:
      events:
        error_query: |
          (sum(increase(http_request_duration_seconds_count[{{.window}}]))
           - sum(increase(http_request_duration_seconds_bucket{le="0.5"}[{{.window}}])))
        total_query: sum(increase(http_request_duration_seconds_count[{{.window}}]))
    alerting:
      annotations: {runbook: https://example.com/orders}
"""
RESOURCE = """\
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: orders, namespace: monitoring}
spec:
  service: orders
  labels: {grade: gold}
  slos:
    - name: availability
      description: Orders are answered.
      objective: 99.5
      sli:
        raw:
          errorRatioQuery: |
            sum(rate(http_requests_total{code=~"5..|429"}[{{.window}}])) / sum(rate(http_requests_total[{{.window}}]))
      alerting: {}
    - name: latency
      description: Orders are answered within half a second.
      objective: 99
      sli:
        events:
          errorQuery: |
            sum(rate(http_request_duration_seconds_bucket{le="+Inf"}[{{.window}}]))
            - sum(rate(http_request_duration_seconds_bucket{le="0.5"}[{{.window}}]))
          totalQuery: sum(rate(http_request_duration_seconds_bucket{le="+Inf"}[{{.window}}]))
      alerting: {}
"""
PYRRA = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata:
  name: orders-availability
  labels: {role: alert-rules, pyrra.dev/service: orders, pyrra.dev/grade: gold}
spec:
  description: Orders are answered.
  target: "99.5"
  window: 30d
  indicator:
    ratio:
      errors: {metric: 'http_requests_total{code=~"5..|429"}'}
      total: {metric: http_requests_total}
---
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata:
  name: orders-latency
  namespace: monitoring
  labels: {pyrra.dev/service: orders, pyrra.dev/grade: gold}
spec:
  description: Orders are answered within half a second.
  target: "99"
  window: 30d
  indicator:
    latency:
      success: {metric: 'http_request_duration_seconds_bucket{le="0.5"}'}
      total: {metric: http_request_duration_seconds_count}
  alerting: {name: OrdersSlow, absent: false}
"""
OPENSLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: orders-availability, displayName: Orders}
spec:
  description: Orders are answered.
  service: orders
  indicatorRef: answered
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{displayName: Most of them, target: 0.995}]
  alertPolicies: [fast]
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: answered}
spec:
  ratioMetric:
    counter: true
    bad: {metricSource: {metricSourceRef: main, spec: {query: 'sum(http_requests_total{code=~"5..|429"})'}}}
    total: {metricSource: {metricSourceRef: main, spec: {query: http_requests_total}}}
---
apiVersion: openslo/v1
kind: DataSource
metadata: {name: main}
spec: {type: Prometheus, connectionDetails: {url: http://prometheus}}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: fast}
spec: {conditions: [{conditionRef: fast}]}
---
- apiVersion: openslo/v1
  kind: Service
  metadata: {name: orders}
- apiVersion: openslo/v1
  kind: SLO
  metadata: {name: orders-latency}
  spec:
    description: Orders are answered within half a second.
    service: orders
    budgetingMethod: Occurrences
    indicator:
      spec:
        ratioMetric:
          good:
            metricSource:
              type: Prometheus
              spec: {query: 'sum(rate(http_request_duration_seconds_bucket{le="0.5"}[{{.window}}]))'}
          total:
            metricSource:
              type: Prometheus
              spec: {query: 'sum(rate(http_request_duration_seconds_count[{{.window}}]))'}
    objectives: [{targetPercent: 99}]
"""
FILES = {"sloth": SLOTH, "resource": RESOURCE, "pyrra": PYRRA, "openslo": OPENSLO}
NAMED = {
    "sloth": ["slos.0.alerting.name", "slos.0.alerting.page_alert.labels", "slos.1.alerting.annotations"],
    "resource": ["metadata.namespace"],
    "pyrra": [
        "metadata.labels.role",
        "metadata.namespace",
        "spec.alerting.absent",
        "spec.alerting.name",
    ],
    "openslo": [
        "kind",
        "kind",
        "metadata.displayName",
        "spec.alertPolicies",
        "spec.connectionDetails",
        "spec.objectives.0.displayName",
    ],
}
"""What is not carried over, by field."""


def written(folder: Path, text: str) -> Path:
    root = copied_root(folder / "root")
    (root / FILE).write_text(text)
    return root


def read(folder: Path, text: str) -> Catalog:
    return load_catalog(written(folder, text))


def _with(found: Mapping[str, str], *, labels: bool) -> dict[str, str]:
    return {key: text for key, text in found.items() if labels or key != "grade"}


def counted(catalog: Catalog, *, labels: bool = True) -> list[tuple[str, str, dict[str, str]]]:
    """Return what the objectives of the file are made of. OpenSLO has no `labels` of alerts."""
    return [
        (str(rule.rule.record), rule.rule.expr, _with(rule.rule.labels, labels=labels))
        for rule in catalog.rules.rules
        if rule.document.file == FILE
    ]


@pytest.mark.parametrize("name", FILES)
def test_a_file_counts_what_the_same_objectives_in_the_own_format_count(tmp_path: Path, name: str) -> None:
    own, other = read(tmp_path / "own", OWN), read(tmp_path / "other", FILES[name])

    assert counted(other, labels=name != "openslo") == counted(own, labels=name != "openslo")
    assert len(counted(own)) == 6


@pytest.mark.parametrize("name", FILES)
def test_what_is_not_carried_over_is_named(tmp_path: Path, name: str) -> None:
    objectives = read(tmp_path, FILES[name]).objectives
    assert objectives is not None

    assert sorted(notice.place.field for notice in objectives.not_carried_over) == NAMED[name]
    for notice in objectives.not_carried_over:
        field = notice.place.field.rsplit(".", 1)[-1]
        assert notice.place.file == FILE
        assert field in FILES[name].splitlines()[notice.place.line - 1]
        assert "is not carried over: " in notice.message


NATIVE_SERIES = """
  http_request_seconds:
    exporter: services
    type: native histogram
    labels: [service]
    description: Seconds that requests took.
"""


def test_a_service_is_told_by_a_label_or_by_the_selector(tmp_path: Path) -> None:
    for name, matcher in (("service", 'service="orders"'), ("job", 'job="orders"')):
        text = PYRRA.split("---\n", maxsplit=1)[0].replace(", pyrra.dev/service: orders", "")
        text = text.replace("{metric: http_requests_total}", f"{{metric: 'http_requests_total{{{matcher}}}'}}")
        objectives = read(tmp_path / name, text).objectives
        assert objectives is not None

        assert [one.service for _, _, one in objectives.named()] == ["orders"]


def test_labels_that_are_no_text_are_read_as_sloth_reads_them(tmp_path: Path) -> None:
    rules = read(tmp_path, SLOTH.replace("{grade: gold}", "{grade: 2, checked: true, part: 0.5}")).rules
    budget = rules.recordings["orion:objective:error_budget"][-1].rule

    assert budget.labels.items() >= {"grade": "2", "checked": "true", "part": "0.5"}.items()


EVENTS = "        total_query: sum(rate(http_requests_total[{{ .window }}]))\n"
WITH_PLUGIN = "    sli:\n      plugin: {id: x}\n      events:"
PART = 'metric: \'http_requests_total{code=~"5..|429"'
OTHER_SERVICE = 'metric: \'http_requests_total{service="positions", code=~"5..|429"'
REFUSED = [
    ("sloth", "objective: 99.5", "objective: 100", "slos.0.objective: found 1.0; a share of more than 0"),
    ("sloth", "objective: 99.5", "objective: 99.5\n    plugins: {chain: []}", "slos.0.plugins: is a plugin of Sloth"),
    ("sloth", "service: orders", "service: orders\nslo_plugins: {chain: []}", "slo_plugins: is a plugin of Sloth"),
    ("sloth", "service: orders", "service: nobody", 'service: found "nobody"; allowed: orders, positions'),
    ("sloth", "grade: gold", "severity: gold", 'labels.severity: label "severity" is given by the program'),
    ("sloth", "name: availability", "title: availability", "slos.0.title: found an unknown field; allowed: name,"),
    ("sloth", "name: latency", "name: availability", "slos.1.name: found orders-availability twice, first in line 5"),
    ("sloth", "{labels: {severity: page}}", "{disable: true}", "slos.0.alerting.page_alert.disable: turns an alert"),
    ("sloth", EVENTS, "", "slos.0.sli.events.total_query: found nothing; allowed: a text. Add `total_query:`"),
    ("sloth", "    sli:\n      events:", WITH_PLUGIN, "slos.0.sli.plugin: is a plugin of Sloth"),
    (
        "resource",
        "alerting: {}",
        "alerting: {pageAlert: {foo: 1}}",
        "foo: found an unknown field; allowed: disable, labels",
    ),
    ("resource", "/ sum", "+ sum", "spec.slos.0.sli.raw.errorRatioQuery: found"),
    ("resource", "kind: PrometheusServiceLevel", "kind: Other", "apiVersion: found apiVersion: "),
    ("pyrra", "errors: {metric: 'http_requests", "errors: {metric: 'orders_rejected", "errors.metric: found {'total'"),
    ("pyrra", "window: 30d", "window: 36h", 'spec.window: found "36h"; whole days, from 1d to 90d'),
    ("pyrra", ", pyrra.dev/service: orders", "", "metadata.labels: names no service of the catalog"),
    ("pyrra", "absent: false", "disabled: true", "spec.alerting.disabled: turns alerts off"),
    ("pyrra", "spec:\n", "spec:\n  latency: '1'\n", "spec.latency: found an unknown field; allowed: description,"),
    ("pyrra", "metric: http_requests_total}", "metric: 'rate(http_requests_total[5m])'}", "a selector of one series"),
    ("pyrra", '{le="0.5"}', '{le="0.3"}', "found 0.3; allowed: 0.05, 0.1, 0.25, 0.5"),
    ("pyrra", PART, OTHER_SERVICE, 'service "orders", whose objective this is'),
    ("openslo", "kind: SLI\n", "kind: Panel\n", 'kind: found "Panel"; allowed: SLO, SLI, DataSource, Service,'),
    ("openslo", "openslo/v1\nkind: SLI", "openslo/v2alpha1\nkind: SLI", 'apiVersion: found "openslo/v2alpha1"'),
    ("openslo", "indicatorRef: answered", "indicatorRef: other", 'spec.indicatorRef: found "other"; allowed: answered'),
    ("openslo", "type: Prometheus, ", "type: Datadog, ", 'found "Datadog" as the type of its source; allowed: Prometh'),
    ("openslo", "30d, isRolling: true", "1Q", "spec.timeWindow.0: is a calendar's period; allowed:"),
    (
        "openslo",
        "budgetingMethod: Occurrences",
        "budgetingMethod: Timeslices",
        "`timeSliceTarget:` and `timeSliceWindow",
    ),
    (
        "openslo",
        "budgetingMethod: Occurrences",
        "budgetingMethod: RatioTimeslices",
        "found RatioTimeslices; allowed: Occ",
    ),
    ("openslo", "targetPercent: 99", "targetPercent: 99, target: 0.9", "one of `target:` and `targetPercent:` is"),
    ("openslo", "query: http_requests_total}", "query: 'sum(rate(http_requests_total[5m]))'}", "with the placeholder"),
]
"""A file, what is changed in it, and what is said of it."""


@pytest.mark.parametrize(("name", "old", "new", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_what_cannot_be_carried_over_is_refused(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    assert old in FILES[name]
    found = problems(written(tmp_path, FILES[name].replace(old, new, 1)))

    assert any(message in problem for problem in found), found
    assert all(problem.startswith(f"{FILE}:") for problem in found), found


def test_a_refused_field_is_told_with_its_line(tmp_path: Path) -> None:
    root = written(
        tmp_path, OPENSLO.replace("- kind: SLO", "- kind: SLO").replace("targetPercent: 99", "targetPercent: 100")
    )
    (problem,) = problems(root)

    assert problem.startswith(
        f"{FILE}:{line_of(root, FILE, 'targetPercent')}: spec.objectives.0.targetPercent: found 1.0"
    )


def test_objectives_of_two_formats_in_a_file_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(written(tmp_path, f"{SLOTH}---\n{OWN}"))

    assert "found `objectives:` beside others; allowed: version prometheus/v1," in problem


def test_a_file_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / FILE).write_bytes(b"#" * 10_000_000)

    assert problems(root) == [f"{FILE}:1: found 10000000 bytes; allowed: at most {MOST_BYTES}. Split the file"]


SLICED = OPENSLO.replace("budgetingMethod: Occurrences", "budgetingMethod: Timeslices", 1).replace(
    "target: 0.995}", "target: 0.95, timeSliceTarget: 0.9, timeSliceWindow: 5}"
)
SAME_SLICES = (
    OWN.replace("objective: 0.995", "objective: 0.95")
    .replace("sli: {ratio", "sli: {slices: {length: 5m, target: 0.9, ratio", 1)
    .replace("429\"}'}}", "429\"}'}}}")
)
NATIVE = PYRRA.replace("    latency:\n", "    latencyNative:\n").replace(
    """      success: {metric: 'http_request_duration_seconds_bucket{le="0.5"}'}
      total: {metric: http_request_duration_seconds_count}
""",
    """      latency: 500ms
      total: {metric: http_request_seconds}
""",
)
SAME_NATIVE = OWN.replace(
    "{histogram: http_request_duration_seconds_bucket, seconds: 0.5}",
    "{histogram: http_request_seconds, seconds: 0.5, native: true}",
)
MONTH = OPENSLO.replace(
    "{duration: 30d, isRolling: true}",
    "{duration: 1M, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Europe/Berlin}}",
)
SAME_MONTH = OWN.replace("objective: 0.995", "objective: 0.995\n    period: month\n    time_zone: Europe/Berlin")


@pytest.mark.parametrize(("other", "own"), [(SLICED, SAME_SLICES), (NATIVE, SAME_NATIVE), (MONTH, SAME_MONTH)])
def test_slices_native_histograms_and_calendar_months_are_carried_over(tmp_path: Path, other: str, own: str) -> None:
    assert own != OWN
    found: list[list[tuple[str, str, dict[str, str]]]] = []
    for name, text in (("other", other), ("own", own)):
        root = written(tmp_path / name, text)
        scraped = root / "rules/scraped_series.yaml"
        scraped.write_text(scraped.read_text() + (NATIVE_SERIES if "http_request_seconds" in text else ""))
        found.append(counted(load_catalog(root), labels=other == NATIVE))

    assert found[0] == found[1]


def test_targets_of_one_slo_are_objectives_of_their_own(tmp_path: Path) -> None:
    two = OPENSLO.replace("[{displayName: Most of them, target: 0.995}]", "[{target: 0.995}, {target: 0.9995}]")
    objectives = read(tmp_path, two).objectives
    assert objectives is not None
    targets = {name: one.objective for _, name, one in objectives.named()}

    assert targets == {"orders-availability": 0.995, "orders-availability-2": 0.9995, "orders-latency": 0.99}
