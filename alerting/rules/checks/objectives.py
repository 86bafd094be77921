"""Objectives count what is there, and have windows that can burn, are long enough and get shorter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from alerting.catalog import SERVICES, Catalog
from alerting.rules.burn_rates import STAGE, TICK, WindowPair
from alerting.rules.checks.pages import missing_page_messages
from alerting.rules.objectives import (
    OWN_OBJECTIVE,
    RESERVED_LABELS,
    TIERS,
    BurnWindows,
    GaugeSli,
    LatencySli,
    Objective,
    Objectives,
    RatioSli,
    Sli,
    Tier,
    burn_windows,
)
from alerting.rules.promql.selector import Selector, read_selector
from alerting.rules.series import BUCKET_LIMIT, SERVICE
from alerting.rules.sources.objective_events import sli_selector
from alerting.rules.sources.objective_windows import LEAST_BAD_EVENTS
from alerting.settings import Settings
from alerting.source.durations import milliseconds, scaled_milliseconds, written
from alerting.source.problems import CatalogError, Place, Problem, listed, not_allowed, shown
from alerting.source.yaml_source import Document, FieldPath

LEAST_SCRAPES = 4
"""The least number of scrapes in a window: with fewer, a scrape that is late or missed empties it."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of indicator: its name and the field of its selector in a file, and the type of series that it counts."""

    name: str
    field: str
    series_type: str


def _kind(one: RatioSli | LatencySli | GaugeSli) -> _Kind:
    match one:
        case RatioSli():
            return _Kind("ratio", "total", "counter")
        case LatencySli():
            return _Kind("latency", "histogram", "native histogram" if one.native else "histogram")
        case GaugeSli():
            return _Kind("threshold", "gauge", "gauge")
        case _:
            assert_never(one)


