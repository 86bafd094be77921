"""Tables of commands: whole lines on a narrow terminal too, and lengths of time in two units."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cli.tables import length_text, print_table


def test_no_line_is_broken_or_cut_on_a_narrow_terminal() -> None:
    output = io.StringIO()
    name = "AnAlertWithALongName" * 5

    print_table(Console(file=output, width=20), ("alert", "fired"), [(name, "3")], text={"alert"}, title="Alerts")

    title, heading, row = [line.strip() for line in output.getvalue().splitlines()]
    assert (title, heading.split()) == ("Alerts", ["alert", "fired"])
    assert row.split() == [name, "3"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (75, "1m 15s"), (3600, "1h"), (52_524, "14h 35m"), (90_000, "1d 1h")]
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert length_text(seconds) == text
