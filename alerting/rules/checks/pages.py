"""Runbook pages are there, say what a person needs, lead somewhere, and ask for series that somebody exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alerting.catalog import Catalog, Page
from alerting.rules.model import SCRAPED_SERIES, CompiledRule
from alerting.rules.page_queries import is_placeholder, page_queries
from alerting.rules.promql import Expression, series_name
from alerting.rules.series import ALERT_SERIES, METRIC_NAME
from alerting.source.markdown import anchors, links
from alerting.source.problems import Place, Problem, listed, shown

PAGE_HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation", "After the incident")
OF_TARGETS = frozenset(
    {"job", "instance", "namespace", "pod", "container", "service", "endpoint", "metrics_path", "node"}
)
"""The labels that Prometheus adds to what it scrapes in a cluster: a person may select by them."""
_PROTOCOLS = ("https://", "http://")


def missing_page_messages(catalog: Catalog, alert: str) -> Iterator[str]:
    """Yield what is wrong with the runbook page of an alert, or with the one that an objective names."""
    page = catalog.pages.get(alert)
    file = f"runbooks/{alert}.md"
    if page is None:
        what = f"alert {alert}" if alert in catalog.rules.alerts else f"runbook {alert}"
        yield f"{what} has no runbook page. Write {file}"
        return
    missing = [heading for heading in PAGE_HEADINGS if heading not in page.sections]
    if missing:
        yield f"{file} lacks {listed(missing)}. Add each as a `## ` heading"
        return
    if page.title != alert:
        yield f'{file} begins with {shown(page.title)}; allowed: "# {alert}". Change its first line'
    empty = [heading for heading in PAGE_HEADINGS if not page.sections[heading]]
    if empty:
        yield f"{file} says nothing under {listed(empty)}. Write what a person needs at night"
    if "`" not in page.sections["Diagnosis"]:
        yield f"{file} has nothing to paste under Diagnosis. Add a command or a query, in backticks"
    answers = (remediations.get(alert) for remediations in (catalog.remediations, catalog.triggers()))
    for action in sorted({entry.action for entry in answers if entry is not None}):
        if f"`{action}`" not in page.sections["Mitigation"]:
            message = f"{file} does not say under Mitigation what the action `{action}` will and will not do. Say it"
            yield message


def page_problems(catalog: Catalog, alerts: Mapping[str, CompiledRule]) -> Iterator[Problem]:
    """Yield the pages that no alert has and no objective names, and the dead links and wrong queries of all pages."""
    of_objectives = catalog.objectives.runbooks() if catalog.objectives is not None else frozenset[str]()
    for name, page in catalog.pages.items():
        if name not in alerts and name not in of_objectives:
            message = f"there is no alert {shown(name)}; allowed: {listed(sorted(alerts))}. Rename or remove the page"
            yield Problem(Place(file=_file(name)), message)
        yield from _link_problems(catalog, name, page)
        yield from _query_problems(catalog, name, page)


def page_series(catalog: Catalog) -> Iterator[str]:
    """Yield the names of the series that pages ask for."""
    for page in catalog.pages.values():
        for query in page_queries(page, catalog.rules.series.keys()):
            yield from query.expression.series


def _file(name: str) -> str:
    return f"runbooks/{name}.md"


def _link_problems(catalog: Catalog, name: str, page: Page) -> Iterator[Problem]:
    for link in links(page.text):
        if link.text.startswith(_PROTOCOLS):
            continue
        place = Place(file=_file(name), line=link.line)
        target, _, anchor = link.text.partition("#")
        linked = _linked(catalog, page, target)
        if linked is None:
            allowed = "https://…, #SECTION, and ALERT.md or ALERT.md#SECTION of runbooks/"
            message = f"links to {shown(link.text)}, which is not there; allowed: {allowed}. Change the link"
            yield Problem(place, message)
        elif anchor and anchor not in (known := anchors(linked.text)):
            allowed = listed(f"#{one}" for one in sorted(known))
            message = f"links to {shown(link.text)}, a section that is not there; allowed: {allowed}. Change the link"
            yield Problem(place, message)


def _linked(catalog: Catalog, page: Page, target: str) -> Page | None:
    """Return the page that a link's target names, or None if there is none."""
    if not target:
        return page
    return catalog.pages.get(target.removesuffix(".md")) if target.endswith(".md") else None


def _query_problems(catalog: Catalog, name: str, page: Page) -> Iterator[Problem]:
    known = catalog.rules.series
    for query in page_queries(page, known.keys()):
        place = Place(file=_file(name), line=query.line)
        for message in _query_messages(query.expression, known):
            yield Problem(place, f"{shown(query.expression.text)} {message}")


def _query_messages(expression: Expression, known: Mapping[str, frozenset[str]]) -> Iterator[str]:
    if expression.error is not None:
        yield f"is not PromQL: {expression.error}. Put the query right"
    for selector in expression.selectors:
        name = series_name(selector)
        if name is None or is_placeholder(name) or name in ALERT_SERIES:
            continue
        if name not in known:
            advice = f"Name a series that is there, or add it to {SCRAPED_SERIES} with its exporter"
            yield f"reads {name}, which is neither scraped nor recorded. {advice}"
            continue
        allowed = known[name] | OF_TARGETS | {METRIC_NAME}
        for label in sorted({one.name for one in selector.matchers.matchers} - allowed):
            yield f"selects by the label {label}, which {name} lacks; allowed: {listed(sorted(allowed))}. Change it"