def objective_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with objectives, each valid by itself: what they name, count and compare."""
    if catalog.objectives is None:
        return
    tiers = catalog.objectives.tiers.tiers
    for name, tier in tiers.items():
        yield from _tier_problems(catalog, name, tier)
    for name, service in catalog.services.items():
        if service.tier not in tiers:
            place = catalog.documents[SERVICES].place(("services", name, "tier"))
            yield not_allowed(place, service.tier, tiers, f"Name a tier of {TIERS}")
    yield from _name_problems(catalog, catalog.objectives)
    for file, name, objective in catalog.objectives.named():
        yield from _written_problems(catalog, tiers, catalog.documents[file], ("objectives", name), objective)


def _tier_problems(catalog: Catalog, name: str, tier: Tier) -> Iterator[Problem]:
    document, path = catalog.documents[TIERS], ("tiers", name)
    lowest = min((service.objective for service in catalog.services.values() if service.tier == name), default=None)
    windows = burn_windows(tier)
    yield from _window_problems(document, path, windows, lowest)
    if tier.default is not None:
        sli_path = (*path, "default", "sli")
        yield from _slice_problems(document, sli_path, tier.default.sli, windows)
        yield from _sli_problems(catalog, document, sli_path, tier.default.sli, (SERVICE,))


def _name_problems(catalog: Catalog, objectives: Objectives) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for file, name, _ in objectives.named():
        place = catalog.documents[file].place(("objectives", name))
        if name == OWN_OBJECTIVE:
            message = f"is the name of the services' own objective, of {TIERS}; allowed: other names. Rename it"
            yield Problem(place, message, comes_first=True)
        if name in first:
            message = f"found twice, first in {first[name].file}:{first[name].line}; allowed: once. Rename one of them"
            yield Problem(place, message, comes_first=True)
        first.setdefault(name, place)


def _written_problems(
    catalog: Catalog, tiers: Mapping[str, Tier], document: Document, path: FieldPath, objective: Objective
) -> Iterator[Problem]:
    if objective.service not in catalog.services:
        advice = "Name a service of the catalog"
        yield not_allowed(document.place((*path, "service")), objective.service, catalog.services, advice)
    if objective.tier not in tiers:
        yield not_allowed(document.place((*path, "tier")), objective.tier, tiers, f"Name a tier of {TIERS}")
        return
    windows = burn_windows(tiers[objective.tier], objective)
    yield from _window_problems(document, path, windows, objective.objective)
    if objective.sli is not None:
        yield from _slice_problems(document, (*path, "sli"), objective.sli, windows)
        yield from _sli_problems(catalog, document, (*path, "sli"), objective.sli, objective.group_by)
    yield from _label_problems(document, path, objective)
    if objective.runbook is not None and objective.runbook not in catalog.rules.alerts:
        for message in missing_page_messages(catalog, objective.runbook):
            yield Problem(document.place((*path, "runbook")), message)


def require_measurable(catalog: Catalog, settings: Settings) -> None:
    """Hold that each window of an objective has at least four scrapes of a stack, and that the stack keeps its period.

    Raises `CatalogError` with every objective and tier for which it is not so. The tiers' own periods are held like the
    windows of every other rule, by `alerting.rules.checks.retention`.
    """
    if catalog.objectives is None:
        return
    tiers = catalog.objectives.tiers.tiers
    found: list[Problem] = []
    for name, tier in tiers.items():
        place = catalog.documents[TIERS].place(("tiers", name))
        found += [Problem(place, message) for message in _scrape_messages(burn_windows(tier), settings)]
    for file, name, objective in catalog.objectives.named():
        place = catalog.documents[file].place(("objectives", name))
        windows = burn_windows(tiers[objective.tier], objective)
        messages = (*_scrape_messages(windows, settings), *_period_messages(windows, settings))
        found += [Problem(place, message) for message in messages]
    if found:
        raise CatalogError(found)


def _scrape_messages(windows: BurnWindows, settings: Settings) -> Iterator[str]:
    stack, seconds = settings.environment.value, settings.monitoring.scrape_interval_seconds
    least = LEAST_SCRAPES * seconds * 1000
    for pair in windows.pairs():
        if milliseconds(pair.short) < least:
            yield (
                f"its window {pair.short} has fewer than {LEAST_SCRAPES} scrapes in stack {stack}, "
                f"one each {seconds} s; allowed: {written(round(least))} or longer. Write `windows:` with longer "
                "ones, or scrape more often (monitoring.scrape_interval_seconds)"
            )


def _period_messages(windows: BurnWindows, settings: Settings) -> Iterator[str]:
    stack, retention = settings.environment.value, settings.monitoring.retention
    range_ = windows.period_range
    if scaled_milliseconds(milliseconds(range_), settings.time_scale) > milliseconds(retention):
        period = range_ if range_ == windows.period else f"{windows.period}, up to {range_},"
        yield (
            f"its period {period} is longer than what stack {stack} keeps; allowed: {retention}. Shorten it, or keep "
            "more (monitoring.retention, and monitoring.prometheus_storage for it)"
        )


def _window_problems(
    document: Document, path: FieldPath, windows: BurnWindows, target: float | None
) -> Iterator[Problem]:
    for urgency, pairs, unit in (("page", windows.page, TICK), ("ticket", windows.ticket, STAGE)):
        for position, pair in enumerate(pairs):
            for message in _pair_messages(pair, unit, pair.period, target):
                place = document.place((*path, "windows", urgency, position))
                yield Problem(place, f"{pair.long} and {pair.short} at {pair.factor:.4g} times the budget: {message}")


@lru_cache(maxsize=1024)  # most objectives have the windows and the target of many others
def _pair_messages(pair: WindowPair, unit: str, period: str, target: float | None) -> tuple[str, ...]:
    return tuple(_pair_problems(pair, unit, period, target))


def _pair_problems(pair: WindowPair, unit: str, period: str, target: float | None) -> Iterator[str]:
    short, long, whole = milliseconds(pair.short), milliseconds(pair.long), milliseconds(period)
    if short >= long:
        yield "the short window is not below the long one; allowed: shorter, such as a twelfth. Change one of them"
    if long > whole:
        yield f"the long window is longer than the period; allowed: at most {period}. Shorten it"
    odd = [window for window in (pair.long, pair.short) if milliseconds(window) % milliseconds(unit)]
    if odd:
        yield f"{listed(odd)} is no multiple of {unit}, in which events are counted. Round it"
    if pair.factor < 1:
        yield "it fires while the budget lasts; allowed: a factor of 1 or more. Raise budget_percent"
    if target is not None and pair.factor * (1 - target) >= 1:
        most = 1 - 1 / pair.factor
        yield (
            f"it can never fire for an objective of {target:g}, since more than all events would have to be bad; "
            f"allowed: an objective above {most:.4g}. Raise the objective, or lower budget_percent"
        )


def _slice_problems(document: Document, path: FieldPath, sli: Sli, windows: BurnWindows) -> Iterator[Problem]:
    """Yield the windows that hold too few time slices of an indicator."""
    if sli.slices is None:
        return
    place, length = document.place((*path, "slices", "length")), milliseconds(sli.slices.length)
    for pair in windows.pairs():
        if milliseconds(pair.short) < length:
            message = f"a slice of {sli.slices.length} is longer than the window {pair.short}"
            yield Problem(place, f"{message}; allowed: at most as long as each window. Shorten it, or write `windows:`")
        if milliseconds(pair.long) < LEAST_BAD_EVENTS * length:
            message = f"the window {pair.long} has fewer than {LEAST_BAD_EVENTS} slices of {sli.slices.length}"
            yield Problem(place, f"{message}, as many as have to be bad. Shorten it, or write `windows:`")


def _sli_problems(
    catalog: Catalog, document: Document, path: FieldPath, sli: Sli, group_by: tuple[str, ...]
) -> Iterator[Problem]:
    one, selector = sli.counted(), sli_selector(sli)
    kind = _kind(one)
    group_by_path = (*path[:-1], "group_by")
    if sli.slices is not None:
        path = (*path, "slices")
    place = document.place((*path, kind.name, kind.field))
    known = catalog.rules.series.get(selector.name)
    if known is None:
        message = (
            f"series {selector.name} is neither scraped nor recorded. Add it to rules/scraped_series.yaml, or record it"
        )
        yield Problem(place, message, comes_first=True)
        return
    for each in _selectors(one):
        for label in sorted(each.labels() - known):
            yield _not_a_label(place, label, known, f"Name a label of {selector.name}")
    scraped = catalog.series.series.get(selector.name)
    if scraped is not None and scraped.type != kind.series_type:
        found = f"{selector.name} is a {scraped.type}; allowed: a {kind.series_type}"
        yield Problem(place, f"{found}. Name one, or count it by another kind")
        return
    if isinstance(one, LatencySli) and not one.native:
        buckets = () if scraped is None else scraped.buckets
        if one.seconds not in buckets:
            advice = f"Name a bucket that {selector.name} has, or add it to `buckets:` in rules/scraped_series.yaml"
            yield not_allowed(document.place((*path, kind.name, "seconds")), one.seconds, buckets, advice)
    kept = known - {BUCKET_LIMIT}
    for label in group_by:
        if label not in kept:
            advice = f"Group by a label that {selector.name} keeps"
            yield _not_a_label(document.place(group_by_path), label, kept, advice)


def _not_a_label(place: Place, label: str, known: frozenset[str], advice: str) -> Problem:
    # It does not come first: a series may lack a label since another rule, which is wrong, records it too.
    return Problem(place, f"found {shown(label)}; allowed: {listed(sorted(known))}. {advice}")


def _selectors(one: RatioSli | LatencySli | GaugeSli) -> Iterator[Selector]:
    match one:
        case RatioSli():
            yield read_selector(one.total)
            yield read_selector(one.part)
        case LatencySli():
            yield read_selector(one.histogram)
        case GaugeSli():
            yield read_selector(one.gauge)


def _label_problems(document: Document, path: FieldPath, objective: Objective) -> Iterator[Problem]:
    taken = RESERVED_LABELS | set(objective.group_by)
    for label in objective.labels:
        if label in taken:
            message = f"label {shown(label)} is given by the program; allowed: other labels. Rename it"
            yield Problem(document.place((*path, "labels", label)), message)
    for label in sorted(RESERVED_LABELS & set(objective.group_by)):
        message = f"label {shown(label)} is given by the program; allowed: other labels. Leave it out"
        yield Problem(document.place((*path, "group_by")), message)
