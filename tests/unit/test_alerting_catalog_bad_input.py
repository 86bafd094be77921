"""Mistakes in catalog/: each is reported with its file, line, field, what is allowed and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.build import load_catalog
from tests.alerting_data import DATA, assert_told, changed, copied_root, fixture_catalog, line_of

ALERTS = ", ".join(fixture_catalog().rules.alerts)
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
        "allowed: description, team, namespace, objective, tier. Remove or rename it",
        id="an unknown field",
    ),
    pytest.param(
        "catalog/routing.yaml",
        "fallback_team: platform",
        "fallback_team: platform\nintegration_keys: [1, 3]",
        "integration_keys: [1, 3]",
        "integration_keys: found [1, 3]; the number of one key, such as [1], or of two that follow "
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
            (
                "group_by: [alertname, cluster, service, severity]",
                "group_by: [cluster, service]",
                "default.group_by: found ['cluster', 'service']; alertname, service, severity and any more",
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
        'routes.10.receiver: found "slack-warnings"; allowed: default-receiver, watchdog, nobody, ',
        id="a route to a receiver that is not there",
    ),
    pytest.param(
        "catalog/routing.yaml",
        "receiver: nobody",
        "receiver: watchdog # again",
        "receiver: watchdog # again",
        "routes.1.receiver: receiver watchdog belongs to the route in line "
        f"{line_of(DATA, 'catalog/routing.yaml', 'receiver: watchdog')}; allowed: one route. Add a receiver",
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
        "target: {alerts: [PodNotReady, DeploymentReplicasMissing]}",
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
        'remediations.HighMemoryUsage: found "restart_pod"; allowed: a mapping with action, triggered_by. Change it',
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
        'routes.12.match.taem: found "taem"; allowed: alertname, cluster, ',
        id="a route by a label that no alert carries",
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
]


@pytest.mark.parametrize(("file", "old", "new", "where", "message"), ONE_PROBLEM)
def test_each_mistake_is_told_where_it_was_made(
    tmp_path: Path, file: str, old: str, new: str, where: str, message: str
) -> None:
    root = changed(tmp_path / "root", file, old, new)

    assert_told(root, file, where, message)


def test_the_repository_itself_is_right(tmp_path: Path) -> None:
    assert load_catalog(copied_root(tmp_path / "root")).services
    assert load_catalog(DATA).services
