"""docs/repairs.md is true: the table of actions, and the action that it adds."""

from __future__ import annotations

from pathlib import Path

from alerting.build import load_catalog
from alerting.repairs.compile import repairs
from tests.alerting_data import ROOT, changed, copied_root, fixture_catalog

PAGE = (ROOT / "docs" / "repairs.md").read_text()


def _added(file: str) -> str:
    """Return the file that the page's diff makes."""
    after = PAGE.partition(f"+++ b/{file}\n")[2].splitlines()
    lines = [line[1:] for line in after[: next(index for index, line in enumerate(after) if line.startswith("---"))]]
    return "\n".join(lines) + "\n"


def test_every_repair_of_the_catalog_is_in_its_table() -> None:
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    told = {(action.strip(" `"), alert.strip(" `")) for action, alert in rows}

    assert {(entry.action, alert) for alert, entry in fixture_catalog().remediations.items()} <= told


def test_the_action_that_it_adds_is_taken(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "catalog/remediations.yaml", "action: collect_diagnostics", "action: evict_pod")
    added = PAGE.partition(" hourly_limits:\n+")[2].partition("\n")[0]
    catalog = root / "catalog/remediations.yaml"
    catalog.write_text(catalog.read_text().replace("hourly_limits:\n", f"hourly_limits:\n{added}\n"))
    (root / "runbooks/actions/evict_pod.yaml").write_text(_added("runbooks/actions/evict_pod.yaml"))
    page = root / "runbooks/PodCrashLooping.md"
    page.write_text(page.read_text().replace("## Mitigation\n", "## Mitigation\n\nThe action `evict_pod` answers.\n"))

    made = repairs(load_catalog(root))

    assert "evict_pod" in {action.name for action in made.actions}
    assert ("pods/eviction", ("create",)) in {(one.resource, one.verbs) for one in made.rights}


def test_an_alert_is_handed_over_by_the_two_lines_that_it_shows(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    catalog = root / "catalog/remediations.yaml"
    entry = "\n  AuroraReplicaLag:\n    action: hand_to_database_team\n"
    assert entry.replace("\n  ", "\n+  ") in f"\n{PAGE.partition('## To hand an alert')[2]}"
    catalog.write_text(catalog.read_text().replace("remediations:\n", f"remediations:{entry}", 1))
    page = root / "runbooks/AuroraReplicaLag.md"
    text = page.read_text().replace("## Mitigation\n", "## Mitigation\n\nThe action `hand_to_database_team` answers.\n")
    page.write_text(text)

    assert "AuroraReplicaLag" in {repair.alert for repair in repairs(load_catalog(root)).repairs}
