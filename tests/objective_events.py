"""Objectives of a catalog as promtool's tests see them: their events by tick, and the raw series that make such events.

Nothing here reads the generated rules: events are counted in whole numbers, and compared as fractions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import assert_never

from hypothesis import find
from hypothesis import strategies as st

from alerting.catalog import Catalog
from alerting.rules.burn_rates import WindowPair
from alerting.rules.objectives import (
    OWN_OBJECTIVE,
    STANDARD,
    BurnWindows,
    GaugeSli,
    LatencySli,
    RatioSli,
    Sli,
    burn_windows,
)
from alerting.rules.promql.selector import Selector, read_selector
from alerting.source.durations import milliseconds
from tests.objective_counting import TICKS_OF_A_STAGE, counter, ticks, values

LEAST_BAD = 5
"""The bad events that it takes, as docs/objectives.md says it."""
EVENTS = 1000
"""Events of a tick of an indicator that counts."""
_MATCHER = re.compile(r'([A-Za-z_]\w*)(=~|!~|!=|=)"(.*)"', re.DOTALL)
_ANY = ("200", "other", "a", "0", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An objective of a service. `labels` are those of its raw series that no selector asks for."""

    service: str
    name: str
    team: str
    target: float
    sli: Sli
    windows: BurnWindows
    labels: dict[str, str]
    tier: str

    @property
    def budget(self) -> Fraction:
        """The share of events that may be bad."""
        return 1 - Fraction(str(self.target))

    @property
    def selector(self) -> str:
        """Matchers of its series."""
        return f'service="{self.service}", objective="{self.name}"'

    @property
    def ticks_of_an_event(self) -> int:
        """Ticks between two events, where there is one a tick or one a slice; 0 where each tick has many."""
        if self.sli.slices is not None:
            return ticks(self.sli.slices.length)
        return 1 if isinstance(self.sli.counted(), GaugeSli) else 0


def instances(catalog: Catalog) -> tuple[Instance, ...]:
    """Return the objectives of a catalog that count series: the services' own, then those that are written out.

    A composite counts what others count, and has tests of its own.
    """
    assert catalog.objectives is not None
    file = catalog.objectives.tiers
    own = [
        Instance(
            service=name,
            name=OWN_OBJECTIVE,
            team=service.team,
            target=service.objective,
            sli=file.default(service.tier).sli,
            windows=burn_windows(file.tiers[service.tier]),
            labels={"service": name},
            tier=service.tier,
        )
        for name, service in catalog.services.items()
    ]
    written = [
        Instance(
            service=one.service,
            name=name,
            team=catalog.services[one.service].team,
            target=one.objective,
            sli=one.sli,
            windows=burn_windows(file.tiers[one.tier], one),
            labels=_labels(catalog, one.service, one.sli, one.group_by),
            tier=one.tier,
        )
        for _, name, one in catalog.objectives.named()
        if one.sli is not None
    ]
    return (*own, *written)


def _labels(catalog: Catalog, service: str, sli: Sli, group_by: Sequence[str]) -> dict[str, str]:
    scraped = catalog.series.series.get(_total(sli).name)
    own = {"service": service} if scraped is not None and "service" in scraped.labels else {}
    return own | dict.fromkeys(group_by, "each")


def metric(instance: Instance) -> tuple[str, str]:
    """Return what two objectives cannot both make up events of: the series, of the service."""
    return _total(instance.sli).name, instance.labels.get("service", "")


@dataclass(frozen=True, slots=True)
class Events:
    """Events by tick, of which `bad` are a part. Tick 0 is where counters begin: nothing is counted in it."""

    total: Sequence[int]
    bad: Sequence[int]

    def sums(self) -> tuple[list[int], list[int]]:
        """Return how many events there were before each tick."""
        return [0, *accumulate(self.total)], [0, *accumulate(self.bad)]


