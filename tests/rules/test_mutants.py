"""Mutation testing itself: a few mutants that tests must catch, and one that they must miss once a test is weaker."""

from __future__ import annotations

import ast
import shutil
from functools import cache, partial
from pathlib import Path

import promql_parser as promql
import pytest
import yaml

from tests.alerting_data import DATA, ROOT, fixture_catalog, settings
from tests.mutants.mutant import Kind, Mutant, Result, Verdict
from tests.mutants.promql_mutations import mutated_expressions
from tests.mutants.pytest_trials import first_failure
from tests.mutants.python_mutations import MODULES, python_mutants
from tests.mutants.python_trials import import_mutated
from tests.mutants.report import caught_share, explained
from tests.mutants.routing_mutations import routing_mutants
from tests.mutants.routing_trials import FILE as ROUTING
from tests.mutants.rule_mutations import RuleMutant, rule_mutants
from tests.mutants.rule_trials import Answers, RuleTrials, TestsDoNotHold

LAG = "kafka KafkaConsumerLag"
CAUGHT = (
    "`10000` becomes `10500`",
    "`> 10000`: `>` becomes `>=`",
    "`for: 5m` is halved",
    "label `severity: warning` becomes `info`",
)


@cache
def mutants_of_rules() -> tuple[RuleMutant, ...]:
    return tuple(rule_mutants(fixture_catalog()))


def mutant(where: str, change: str) -> RuleMutant:
    return next(one for one in mutants_of_rules() if (one.where, one.change) == (where, change))


def tried(root: Path, *mutants: RuleMutant) -> list[Verdict]:
    trials = RuleTrials(root, fixture_catalog(), settings(), Answers(known={}))
    return [trials.result(one).verdict for one in mutants]


def test_mutants_of_an_alert_are_caught_or_refused() -> None:
    caught = tried(DATA, *(mutant(LAG, change) for change in CAUGHT))

    assert caught == [Verdict.CAUGHT] * len(CAUGHT)
    assert tried(DATA, mutant(LAG, "it is removed")) == [Verdict.REFUSED]


@pytest.fixture
def weaker(tmp_path: Path) -> Path:
    """Tests of which one expects the alert at its boundary no more."""
    folder = tmp_path / "rules" / "tests"
    shutil.copytree(DATA / "rules" / "tests", folder)
    path = folder / "kafka_test.yaml"
    text = path.read_text()
    assert "4001" in text
    path.write_text(text.replace("4001", "9001"))
    return tmp_path


def test_a_mutant_survives_tests_that_do_not_hold_the_boundary(weaker: Path) -> None:
    assert tried(weaker, mutant(LAG, "`> 10000`: `>` becomes `>=`")) == [Verdict.CAUGHT]
    assert tried(weaker, mutant(LAG, "`10000` becomes `10500`")) == [Verdict.SURVIVED]


def test_tests_that_fail_without_a_mutation_say_nothing(weaker: Path) -> None:
    path = weaker / "rules" / "tests" / "kafka_test.yaml"
    path.write_text(path.read_text().replace("eval_time: 9m", "eval_time: 11m", 1))

    with pytest.raises(TestsDoNotHold, match=r"kafka_test\.yaml: KafkaConsumerLag adds up"):
        tried(weaker, mutant(LAG, "`10000` becomes `10500`"))


def test_a_mutant_that_changes_only_what_an_alert_says_is_caught(tmp_path: Path) -> None:
    (one,) = (each for each in mutants_of_rules() if "ConfigurationRefused" in each.where and "`avg`" in each.change)
    assert tried(tmp_path, one) == [Verdict.SURVIVED]

    shutil.copytree(ROOT / "tests" / "rules", tmp_path / "tests" / "rules", ignore=shutil.ignore_patterns("*.py"))

    assert tried(tmp_path, one) == [Verdict.CAUGHT]


def test_an_answer_is_not_asked_for_again() -> None:
    one = mutant(LAG, "`10000` becomes `10500`")
    first = RuleTrials(DATA, fixture_catalog(), settings(), Answers(known={})).result(one)
    again = RuleTrials(DATA, fixture_catalog(), settings(), Answers(known=dict(first.answers))).result(one)

    assert len(first.answers) > 1
    assert (again.verdict, again.answers) == (first.verdict, ())


