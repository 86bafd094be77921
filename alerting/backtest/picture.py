"""Draws when alerts fired as SVG: a row for each alert, a bar for each time, days across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

from alerting.backtest.report import SECONDS_A_DAY, BacktestReport
from alerting.backtest.summary import Interval, union
from alerting.rules.series import ALERTNAME

WIDTH, LABELS, ROW, HEADING = 1200, 300, 22, 48
"""In pixels: the picture, the column of names in it, a row, and the heading."""
NARROWEST = 1.0
"""A bar is at least this wide, in pixels, so that a short one is seen."""
MOST_LINES = 12
AFTER, BEFORE = "#c2410c", "#94a3b8"
FONT = "font: 12px sans-serif"


def picture(after: BacktestReport, names: Sequence[str], before: BacktestReport | None = None) -> str:
    """Return the SVG of the named alerts, in their order.

    With the report of the rules `before`, each row has two bars: before above, after below.
    """
    height = HEADING + ROW * max(1, len(names))
    root = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", style=FONT, role="img"
    )
    ElementTree.SubElement(root, "title").text = "When each alert would have fired"
    ElementTree.SubElement(root, "rect", width=str(WIDTH), height=str(height), fill="white")
    _heading(root, after, height, compared=before is not None)
    for number, name in enumerate(names):
        top = HEADING + number * ROW
        _text(root, 8, top + ROW - 7, name)
        if before is None:
            _bars(root, after, _fired(after, name), top + 4, ROW - 8, AFTER)
        else:
            _bars(root, after, _fired(before, name), top + 3, ROW / 2 - 4, BEFORE)
            _bars(root, after, _fired(after, name), top + ROW / 2, ROW / 2 - 4, AFTER)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _fired(report: BacktestReport, name: str) -> list[Interval]:
    return union((one.start, one.end) for one in report.firing() if one.labels[ALERTNAME] == name)


def _heading(root: ElementTree.Element, report: BacktestReport, height: float, *, compared: bool) -> None:
    _text(root, 8, 18, "after the change" if compared else "fired", fill=AFTER)
    if compared:
        _text(root, 8, 36, "in force", fill=BEFORE)
    days = math.ceil((report.end - report.start) / SECONDS_A_DAY / MOST_LINES)
    first = math.ceil(report.start / SECONDS_A_DAY) * SECONDS_A_DAY
    for number in range(MOST_LINES + 1):
        time = first + number * days * SECONDS_A_DAY
        if time <= report.end:
            x = f"{_x(report, time):.1f}"
            ElementTree.SubElement(root, "line", x1=x, x2=x, y1="24", y2=str(height), stroke="#e2e8f0")
            _text(root, float(x) + 3, 36, f"{datetime.fromtimestamp(time, UTC):%d %b}")


def _bars(
    root: ElementTree.Element,
    report: BacktestReport,
    intervals: Sequence[Interval],
    top: float,
    height: float,
    colour: str,
) -> None:
    for start, end in intervals:
        left, right = _x(report, start), _x(report, end)
        bar = ElementTree.SubElement(
            root,
            "rect",
            x=f"{left:.1f}",
            y=f"{top:.1f}",
            width=f"{max(NARROWEST, right - left):.1f}",
            height=f"{height:.1f}",
            fill=colour,
        )
        ElementTree.SubElement(bar, "title").text = f"{_time(start)} to {_time(end)} UTC"


def _x(report: BacktestReport, time: float) -> float:
    return LABELS + (time - report.start) / (report.end - report.start) * (WIDTH - LABELS - 8)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _text(root: ElementTree.Element, x: float, y: float, text: str, fill: str = "#0f172a") -> None:
    ElementTree.SubElement(root, "text", x=f"{x:.1f}", y=f"{y:.1f}", fill=fill).text = text
