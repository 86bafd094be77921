"""`orion budget`: what is printed of recorded budgets, and when a gate fails, passes or does not decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pytest

from alerting.rules.budget_report import QUERIES
from sandbox.ports import free_port
from tests.command_line import run
from tests.http_stub import Asked, Reply, http_stub

Series = Mapping[str, float]
OWN = '{service="%s", objective="requests"}'
HEALTHY: Mapping[str, Mapping[tuple[str, ...], float]] = {
    "budget": {("orders",): 0.001, ("positions",): 0.002},
    "remaining": {("orders",): 0.6, ("positions",): 0.05},
    "coverage": {("orders",): 1.0, ("positions",): 0.8},
    "burn": {("orders", "1h"): 9.0, ("orders", "1d"): 0.5, ("orders", "3d"): 0.4, ("positions", "22h25m"): 3.5},
    "corrected": {("orders",): 0.005},
    "burning": {("positions",): 0.01},
    "exhausted_in": {("positions",): 43_200},
}
"""Samples of each query: the service, for a burn rate its window, and the value."""


def sample(about: str, key: tuple[str, ...], value: float) -> dict[str, object]:
    metric = {"service": key[0], "objective": "requests"}
    if about == "burn":
        metric["__name__"] = f"orion:objective:burn_rate{key[1]}"
    if about == "corrected":
        metric["correction"] = "upgrade"
    if about == "burning":
        metric |= {"pair": "1d/2h", "urgency": "ticket", "team": "trading"}
    return {"metric": metric, "value": [0, str(value)]}


def answering(known: Mapping[str, Mapping[tuple[str, ...], float]]) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        about = next(name for name, query in QUERIES.items() if query == asked.arguments["query"])
        result = [sample(about, key, value) for key, value in known[about].items()]
        return Reply({"status": "success", "data": {"resultType": "vector", "result": result}})

    return answer


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def asked(*arguments: str, known: Mapping[str, Mapping[tuple[str, ...], float]] = HEALTHY) -> tuple[int, str, str]:
        named = ("--service", "--objective")
        both = () if any(each in arguments for each in named) else ("--service", "orders", "--service", "positions")
        with http_stub(answering(known)) as stub:
            return run(monkeypatch, capsys, "budget", stub.address, *arguments, *both)

    return asked


Command = Callable[..., tuple[int, str, str]]


def rows(printed: str) -> list[list[str]]:
    return [[cell for cell in line.strip().split("  ") if cell] for line in printed.splitlines()[2:]]


def test_a_table_has_each_budget(budget: Command) -> None:
    code, printed, _ = budget()

    assert code == 0
    assert [[cell.strip() for cell in row] for row in rows(printed)] == [
        ["orders", "requests", "99.9 %", "60.0 %", "100.0 %", "0.5 % (upgrade)", "0.50 in 1d"],
        [
            "positions",
            "requests",
            "99.8 %",
            "5.0 %",
            "80.0 %",
            "3.50 in 22h25m",
            "burns in 1d/2h (ticket); gone in 0.5 days",
        ],
    ]


def test_json_has_the_same(budget: Command) -> None:
    _, printed, _ = budget("--json", "--service", "positions")

    (only,) = json.loads(printed)
    assert only["remaining"] == 0.05
    assert only["at_risk"]
    assert only["trusted"]
    assert only["target"] == 0.998


@pytest.mark.parametrize(
    ("percent", "arguments", "code", "told"),
    [
        ("5", (), 0, ""),
        ("5.1", (), 1, "positions requests: 5.0 % is left; wanted: 5.1 %\n"),
        ("5.1", ("--service", "orders"), 0, ""),
        ("61", ("--service", "orders"), 1, "orders requests: 60.0 % is left; wanted: 61 %\n"),
    ],
)
def test_a_gate_fails_and_names_the_budgets_with_too_little_left(
    budget: Command, percent: str, arguments: Sequence[str], code: int, told: str
) -> None:
    found, _, errors = budget("--fail-under", percent, *arguments)

    assert (found, errors) == (code, told)


def without(about: str, service: str) -> Mapping[str, Mapping[tuple[str, ...], float]]:
    return {**HEALTHY, about: {key: value for key, value in HEALTHY[about].items() if key[0] != service}}


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (
            {**HEALTHY, "coverage": {("orders",): 0.099, ("positions",): 1.0}},
            "orders requests: 9.9 % of its period is known",
        ),
        (without("coverage", "orders"), "orders requests: nothing of its period is known, too little to decide"),
    ],
)
def test_a_gate_does_not_decide_on_what_is_not_known(
    budget: Command, known: Mapping[str, Mapping[tuple[str, ...], float]], told: str
) -> None:
    code, printed, errors = budget("--fail-under", "1", known=known)

    assert code == 2
    assert errors.startswith(told)
    assert "not known" in printed


def test_a_gate_fails_for_one_that_is_known_though_another_is_not(budget: Command) -> None:
    code, _, errors = budget("--fail-under", "6", known=without("coverage", "orders"))

    assert code == 1
    assert len(errors.splitlines()) == 2


def test_an_objective_without_events_has_spent_nothing(budget: Command) -> None:
    code, printed, _ = budget("--fail-under", "100", "--service", "orders", known=without("remaining", "orders"))

    assert code == 0
    assert "all, no events" in printed


def test_a_number_that_is_none_is_not_known(budget: Command) -> None:
    known = {**HEALTHY, "coverage": {("orders",): float("nan"), ("positions",): 1.0}}

    assert budget("--fail-under", "1", known=known)[0] == 2


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply({"status": "error", "error": "query timed out"}, status=503), "answered 503: query timed out"),
        (Reply(b"<html>", status=200), "answered 200: no answer of a Prometheus"),
        (Reply({"status": "success", "data": {"result": []}}), "no objective is recorded there"),
    ],
)
def test_a_prometheus_that_cannot_answer_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reply: Reply, told: str
) -> None:
    with http_stub(lambda _: reply) as stub:
        code, printed, errors = run(monkeypatch, capsys, "budget", stub.address, "--fail-under", "1")

    assert (code, printed) == (2, "")
    assert told in errors


def test_a_password_of_the_address_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"http://reader:secret@127.0.0.1:{free_port()}/prometheus"
    code, _, errors = run(monkeypatch, capsys, "budget", address)

    assert code == 2
    assert "/prometheus: no answer" in errors
    assert "secret" not in errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--service", "order"), '--service: found "order"; allowed: gateway, market-data, orders'),
        (("--objective", "latency"), '--objective: found "latency"; allowed: requests'),
    ],
)
def test_a_name_that_is_not_there_is_refused(budget: Command, arguments: Sequence[str], told: str) -> None:
    code, _, errors = budget(*arguments)

    assert code == 2
    assert told in errors
