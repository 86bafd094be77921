"""What a team can get wrong, and that each is told with its file, line, field, what is allowed and what to do."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.documents import parse_document
from tests.alerting_data import ROOT, changed, copied_root, line_of, problems

ALERTS = ", ".join(load_catalog(ROOT).alerts())
SERVICE_DOWN = f"rules/infrastructure.yaml:{line_of(ROOT, 'rules/infrastructure.yaml', 'alert: ServiceDown')}"
TEAMS = "trading, platform, database"

CPU = "max by (dbinstance_identifier) (aws_rds_cpuutilization_average) > 80"
POOL = "max by (service, pool) (db_pool_connections_used / (db_pool_connections_max > 0))"
"""An alert's expression, and a recording's."""

ONE_PROBLEM = [
    pytest.param(
        "catalog/services.yaml",
        "team: trading",
        "team: tradin",
        "team: tradin",
        f'services.orders.team: found "tradin"; allowed: {TEAMS}. Name a team of catalog/teams.yaml',
        id="a service of an unknown team",
    ),
    pytest.param(
        "catalog/services.yaml",
        "    namespace: orion",
        "    namespace: payments",
        "namespace: payments",
        'services.orders.namespace: found "payments"; allowed: orion. '
        "Name one that the rules read, or have the expressions of rules/ read this one too",
        id="a service where no rule looks",
    ),
    pytest.param(
        "catalog/services.yaml",
        "    objective: 0.999",
        "    objectiv: 0.999\n    objective: 0.999",
        "objectiv: 0.999",
        "services.orders.objectiv: found an unknown field; "
        "allowed: description, team, namespace, objective, integration_keys. Remove or rename it",
        id="an unknown field",
    ),
    pytest.param(
        "catalog/services.yaml",
        "    objective: 0.999",
        "    objective: 0.999\n    integration_keys: [1, 3]",
        "integration_keys: [1, 3]",
        "services.orders.integration_keys: found [1, 3]; the number of one key, such as [1], or of two that follow "
        "each other, such as [1, 2], is allowed. Change it",
        id="a key that skips one",
    ),
    pytest.param(
        "catalog/services.yaml",
        "    namespace: orion\n",
        "",
        "orders:",
        "services.orders.namespace: found nothing; allowed: a text. Add `namespace:`",
        id="a missing field",
    ),
    pytest.param(
        "catalog/services.yaml",
        "objective: 0.999",
        "objective: 1",
        "objective: 1",
        "services.orders.objective: found 1; allowed: less than 1. Change it",
        id="an objective that leaves no budget",
    ),
    pytest.param(
        "catalog/services.yaml",
        "    team: trading\n",
        "    team: trading\n    team: platform\n",
        "team: platform",
        "services.orders.team: found twice, first in line 5; allowed: once. Remove one of them",
        id="a key twice",
    ),
    pytest.param(
        "catalog/services.yaml",
        "  positions:",
        "  trading:",
        "  trading:",
        "services.trading: is a team of catalog/teams.yaml too; "
        "both are names of PagerDuty services. Rename one of them",
        id="a service named as a team",
    ),
    *(
        pytest.param(
            "catalog/market.yaml",
            '"2026-12-25"',
            f'"{year}-12-25"',
            f"{year}-12-25",
            f'holidays.{year}-12-25: found "{year}-12-25"; a year from 2000 to 2100 is allowed. Change it',
            id=f"a holiday of {year}",
        )
        for year in ("0001", "1999", "2101", "9999")
    ),
    *(
        pytest.param(
            "catalog/routing.yaml",
            old,
            new,
            new.strip(),
            message,
            id=new.strip(),
        )
        for old, new, message in (
            (
                "  group_interval: 5m",
                "  group_interval: 0s",
                'default.group_interval: found "0s"; a duration over 0 is allowed. Change it',
            ),
            (
                "  repeat_interval: 4h",
                "  repeat_interval: 0s",
                'default.repeat_interval: found "0s"; a duration over 0 is allowed. Change it',
            ),
            (
                "    group_interval: 1m",
                "    group_interval: 0h0m",
                'routes.0.group_interval: found "0h0m"; a duration over 0 is allowed. Change it',
            ),
            (
                "  group_wait: 30s",
                "  group_wait: 293y",
                'default.group_wait: found "293y"; a duration of less than 292 years is allowed. Change it',
            ),
            (
                "  group_wait: 30s",
                f"  group_wait: {'9' * 5000}s",
                f'default.group_wait: found "{"9" * 119}… (5003 characters); a duration of less than 292 years is',
            ),
            (
                "group_by: [alertname, cluster, service, severity]",
                "group_by: [alertname, cluster, service, alertname]",
                "default.group_by: found ['alertname', 'cluster', 'service', 'alertname']; each once is allowed",
            ),
        )
    ),
    *(
        pytest.param(
            "catalog/teams.yaml",
            "acknowledgement_timeout: 30m",
            f"acknowledgement_timeout: {value}",
            f"acknowledgement_timeout: {value}",
            f'teams.trading.acknowledgement_timeout: found "{value}"; whole seconds from 1m to 1d are allowed: '
            "PagerDuty takes 0 for never. Change it",
            id=f"an acknowledgement of {value}",
        )
        for value in ("0s", "500ms", "59s", "90s500ms", "1d1s")
    ),
    pytest.param(
        "catalog/routing.yaml",
        "receiver: slack-warning-database",
        "receiver: slack-warnings",
        "receiver: slack-warnings",
        'routes.8.receiver: found "slack-warnings"; allowed: default-receiver, watchdog, nobody, ',
        id="a route to a receiver that is not there",
    ),
    pytest.param(
        "catalog/routing.yaml",
        "receiver: nobody",
        "receiver: watchdog # again",
        "receiver: watchdog # again",
        "routes.1.receiver: receiver watchdog belongs to the route in line "
        f"{line_of(ROOT, 'catalog/routing.yaml', 'receiver: watchdog')}; allowed: one route. Add a receiver",
        id="a receiver of two routes",
    ),
    pytest.param(
        "catalog/routing.yaml",
        "match: {severity: [high]}",
        "match: {severity: [hgih]}",
        "hgih",
        'routes.7.match.severity.0: found "hgih"; allowed: critical, high, warning, info, none. Change it',
        id="an unknown severity in a route",
    ),
    pytest.param(
        "catalog/routing.yaml",
        "target: {alerts: [PodNotReady]}",
        "target: {alerts: [HighLatency]}",
        "HighLatency",
        f'inhibitions.0.target.alerts.0: found "HighLatency"; allowed: {ALERTS}. Name an alert of rules/',
        id="an inhibition of an unknown alert",
    ),
    pytest.param(
        "catalog/routing.yaml",
        "equal: [service, namespace]",
        "equal: [service, pod]",
        "equal:",
        'inhibitions.0.equal.1: alert ServiceDown has no label "pod"; '
        "allowed: alertname, namespace, service, severity, team. Change it, or the alert",
        id="an inhibition by a label that an alert lacks",
    ),
    pytest.param(
        "catalog/routing.yaml",
        'channels: ["#orion-alerts", ',
        'channels: ["#orion-alert", ',
        'slack: [{channel: "#orion-alerts"}]',
        'receivers.default-receiver.slack.0.channel: found "#orion-alerts"; '
        "allowed: #orion-alert, #orion-alerts-info, #orion-database-team. Add it to `channels:`",
        id="a message to an unknown channel",
    ),
    pytest.param(
        "catalog/routing.yaml",
        "resolve_timeout: 5m",
        "resolve_timeout: 5 minutes",
        "resolve_timeout",
        'resolve_timeout: found "5 minutes"; a duration such as 30s, 5m, 1h30m or 7d is allowed. Change it',
        id="a wait that is no duration",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "- schedules: [trading-secondary]",
        "- schedules: [trading-third]",
        "trading-third",
        'teams.trading.escalation.levels.1.schedules.0: found "trading-third"; '
        "allowed: trading-primary, trading-secondary. Name a schedule of the team",
        id="an escalation to an unknown schedule",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "people: [platform-asia-primary@orion.example.com, platform-asia-secondary@orion.example.com]",
        "people: []",
        "people: []",
        "teams.platform.schedules.platform-primary.rotations.asia.people: "
        "has nobody in it, which leaves every hour uncovered. Add a person",
        id="a rotation of nobody",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "first_day: 2026-01-05",
        'first_day: "2026-02-30"',
        "first_day:",
        'teams.trading.schedules.trading-primary.rotations.weekly.first_day: found "2026-02-30"; '
        "a day such as 2026-01-05 is allowed, and this one is none: ",
        id="a rotation from a day that is none",
    ),
    pytest.param(
        "catalog/teams.yaml",
        'until: "16:00"',
        "until: 16:00",
        "until: 16:00",
        "teams.platform.schedules.platform-primary.rotations.europe.until: found 960; "
        'a time of day in quotes, such as "09:00", is allowed. Change it',
        id="a time of day that YAML takes for a number",
    ),
    pytest.param(
        "catalog/teams.yaml",
        'since: "2026-12-24T17:00:00-05:00"',
        'since: "2026-12-24T17:00:00"',
        "since:",
        'teams.trading.schedules.trading-primary.overrides.0.since: found "2026-12-24T17:00:00"; ',
        id="an override whose start has no offset",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "    repair_mail: [trading@orion.example.com]\n",
        "",
        "  trading:",
        "teams.trading.repair_mail: ",
        id="a team that would hear of no repair",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "[trading@orion.example.com]",
        "[trading@orion.example.com, trading@orion.example.com]",
        "repair_mail:",
        "teams.trading.repair_mail: found ['trading@orion.example.com', 'trading@orion.example.com']; "
        "each once is allowed, and trading@orion.example.com is there twice. Change it",
        id="an address twice",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "        - schedules: [trading-primary]",
        "        - schedules: trading-primary",
        "- schedules: trading-primary",
        'teams.trading.escalation.levels.0.schedules: found "trading-primary"; allowed: a list, such as [A, B]. '
        "Change it",
        id="one value where a list is wanted",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "timeout_minutes: 5\n",
        "timeout_minutes: 5m\n",
        "timeout_minutes: 5m",
        'teams.trading.escalation.levels.0.timeout_minutes: found "5m"; allowed: a whole number. Change it',
        id="a unit where a number is wanted",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "acknowledgement_timeout: 30m",
        "acknowledgement_timeout: 30",
        "acknowledgement_timeout: 30",
        "teams.trading.acknowledgement_timeout: found 30; a duration such as 30s, 5m, 1h30m or 7d is allowed. "
        "Change it",
        id="a duration without its unit",
    ),
    pytest.param(
        "catalog/teams.yaml",
        'since: "2026-12-24T17:00:00-05:00"',
        'since: "2026-12-24T17:00:00"',
        "since:",
        'teams.trading.schedules.trading-primary.overrides.0.since: found "2026-12-24T17:00:00"; '
        "allowed: a time with its offset, such as 2026-02-10T09:00:00-05:00. Change it",
        id="a time without its offset",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "    description: Owns orders and positions.",
        "    description:",
        "description:",
        "teams.trading.description: found nothing; allowed: a text. Change it",
        id="a field without its value",
    ),
    pytest.param(
        "catalog/remediations.yaml",
        "  HighMemoryUsage:\n    action: restart_pod",
        "  HighMemoryUsage: restart_pod",
        "HighMemoryUsage",
        'remediations.HighMemoryUsage: found "restart_pod"; allowed: a mapping with action. Change it',
        id="a value where fields are wanted",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "      - trading-lead@orion.example.com\n",
        "      - trading-lead@orion.example.com\n      - trading-primary@orion.example.com\n",
        "people:",
        "teams.trading.people: found ['trading-primary@orion.example.com', 'trading-secondary@orion.example.com', "
        "'trading-lead@orion.example.com', 'trading-… (147 characters); each once is allowed, and "
        "trading-primary@orion.example.com is there twice. Change it",
        id="a person twice",
    ),
    pytest.param(
        "catalog/routing.yaml",
        'channels: ["#orion-alerts",',
        'channels: ["#orion-alerts", "#orion-alerts",',
        "channels:",
        "channels: found ['#orion-alerts', '#orion-alerts', '#orion-alerts-info', '#orion-database-team']; each once "
        "is allowed, and #orion-alerts is there twice. Change it",
        id="a channel twice",
    ),
    pytest.param(
        "catalog/routing.yaml",
        "match: {team: [database], severity: [info]}",
        "match: {taem: [database], severity: [info]}",
        "taem",
        'routes.10.match.taem: found "taem"; allowed: alertname, cluster, ',
        id="a route by a label that no alert carries",
    ),
    pytest.param(
        "rules/database.yaml",
        'summary: "Aurora {{ $labels.dbinstance_identifier }} uses',
        'summary: "Aurora {{ $labels.instance_id }} uses',
        "$labels.instance_id",
        'groups.0.rules.2.annotations.summary: found "$labels.instance_id"; allowed: alertname, '
        "dbinstance_identifier, service, severity, team. Name a label that the alert carries",
        id="a text with a label that the alert does not carry",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "operating_team: platform",
        "operating_team: platfrom",
        "operating_team",
        f'operating_team: found "platfrom"; allowed: {TEAMS}. Name a team of this file',
        id="an operating team that is not there",
    ),
    pytest.param(
        "catalog/teams.yaml",
        "time_zone: Europe/London",
        "time_zone: Europe/Londn",
        "Londn",
        'teams.platform.schedules.platform-primary.time_zone: found "Europe/Londn"; '
        "allowed: IANA names such as Europe/London. Change it",
        id="an unknown time zone",
    ),
    pytest.param(
        "rules/latency.yaml",
        "          severity: warning\n",
        "          tier: one\n",
        "labels:",
        "groups.0.rules.2.labels: alert HighP99Latency has no severity; "
        "allowed: critical, high, warning, info, none. Add `severity:`",
        id="an alert without severity",
    ),
    pytest.param(
        "rules/latency.yaml",
        "- alert: CriticalLatency",
        "- alert: ServiceDown",
        "- alert: ServiceDown",
        f"groups.0.rules.3.alert: alert ServiceDown is there already ({SERVICE_DOWN}); allowed: once. ",
        id="a duplicate alert",
    ),
    pytest.param(
        "rules/latency.yaml",
        "expr: orion:http_latency:p95 * on",
        "expr: orion:http_latency:p95 * * on",
        "* * on",
        "groups.0.rules.3.expr: is not PromQL: ",
        id="an expression that does not parse",
    ),
    pytest.param(
        "rules/latency.yaml",
        "orion:http_latency:p95 * on",
        "orion:http_latency:p90 * on",
        "p90 * on",
        "groups.0.rules.3.expr: series orion:http_latency:p90 is neither scraped nor recorded. "
        "Add it to rules/scraped_series.yaml with its exporter, or record it",
        id="a series that nobody makes",
    ),
    pytest.param(
        "rules/latency.yaml",
        " * on (service) group_left (team) orion:service:owner",
        "",
        "labels:",
        "groups.0.rules.2.labels.team: alert HighP99Latency has no label team; "
        "the alert carries alertname, service, severity. Join it in `expr:` or set it in `labels:`",
        id="an alert without a team",
    ),
    pytest.param(
        "rules/database.yaml",
        "          summary:",
        "          sumary:",
        "annotations:",
        "groups.0.rules.2.annotations.summary: alert AuroraHighCPU has no summary. Add `summary:`",
        id="an alert without a summary",
    ),
    pytest.param(
        "rules/database.yaml",
        "service: database",
        "service: databse",
        "databse",
        'groups.0.rules.2.labels.service: found "databse"; '
        f"allowed: orders, positions, market-data, gateway, {TEAMS}. Change it",
        id="an alert of an unknown service",
    ),
    pytest.param(
        "rules/meta.yaml",
        '(printf "orion:series:missing{',
        '(printf "orion:series:lost{',
        "description: >-",
        "groups.0.rules.1.annotations.description: series orion:series:lost is neither scraped nor recorded. "
        "Add it to rules/scraped_series.yaml with its exporter, or record it",
        id="a text that tells of a series that nobody makes",
    ),
    pytest.param(
        "rules/meta.yaml",
        "orion:series:missing{exporter=%q}",
        "orion:series:missing{service=%q}",
        "description: >-",
        "groups.0.rules.1.annotations.description: label service of orion:series:missing is not there; "
        "allowed: exporter, series. Change it, or rules/scraped_series.yaml",
        id="a text that asks for a label that a series lacks",
    ),
    pytest.param(
        "rules/meta.yaml",
        "orion:series:missing{exporter=%q}",
        "orion:series:missing{exporter=%q",
        "description: >-",
        "groups.0.rules.1.annotations.description: is not PromQL: ",
        id="a text whose query does not parse",
    ),
    pytest.param(
        "rules/meta.yaml",
        "orion:series:missing{exporter=%q}",
        "count_over_time(orion:series:missing{exporter=%q}[1h])",
        "description: >-",
        "groups.0.rules.1.annotations.description: queries the past, "
        '"count_over_time(orion:series:missing{exporter=\\"\\"}[1h])"; '
        "allowed: no range, no offset. Record it, and query that",
        id="a text that queries the past",
    ),
    pytest.param(
        "rules/meta.yaml",
        'query (printf "orion:series:missing{exporter=%q}" $labels.exporter)',
        'printf "orion:series:missing{exporter=%q}" $labels.exporter | query',
        "description: >-",
        "groups.0.rules.1.annotations.description: has a query that is not written out; "
        'allowed: `query "PROMQL"`, `query (printf "PROMQL" …)`. Write it so, or nobody knows what it reads',
        id="a text of which nobody knows what it reads",
    ),
    pytest.param(
        "rules/database.yaml",
        "(aws_rds_cpuutilization_average)",
        '(aws_rds_cpuutilization_average{db="orion-1"})',
        'db="orion-1"',
        "groups.0.rules.2.expr: label db of aws_rds_cpuutilization_average is not there; "
        "allowed: dbinstance_identifier, instance, job. Change it, or rules/scraped_series.yaml",
        id="a selector by a label that a series lacks",
    ),
    *(
        pytest.param(
            "catalog/routing.yaml",
            'summary_prefix: "[TRADING] "',
            f'summary_prefix: "{prefix}"',
            f'summary_prefix: "{prefix}"',
            "receivers.pagerduty-trading.page.summary_prefix: found "
            f'"{prefix}"; a text on one line without {{ and }} is allowed. Change it',
            id=f"a prefix that breaks its template, {prefix}",
        )
        for prefix in ("{{ .Nothing }} ", "[TRADING] {")
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
            (CPU, 2, "an alert: an instant vector"),
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
        "groups.0.rules.2.labels.__name__: is the series' own name, which no rule may set. Remove the label",
        id="a rule that renames its series",
    ),
    pytest.param(
        "rules/database.yaml",
        "groups:\n",
        "groups:\n  - name: orion.database.alerts\n    rules: [{record: 'orion:one', expr: vector(1)}]\n",
        "",
        'rules/database.yaml:5: groups.1.name: found "orion.database.alerts" again, first in line 3; '
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
        f"{SERVICE_DOWN}: groups.0.rules.8.alert: runbooks/ServiceDown.md lacks Mitigation. Add each",
        id="a page without a heading",
    ),
    pytest.param(
        "runbooks/ServiceDown.md",
        "# ServiceDown",
        "# Service is down",
        "",
        f'{SERVICE_DOWN}: groups.0.rules.8.alert: runbooks/ServiceDown.md begins with "Service is down"; ',
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

    found = problems(root)

    place = f"{file}:{line_of(root, file, where)}: " if where else ""
    assert any(problem.startswith(place + message) for problem in found), found


def test_the_repository_itself_is_right(tmp_path: Path) -> None:
    assert load_catalog(copied_root(tmp_path / "root")).services
    assert load_catalog(ROOT).services


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "team: trading", "taem: trading")
    (root / "rules" / "meta.yaml").write_text("groups: [")
    (root / "catalog" / "teams.yaml").unlink()

    files = {problem.split(":")[0] for problem in problems(root)}

    assert files == {"catalog/services.yaml", "rules/meta.yaml", "catalog/teams.yaml"}


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "rules/latency.yaml",
            "      - record: orion:http_latency:p99",
            "      - {record: 'orion:extra', expr: vector(1)}\n      - record: orion:http_latency:p99",
            "groups.0.rules.1.record: no rule reads orion:extra. Read it, or remove the recording",
        ),
        (
            "rules/scraped_series.yaml",
            "series:\n",
            "series:\n  extra: {exporter: kafka, type: gauge, labels: [], description: Nothing.}\n",
            "series.extra: no rule reads extra. Remove it, or read it",
        ),
        (
            "rules/slo.yaml",
            "    interval: 1m\n    rules:\n",
            "    interval: 1m\n    rules:\n      - {record: 'orion:extra', expr: vector(1)}\n",
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

    told = f"rules/database.yaml:14: groups.0.rules.2.expr: is not PromQL: {message}. Put the expression right"
    assert told in problems(root)


def test_a_recording_may_be_a_scalar(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "rules/database.yaml", POOL, "time() + 1 * scalar(db_pool_connections_used)")

    assert not any("gives" in problem for problem in problems(root))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "just text",
        "a: &x [*x]\n",
        "a: \x00\n",
        "? [1]\n: 2\n",
        "\ttab: 1",
        'a: "\\UFFFFFFFF"',
        'a: "\\U00110000"',
    ],
)
def test_files_that_are_no_catalog_are_refused(tmp_path: Path, text: str) -> None:
    root = copied_root(tmp_path / "root")
    (root / "catalog" / "services.yaml").write_text(text)

    assert all(problem.startswith("catalog/services.yaml:1: ") for problem in problems(root))


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ('!!bool "abc"', "tag:yaml.org,2002:bool"),
        ('!!int ""', "tag:yaml.org,2002:int"),
        ("!!float x", "tag:yaml.org,2002:float"),
        ("!!null x", "tag:yaml.org,2002:null"),
        ("!!timestamp x", "tag:yaml.org,2002:timestamp"),
        ("!!binary aGVsbG8=", "tag:yaml.org,2002:binary"),
        ("!!set {x}", "tag:yaml.org,2002:set"),
        ("!!omap [x: 1]", "tag:yaml.org,2002:omap"),
        ("!!python/object/apply:os.getcwd []", "tag:yaml.org,2002:python/object/apply:os.getcwd"),
        ("!own x", "!own"),
        ("!own {}", "!own"),
    ],
)
def test_a_tag_that_says_what_its_value_is_not_is_refused(tmp_path: Path, value: str, tag: str) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "team: trading", f"team: {value}")

    assert problems(root) == [
        f'catalog/services.yaml:5: services.orders.team: has the tag "{tag}"; allowed: no tag. Remove it'
    ]


def test_a_tag_that_says_what_its_value_is_changes_nothing() -> None:
    read = parse_document("file.yaml", "a: !!str 5\nb: !!int 5\nc: !!bool yes\nd: !!timestamp 2026-01-01\n")

    assert read.data == {"a": "5", "b": 5, "c": True, "d": "2026-01-01"}


@pytest.mark.parametrize(
    "value", ["9" * 5000, "0x" + "f" * 5000, "1" + ":0" * 300 + ".0", "0b_"], ids=["long", "hex", "base 60", "empty"]
)
def test_what_looks_like_a_number_and_cannot_be_one_is_refused(tmp_path: Path, value: str) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "objective: 0.999", f"objective: {value}")

    (problem,) = problems(root)

    assert problem.startswith(f'catalog/services.yaml:7: services.orders.objective: found "{value[:40]}')
    assert problem.endswith("; allowed: a number of at most 64 bits. Change or quote it")


def test_a_key_that_cannot_be_seen_is_refused(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "catalog/services.yaml", "    team: trading", '    "te\\u202eam": trading')

    (problem,) = problems(root)

    assert problem == (
        'catalog/services.yaml:5: services.orders: found the key "te\\x202eam"; '
        "allowed: a key on one line that can be seen whole. Change it"
    )


def test_aliases_of_aliases_are_not_followed_without_end(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    names = "abcdefghijkl"
    lines = [f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairwise(names)]
    (root / "catalog" / "services.yaml").write_text("\n".join(["a: &a [x]", *lines]))

    (problem,) = problems(root)

    assert problem.startswith("catalog/services.yaml:2: is not YAML: aliases stand for more than 10000 values")


def test_aliases_are_followed() -> None:
    assert parse_document("file.yaml", "a: &a [x]\nb: [*a, *a]\n").data == {"a": ["x"], "b": [["x"], ["x"]]}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "catalog/service.yaml",
            "nothing reads it; allowed in catalog/: market.yaml, remediations.yaml, routing.yaml, services.yaml, ",
        ),
        ("catalog/more/services.yaml", "nothing reads it; allowed in catalog/: "),
        (
            "rules/extra.yml",
            "nothing reads it; allowed in rules/: NAME.yaml, tests/. Rename, move or remove it",
        ),
        ("rules/sub/x.yaml", "nothing reads it; allowed in rules/: NAME.yaml, tests/. Rename, move or remove it"),
        ("rules/tests/x_test.yml", "nothing reads it; allowed in rules/tests/: NAME.yaml. Rename, move or remove it"),
        ("runbooks/ServiceDown.txt", "nothing reads it; allowed in runbooks/: NAME.md, actions/. Rename, "),
        ("runbooks/more/ServiceDown.md", "nothing reads it; allowed in runbooks/: NAME.md, actions/. Rename, "),
        ("runbooks/actions/restart.yml", "nothing reads it; allowed in runbooks/actions/: NAME.yaml. Rename, "),
        *(
            (
                f"rules/{domain}.yaml",
                "is the name of rules that are made from the catalog; allowed: any but services, market, series. ",
            )
            for domain in ("services", "market", "series")
        ),
        *(
            (f"rules/{domain}.yaml", "allowed as a name: lower-case letters, digits and `-`, at most 34, a letter ")
            for domain in ("My Rules", "my.rules", "my_rules", "-rules", "rules-", "4rules", "r" * 35)
        ),
    ],
)
def test_a_file_that_nothing_would_read_or_that_cannot_be_deployed_is_refused(
    tmp_path: Path, file: str, message: str
) -> None:
    root = copied_root(tmp_path / "root")
    (root / file).parent.mkdir(exist_ok=True)
    shutil.copy(root / "rules" / "slo.yaml", root / file)
    place = "/".join(file.split("/")[: 3 if file.startswith(("rules/tests", "runbooks/actions")) else 2])

    assert any(problem.startswith(f"{place}:1: {message}") for problem in problems(root))


def test_a_hidden_file_is_nobodys_business(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    for folder in ("catalog", "rules", "runbooks"):
        (root / folder / ".DS_Store").touch()

    assert load_catalog(root).services


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    shutil.rmtree(root / "rules" / "tests")

    assert problems(root) == ["rules/tests:1: the folder is not there. Make it"]


def test_the_longest_name_of_rules_is_allowed(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "rules" / "slo.yaml").rename(root / "rules" / f"{'r' * 34}.yaml")

    assert "r" * 34 in load_catalog(root).rules


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "catalog" / "services.yaml").unlink()
    (root / "catalog" / "services.yaml").mkdir()

    assert "catalog/services.yaml:1: cannot be read: Is a directory. Put that right" in problems(root)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "catalog" / "services.yaml").write_bytes(b"a: \xff")

    assert problems(root) == ["catalog/services.yaml:1: is not UTF-8 at byte 3. Save it as UTF-8"]
