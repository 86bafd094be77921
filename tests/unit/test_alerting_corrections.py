"""catalog/corrections.yaml: what is refused, what is told of spans to come and of those that are over."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerting.build import load_catalog
from alerting.catalog import Catalog
from alerting.rules.checks.corrections import correction_lines, ended_corrections
from tests.alerting_data import copied_root, fixture_catalog, problems

FILE = "catalog/corrections.yaml"
CORRECTIONS = """\
corrections:
  upgrade:
    service: orders
    since: 2026-12-05T01:00:00+00:00
    until: 2026-12-05T03:00:00+01:00
    reason: Aurora is upgraded
    owner: platform
  false-data:
    objective: requests
    service: orders
    since: 2026-12-06T01:00:00+00:00
    until: 2026-12-06T03:00:00+00:00
    reason: A load test was counted
    owner: platform
"""


def written(folder: Path, text: str = CORRECTIONS) -> Path:
    root = copied_root(folder / "root")
    (root / FILE).write_text(text)
    return root


def read(folder: Path, text: str = CORRECTIONS) -> Catalog:
    return load_catalog(written(folder, text))


REFUSED = [
    ("service: orders\n    since: 2026-12-05", "service: order\n    since: 2026-12-05", 3, 'found "order"; allowed: '),
    (
        "service: orders\n    since: 2026-12-05",
        "objective: other\n    since: 2026-12-05",
        3,
        'found "other"; allowed: req',
    ),
    ("    service: orders\n    since: 2026-12-05", "    since: 2026-12-05", 2, "`objective:`, `service:` or both are"),
    (
        "    service: orders\n    since: 2026-12-06",
        "    since: 2026-12-06",
        8,
        "`service:` beside `objective: requests`",
    ),
    ("owner: platform", "owner: nobody", 7, 'found "nobody"; allowed: '),
    ("    owner: platform\n  false", "  false", 2, "owner: found nothing; allowed: a team of catalog/teams.yaml"),
    ("    reason: Aurora is upgraded\n", "", 2, "reason: found nothing"),
    ("2026-12-05T03:00:00+01:00", "2026-12-05T03:00:00", 5, "allowed: a time with its offset"),
    ("2026-12-05T03:00:00+01:00", "2026-12-05T02:00:00+01:00", 5, "allowed: a time after `since`, which is"),
    ("2026-12-05T03:00:00+01:00", "2027-01-05T03:00:00+01:00", 5, "so that all of the period of 30d may be left out"),
    ("2026-12-06T01:00:00", "2026-12-05T01:30:00", 8, "leaves out some of what upgrade leaves out of orders requests"),
    ("2026-12-06T01:00:00", "2026-12-05T02:06:29", 8, "corrections of an objective that are 6.5 minutes apart"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_a_correction_that_cannot_work_is_refused(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in CORRECTIONS
    found = problems(written(tmp_path, CORRECTIONS.replace(old, new, 1)))

    assert any(problem.startswith(f"{FILE}:{line}: corrections.") and message in problem for problem in found), found
    assert all(problem.startswith(f"{FILE}:") for problem in found), found


def test_corrections_far_enough_apart_or_of_others_do_not_overlap(tmp_path: Path) -> None:
    near = CORRECTIONS.replace("2026-12-06T01:00:00", "2026-12-05T02:06:30")
    same_time = CORRECTIONS.replace("2026-12-06T01:00:00", "2026-12-05T01:00:00")
    other = same_time.replace("service: orders", "service: positions", 1)

    assert read(tmp_path / "near", near).corrections
    assert read(tmp_path / "other", other).corrections


def test_a_catalog_without_corrections_has_the_rules_that_it_had(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / FILE).unlink()

    assert [rule.rule for rule in load_catalog(root).rules.rules] == [
        rule.rule for rule in fixture_catalog().rules.rules
    ]


def test_a_correction_costs_three_rules_and_is_seen(tmp_path: Path) -> None:
    one = CORRECTIONS[: CORRECTIONS.index("  false-data:")]
    none, first, both = (
        read(tmp_path / str(number), text).rules for number, text in enumerate(("corrections: {}", one, CORRECTIONS))
    )

    assert len(both.rules) - len(first.rules) == 3
    # The three, three sums before they are corrected, and the share that is left out.
    assert len(first.rules) - len(none.rules) == 7
    (left_out, _) = both.recordings["orion:objective_bad:corrected30d"]
    assert left_out.rule.labels == {"correction": "upgrade"}
    assert 'orion:objective_bad:stage5m{service="orders"}[1h5m30s] @ 1796436360' in left_out.rule.expr


@pytest.mark.parametrize(
    ("now", "lines", "ended"),
    [
        ((2026, 12, 1), 2, 0),
        ((2026, 12, 6), 1, 0),
        ((2027, 1, 4), 0, 0),
        ((2027, 1, 5), 0, 1),
        ((2027, 2, 1), 0, 2),
    ],
)
def test_spans_to_come_are_told_and_those_that_no_period_holds(
    tmp_path: Path, now: tuple[int, int, int], lines: int, ended: int
) -> None:
    catalog = read(tmp_path)
    moment = datetime(*now, tzinfo=UTC)

    assert len(list(correction_lines(catalog, moment))) == lines
    assert len(list(ended_corrections(catalog, moment))) == ended