def events(instance: Instance, shares: Sequence[Fraction], heavy: int = 0) -> Events:
    """Return events of which about these shares are bad, by tick. The first `heavy` ticks have ten times as many."""
    step = instance.ticks_of_an_event
    total: list[int] = []
    bad: list[int] = []
    wanted, so_far = Fraction(0), 0
    for tick, share in enumerate(shares):
        count = 0 if tick == 0 else EVENTS * (10 if tick <= heavy else 1)
        if step:
            count = int(tick > 0 and tick % step == 0)
        wanted = wanted + share * count if share else Fraction(so_far)
        spoilt = min(count, max(0, -(-wanted.numerator // wanted.denominator) - so_far))
        so_far += spoilt
        total.append(count)
        bad.append(spoilt)
    return Events(total, bad)


def burning(
    instance: Instance, pair: WindowPair, made: Events, *, hold: int = 1, of_ticks: frozenset[str] | None = None
) -> list[int]:
    """Return the ticks at which a pair of windows burns.

    The short one counts as over its factor `hold` ticks long. With `of_ticks` a ticket is asked for, each five minutes,
    and windows but those end a tick earlier.
    """
    factor = Fraction(str(pair.budget_share)) * milliseconds(pair.period) / milliseconds(pair.long)
    total, bad = made.sums()
    most = factor * instance.budget

    def inside(window: str, tick: int) -> tuple[int, int]:
        end = tick if of_ticks is None or window in of_ticks else tick - 1
        after, last = max(0, end + 1 - ticks(window)), max(0, end + 1)
        return total[last] - total[after], bad[last] - bad[after]

    def over(window: str, tick: int) -> bool:
        every, some = inside(window, tick)
        return every > 0 and some > most * every

    found: list[int] = []
    last_over = -hold
    for tick in range(0, len(made.total), 1 if of_ticks is None else TICKS_OF_A_STAGE):
        if over(pair.short, tick):
            last_over = tick
        if tick - last_over < hold and over(pair.long, tick) and inside(pair.long, tick)[1] >= LEAST_BAD:
            found.append(tick)
    return found


# Raw series


def raw_series(instance: Instance, made: Events, reset: int | None = None) -> list[dict[str, str]]:
    """Return series whose counting gives some events. Counters begin at 0 again with tick `reset`."""
    if instance.sli.slices is not None:
        made = _within_slices(made, instance.ticks_of_an_event, gauge=isinstance(instance.sli.counted(), GaugeSli))
    good = [every - some for every, some in zip(made.total, made.bad, strict=True)]
    one = instance.sli.counted()
    match one:
        case RatioSli():
            part, rest = _part_and_rest(read_selector(one.total), read_selector(one.part))
            in_part, in_rest = (good, made.bad) if one.good is not None else (made.bad, good)
            name = read_selector(one.total).name
            return [
                _series(name, instance.labels | part, _counter(in_part, reset)),
                _series(name, instance.labels | rest, _counter(in_rest, reset)),
            ]
        case LatencySli() if one.native:
            selector = read_selector(one.histogram)
            return [
                _series(selector.name, instance.labels | _satisfying(selector), _histograms(made, one.seconds, reset))
            ]
        case LatencySli():
            selector = read_selector(one.histogram)
            labels = instance.labels | _satisfying(selector)
            return [
                _series(selector.name, labels | {"le": f"{one.seconds:.10g}"}, _counter(good, reset)),
                _series(selector.name, labels | {"le": "+Inf"}, _counter(made.total, reset)),
            ]
        case GaugeSli():
            selector = read_selector(one.gauge)
            limit = one.above if one.above is not None else one.below or 0
            beyond = 1 if one.above is not None else -1
            samples = [
                "stale" if not every else f"{limit + beyond if some else limit - beyond:.10g}"
                for every, some in zip(made.total, made.bad, strict=True)
            ]
            return [_series(selector.name, instance.labels | _satisfying(selector), " ".join(samples))]
        case _:
            assert_never(one)


def _within_slices(slices: Events, length: int, *, gauge: bool) -> Events:
    """Return the events within slices: all are bad in a bad one, and none in another."""
    ends = [min(-(-tick // length) * length, len(slices.total) - 1) for tick in range(len(slices.total))]
    count = 1 if gauge else EVENTS
    total = [count if tick else 0 for tick in range(len(ends))]
    return Events(total, [count if tick and slices.bad[end] else 0 for tick, end in enumerate(ends)])


def _counter(made: Sequence[int], reset: int | None) -> str:
    if reset is None:
        return counter(made)
    return f"{counter(made[:reset])} {counter(made[reset:])}"


def _histograms(made: Events, seconds: float, reset: int | None) -> str:
    samples: list[str] = []
    fast = slow = 0
    for tick, (every, some) in enumerate(zip(made.total, made.bad, strict=True)):
        if tick == reset:
            fast = slow = 0
        fast, slow = fast + every - some, slow + some
        bounds = f"custom_values:[{seconds:.10g}] buckets:[{fast} {slow}]"
        samples.append(f"{{{{schema:-53 count:{fast + slow} sum:1 {bounds}}}}}")
    return " ".join(samples)


def _series(name: str, labels: Mapping[str, str], samples: str) -> dict[str, str]:
    inside = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": samples}


def _total(sli: Sli) -> Selector:
    one = sli.counted()
    text = one.total if isinstance(one, RatioSli) else one.histogram if isinstance(one, LatencySli) else one.gauge
    return read_selector(text)


def _part_and_rest(total: Selector, part: Selector) -> tuple[dict[str, str], dict[str, str]]:
    """Return labels that both selectors take, and labels that only the first takes."""
    both = Selector(name=total.name, matchers=(*total.matchers, *part.matchers))
    taken = _satisfying(both)
    for label in part.labels():
        of_total = [text for name, text in total.matchers if name == label]
        of_part = [text for name, text in part.matchers if name == label and text not in of_total]
        for value in _candidates([*of_total, *of_part]):
            if all(_takes(text, value) for text in of_total) and not all(_takes(text, value) for text in of_part):
                return taken, taken | {label: value}
    raise AssertionError(f"no label tells {part} from {total}")


def _satisfying(selector: Selector) -> dict[str, str]:
    found: dict[str, str] = {}
    for label in selector.labels():
        texts = [text for name, text in selector.matchers if name == label]
        found[label] = next(value for value in _candidates(texts) if all(_takes(text, value) for text in texts))
    return found


def _candidates(matchers: Sequence[str]) -> list[str]:
    """Return values of a label among which some match and some do not."""
    found = [*_ANY]
    for text in matchers:
        _, sign, value = _matcher(text)
        found.append(find(st.from_regex(value, fullmatch=True), lambda _: True) if "~" in sign else value)
    return found[::-1]


def _takes(matcher: str, value: str) -> bool:
    _, sign, wanted = _matcher(matcher)
    same = re.fullmatch(wanted, value) is not None if "~" in sign else value == wanted
    return same == (sign[0] == "=")


def _matcher(text: str) -> tuple[str, str, str]:
    match = _MATCHER.fullmatch(text)
    assert match is not None, text
    return match.group(1), match.group(2), match.group(3).replace('\\"', '"').replace("\\\\", "\\")


def own_budget(instance: Instance) -> list[dict[str, str]]:
    """Return the budget of a service's own objective, which other rules record."""
    if instance.name != OWN_OBJECTIVE:
        return []
    tier = {} if instance.tier == STANDARD else {"tier": instance.tier}
    labels = {"service": instance.service, "team": instance.team} | tier
    return [_series("orion:service:error_budget", labels, f"{float(instance.budget)}x20000")]


def counted_series(
    instance: Instance, made: Events, *, variant: str, evaluated: int | None = None
) -> list[dict[str, str]]:
    """Return what is counted of an objective in each tick, as given. A label tells variants apart.

    With `evaluated`, how many ticks there are between two evaluations, the stages are given too that would have been
    recorded between them. A stage of an evaluation is the rules' own.
    """
    labels = {"service": instance.service, "objective": instance.name, "variant": variant}
    grouped = {name: value for name, value in instance.labels.items() if name != "service"}
    found: list[dict[str, str]] = []
    for kind, numbers in (("total", made.total), ("bad", made.bad)):
        name = f"orion:objective_{kind}"
        found.append(_series(f"{name}:increase30s", labels | grouped, values([None, *numbers[1:]])))
        if evaluated is not None:
            found.append(_series(f"{name}:stage5m", labels | grouped, values(_stages(numbers, evaluated))))
    return found


def _stages(numbers: Sequence[int], evaluated: int) -> list[int | None]:
    """Return the sum of each stage a tick before it ends: there no evaluation writes another."""
    found: list[int | None] = [None] * len(numbers)
    sums = [0, *accumulate(numbers)]
    for end in range(TICKS_OF_A_STAGE, len(numbers), TICKS_OF_A_STAGE):
        if end % evaluated:
            found[end - 1] = sums[end] - sums[end - TICKS_OF_A_STAGE]
    return found
