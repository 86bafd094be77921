"""Modes of repairs and who may approve them: what a stack gets, and each mistake as one error at its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alerting.build import build_platform, load_catalog
from alerting.catalog import Catalog
from alerting.repairs.compile import repairs
from alerting.repairs.model import ActionMode, Approvers, ModeRule, RemediationEntry
from alerting.settings import ChatMode, Environment, RepairMode, Settings
from alerting.source.problems import CatalogError
from tests.alerting_data import changed, fixture_catalog, line_of, problems, settings

REMEDIATIONS = "catalog/remediations.yaml"
RULE = "  - {mode: approve, action: restart_pod, service: market-data, environment: sandbox}"
APPROVERS = "  teams: [platform]\n  people: [trading-lead@orion.example.com]"
OFF, DRY_RUN, APPROVE = ActionMode.OFF, ActionMode.DRY_RUN, ActionMode.APPROVE


def with_rules(*rules: ModeRule) -> Catalog:
    return replace(fixture_catalog(), modes=rules)


def with_chat(**changes: object) -> Settings:
    chat = {
        "chat": ChatMode.ON,
        "slack_workspace": "T0123ABCD",
        "pagerduty_sender": "alerts@example.com",
        "alertmanager_api": "load-balancer",
        "repairs": RepairMode.ON,
    }
    return settings().model_copy(update=chat | changes)


def modes(catalog: Catalog, environment: Environment = Environment.PROD) -> tuple[str, dict[str, str]]:
    """Return the mode of restarts everywhere, and by service, as the function reads them."""
    action = repairs(catalog, environment=environment).as_function_data()["actions"]["restart_pod"]
    return action["mode"], action["service_modes"]


def test_without_a_rule_an_action_runs_by_itself() -> None:
    assert modes(with_rules()) == ("on", {})


def test_the_strictest_rule_that_matches_applies() -> None:
    catalog = with_rules(
        ModeRule(mode=APPROVE),
        ModeRule(mode=DRY_RUN, action="restart_pod", environment=Environment.DEV),
        ModeRule(mode=OFF, action="scale_consumers"),
        ModeRule(mode=OFF, service="orders"),
        ModeRule(mode=APPROVE, service="orders"),
    )

    assert modes(catalog) == ("approve", {"orders": "off"})
    assert modes(catalog, Environment.DEV) == ("dry-run", {"orders": "off"})


@pytest.mark.parametrize(("time_scale", "seconds"), [(1, 900), (20, 45), (10_000, 1)])
def test_people_have_a_quarter_of_an_hour_of_the_story_to_approve(time_scale: float, seconds: int) -> None:
    assert repairs(fixture_catalog(), time_scale).as_function_data()["approval_seconds"] == seconds


def test_approvers_are_everybody_of_a_team_and_further_people() -> None:
    catalog = fixture_catalog()

    approvers = build_platform(catalog, settings()).chat.approvers

    assert approvers == tuple(sorted({*catalog.teams["platform"].people, "trading-lead@orion.example.com"}))


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        pytest.param(
            f"approvers:\n{APPROVERS}",
            "approvers: {}",
            "mode: approve",
            "modes.0.mode: found approve, and nobody may approve; allowed without approvers: off, dry-run, auto. "
            "Add `approvers:` with `teams:` or `people:`",
            id="nobody may approve",
        ),
        pytest.param(
            "teams: [platform]",
            "teams: [platforms]",
            "platforms",
            'approvers.teams.0: found "platforms"; allowed: trading, platform, database. '
            "Name a team of catalog/teams.yaml",
            id="an unknown team",
        ),
        pytest.param(
            "[trading-lead@orion.example.com]",
            "[nobody@orion.example.com]",
            "nobody@",
            'approvers.people.0: found "nobody@orion.example.com"; allowed: ',
            id="an unknown person",
        ),
        pytest.param(
            "mode: approve",
            "mode: ask",
            "mode: ask",
            'modes.0.mode: found "ask"; allowed: off, dry-run, approve, auto',
            id="an unknown mode",
        ),
        pytest.param(
            "service: market-data,",
            "service: market,",
            "service: market,",
            'modes.0.service: found "market"; allowed: orders, positions, market-data, gateway. '
            "Name a service of catalog/services.yaml",
            id="an unknown service",
        ),
        pytest.param(
            "action: restart_pod, service",
            "action: restart_node, service",
            "restart_node",
            'modes.0.action: found "restart_node"; allowed: ',
            id="an unknown action",
        ),
    ],
)
def test_each_mistake_is_told_where_it_was_made(tmp_path: Path, old: str, new: str, where: str, message: str) -> None:
    root = changed(tmp_path / "root", REMEDIATIONS, old, new)

    place = f"{REMEDIATIONS}:{line_of(root, REMEDIATIONS, where)}: "
    (problem,) = problems(root)
    assert problem.startswith(place + message)


def test_off_needs_no_quotes(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", REMEDIATIONS, "mode: approve", "mode: off")

    assert [rule.mode for rule in load_catalog(root).modes] == [OFF]


def test_a_stack_without_chat_may_have_no_repair_that_waits_for_it() -> None:
    catalog = with_rules(ModeRule(mode=DRY_RUN), ModeRule(mode=APPROVE, service="orders"))
    catalog = replace(catalog, documents=fixture_catalog().documents)

    with pytest.raises(CatalogError) as refused:
        build_platform(catalog, settings().model_copy(update={"repairs": RepairMode.ON}))

    (problem,) = refused.value.problems
    assert "found approve, and the setting `chat` of this stack is off" in str(problem)
    assert build_platform(catalog, with_chat()).repairs
    assert build_platform(catalog, settings()).repairs  # a dry run asks nobody


def test_a_rule_of_another_environment_needs_no_chat() -> None:
    stack = settings().model_copy(update={"repairs": RepairMode.ON})

    assert build_platform(fixture_catalog(), stack).repairs


def test_a_rule_of_an_action_that_answers_no_alert_needs_no_chat() -> None:
    stack = settings().model_copy(update={"repairs": RepairMode.ON})
    catalog = with_rules(ModeRule(mode=APPROVE, action="restart_deployment"))
    answering = {"KafkaConsumerLag": RemediationEntry(action="restart_deployment")}

    assert build_platform(catalog, stack).repairs
    with pytest.raises(CatalogError, match="found approve, and the setting `chat` of this stack is off"):
        build_platform(replace(catalog, remediations=answering), stack)


@pytest.mark.parametrize(
    ("catalog", "stack", "message"),
    [
        (
            replace(fixture_catalog(), approvers=Approvers()),
            with_chat(repairs=RepairMode.APPROVE),
            "found nobody, and the setting `repairs` of this stack is approve",
        ),
        (
            fixture_catalog(),
            settings().model_copy(update={"repairs": RepairMode.APPROVE}),
            "the setting `chat` of this stack is off, so that nobody could approve",
        ),
    ],
)
def test_a_stack_that_asks_for_every_repair_has_somebody_to_ask(
    catalog: Catalog, stack: Settings, message: str
) -> None:
    with pytest.raises(CatalogError, match=message):
        build_platform(catalog, stack)
