"""A measurement, as a row of the table and as an entry of bench.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

TABLE_WIDTH = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value, beside that of a peer which was measured in the same run where there is a sensible one."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """Returns the ratio of our value to the peer's."""
        return round(self.value / self.peer_value, 3) if self.peer_value else None

    def entry(self) -> dict[str, object]:
        """Return the entry of bench.json."""
        return {
            **asdict(self),
            "value": _rounded(self.value),
            "peer_value": _rounded(self.peer_value),
            "ratio": self.ratio,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4) + 0.0  # without the sign that a zero may have


def write_figures(figures: Sequence[Figure], path: Path) -> None:
    """Write bench.json: what was measured in this run, and nothing of an earlier one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([figure.entry() for figure in figures], indent=2) + "\n")


def print_figures(figures: Sequence[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    for name, is_number in (("figure", 0), ("value", 1), ("unit", 0), ("peer", 0), ("of peer", 1), ("ratio", 1)):
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for figure in figures:
        peer = (figure.peer or "", _shown(figure.peer_value), _shown(figure.ratio))
        table.add_row(figure.name, _shown(figure.value), figure.unit, *peer)
    # Where no terminal says how wide it is, nothing is cut.
    Console(file=console.file, width=max(console.width, TABLE_WIDTH)).print(table)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
