"""Mistakes in rules/ and runbooks/: each is reported with its place, what is allowed and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.alerting_data import DATA, assert_told, changed, line_of, problems

SERVICE_DOWN = f"rules/infrastructure.yaml:{line_of(DATA, 'rules/infrastructure.yaml', 'alert: ServiceDown')}"
SILENT_LINE = line_of(DATA, "rules/meta.yaml", "Prometheus has no {{ range") - 1
SILENT_TEXT = f"rules/meta.yaml:{SILENT_LINE}: groups.0.rules.1.annotations.description"
"""Where ExporterSilent's description begins, which is a block of several lines."""
TEAMS = "trading, platform, database"

CPU = "max by (dbinstance_identifier) (last_over_time(aws_rds_cpuutilization_average[5m])) > 80"
POOL = """|
          max by (service, pool) (
            last_over_time(db_pool_connections_used[2m]) / (last_over_time(db_pool_connections_max[2m]) > 0)
          )"""
"""An alert's expression, and a recording's."""

ONE_PROBLEM = [
    pytest.param(
        "rules/latency.yaml",
        "          severity: warning\n",
        "          tier: one\n",
        "labels:",
        "groups.0.rules.12.labels: alert HighP99Latency has no severity; "
        "allowed: critical, high, warning, info, none. Add `severity:`",
        id="an alert without severity",
    ),
    pytest.param(
        "rules/latency.yaml",
        "- alert: CriticalLatency",
        "- alert: ServiceDown",
        "- alert: ServiceDown",
        f"groups.0.rules.13.alert: alert ServiceDown is there already ({SERVICE_DOWN}); allowed: once. ",
        id="a duplicate alert",
    ),
    pytest.param(
        "rules/database.yaml",
        CPU,
        CPU.replace("> 80", "> > 80"),
        "> > 80",
        "groups.0.rules.3.expr: is not PromQL: ",
        id="an expression that does not parse",
    ),
    pytest.param(
        "rules/database.yaml",
        CPU,
        CPU.replace("aws_rds_cpuutilization_average", "aws_rds_cpu"),
        "(aws_rds_cpu[",
        "groups.0.rules.3.expr: series aws_rds_cpu is neither scraped nor recorded. "
        "Add it to rules/scraped_series.yaml with its exporter, or record it",
        id="a series that nobody makes",
    ),
    pytest.param(
        "rules/latency.yaml",
        " * on (service) group_left (team) orion:service:owner",
        "",
        "labels:",
        "groups.0.rules.12.labels.team: alert HighP99Latency has no label team; "
        "the alert carries alertname, service, severity. Join it in `expr:` or set it in `labels:`",
        id="an alert without a team",
    ),
    pytest.param(
        "rules/database.yaml",
        "          summary:",
        "          sumary:",
        "annotations:",
        "groups.0.rules.3.annotations.summary: alert AuroraHighCPU has no summary. Add `summary:`",
        id="an alert without a summary",
    ),
    pytest.param(
        "rules/database.yaml",
        "service: database",
        "service: databse",
        "databse",
        'groups.0.rules.3.labels.service: found "databse"; '
        f"allowed: orders, positions, market-data, gateway, {TEAMS}. Change it",
        id="an alert of an unknown service",
    ),
    pytest.param(
        "rules/database.yaml",
        'summary: "Aurora {{ $labels.dbinstance_identifier }} uses',
        'summary: "Aurora {{ $labels.instance_id }} uses',
        "$labels.instance_id",
        'groups.0.rules.3.annotations.summary: found "$labels.instance_id"; allowed: alertname, '
        "dbinstance_identifier, service, severity, team. Name a label that the alert carries",
        id="a text with a label that the alert does not carry",
    ),
    pytest.param(
        "rules/scraped_series.yaml",
        "pods: {port: metrics}",
        "pods: {port: metrics, label: app}",
        "pods: {port: metrics, label: app}",
        "exporters.services.pods: found {'port': 'metrics', 'label': 'app'}; label app is allowed beside a "
        "`name:` only; services have app.kubernetes.io/name. Change it",
        id="services by another label than the rules join on",
    ),
    pytest.param(
        "rules/meta.yaml",
        '(printf "orion:series:missing{',
        '(printf "orion:series:lost{',
        "",
        f"{SILENT_TEXT}: series orion:series:lost is neither scraped nor recorded. "
        "Add it to rules/scraped_series.yaml with its exporter, or record it",
        id="a text that tells of a series that nobody makes",
    ),
    pytest.param(
        "rules/meta.yaml",
        "orion:series:missing{exporter=%q}",
        "orion:series:missing{service=%q}",
        "",
        f"{SILENT_TEXT}: label service of orion:series:missing is not there; "
        "allowed: exporter, series. Change it, or rules/scraped_series.yaml",
        id="a text that asks for a label that a series lacks",
    ),
    pytest.param(
        "rules/meta.yaml",
        "orion:series:missing{exporter=%q}",
        "orion:series:missing{exporter=%q",
        "",
        f"{SILENT_TEXT}: is not PromQL: ",
        id="a text whose query does not parse",
    ),
    pytest.param(
        "rules/meta.yaml",
        "orion:series:missing{exporter=%q}",
        "count_over_time(orion:series:missing{exporter=%q}[1h])",
        "",
        f"{SILENT_TEXT}: queries the past, "
        '"count_over_time(orion:series:missing{exporter=\\"\\"}[1h])"; '
        "allowed: no range, no offset. Record it, and query that",
        id="a text that queries the past",
    ),
    pytest.param(
        "rules/meta.yaml",
        'query (printf "orion:series:missing{exporter=%q}" $labels.exporter)',
        'printf "orion:series:missing{exporter=%q}" $labels.exporter | query',
        "",
        f"{SILENT_TEXT}: has a query that is not written out; "
        'allowed: `query "PROMQL"`, `query (printf "PROMQL" …)`. Write it so, or nobody knows what it reads',
        id="a text of which nobody knows what it reads",
    ),
    pytest.param(
        "rules/database.yaml",
        "(aws_rds_cpuutilization_average[5m])",
        '(aws_rds_cpuutilization_average{db="orion-1"}[5m])',
        'db="orion-1"',
        "groups.0.rules.3.expr: label db of aws_rds_cpuutilization_average is not there; "
        "allowed: dbinstance_identifier, instance, job. Change it, or rules/scraped_series.yaml",
        id="a selector by a label that a series lacks",
    ),
    pytest.param(
        "rules/scraped_series.yaml",
        "parts: {name: Redis, labels: [instance]}",
        "parts: {name: Redis, labels: [address]}",
        "labels: [address]",
        'series.redis_up.parts.labels: found "address"; allowed: instance, job. Change it',
        id="parts that are told apart by a label that the series lacks",
    ),
    pytest.param(
        "rules/scraped_series.yaml",
        "expected: redis_up == 1",
        "expected: count by (job) (redis_up)",
        "expected: count by (job)",
        "series.redis_memory_used_bytes.parts.expected: has no label instance, by which the parts of "
        "redis_memory_used_bytes are told apart; it has job. Keep the label",
        id="expected parts without the label that tells them apart",
    ),
    pytest.param(
        "rules/scraped_series.yaml",
        "expected: last_over_time(db_pool_connections_used[1d]) and",
        "expected: last_over_time(db_pool_connections_open[1d]) and",
        "expected: last_over_time(db_pool_connections_open[1d]) and",
        "series.db_pool_connections_used.parts.expected: series db_pool_connections_open is neither scraped nor ",
        id="expected parts of a series that nobody makes",
    ),
    *(
        pytest.param(
            "rules/database.yaml",
            f"expr: {old}",
            f'expr: "{new}"',
            f'expr: "{new}"',
            f"groups.0.rules.{rule}.expr: gives {kind}; allowed for {allowed}. Put the expression right",
            id=f"{kind}, {new}",
        )
        for old, rule, allowed in (
            (CPU, 3, "an alert: an instant vector"),
            (POOL, 0, "a recording: an instant vector or a scalar"),
        )
        for new, kind in (
            ("(up[5m])", "a range vector"),
            ("up[5m:1m]", "a range vector"),
            ("'up'", "a string"),
            ("1 > bool time()", "a scalar"),
            ("-scalar(up)", "a scalar"),
        )
        if kind not in allowed
    ),
    *(
        pytest.param(
            "rules/database.yaml",
            f"        expr: {POOL}\n",
            f"        expr: {POOL}\n        {field}: {value}\n",
            f"{field}: {value}",
            f"groups.0.rules.0.{field}: belongs to an alert, and this is a recording. Remove it",
            id=f"a recording with {field}",
        )
        for field, value in (("for", "7m"), ("keep_firing_for", "7m"), ("annotations", "{summary: x}"))
    ),
    pytest.param(
        "rules/database.yaml",
        "          service: database",
        "          __name__: database",
        "__name__: database",
        "groups.0.rules.3.labels.__name__: is the series' own name, which no rule may set. Remove the label",
        id="a rule that renames its series",
    ),
    pytest.param(
        "rules/database.yaml",
        "groups:\n",
        "groups:\n  - name: orion.database.alerts\n    rules: [{record: 'orion:one', expr: vector(1)}]\n",
        "",
        'rules/database.yaml:8: groups.1.name: found "orion.database.alerts" again, first in line 6; '
        "allowed: once a file. Rename one",
        id="two groups of a name",
    ),
    pytest.param(
        "rules/meta.yaml",
        "groups:",
        "groups: [",
        "orion.meta.alerts",
        "is not YAML: ",
        id="YAML that does not parse",
    ),
    pytest.param(
        "runbooks/ServiceDown.md",
        "## Mitigation",
        "## Mitigations",
        "",
        f"{SERVICE_DOWN}: groups.0.rules.9.alert: runbooks/ServiceDown.md lacks Mitigation. Add each",
        id="a page without a heading",
    ),
    pytest.param(
        "runbooks/ServiceDown.md",
        "# ServiceDown",
        "# Service is down",
        "",
        f'{SERVICE_DOWN}: groups.0.rules.9.alert: runbooks/ServiceDown.md begins with "Service is down"; ',
        id="a page of another title",
    ),
    pytest.param(
        "runbooks/HighMemoryUsage.md",
        "The action `restart_pod` answers",
        "An action answers",
        "",
        "rules/infrastructure.yaml:",
        id="a page that does not speak of the repair",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "where", "message"), ONE_PROBLEM)