EXPRESSION = (
    'max by (pod, uid) (rate(a{code=~"5..", pod!=""}[5m] offset 2m)) > 0.05'
    " and on (pod) last_over_time(b[1m]) * on (pod) group_left (team) c unless max_over_time(d[5m:1m]) == 3"
)


def test_each_part_of_an_expression_is_changed() -> None:
    changes = [(one.change, one.text) for one in mutated_expressions(EXPRESSION)]
    texts = [text for _, text in changes]

    assert str(promql.parse(EXPRESSION)) not in texts
    assert len(texts) == len(set(texts))
    assert all(str(promql.parse(text)) for text in texts)
    for part in (
        'a{pod!=""}[5m] offset 2m',  # a matcher dropped
        'code!~"5.."',
        "[10m] offset 2m",
        "[2m30s] offset 2m",
        'pod!=""}[5m])',  # the offset dropped
        "offset 4m",
        "increase(a",
        "min by (pod, uid)",
        "max by (pod)",
        ">= 0.05",
        "< 0.05",
        "0.0525",
        "unless on (pod) last_over_time",
        "and on () last_over_time",
        "and on (pod) b{} *",  # the last value of a minute becomes that of now
        "group_left () c",
        "[10m:1m]",
        "!= 3",
        "== 4",
    ):
        assert any(part in text for text in texts), (part, texts)


def test_a_join_and_a_zero_are_not_divided() -> None:
    """Both would be the same: a join's other side is 1."""
    texts = [one.text for one in mutated_expressions("0 * a or b * on (x) group_left (y) c or d * e")]

    assert [text for text in texts if "/" in text] == ["0 * a{} or  b{} * on (x) group_left (y) c{} or  (d{} / e{})"]


def test_what_is_chosen_of_groups_is_not_the_least() -> None:
    """The values of `group` are all 1: its greatest is its least."""
    texts = [one.text for one in mutated_expressions("topk(1, group by (x) (a)) or topk(1, max by (x) (a))")]

    assert [text for text in texts if "bottomk" in text] == [
        "topk(1, group by (x)(a{})) or  bottomk(1, max by (x)(a{}))"
    ]


def test_each_mutant_has_a_name_of_its_own_and_changes_something() -> None:
    routing = yaml.safe_load((DATA / ROUTING).read_text())
    routes, modules = list(routing_mutants(routing)), list(python_mutants())
    names = [one.name for one in (*mutants_of_rules(), *routes, *modules)]

    assert len(names) == len(set(names))
    assert all(one.routing != routing for one in routes)
    sources = {
        one.module: ast.unparse(ast.parse((ROOT / f"{one.module.replace('.', '/')}.py").read_text())) for one in modules
    }
    assert set(sources) == set(MODULES)
    assert all(one.source != sources[one.module] and compile(one.source, one.name, "exec") for one in modules[::10])


def test_a_mutant_of_a_module_is_seen_by_tests_in_another_process(tmp_path: Path) -> None:
    """The test fails there, and passes here."""
    source = "PERIOD = '60d'"
    test = tmp_path / "test_period.py"
    test.write_text("from alerting.rules import burn_rates\n\ndef test_it():\n    assert burn_rates.PERIOD == '30d'\n")
    tests = [str(test), "--rootdir", str(tmp_path), "--confcutdir", str(tmp_path), "-c", "/dev/null"]

    mutated = first_failure(tests, partial(import_mutated, "alerting.rules.burn_rates", source), tmp_path / "log")
    same = first_failure(tests, lambda: None, tmp_path / "log")

    assert mutated is not None
    assert mutated.endswith("test_it")
    assert same is None


def test_the_share_leaves_out_what_changes_nothing() -> None:
    one = Mutant(kind=Kind.RULE, where="a B", change="c")
    verdicts = (Verdict.CAUGHT, Verdict.REFUSED, Verdict.EQUIVALENT, Verdict.SURVIVED)

    assert caught_share([Result(mutant=one, verdict=verdict) for verdict in verdicts]) == 2 / 3


def test_a_row_explains_several_changes_of_a_place() -> None:
    table = "| place | survivor | why |\n|---|---|---|\n| a B | `c` &#124; d<br>`e` | They are the same. |\n"

    assert {"a B: `c` | d", "a B: `e`"} <= explained(table)
