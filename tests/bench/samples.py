"""samples_per_evaluation: the samples that all rules of one objective read in a minute, by Prometheus' own engine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.objective_rules import TARGET, own_rules, owned, requests
from tests.bench.pyrra_rules import PyrraObjective, pyrra_groups
from tests.bench.rule_bench import MadeUpSeries, per_minute, samples_of, write_rules
from tests.bench.sloth_rules import SlothObjective, sloth_rules

SERIES = (2, 15, 150, 1500)
SAMPLES = "samples_per_evaluation"
PEERS = ("sloth", "pyrra", "pyrra_fast")
SAMPLES_FIGURES = tuple(f"{SAMPLES}_{count}_{peer}" for count in SERIES for peer in PEERS)
DAYS = 32
SERVICE = "orders"


def samples(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Count the samples of one objective beside those of its peers, for each number of series that is asked for."""
    if not any(map(wanted, SAMPLES_FIGURES)):
        return
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        folder = Path(directory)
        ours = [*own_rules(folder)]
        peers = {
            "sloth": [sloth_rules(folder, [SlothObjective(service=SERVICE, target=TARGET)])],
            "pyrra": [_pyrra(folder / "pyrra.yaml", accurate=True)],
            "pyrra_fast": [_pyrra(folder / "pyrra_fast.yaml", accurate=False)],
        }
        for count in SERIES:
            asked = [peer for peer in PEERS if wanted(f"{SAMPLES}_{count}_{peer}")]
            if not asked:
                continue
            series = list(requests(SERVICE, series=count, days=DAYS))
            value = _read(ours, [*series, *owned([SERVICE], days=1)])
            for peer in asked:
                yield Figure(
                    name=f"{SAMPLES}_{count}_{peer}",
                    value=value,
                    unit="samples/min",
                    peer=peer.replace("_fast", ", performanceOverAccuracy"),
                    peer_value=_read(peers[peer], series),
                )


def _pyrra(path: Path, *, accurate: bool) -> Path:
    return write_rules(path, pyrra_groups(PyrraObjective(service=SERVICE, target=TARGET, accurate=accurate)))


def _read(rules: list[Path], series: list[MadeUpSeries]) -> float:
    return per_minute(samples_of(rules, series))
