"""No inhibition loses a page: nothing that pages nobody silences what pages, and no two alerts silence each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alerting.catalog import Catalog, Inhibition, Selector
from alerting.routing.checks.route_coverage import PAGING
from alerting.rules.series import SEVERITY
from alerting.source.problems import Problem, listed
from alerting.source.yaml_source import Document

Silences = dict[str, set[str]]
"""The alerts that each alert silences."""


def inhibition_problems(catalog: Catalog, document: Document) -> Iterator[Problem]:
    """Yield the inhibitions that lose a page, and the first that closes a circle."""
    severities = {name: located.rule.labels.get(SEVERITY, "") for name, located in catalog.rules.alerts.items()}
    for index, inhibition in enumerate(catalog.routing.inhibitions):
        yield from _lost_page_problems(document, index, inhibition, severities)
    yield from _circle_problems(document, catalog.routing.inhibitions, severities)


def _lost_page_problems(
    document: Document, index: int, inhibition: Inhibition, severities: Mapping[str, str]
) -> Iterator[Problem]:
    quiet = [name for name in inhibition.source.alerts if severities[name] not in PAGING]
    lost = [name for name in inhibition.target.alerts if severities[name] in PAGING]
    lost += [f"severity {severity}" for severity in inhibition.target.severities if severity in PAGING]
    if quiet and lost:
        message = f"{listed(quiet)} pages nobody and silences what pages, {listed(lost)}; allowed: a source that pages"
        yield Problem(document.place(("inhibitions", index, "target")), f"{message}. Change the one or the other")


def _circle_problems(
    document: Document, inhibitions: tuple[Inhibition, ...], severities: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield the first inhibition by which alerts silence each other.

    Alertmanager asks only whether a source fires, not whether it is silent itself: nobody would hear of any of them.
    """
    silences: Silences = {}
    for index, inhibition in enumerate(inhibitions):
        for source, target in _edges(inhibition, severities):
            silences.setdefault(source, set()).add(target)
        circle = next((one for source in inhibition.source.alerts if (one := _circle(source, silences))), None)
        if circle is not None:
            message = f"closes a circle: {' silences '.join(circle)}. While all fire, none of them notifies; remove one"
            yield Problem(document.place(("inhibitions", index)), message)
            return


def _edges(inhibition: Inhibition, severities: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield who silences whom. Of one inhibition alerts that are on both sides do not silence each other."""
    sources, targets = (_selected(one, severities) for one in (inhibition.source, inhibition.target))
    both = sources & targets
    yield from ((source, target) for source in sources for target in targets if not {source, target} <= both)


def _selected(selector: Selector, severities: Mapping[str, str]) -> set[str]:
    return set(selector.alerts) or {name for name, severity in severities.items() if severity in selector.severities}


def _circle(start: str, silences: Silences) -> list[str] | None:
    """Return a way from an alert back to it, with the alert at both ends, or None."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for further in sorted(silences.get(way[-1], ())):
            if further == start:
                return [*way, start]
            if further not in seen and further in silences:
                seen.add(further)
                ways.append([*way, further])
    return None
