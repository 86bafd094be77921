"""Writes scraped samples as the series file that `orion-backtest` reads: promtool's notation, a value per scrape."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

GAP = "_"
STALE = "stale"
INTERVAL_SECONDS = 30
COUNTER_SUFFIXES = ("_total", "_bucket")

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A series: its name and its labels, sorted."""


class Recorder:
    """Keeps what each scrape brought. A series that its target no longer brings gets a staleness marker."""

    def __init__(self) -> None:
        self._values: dict[Series, list[float | str]] = {}
        self._targets: dict[str, set[Series]] = {}
        self._ticks = 0

    def scrape(self, target: str, samples: Mapping[Series, float]) -> None:
        """Keep the samples that a target brought at this tick: none of a target that did not answer."""
        gone = self._targets.get(target, set()) - samples.keys()
        for series in gone:
            self._keep(series, STALE)
        for series, value in samples.items():
            self._keep(series, value)
        self._targets[target] = set(samples)

    def tick(self) -> None:
        """Go on to the next scrape. What was not scraped at this one has a gap."""
        self._ticks += 1

    def write(
        self, path: Path, start: float, ticks_before: Mapping[str, int], down: Sequence[tuple[float, float]]
    ) -> None:
        """Write the file. `start` is the time of the first scrape, and `down` when no rule is evaluated: Unix seconds.

        Before it, each series goes on backwards as it did at the first two scrapes: for as many ticks as `ticks_before`
        says for its name, or for "" where it has no such name.
        """
        before = max(ticks_before.values())
        series = [
            {
                "series": _written(series),
                "values": self._expanded(series, before, ticks_before.get(series[0], ticks_before[""])),
            }
            for series in self._values
        ]
        content = {
            "start": start - before * INTERVAL_SECONDS,
            "interval": f"{INTERVAL_SECONDS}s",
            "down": down,
            "input_series": series,
        }
        path.write_text(json.dumps(content), encoding="utf-8")

    def _keep(self, series: Series, value: float | str) -> None:
        values = self._values.setdefault(series, [])
        values += [GAP] * (self._ticks - len(values))
        values.append(value)

    def _expanded(self, series: Series, longest: int, before: int) -> str:
        values = self._values[series]
        first, second = (*values[:2], GAP)[:2]
        if isinstance(first, str) or before == 0:
            return " ".join(_runs([*[GAP] * longest, *values]))
        slope = second - first if isinstance(second, float) and series[0].endswith(COUNTER_SUFFIXES) else 0.0
        prefix = [f"{GAP}x{longest - before}"] if longest > before else []
        prefix.append(f"{first!r}+{slope!r}x{before - 1}")
        return " ".join([*prefix, *_runs(list(_raised(values, slope * before)))])


def _raised(values: list[float | str], offset: float) -> Iterator[float | str]:
    """Yield the values with what was counted before them, until the counter begins anew."""
    last = 0.0
    for value in values:
        if isinstance(value, float):
            offset = 0.0 if offset and value < last else offset
            last = value
            yield value + offset
        else:
            yield value


def _runs(values: list[float | str]) -> Iterator[str]:
    for value, equal in groupby(values):
        count = sum(1 for _ in equal)
        if isinstance(value, float):
            yield repr(value) if count == 1 else f"{value!r}x{count - 1}"
        elif value == GAP:
            yield f"{GAP}x{count}"
        else:
            yield " ".join([STALE] * count)


def _written(series: Series) -> str:
    name, labels = series
    return name + "{" + ",".join(f"{label}={json.dumps(value)}" for label, value in labels) + "}"