def test_each_mistake_is_told_where_it_was_made(
    tmp_path: Path, file: str, old: str, new: str, where: str, message: str
) -> None:
    root = changed(tmp_path / "root", file, old, new)

    assert_told(root, file, where, message)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "rules/latency.yaml",
            "      - record: orion:http_latency:p99",
            "      - {record: 'orion:extra', expr: vector(1)}\n      - record: orion:http_latency:p99",
            "groups.0.rules.5.record: no rule reads orion:extra. Read it, or remove the recording",
        ),
        (
            "rules/scraped_series.yaml",
            "series:\n",
            "series:\n  extra: {exporter: kafka, type: gauge, labels: [], description: Nothing.}\n",
            "series.extra: no rule reads extra. Remove it, or read it",
        ),
        (
            "rules/errors.yaml",
            "    rules:\n",
            "    rules:\n      - {record: 'orion:extra', expr: vector(1)}\n",
            "groups.0.rules.0.record: no rule reads orion:extra. Read it, or remove the recording",
        ),
    ],
)
def test_what_nobody_reads_is_refused(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    (problem,) = problems(changed(tmp_path / "root", file, old, new))

    assert problem.startswith(f"{file}:")
    assert problem.endswith(message)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(" * 300 + "up" + ")" * 300, "it is nested deeper than 200 levels, which is what is allowed"),
        ("-" * 300 + "up", "it is nested deeper than 200 levels, which is what is allowed"),
        ("up or " * 300 + "up", "it is nested deeper than 200 levels, which is what is allowed"),
        ("(" * 100_000 + "up" + ")" * 100_000, "found 200002 characters; at most 3000 are allowed"),
        ("up offset -300y > 0", "a duration of less than 292 years is allowed"),
        ("rate(up[300y])", "a duration of less than 292 years is allowed"),
    ],
    ids=["brackets", "signs", "alternatives", "long", "offset", "range"],
)
def test_an_expression_that_cannot_be_followed_is_refused(tmp_path: Path, expression: str, message: str) -> None:
    root = changed(tmp_path / "root", "rules/database.yaml", CPU, f'"{expression}"')

    told = f"rules/database.yaml:31: groups.0.rules.3.expr: is not PromQL: {message}. Put the expression right"
    assert told in problems(root)


def test_a_recording_may_be_a_scalar(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "rules/database.yaml", POOL, "time() + 1 * scalar(db_pool_connections_used)")

    assert not any("gives" in problem for problem in problems(root))
