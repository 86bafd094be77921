"""What a team can get wrong, and that each is told with its file, line, field, what is allowed and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.build import load_catalog
from tests.alerting_data import ROOT, changed, copied_root, line_of, problems

ALERTS = ", ".join(load_catalog(ROOT).alerts())
SERVICE_DOWN = f"rules/infrastructure.yaml:{line_of(ROOT, 'rules/infrastructure.yaml', 'alert: ServiceDown')}"
TEAMS = "trading, platform, database"

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
        "services.orders.objective: found 1; input should be less than 1. Change it",
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
    "text", ["", "- a\n- b\n", "just text", "a: &x [*x]\n", "a: \x00\n", "? [1]\n: 2\n", "\ttab: 1"]
)
def test_files_that_are_no_catalog_are_refused(tmp_path: Path, text: str) -> None:
    root = copied_root(tmp_path / "root")
    (root / "catalog" / "services.yaml").write_text(text)

    assert all(problem.startswith("catalog/services.yaml:1: ") for problem in problems(root))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "catalog" / "services.yaml").write_bytes(b"a: \xff")

    assert problems(root) == ["catalog/services.yaml:1: is not UTF-8 at byte 3. Save it as UTF-8"]
