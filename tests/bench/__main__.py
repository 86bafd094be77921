"""`python -m tests.bench [PART OF A NAME]`: measure all figures, the one of this name, or those whose names begin so.

The table is printed as figures come, and build/bench.json holds what this run has measured. Ctrl-C stops after what is
under way has been taken down, and keeps what was measured.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console

from sandbox.engine import DeploymentFailed
from sandbox.service import ServiceFailed
from tests.bench.apply import APPLY_FIGURES, applied
from tests.bench.backtests import BACKTEST_FIGURES, backtests
from tests.bench.catalog import ROOT
from tests.bench.cost import COST_FIGURES, cost_figures
from tests.bench.delays import DELAY_FIGURES, delays
from tests.bench.errors import ERROR_FIGURES, errors
from tests.bench.figures import Figure, print_figures, write_figures
from tests.bench.function import function_import
from tests.bench.functions import FUNCTION_FIGURES, function_figures
from tests.bench.generation import GENERATION_FIGURES, generation
from tests.bench.growth import GROWTH_FIGURES, growth
from tests.bench.hops import HopMissing
from tests.bench.limits_storm import LIMITS_FIGURES
from tests.bench.preview import SIZES, previews
from tests.bench.reload import RELOAD, reloads
from tests.bench.rounds import ROUND_FIGURES, rounds
from tests.bench.samples import SAMPLES_FIGURES, samples
from tests.bench.sandbox import SANDBOX_FIGURES, real_time_figures, sandbox_figures
from tests.bench.simulated import SIMULATION_FIGURES, simulation_figures
from tests.bench.sizes import SIZE_FIGURES, sizes
from tools.build import BuildFailed
from tools.paths import ToolMissing

RESULT = ROOT / "build" / "bench.json"
NAMES = (
    *(f"preview_{size}" for size in SIZES),
    *GROWTH_FIGURES,
    *SIZE_FIGURES,
    *SAMPLES_FIGURES,
    *ERROR_FIGURES,
    *DELAY_FIGURES,
    *GENERATION_FIGURES,
    *ROUND_FIGURES,
    *BACKTEST_FIGURES,
    RELOAD,
    *APPLY_FIGURES,
    "function_import",
    *FUNCTION_FIGURES,
    *SIMULATION_FIGURES,
    *COST_FIGURES,
    *SANDBOX_FIGURES,
    *LIMITS_FIGURES,
)
INTERRUPTED = 130
REFUSED = 2
FAILED = 1

console = Console(highlight=False, soft_wrap=True)


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for and return the exit code."""
    asked = arguments[0] if arguments else ""

    def wanted(name: str) -> bool:
        return name == asked if asked in NAMES else name.startswith(asked)

    if not any(map(wanted, NAMES)):
        console.print(f"ONLY: found {asked!r}; allowed: how one of these begins: {', '.join(NAMES)}", markup=False)
        return REFUSED
    figures: list[Figure] = []
    code = 0
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        for figure in _measured(wanted):
            console.print(f"{figure.name}: {figure.value:.3f} {figure.unit}", markup=False)
            figures.append(figure)
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        code = INTERRUPTED
    except (BuildFailed, DeploymentFailed, HopMissing, ServiceFailed, ToolMissing) as problem:
        console.print(str(problem), markup=False)
        code = FAILED
    finally:
        write_figures(figures, RESULT)
    console.print()
    print_figures(figures, console)
    console.print(f"\nwritten to {RESULT}")
    return code


def _measured(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    yield from previews(wanted)
    yield from growth(wanted)
    yield from sizes(wanted)
    yield from samples(wanted)
    yield from errors(wanted)
    yield from delays(wanted)
    yield from generation(wanted)
    yield from rounds(wanted)
    yield from backtests(wanted)
    yield from reloads(wanted)
    yield from applied(wanted, _tell)
    yield from function_import(wanted)
    yield from function_figures(wanted)
    yield from simulation_figures(wanted)
    yield from cost_figures(wanted)
    yield from sandbox_figures(wanted, _tell)
    yield from real_time_figures(wanted, _tell)


def _tell(step: str) -> None:
    console.print(f"[dim]{step}[/]")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
