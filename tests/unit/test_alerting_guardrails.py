"""The catalog's guardrails of repairs: what the function gets, and each mistake as one error at its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alerting.build import build_platform, load_catalog
from alerting.repairs.compile import repairs
from alerting.repairs.model import CeilingEntry
from alerting.settings import Environment, RepairMode
from alerting.source.problems import CatalogError
from tests.alerting_data import DATA, changed, fixture_catalog, line_of, problems, settings

REMEDIATIONS = "catalog/remediations.yaml"
SCALE = "runbooks/actions/scale_consumers.yaml"
CORDON = "runbooks/actions/cordon_node.yaml"
COOLDOWN = "  scale_consumers: 900"
MODES = "modes:"
HOURS = 'hours:\n  working-hours: {time_zone: America/New_York, days: [monday, friday], begins: "09:00", ends: "17:00"}'


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "message"),
    [
        pytest.param(
            REMEDIATIONS,
            COOLDOWN,
            "  scale_producers: 900",
            "scale_producers",
            'cooldown_seconds.scale_producers: found "scale_producers"; allowed: ',
            id="a cooldown of an unknown action",
        ),
        pytest.param(
            REMEDIATIONS,
            COOLDOWN,
            "  scale_consumers: 0",
            "scale_consumers: 0",
            "cooldown_seconds.scale_consumers: found 0; allowed: ",
            id="a cooldown of nothing",
        ),
        pytest.param(
            REMEDIATIONS,
            COOLDOWN,
            "  scale_consumers: 90000",
            "scale_consumers: 90000",
            "cooldown_seconds.scale_consumers: found 90000; allowed: ",
            id="a cooldown of more than a day",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{MODES}\n  - {{mode: approve, outside: working-hours}}",
            "outside: working-hours",
            'modes.0.outside: found "working-hours"; allowed: ',
            id="hours that are not there",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{HOURS}\n{MODES}\n  - {{mode: approve, outside: working-hours, during: working-hours}}",
            "outside: working-hours",
            "modes.0: found {'mode': 'approve', ",
            id="within and outside at once",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{HOURS.replace('New_York', 'New_Delhi')}\n{MODES}",
            "New_Delhi",
            'hours.working-hours.time_zone: found "America/New_Delhi"; an IANA name such as ',
            id="an unknown time zone",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{HOURS.replace('17:00', '25:00')}\n{MODES}",
            "25:00",
            'hours.working-hours.ends: found "25:00"; a time such as "09:30" is allowed',
            id="no time of a day",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"{HOURS.replace('17:00', '09:00')}\n{MODES}",
            "working-hours",
            "hours.working-hours: found {'time_zone': ",
            id="hours of no length",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"approval_above:\n  - {{service: 11, platform: 10}}\n{MODES}",
            "service: 11",
            "approval_above.0: found service 11, platform 10; allowed: a service's number that is not over the ",
            id="a service's ceiling over the platform's",
        ),
        pytest.param(
            REMEDIATIONS,
            MODES,
            f"approval_above:\n  - {{service: 0, platform: 10}}\n{MODES}",
            "service: 0",
            "approval_above.0.service: found 0; allowed: ",
            id="a ceiling of none",
        ),
        pytest.param(
            SCALE,
            "target: [namespace, deployment]",
            "target: [namespace, pod]",
            "target: ",
            'target.1: found "pod"; allowed: deployment, namespace, replicas. Name a parameter of the document',
            id="a target that is no parameter",
        ),
        pytest.param(
            CORDON,
            "target: [node]\n",
            "",
            "name: cordon_node",
            "name: no `target:`, nor a parameter namespace: what is repaired has no name. Name its parameters",
            id="nothing says what is repaired",
        ),
    ],
)
def test_each_mistake_is_told_where_it_was_made(
    tmp_path: Path, file: str, old: str, new: str, where: str, message: str
) -> None:
    root = changed(tmp_path / "root", file, old, new)

    place = f"{file}:{line_of(root, file, where)}: "
    (problem,) = problems(root)
    assert problem.startswith(place + message)


@pytest.mark.parametrize(("time_scale", "seconds"), [(1, 900), (20, 45), (10_000, 1)])
def test_a_cooldown_is_in_the_storys_time(time_scale: float, seconds: int) -> None:
    actions = repairs(fixture_catalog(), time_scale).as_function_data()["actions"]

    assert actions["scale_consumers"]["cooldown_seconds"] == seconds
    assert actions["scale_consumers"]["target"] == ["namespace", "deployment"]


def test_an_action_without_a_cooldown_may_begin_as_often_as_its_limits_let_it() -> None:
    catalog = replace(fixture_catalog(), cooldown_seconds={})

    assert repairs(catalog).as_function_data()["actions"]["scale_consumers"]["cooldown_seconds"] is None


def test_rules_that_depend_on_the_time_are_apart_from_those_that_always_apply(tmp_path: Path) -> None:
    rules = "  - {mode: approve, action: restart_pod, outside: working-hours}\n  - {mode: off, during: working-hours}"
    root = changed(tmp_path / "root", REMEDIATIONS, MODES, f"{HOURS}\n{MODES}\n{rules}")

    action = repairs(load_catalog(root)).as_function_data()["actions"]["restart_pod"]

    hours = {"time_zone": "America/New_York", "days": (0, 4), "begins": "09:00", "ends": "17:00"}
    assert action["mode"] == "on"
    assert action["timed_modes"] == [
        {"mode": "approve", "service": None, "hours": hours, "is_within": False},
        {"mode": "off", "service": None, "hours": hours, "is_within": True},
    ]


def test_the_lowest_ceilings_of_an_environment_apply() -> None:
    everywhere = CeilingEntry(service=5, platform=6)
    of_dev = CeilingEntry(service=2, platform=20, environment=Environment.DEV)
    catalog = replace(fixture_catalog(), approval_above=(everywhere, of_dev))

    def above(environment: Environment) -> dict[str, int]:
        return repairs(catalog, environment=environment).as_function_data()["approval_above"]

    assert above(Environment.PROD) == {"per_service_hour": 5, "per_platform_hour": 6}
    assert above(Environment.DEV) == {"per_service_hour": 2, "per_platform_hour": 6}
    assert repairs(fixture_catalog()).as_function_data()["approval_above"] is None


def test_a_ceiling_needs_somebody_to_ask(tmp_path: Path) -> None:
    ceiling = "approval_above:\n  - {service: 2, platform: 4}"
    root = changed(tmp_path / "root", REMEDIATIONS, MODES, f"{ceiling}\n{MODES}")
    stack = settings().model_copy(update={"repairs": RepairMode.ON})

    with pytest.raises(CatalogError, match="the setting `chat` of this stack is off") as refused:
        build_platform(load_catalog(root), stack)

    place = f"{REMEDIATIONS}:{line_of(root, REMEDIATIONS, '- {service: 2')}: approval_above.0: "
    assert [str(problem).partition("found")[0] for problem in refused.value.problems] == [place]
    assert build_platform(load_catalog(root), settings()).repairs  # a dry run asks nobody


def test_a_ceiling_needs_approvers(tmp_path: Path) -> None:
    text = (DATA / REMEDIATIONS).read_text()
    approvers = text[text.index("approvers:") :]
    ceiling = "approval_above:\n  - {service: 2, platform: 4}\n"
    root = changed(tmp_path / "root", REMEDIATIONS, approvers, ceiling)
    path = root / REMEDIATIONS
    path.write_text(path.read_text().replace("mode: approve", "mode: dry-run"))

    (problem,) = problems(root)

    place = f"{REMEDIATIONS}:{line_of(root, REMEDIATIONS, 'approval_above:')}: approval_above: "
    assert problem.startswith(f"{place}found repairs that need an approval, and nobody may approve")


HANDED = "AuroraHighCPU:\n    action: hand_to_database_team"
FAILED_OVER = "AuroraHighCPU:\n    action: fail_over_aurora"
LIMITS = "hourly_limits:\n  fail_over_aurora: {service: 1, platform: 1}\n"


def with_failover(root: Path, *rules: str) -> Path:
    """Have Aurora fail over, by these rules of modes."""
    changed(root, REMEDIATIONS, HANDED, FAILED_OVER)
    path = root / REMEDIATIONS
    text = path.read_text().replace("hourly_limits:\n", LIMITS).replace("modes:\n", "\n".join(["modes:", *rules, ""]))
    path.write_text(text)
    page = root / "runbooks/AuroraHighCPU.md"
    page.write_text(page.read_text().replace("hand_to_database_team", "fail_over_aurora"))
    return root


def test_an_action_for_approval_only_waits_for_one_without_any_rule(tmp_path: Path) -> None:
    root = with_failover(tmp_path / "root")

    made = repairs(load_catalog(root))

    assert made.as_function_data()["actions"]["fail_over_aurora"]["mode"] == "approve"
    rights = {f"{right.service}:{action}" for right in made.account_rights for action in right.actions}
    assert rights == {"rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:FailoverDBCluster"}
    assert repairs(fixture_catalog()).account_rights == ()


def test_a_rule_that_makes_an_action_for_approval_only_automatic_is_refused(tmp_path: Path) -> None:
    root = with_failover(tmp_path / "root", "  - {mode: auto, action: fail_over_aurora, environment: dev}")

    (problem,) = problems(root)

    place = f"{REMEDIATIONS}:{line_of(root, REMEDIATIONS, 'mode: auto')}: modes.0.mode: "
    assert problem == (
        f"{place}found auto, and fail_over_aurora runs with an approval only; allowed: off, dry-run, approve. Change it"
    )


def test_an_action_for_approval_only_needs_chat_or_is_off(tmp_path: Path) -> None:
    stack = settings().model_copy(update={"repairs": RepairMode.ON})
    off = "  - {mode: off, action: fail_over_aurora}"

    assert build_platform(load_catalog(with_failover(tmp_path / "off", off)), stack).repairs
    with pytest.raises(CatalogError, match="fail_over_aurora runs with an approval only, and the setting `chat`"):
        build_platform(load_catalog(with_failover(tmp_path / "root")), stack)
