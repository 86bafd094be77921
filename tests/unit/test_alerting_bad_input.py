"""What teams write wrongly is refused with file, line and field, what was found, what is allowed and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.problems import CatalogError
from tests.alerting_data import copied_root

ROUTING, RULES = "catalog/routing.yaml", "rules/infrastructure.yaml"
WRONG_WORDS = [
    (ROUTING, "    receiver: slack-warning\n", "    receiver: slack-warnin\n", ["slack-warnin", "slack-warning"]),
    (ROUTING, "source: {alerts: [ServiceDown]}", "source: {alerts: [ServicDown]}", ["ServicDown", "ServiceDown"]),
    (ROUTING, "equal: [service, namespace]", "equal: [servic, namespace]", ["servic"]),
    ("catalog/remediations.yaml", "  HighMemoryUsage:", "  HighMemoryUsag:", ["HighMemoryUsag", "HighMemoryUsage"]),
    ("catalog/remediations.yaml", "action: restart_pod", "action: restart_pot", ["restart_pot", "restart_pod"]),
    ("rules/database.yaml", "severity: warning", "severity: warnin", ["warnin", "critical"]),
    ("rules/database.yaml", "          severity: warning\n", "", ["severity"]),
    ("rules/latency.yaml", "alert: CriticalLatency", "alert: ServiceDown", ["ServiceDown"]),
    (RULES, "orion:service:replicas_available == 0", "orion:service:replicas_available ==", ["expr"]),
    (RULES, "orion:service:replicas_available == 0", "orion:service:replica == 0", ["orion:service:replica"]),
    ("catalog/teams.yaml", "- schedules: [platform-primary]", "- schedules: [platform-primar]", ["platform-primar"]),
    ("catalog/services.yaml", "services:\n", "services:\n  - [\n", ["catalog/services.yaml"]),
]
"""File, text, what it is replaced by, and the words that must be said of it."""


def refusal(root: Path, file: str, old: str, new: str) -> list[str]:
    """Replace one text of one file and return what is said of it."""
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(CatalogError) as refused:
        load_catalog(root)
    return str(refused.value).splitlines()


def line_of(root: Path, file: str, text: str) -> int:
    return next(number for number, line in enumerate((root / file).read_text().splitlines(), 1) if text in line)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copied_root(tmp_path)


def test_the_repositorys_own_data_is_sound(root: Path) -> None:
    catalog = load_catalog(root)

    assert set(catalog.services) == {"orders", "positions", "market-data", "gateway"}


def test_a_misspelled_team(root: Path) -> None:
    said = refusal(root, "catalog/services.yaml", "team: trading", "team: tradin")

    line = line_of(root, "catalog/services.yaml", "tradin\n".strip())
    assert said[0].startswith(f"catalog/services.yaml:{line}: services.orders.team")
    assert 'found "tradin"; allowed: trading, platform, database' in said[0]


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    WRONG_WORDS,
)
def test_each_wrong_word_is_named_with_its_place(root: Path, file: str, old: str, new: str, words: list[str]) -> None:
    said = refusal(root, file, old, new)

    assert any(line.startswith(f"{file}:") and all(word in line for word in words) for line in said), said


def test_an_alert_without_a_runbook_page(root: Path) -> None:
    (root / "runbooks" / "AuroraHighCPU.md").unlink()

    with pytest.raises(CatalogError, match=r"(?s)rules/database\.yaml:\d+.*runbooks/AuroraHighCPU\.md"):
        load_catalog(root)


def test_every_problem_of_every_file_is_told_at_once(root: Path) -> None:
    (root / "catalog" / "services.yaml").write_text("services: 3\n")

    said = refusal(root, "catalog/teams.yaml", "teams:", "team:")

    assert any(line.startswith("catalog/services.yaml:") for line in said)
    assert any(line.startswith("catalog/teams.yaml:") for line in said)
