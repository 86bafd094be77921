"""Rules and annotations read existing series, and look back no further than a stack keeps them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from alerting.build import load_catalog, load_platform
from alerting.rules.promql import parsed, reach
from alerting.rules.promql.annotation_queries import Query, queries
from alerting.settings import Environment, Settings
from alerting.source.problems import CatalogError
from tests.alerting_data import DATA, changed, line_of, problems, settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", []),
        ("{{ $value }} of query", []),
        ('{{ $labels.query }}, {{ .query }}, {{ $query }}, {{ "query" }}, {{ `query` }}', []),
        ('{{ query "up" | first | value }}', ["up"]),
        ('{{ query `up{a="b"}` }}', ['up{a="b"}']),
        ('{{ range query (printf "up{a=%q}" $labels.a) | sortByLabel "a" }}{{ end }}', ['up{a=""}']),
        ('{{ query "up{a=\\"}}\\"}" }}', ['up{a="}}"}']),
        ('{{ with query "a" }}{{ . }}{{ end }}{{ query (printf "b" | first) }}', ["a", "b"]),
        ("{{ query (printf \"up{a='%s'} %% %v\" 1 2) }}", ["up{a=''} % "]),
        ('{{ query "%q" }}', ["%q"]),
        ('{{ "up" | query }}', [None]),
        ("{{ query $asked }}", [None]),
        ('{{ query (print "up") }}', [None]),
        ('{{ query "\\a" }}', [None]),
    ],
)
def test_the_queries_of_a_text_are_found(text: str, expected: list[str | None]) -> None:
    found = [Query(annotation="description", expression=expression) for expression in expected]

    assert list(queries({"description": text})) == found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("up", timedelta()),
        ("vector(1)", timedelta()),
        ("up offset 5m", timedelta(minutes=5)),
        ("up offset -5m", timedelta(minutes=-5)),
        ("rate(a[5m]) / on (b) -(sum by (b) (rate(a[1h])) > 0)", timedelta(hours=1)),
        ("max_over_time(rate(a[5m] offset 1h)[2h:1m] offset 1d)", timedelta(days=1, hours=3, minutes=5)),
        ("a or last_over_time(b[1w])", timedelta(weeks=1)),
        ("histogram_quantile(0.9, sum by (le) (rate(a[1m])))", timedelta(minutes=1)),
    ],
)
def test_how_far_back_an_expression_looks(expression: str, expected: timedelta) -> None:
    assert reach(parsed(expression)) == expected


def keeping(retention: str, environment: Environment = Environment.PROD, *, time_scale: float = 1) -> Settings:
    stack = settings(environment, time_scale=time_scale)
    return stack.model_copy(update={"monitoring": stack.monitoring.model_copy(update={"retention": retention})})


@pytest.mark.parametrize(
    ("stack", "looks_back", "allowed"),
    [
        (keeping("15d"), "30d", "15d, which monitoring.retention of stack prod keeps"),
        (keeping("719h", Environment.DEV), "30d", "719h, which monitoring.retention of stack dev keeps"),
        (keeping("35h", Environment.SANDBOX, time_scale=20), "36h", "35h, which monitoring.retention of stack sandbox"),
    ],
)
def test_a_rule_that_looks_back_further_than_a_stack_keeps_is_refused(
    stack: Settings, looks_back: str, allowed: str
) -> None:
    with pytest.raises(CatalogError) as raised:
        load_platform(DATA, stack)

    (problem,) = map(str, raised.value.problems)
    tier = line_of(DATA, "rules/objectives/tiers.yaml", "standard:")
    name = stack.environment.value
    start = f"rules/objectives/tiers.yaml:{tier}: tiers.standard: looks back {looks_back}; allowed: {allowed}"
    assert problem.startswith(start)
    assert problem.endswith(
        f"`pulumi config set --stack {name} --path 'orion-alerting:monitoring.retention' {looks_back}`, "
        "and monitoring.prometheus_storage for it"
    )


@pytest.mark.parametrize(
    "stack", [keeping("30d"), keeping("36h", Environment.SANDBOX, time_scale=20), keeping("1y", Environment.DEV)]
)
def test_what_is_kept_for_as_long_as_the_rules_look_back_is_enough(stack: Settings) -> None:
    assert load_platform(DATA, stack).rules


def test_what_only_a_text_reads_is_read(tmp_path: Path) -> None:
    """The text of CriticalLatency is all that reads the recording."""
    record = "rules:\n      - {record: 'orion:extra', expr: 'max by (service) (orion:service:requests10m)'}\n"
    root = changed(tmp_path / "root", "rules/latency.yaml", "rules:\n", record)
    path = root / "rules" / "latency.yaml"
    told = "critically slow. {{ query (printf `orion:extra{service=%q}` $labels.service) | first | value }}"
    path.write_text(path.read_text().replace("critically slow.", told))

    assert load_catalog(root).rules.recordings["orion:extra"]
    path.write_text(path.read_text().replace(told, "critically slow."))
    (problem,) = problems(root)
    assert problem.endswith("groups.0.rules.0.record: no rule reads orion:extra. Read it, or remove the recording")
