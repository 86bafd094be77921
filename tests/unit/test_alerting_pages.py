"""Every alert has a runbook page that says something, and every page an alert."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.rules.checks.pages import PAGE_HEADINGS
from alerting.source.problems import shown
from tests.alerting_data import DATA, ROOT, changed, copied_root, line_of, problems

SERVICE_DOWN = f"rules/infrastructure.yaml:{line_of(DATA, 'rules/infrastructure.yaml', 'alert: ServiceDown')}"


def test_an_alert_needs_a_page(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "runbooks" / "ServiceDown.md").unlink()

    (problem,) = problems(root)

    line = line_of(root, "rules/infrastructure.yaml", "alert: ServiceDown")
    assert problem == (
        f"rules/infrastructure.yaml:{line}: groups.0.rules.9.alert: "
        "alert ServiceDown has no runbook page. Write runbooks/ServiceDown.md"
    )


def test_a_page_needs_an_alert(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / "runbooks" / "Nothing.md").write_text("# Nothing\n")

    (problem,) = problems(root)

    assert problem.startswith('runbooks/Nothing.md:1: there is no alert "Nothing"; allowed: ')


@pytest.mark.parametrize("heading", PAGE_HEADINGS)
def test_each_part_of_a_page_says_something(tmp_path: Path, heading: str) -> None:
    root = copied_root(tmp_path / "root")
    path = root / "runbooks" / "ServiceDown.md"
    above, _, rest = path.read_text().partition(f"## {heading}\n")
    _, following, below = rest.partition("\n## ")
    path.write_text(f"{above}## {heading}\n{following}{below}")

    found = problems(root)

    expected = f"{SERVICE_DOWN}: groups.0.rules.9.alert: runbooks/ServiceDown.md says nothing under {heading}. "
    assert any(problem.startswith(expected) for problem in found)


def test_a_diagnosis_has_something_to_paste(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    path = root / "runbooks" / "ServiceDown.md"
    above, _, rest = path.read_text().partition("## Diagnosis\n")
    path.write_text(f"{above}## Diagnosis\n\nLook around.\n\n## {rest.partition('## ')[2]}")

    (problem,) = problems(root)

    assert "runbooks/ServiceDown.md has nothing to paste under Diagnosis. Add a command" in problem


def with_line(folder: Path, line: str) -> tuple[list[str], str]:
    """Return what is wrong where a page has one more line under Diagnosis, and the place of that line."""
    root = copied_root(folder)
    path = root / "runbooks" / "ServiceDown.md"
    path.write_text(path.read_text().replace("## Diagnosis\n", f"## Diagnosis\n\n{line}\n", 1))
    return problems(root), f"runbooks/ServiceDown.md:{line_of(root, 'runbooks/ServiceDown.md', line)}: "


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("Nothing.md", 'links to "Nothing.md", which is not there; allowed: https://…, #SECTION, and ALERT.md'),
        ("../docs/alerts.md", 'links to "../docs/alerts.md", which is not there; '),
        ("Watchdog", 'links to "Watchdog", which is not there; '),
        ("javascript:x", 'links to "javascript:x", which is not there; '),
        ("#cause", 'links to "#cause", a section that is not there; allowed: #after-the-incident, #diagnosis, '),
        ("Watchdog.md#cause", 'links to "Watchdog.md#cause", a section that is not there; '),
    ],
)
def test_a_dead_link_is_told_with_its_line(tmp_path: Path, link: str, message: str) -> None:
    (problem,), place = with_line(tmp_path / "root", f"See [it]({link}).")

    assert problem.startswith(place + message)
    assert problem.endswith("Change the link")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sum by (code) (rate(http_requests_total[5m])", "is not PromQL: "),
        ("rate(http_requests_total[5 minutes])", "is not PromQL: "),
        ("http_requests_sum", "reads http_requests_sum, which is neither scraped nor recorded. Name a series"),
        ('orion:nothing{service="SERVICE"}', "reads orion:nothing, which is neither scraped nor recorded. "),
        ("redis_down == 0", "reads redis_down, which is neither scraped nor recorded. "),
        ("60 * kube_pods", "reads kube_pods, which is neither scraped nor recorded. "),
        ("(up - kube_pods) / 2", "reads kube_pods, which is neither scraped nor recorded. "),
        (
            'kafka_consumergroup_lag{consumer_group="GROUP"}',
            "selects by the label consumer_group, which kafka_consumergroup_lag lacks; allowed: __name__, ",
        ),
    ],
)
def test_a_query_that_would_show_nothing_is_told_with_its_line(tmp_path: Path, query: str, message: str) -> None:
    (problem,), place = with_line(tmp_path / "root", f"Look at `{query}`.")

    assert problem.startswith(f"{place}{shown(query)} {message}")


@pytest.mark.parametrize(
    "text",
    [
        "[a](#meaning), [b](Watchdog.md#impact), [c](https://example.com/x#y), `[d](e.md)`",
        "`kubectl -n orion get pods -l app.kubernetes.io/name=SERVICE`, `redis-cli INFO`, `aws rds describe-events`",
        '`restart_pod`, `maxmemory_policy`, `code="500"`, `SELECT pg_sleep(1)`, `CrashLoop`, `1h/5m`, `/-/ready`',
        "`curl -s localhost:9100/metrics | grep http_requests_sum`, `INFO stats`, `-c alertmanager`, `a - b`",
        "`last_over_time(SERIES[1d])`, `count by (LABELS) (SIDE) > 1`",
        '`topk(10, count by (__name__) ({__name__=~".+"}))`, `time() - 60`',
        '`ALERTS{alertname="Watchdog"}`, `up{namespace="orion", service="SERVICE"}`',
        "```\nhttp_requests_sum and [e](f.md)\n```",
    ],
)
def test_links_that_lead_somewhere_queries_commands_and_names_are_fine(tmp_path: Path, text: str) -> None:
    root = copied_root(tmp_path / "root")
    path = root / "runbooks" / "ServiceDown.md"
    path.write_text(path.read_text().replace("## Diagnosis\n", f"## Diagnosis\n\n`up`\n{text}\n", 1))

    assert text in load_catalog(root).pages["ServiceDown"].text


def test_what_only_a_page_reads_is_read(tmp_path: Path) -> None:
    series = "series:\n  redis_extra: {exporter: redis, type: gauge, labels: [], description: x, not_watched: y}\n"
    root = changed(tmp_path / "root", "rules/scraped_series.yaml", "series:\n", series)
    (unread,) = problems(root)
    path = root / "runbooks" / "RedisDown.md"
    path.write_text(path.read_text().replace("## Diagnosis\n", "## Diagnosis\n\n`redis_extra`\n", 1))

    assert unread.endswith("no rule reads redis_extra. Remove it, or read it")
    assert "redis_extra" in load_catalog(root).series.series


@pytest.mark.own_pages
@pytest.mark.parametrize("alert", ["HighErrorRate", "HighErrorBudgetBurn", "CriticalLatency"])
def test_who_is_paged_beside_a_rollback_does_not_undo_it(alert: str) -> None:
    """Without a revision `rollout undo` goes to that before the last rollout: after a rollback, to the faulty one."""
    commands = re.findall(r"`kubectl [^`]*rollout undo[^`]*`", (ROOT / "runbooks" / f"{alert}.md").read_text())

    assert commands
    assert [command for command in commands if "--to-revision=N" not in command] == []


@pytest.mark.own_pages
def test_the_port_of_metrics_is_found_by_the_name_that_it_is_scraped_by() -> None:
    port = load_catalog(ROOT).series.exporters["services"].pods
    (forwarded,) = re.findall(
        r"`kubectl [^`]* port-forward POD \d+:(\w+)`", (ROOT / "runbooks" / "ServiceMetricsMissing.md").read_text()
    )

    assert port is not None
    assert forwarded == port.port
