"""The detection matrix: what is refused of a scenario, when Alertmanager's groups notify, and what a run is judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from alerting.backtest.report import Episode
from alerting.build import load_catalog
from alerting.detection.notifications import (
    Answer,
    Notification,
    notifications,
    sets_of_alerts,
)
from alerting.detection.scenarios import KnownSteps, Run, ScenariosFile, Urgency, read_scenarios, runs
from alerting.detection.verdicts import Outcome, judge, totals
from alerting.source.problems import CatalogError
from tests.alerting_data import DATA, ROOT, changed, fixture_catalog

FILE = "rules/scenarios/few.yaml"
SCHEMA = ROOT / "docs" / "scenarios.schema.json"
KNOWN = KnownSteps(
    events=("rollout",),
    faults={
        "service is down": ("service",),
        "service serves no metrics": ("service",),
        "exporter is silent": ("exporter",),
    },
    required={"exporter is silent": ("exporter",)},
)
BEGINS = 1795014000.0  # 2026-11-18T15:00:00Z
EXPECT = "expect: {alert: ServiceDown, urgency: page, within: 3m}"
REFUSED = [
    (
        "fault: service is down",
        "fault: service is up",
        'steps.0.fault: found "service is up"; allowed: exporter is silent',
    ),
    ("fault: service is down", "fault: exporter is silent", "the fault needs the label exporter. Add it to `labels:`"),
    ("fault: service is down", "fault: service is down\n        labels: {pod: x}", 'found "pod"; allowed: service'),
    (
        "fault: service is down",
        "fault: service is down\n        event: rollout",
        "one of `fault:` and `event:` is allowed",
    ),
    (
        "fault: service is down",
        "fault: service is down\n        after: 1h",
        "the step ends after the scenario, which lasts 10m",
    ),
    ("event: rollout", "event: sunrise", 'found "sunrise"; allowed: rollout'),
    ("services: [orders]", "services: [order]", 'found "order"; allowed: orders, positions'),
    ("services: [orders]", "replicas: 4", "the scenario has no service, which alone has an owner. Name a team"),
    (EXPECT, EXPECT.replace("ServiceDown", "ServiceUp"), 'found "ServiceUp"; allowed: '),
    (EXPECT, EXPECT.replace("page", "ticket"), 'found "ticket"; severity critical of ServiceDown makes page'),
    (EXPECT, EXPECT.replace("3m", "3m, team: nobody"), 'found "nobody"; allowed: owner, trading'),
    (EXPECT, EXPECT + "\n    known: {Nothing: because}", 'found "Nothing"; allowed: '),
    ("begins: 2026-11-18T15:00:00+00:00", "begins: tomorrow", "2026"),
    ("lasts: 10m", "lasts: 10", "found 10; a duration such as 30s"),
    ("watched: 5m", "waits: 5m", "found an unknown field"),
]


@pytest.mark.parametrize(("old", "new", "message"), REFUSED)
def test_what_a_scenario_cannot_be_is_told_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    root = changed(tmp_path, FILE, old, new)

    with pytest.raises(CatalogError) as refused:
        read_scenarios(root, load_catalog(root), KNOWN)

    assert message in str(refused.value)
    assert all(f"{FILE}:" in line for line in str(refused.value).splitlines())


def test_a_name_in_two_files_is_refused(tmp_path: Path) -> None:
    root = changed(tmp_path, FILE, "description: No replica", "description: Not a replica")
    (root / "rules" / "scenarios" / "more.yaml").write_text((root / FILE).read_text())

    with pytest.raises(CatalogError, match=r"more.yaml:2: .*is the name of a scenario of another file too"):
        read_scenarios(root, fixture_catalog(), KNOWN)


def test_the_published_schema_is_that_of_the_model() -> None:
    """Write it anew with: python -c 'print(json.dumps(ScenariosFile.model_json_schema(), indent=2))'."""
    assert json.loads(SCHEMA.read_text()) == ScenariosFile.model_json_schema()


def outage() -> Run:
    return next(runs(read_scenarios(DATA, fixture_catalog(), KNOWN), fixture_catalog()))


def fired(alert: str, start: float, end: float, **labels: str) -> Episode:
    """Return a time in which an alert of orders fired, in seconds from the scenario's beginning."""
    given = {"service": "orders", "team": "trading", "severity": "critical", "cluster": "orion", **labels}
    return Episode(
        labels={"alertname": alert, **given}, state="firing", start=BEGINS + start, end=BEGINS + end, open=False
    )


