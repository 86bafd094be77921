"""Every alert has a runbook page that says something, and every page an alert."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.rules.checks.pages import PAGE_HEADINGS
from tests.alerting_data import DATA, ROOT, copied_root, line_of, problems

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
