"""`python -m tests.simulation`: simulate incidents with faults. `make simulate` runs it.

seeds N [FIRST]   run N seeds on every core, and print the shortest of the runs that fail
seed N            run one seed and print its trace
mutations         look for the first seed that catches each bug put in on purpose
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from multiprocessing import Pool

from tests.simulation.mutation import applied
from tests.simulation.mutations import MUTATIONS
from tests.simulation.plan import plan_of
from tests.simulation.run import Failure, run_plan, run_seeds, shrink, trace

CHUNK = 200
ENOUGH_FAILURES = 10
MOST_SEEDS_OF_A_MUTATION = 30_000


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    match arguments:
        case ["seeds", count]:
            return seeds(int(count), 0)
        case ["seeds", count, first]:
            return seeds(int(count), int(first))
        case ["seed", number]:
            print(trace(plan_of(int(number))))
            return 0 if run_plan(plan_of(int(number))) is None else 1
        case ["mutations"]:
            return mutations()
        case _:
            print(__doc__)
            return 2


def seeds(count: int, first: int) -> int:
    """Run seeds, with a line for each percent."""
    chunks = [range(start, min(start + CHUNK, first + count)) for start in range(first, first + count, CHUNK)]
    failures: list[Failure] = []
    started = time.monotonic()
    with Pool(os.cpu_count()) as pool:
        for done, failure in enumerate(pool.imap_unordered(run_seeds, chunks), 1):
            failures += [] if failure is None else [failure]
            if done * 100 // len(chunks) > (done - 1) * 100 // len(chunks):
                seconds = time.monotonic() - started
                rate = done * CHUNK / seconds
                print(f"{done * 100 // len(chunks):3} %  {rate:,.0f} seeds a second, {len(failures)} fail", flush=True)
            if len(failures) >= ENOUGH_FAILURES:
                break
    if not failures:
        return 0
    print("the shortest run that fails:")
    print(min(map(shrink, failures), key=lambda failure: len(str(failure))))
    return 1


def mutations() -> int:
    """Print the first seed that catches each mutation."""
    missed = 0
    for mutation in MUTATIONS:
        with applied(mutation):
            failure = run_seeds(range(MOST_SEEDS_OF_A_MUTATION))
        missed += failure is None
        found = "not caught" if failure is None else f"{failure.plan.seed:6}  {failure.error}"
        print(f"{mutation.name}: {found}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
