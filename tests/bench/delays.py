"""detection_delay: how much later than the SRE workbook's own queries our rules see that a budget burns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alerting.rules.burn_rates import PAGE_PAIRS, TICKET_PAIRS, WindowPair
from alerting.rules.series import OBJECTIVE_BURNING, URGENCY
from tests.bench.counted_traffic import CountedTraffic
from tests.bench.figures import Figure
from tests.bench.objective_rules import METRIC, TARGET, own_rules, owned
from tests.bench.rule_bench import (
    DAY,
    END,
    EVALUATION_SECONDS,
    SCRAPE_SECONDS,
    Answer,
    RangeQuery,
    answers_of,
)

DELAY = "detection_delay"
SERVICE = "orders"
HOUR = 3600
PAGE, TICKET = "page", "ticket"
PAIRS = {PAGE: PAGE_PAIRS, TICKET: TICKET_PAIRS}
GOALS = {PAGE: EVALUATION_SECONDS, TICKET: 300}
"""The most seconds that each may be later: an evaluation, and the interval at which long windows are summed."""
HEALTHY_DAYS = 3
PHASES = (0, 30, 270)
"""Seconds by which what burns begins after a multiple of five minutes. The worst counts: of ten, these had it."""
REQUESTS = 10_000
"""Between two scrapes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """A share of requests that fail for some hours, and whether counters begin at 0 every two minutes meanwhile."""

    name: str
    urgency: str
    share: float
    hours: float
    resets: bool = False

    @property
    def figure(self) -> str:
        """The name of its figure."""
        return f"{DELAY}_{self.name}_{self.urgency}"


BURNS = (
    Burn(name="outage", urgency=PAGE, share=1, hours=0.5),
    Burn(name="outage", urgency=TICKET, share=1, hours=0.5),
    Burn(name="slow_burn", urgency=PAGE, share=8 * (1 - TARGET), hours=6),
    Burn(name="slow_burn", urgency=TICKET, share=1.5 * (1 - TARGET), hours=52),
    Burn(name="reset", urgency=PAGE, share=1, hours=0.5, resets=True),
    Burn(name="reset", urgency=TICKET, share=1, hours=0.5, resets=True),
)
DELAY_FIGURES = tuple(burn.figure for burn in BURNS)


def delays(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Compare when each of both first sees a burn, in the worst of its phases."""
    asked = [burn for burn in BURNS if wanted(burn.figure)]
    if not asked:
        return
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        rules = own_rules(Path(directory))
        for burn in asked:
            yield Figure(
                name=burn.figure,
                value=max(_delay(rules, burn, phase) for phase in PHASES),
                unit="s",
                peer="goal, after the workbook's queries",
                peer_value=GOALS[burn.urgency],
            )


def _delay(rules: Sequence[Path], burn: Burn, phase: int) -> float:
    seconds = round(burn.hours * HOUR)
    begins = END - seconds + phase
    series = [*burning_traffic(burn, seconds - phase).counters(SERVICE, resets=_resets(burn, seconds - phase))]
    start = begins - begins % EVALUATION_SECONDS
    queries = [
        RangeQuery(expression=expression, start=start)
        for expression in (f'{OBJECTIVE_BURNING}{{{URGENCY}="{burn.urgency}"}}', workbook_query(PAIRS[burn.urgency]))
    ]
    ours, exact = answers_of(rules, [*series, *owned([SERVICE], days=HEALTHY_DAYS + 3)], queries)
    return first_seen(ours, burn) - first_seen(exact, burn)


def workbook_query(pairs: Sequence[WindowPair]) -> str:
    """Return the workbook's query of some pairs (chapter 5, alert 6), on raw counters."""

    def over(window: str, pair: WindowPair) -> str:
        failed, total = (f"sum(rate({METRIC}{{{matcher}}}[{window}]))" for matcher in ('code=~"5.."', ""))
        return f"{failed} / {total} > {pair.factor:.10g} * {1 - TARGET:.10g}"

    return " or ".join(f"({over(pair.long, pair)} and {over(pair.short, pair)})" for pair in pairs)


def burning_traffic(burn: Burn, seconds: int) -> CountedTraffic:
    """Return healthy days, after which a share of all requests fails until the end."""
    healthy, burnt = HEALTHY_DAYS * DAY // SCRAPE_SECONDS, seconds // SCRAPE_SECONDS
    return CountedTraffic(
        total=[REQUESTS] * (healthy + burnt), failed=[0] * healthy + [round(REQUESTS * burn.share)] * burnt
    )


def _resets(burn: Burn, seconds: int) -> range:
    first = HEALTHY_DAYS * DAY // SCRAPE_SECONDS
    return range(first, first + seconds // SCRAPE_SECONDS if burn.resets else first, 120 // SCRAPE_SECONDS)


def first_seen(answer: Answer, burn: Burn) -> float:
    """Return the time at which a query first returned anything. Raises `ValueError` if it never did."""
    times = [time for _, samples in answer for time, _ in samples]
    if not times:
        raise ValueError(f"{burn.figure}: nothing was seen within {burn.hours} h")
    return min(times)
