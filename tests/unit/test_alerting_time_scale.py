"""Scaled rules mean the same in less time: only durations change, and all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import promql_parser
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerting.rules.promql.scaling import scaled_expression
from alerting.source.durations import milliseconds, scaled_duration, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate(x[5m])", "rate(x[15s])"),
        ("x offset 5m", "x offset 15s"),
        ("x OFFSET -1h30m", "x OFFSET -4m30s"),
        ("max_over_time(rate(x[5m])[1h:1m] offset 1d)", "max_over_time(rate(x[15s])[3m:3s] offset 1h12m)"),
        ("x[1h:]", "x[3m:]"),
        ("x[300]", "x[15s]"),
        ("x{a=\"[5m]\", b='offset 5m', c=`[1h]`}[5m]", "x{a=\"[5m]\", b='offset 5m', c=`[1h]`}[15s]"),
        ('x{a="\\"[5m]"}', 'x{a="\\"[5m]"}'),
        ("orion:errors:rate5m > 5 # [5m] offset 5m\n or x[5m]", "orion:errors:rate5m > 5 # [5m] offset 5m\n or x[15s]"),
        ("sum by (offset) (x) + 300", "sum by (offset) (x) + 300"),
        ('x{offset="5m"}', 'x{offset="5m"}'),
        ("predict_linear(x[1h], 14400) @ 1600000000", "predict_linear(x[3m], 14400) @ 1600000000"),
        ("x5m + y[10ms]", "x5m + y[1ms]"),
        ("x > 0x1F and y > 1e3", "x > 0x1F and y > 1e3"),
    ],
)
def test_only_durations_are_divided(text: str, expected: str) -> None:
    assert scaled_expression(text, 20) == expected


DURATIONS = st.from_regex(r"([1-9][0-9]{0,2}d)?([1-9][0-9]{0,2}h)?([1-9][0-9]{0,2}m)?[1-9][0-9]{0,2}s", fullmatch=True)
STRINGS = st.text(max_size=20).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
)
NAMES = st.sampled_from(["x", "rate5m", "orion:http_errors:rate5m", "a:offset", "_5m"])


@dataclass(frozen=True)
class Time:
    """A duration in an expression."""

    text: str


@st.composite
def expressions(draw: st.DrawFn) -> list[str | Time]:
    """Draw PromQL as its parts, durations marked."""
    name, label = draw(NAMES), draw(STRINGS)
    window, step, back = (Time(draw(DURATIONS)) for _ in range(3))
    series = f"{name}{{a={label}}}"
    return draw(
        st.sampled_from(
            [
                [f"rate({series}[", window, "])"],
                [f"sum by (a) (rate({series}[", window, "] offset ", back, ")) > 5"],
                [f"max_over_time({series}[", window, ":", step, "] offset -", back, ")"],
                [f"max_over_time({series}[", window, ":]) # [5m] offset 5m\n"],
                [f"{name}{{a={label}, b!={label}}} > 300"],
            ]
        )
    )


@given(expressions(), st.floats(min_value=1, max_value=1000))
def test_arbitrary_expressions_keep_everything_but_their_durations(parts: list[str | Time], scale: float) -> None:
    expression = "".join(part.text if isinstance(part, Time) else part for part in parts)

    scaled = scaled_expression(expression, scale)

    assert scaled == "".join(scaled_duration(part.text, scale) if isinstance(part, Time) else part for part in parts)
    promql_parser.parse(scaled)


@example("]0", 2.0)
@given(st.text(), st.floats(min_value=1.5, max_value=100))
def test_any_text_at_all_is_taken_and_a_scale_of_one_changes_nothing(text: str, scale: float) -> None:
    assert scaled_expression(text, 1) == text
    scaled = scaled_expression(text, scale)
    if "[" not in text and not re.search("offset", text, re.IGNORECASE):
        assert scaled == text


@given(DURATIONS, st.floats(min_value=1, max_value=1000))
def test_a_duration_is_divided_to_the_millisecond(text: str, scale: float) -> None:
    scaled = milliseconds(scaled_duration(text, scale))

    assert abs(scaled - milliseconds(text) / scale) <= 1


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_survives_being_written(duration: int) -> None:
    assert milliseconds(written(duration)) == duration


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "1m1h", "-5m", "1.5m", "5m\n", "\u0665m"])
def test_what_prometheus_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        milliseconds(text)


@pytest.mark.parametrize(("text", "scale", "expected"), [("0s", 20, "0s"), ("1ms", 1000, "1ms"), ("5m", 1, "5m")])
def test_nothing_stays_nothing_and_something_stays_something(text: str, scale: float, expected: str) -> None:
    assert scaled_duration(text, scale) == expected
