"""A route that another keeps alerts from is refused, and so is a page that would reach the wrong people."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from alerting.build import load_catalog
from alerting.source.problems import CatalogError
from tests.alerting_data import copied_root

ROUTING = "catalog/routing.yaml"
WARNING = "  - match: {severity: [warning]}\n    receiver: slack-warning\n    group_wait: 1m\n    repeat_interval: 4h\n"
TRADING = "  - match: {team: [trading], severity: [critical, high]}\n"
DATABASE = "  - match: {team: [database]}\n    receiver: slack-database-team\n"


def root_with(folder: Path, old: str, new: str) -> Path:
    root = copied_root(folder)
    path = root / ROUTING
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return root


def problems(root: Path) -> list[str]:
    with pytest.raises(CatalogError) as raised:
        load_catalog(root)
    return [str(problem) for problem in raised.value.problems]


def routed(folder: Path, *routes: dict[str, list[str]]) -> Path:
    """Return data whose routes are the two that page, then these, each with a receiver of its own."""
    root = copied_root(folder)
    path = root / ROUTING
    routing = yaml.safe_load(path.read_text())
    receivers = {"default-receiver": routing["receivers"]["default-receiver"]}
    receivers |= {f"page-{severity}": {"page": {}} for severity in ("critical", "high")}
    entries = [{"match": {"severity": [one]}, "receiver": f"page-{one}"} for one in ("critical", "high")]
    for number, match in enumerate(routes):
        receivers[f"other-{number}"] = {"slack": [{"channel": "#orion-alerts"}]}
        entries.append({"match": match, "receiver": f"other-{number}"})
    path.write_text(yaml.safe_dump({**routing, "receivers": receivers, "routes": entries}, sort_keys=False))
    return root


def test_the_storys_database_route_behind_its_warning_route_is_refused(tmp_path: Path) -> None:
    root = root_with(tmp_path / "root", WARNING, WARNING + DATABASE)
    path = root / ROUTING
    text = path.read_text().replace(
        "  slack-warning:\n",
        '  slack-database-team:\n    slack: [{channel: "#orion-database-team"}]\n  slack-warning:\n',
        1,
    )
    path.write_text(text)
    lines = text.splitlines()
    database, warning = (
        next(number for number, line in enumerate(lines, 1) if line.endswith(match))
        for match in ("match: {team: [database]}", "match: {severity: [warning]}")
    )

    expected = (
        f"{ROUTING}:{database}: routes.12: the route in line {warning} takes its alerts with "
        "severity warning and team database: it comes first. "
        "Move this route before that one, or have that one match less"
    )
    assert expected in problems(root)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"severity": ["warning"]}, {"severity": ["warning"]}),
        ({"severity": ["warning", "info"]}, {"severity": ["info"], "team": ["database"]}),
        ({"severity": ["warning", "info"]}, {"severity": ["info", "none"]}),
        ({"severity": ["warning"]}, {"alertname": ["AuroraHighCPU"]}),
        ({"alertname": ["AuroraHighCPU", "PodNotReady"]}, {"alertname": ["AuroraHighCPU"]}),
        ({"team": ["trading"], "severity": ["info"]}, {"service": ["orders"], "severity": ["info"]}),
    ],
)
def test_a_route_behind_one_that_is_as_broad_or_broader_is_refused(
    tmp_path: Path, first: dict[str, list[str]], second: dict[str, list[str]]
) -> None:
    (problem,) = problems(routed(tmp_path / "root", first, second))

    assert "routes.3: the route in line " in problem


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"severity": ["warning"], "team": ["database"]}, {"severity": ["warning"]}),
        ({"severity": ["warning"]}, {"severity": ["info"], "team": ["database"]}),
        # An alert by its name says more than any label of it.
        ({"alertname": ["Watchdog"]}, {"severity": ["none"], "team": ["platform"]}),
        # This alert is never a warning.
        ({"severity": ["warning"]}, {"alertname": ["Watchdog"]}),
        # A service says its team.
        ({"service": ["orders"], "severity": ["warning"]}, {"team": ["trading"], "severity": ["warning"]}),
    ],
)
def test_a_narrower_route_may_come_first(
    tmp_path: Path, first: dict[str, list[str]], second: dict[str, list[str]]
) -> None:
    assert load_catalog(routed(tmp_path / "root", first, second)).routing.routes


def test_a_critical_alert_that_would_page_nobody_is_refused(tmp_path: Path) -> None:
    root = root_with(
        tmp_path / "root", "pagerduty-critical-database:\n    page: {}\n", "pagerduty-critical-database:\n"
    )

    (problem,) = problems(root)

    assert "a critical alert of database pages nobody: receiver pagerduty-critical-database has no `page:`" in problem


@pytest.mark.parametrize(
    ("match", "taken"),
    [
        ("{alertname: [RulesFailing, CriticalLatency, PodNotReady]}", "RulesFailing, CriticalLatency"),
        ("{alertname: [CriticalLatency], severity: [critical], team: [trading]}", "CriticalLatency"),
        # RulesFailing is the platform team's, and no warning.
        ("{alertname: [CriticalLatency, RulesFailing], service: [orders]}", "CriticalLatency"),
        # By what else it matches it comes before the route that pages.
        (
            "{topic: [trades], team: [trading], severity: [critical]}",
            "HighErrorBudgetBurn, ServiceDown, PodCrashLooping, KafkaConsumerLagCritical, CriticalLatency",
        ),
    ],
)
def test_a_route_by_another_label_that_takes_what_pages_and_does_not_page_is_refused(
    tmp_path: Path, match: str, taken: str
) -> None:
    root = root_with(tmp_path / "root", TRADING, f"  - match: {match}\n    receiver: quiet\n{TRADING}")
    path = root / ROUTING
    text = path.read_text()
    path.write_text(text.replace("receivers:\n", "receivers:\n  quiet: {publish: false}\n", 1))

    (problem,) = problems(root)

    assert f"routes.3: may take {taken}, and pages nobody: receiver quiet has no `page:`. Add `page: {{}}`" in problem


@pytest.mark.parametrize(
    "match",
    [
        "{alertname: [PodNotReady, MarketCalendarEnds]}",
        # None of these is ever a warning.
        "{alertname: [RulesFailing, CriticalLatency], severity: [warning]}",
        # RulesFailing says itself whose it is.
        "{alertname: [RulesFailing], team: [trading]}",
    ],
)
def test_a_route_that_takes_nothing_that_pages_need_not_page(tmp_path: Path, match: str) -> None:
    root = root_with(tmp_path / "root", "routes:\n", f"routes:\n  - match: {match}\n    receiver: quiet\n")
    path = root / ROUTING
    text = path.read_text()
    path.write_text(text.replace("receivers:\n", "receivers:\n  quiet: {publish: false}\n", 1))

    assert load_catalog(root).routing.routes


def test_a_team_whose_critical_alerts_no_route_takes_is_refused(tmp_path: Path) -> None:
    narrowed = "match: {severity: [critical], service: [gateway, market-data]}"
    root = root_with(tmp_path / "root", "match: {severity: [critical]}", narrowed)

    (problem,) = problems(root)

    assert problem.endswith("no route takes a critical alert of platform, so that it pages nobody. Add a route")


def test_a_receiver_named_as_one_that_is_made_is_refused(tmp_path: Path) -> None:
    root = root_with(tmp_path / "root", "pagerduty-high-database", "pagerduty-high-key-3")
    path = root / ROUTING
    path.write_text(path.read_text().replace("receiver: pagerduty-high-database", "receiver: pagerduty-high-key-3"))

    (problem,) = problems(root)

    assert "receivers.pagerduty-high-key-3: is the name of the receiver that the route in line " in problem