def told(*episodes: Episode, inhibited: Mapping[str, str] | None = None) -> list[Notification]:
    """Return what is notified where each alert of `inhibited` is inhibited by another while that fires."""
    receivers = {"critical": "pagerduty-trading", "warning": "slack-warning"}
    answers = {
        (alerts, one): Answer(
            receiver=receivers[dict(one)["severity"]],
            inhibited=(inhibited or {}).get(dict(one)["alertname"]) in {dict(other)["alertname"] for other in alerts},
        )
        for _, alerts in sets_of_alerts(episodes)
        for one in alerts
    }
    assert all(one.identity in alerts for one in episodes for at, alerts in sets_of_alerts(episodes) if at == one.start)
    return notifications(episodes, answers, fixture_catalog())


def test_a_group_notifies_once_after_its_wait_and_again_when_it_has_ended_between() -> None:
    first = fired("PodNotReady", 0, 600, pod="a", severity="warning")
    beside = fired("PodNotReady", 30, 900, pod="b", severity="warning")
    later = fired("PodNotReady", 2000, 2500, pod="a", severity="warning")

    made = told(first, beside, later)

    assert [one.at - BEGINS for one in made] == [60, 2060]
    assert {(one.urgency, one.team, one.channels) for one in made} == {(Urgency.TICKET, "trading", ("#orion-alerts",))}


def test_an_alert_that_ends_before_its_groups_wait_notifies_nobody() -> None:
    assert told(fired("PodNotReady", 0, 59, severity="warning")) == []


def test_an_inhibited_alert_notifies_at_the_next_interval_after_it_is_free() -> None:
    cause = fired("ServiceDown", 0, 400)
    effect = fired("PodNotReady", 100, 2000, severity="warning")

    made = told(cause, effect, inhibited={"PodNotReady": "ServiceDown"})

    assert [(one.alert, one.at - BEGINS) for one in made] == [("ServiceDown", 0), ("PodNotReady", 460)]


def test_who_is_on_call_for_the_service_is_paged() -> None:
    (page,) = told(fired("ServiceDown", 60, 600))

    assert page.people == ("trading-secondary@orion.example.com",)


def test_a_run_is_judged_by_its_first_notification_and_all_others() -> None:
    run, catalog = outage(), fixture_catalog()
    (page,) = told(fired("ServiceDown", 60, 600))
    (ticket,) = told(fired("TargetDown", 60, 600, severity="warning"))
    (late,) = told(fired("ServiceDown", 181, 600))
    (of_another,) = told(fired("ServiceDown", 60, 600, service="positions"))

    verdicts = {
        Outcome.DETECTED: judge(run, [page], {}, catalog),
        Outcome.TOO_MANY: judge(run, [page, ticket], {}, catalog),
        Outcome.LATE: judge(run, [late], {}, catalog),
        Outcome.WRONG_PERSON: judge(run, [replace(page, people=("somebody@orion.example.com",))], {}, catalog),
        Outcome.MISSED: judge(run, [of_another], {"ServiceDown": "pending only"}, catalog),
    }

    assert {outcome: verdict.outcome for outcome, verdict in verdicts.items()} == {
        outcome: outcome for outcome in verdicts
    }
    assert verdicts[Outcome.MISSED].reason == "ServiceDown should have notified and did not: pending only"
    assert verdicts[Outcome.LATE].reason == "ServiceDown notified 1 s after 3m"
    counted = totals(list(verdicts.values()))
    assert (counted.faults, counted.right, counted.recall) == (5, 1, 0.4)
    assert counted.precision == 1 - 2 / 6
