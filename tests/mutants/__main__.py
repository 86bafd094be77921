"""`python -m tests.mutants [SAMPLE] [PART OF A NAME]`: try mutants, or a sample of so many, or those of this name.

The table says how many are caught, and build/mutants.json holds the verdict of each. What promtool has answered is kept
in build/mutants.cache.json: a second run asks only what a change of rules or tests has made new. Ctrl-C stops, and
keeps what was answered. The exit code is 1 if fewer than 95 % are caught, or a survivor is not explained in
docs/mutants.md.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from multiprocessing import get_context

import yaml
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from alerting.build import load_catalog
from sandbox.interrupts import ended_as_interrupted
from tests.alerting_data import DATA, ROOT, settings
from tests.mutants.mutant import Mutant, Result
from tests.mutants.python_mutations import PythonMutant, python_mutants
from tests.mutants.python_trials import PythonTrials
from tests.mutants.report import LEAST_CAUGHT, caught_share, explained, print_results, write_results
from tests.mutants.routing_mutations import RoutingMutant, routing_mutants
from tests.mutants.routing_trials import FILE as ROUTING
from tests.mutants.routing_trials import RoutingTrials
from tests.mutants.rule_mutations import RuleMutant, rule_mutants
from tests.mutants.rule_trials import Answers, RuleTrials

RESULT = ROOT / "build" / "mutants.json"
CACHE = ROOT / "build" / "mutants.cache.json"
EXPLAINED = ROOT / "docs" / "mutants.md"
INTERRUPTED = 130
SEED = 17
"""A sample of a size is always the same mutants."""
MOST_OF_A_CHUNK = 12

console = Console(highlight=False, soft_wrap=True)


def main(arguments: Sequence[str]) -> int:
    """Try the mutants that are asked for and return the exit code."""
    sample = int(arguments[0]) if arguments and arguments[0].isdecimal() else 0
    part = arguments[-1] if arguments and not arguments[-1].isdecimal() else ""
    mutants = [mutant for mutant in _all_mutants() if part in mutant.name]
    if 0 < sample < len(mutants):
        chosen = random.Random(SEED).sample(range(len(mutants)), sample)  # noqa: S311 - the same each time
        mutants = [mutants[at] for at in sorted(chosen)]
    results: list[Result] = []
    known: dict[str, str] = json.loads(CACHE.read_text()) if CACHE.exists() else {}
    interrupted = False
    try:
        with ended_as_interrupted():
            for result in _tried(mutants, known):
                results.append(result)
                known |= result.answers
    except KeyboardInterrupt:
        interrupted = True
    finally:
        CACHE.parent.mkdir(exist_ok=True)
        CACHE.write_text(json.dumps(known))
    write_results(results, RESULT)
    unexplained = print_results(results, explained(EXPLAINED.read_text()), console)
    if interrupted:
        console.print("interrupted: the table is of what was tried until then")
        return INTERRUPTED
    return 1 if unexplained or caught_share(results) < LEAST_CAUGHT else 0


def _all_mutants() -> list[Mutant]:
    routing = yaml.safe_load((DATA / ROUTING).read_text())
    return [*rule_mutants(load_catalog(ROOT)), *routing_mutants(routing), *python_mutants()]


def _chunks(mutants: Iterable[Mutant]) -> Iterator[list[Mutant]]:
    """Yield mutants that share tests, a few at a time."""
    chunk: list[Mutant] = []
    for mutant in mutants:
        if chunk and (chunk[0].where != mutant.where or len(chunk) == MOST_OF_A_CHUNK):
            yield chunk
            chunk = []
        chunk.append(mutant)
    if chunk:
        yield chunk


class _Trials:
    """The means by which a worker tries mutants."""

    def __init__(self, known: Mapping[str, str]) -> None:
        answers = Answers(known=known)
        self._rules = RuleTrials(ROOT, load_catalog(ROOT), settings(), answers)
        self._routing = RoutingTrials(settings(), answers)
        self._python = PythonTrials(answers)

    def result(self, mutant: Mutant) -> Result:
        match mutant:
            case RuleMutant():
                return self._rules.result(mutant)
            case RoutingMutant():
                return self._routing.result(mutant)
            case PythonMutant():
                return self._python.result(mutant)
            case _:
                raise TypeError(type(mutant))


_trials: list[_Trials] = []


def _begin(known: Mapping[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers, by SIGTERM
    signal.signal(signal.SIGTERM, _end)
    os.nice(10)
    _trials.append(_Trials(known))


def _end(*_: object) -> None:
    """End a worker so that it removes what it has made."""
    sys.exit(INTERRUPTED)


def _try(chunk: list[Mutant]) -> list[Result]:
    return [_trials[0].result(mutant) for mutant in chunk]


def _tried(mutants: Sequence[Mutant], known: dict[str, str]) -> Iterator[Result]:
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    chunks = list(_chunks(mutants))
    with (
        get_context("fork").Pool(os.cpu_count(), _begin, (known,)) as pool,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task("mutants tried", total=len(mutants))
        for results in pool.imap_unordered(_try, chunks):
            progress.advance(task, len(results))
            yield from results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
