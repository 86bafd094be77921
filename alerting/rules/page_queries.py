"""Finds the PromQL in runbook pages: code spans that people paste into Prometheus at night.

A page's code spans are commands, names and queries. A query is recognised by how it begins: with a function, an
aggregation, a bracket, or a series with a selector, a range or an operator; or it is the name of a series alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache

from alerting.catalog import Page
from alerting.rules.promql import Expression, compiled
from alerting.source.markdown import Found, code_spans

_BEGINNING = re.compile(
    r"""-?\(                                            # (a - b) / 60
    | [a-z_]+(\ (by|without))?\ ?\(                     # rate(, sum by (
    | [A-Za-z_:][\w:]*(\{\s*(\w+\s*[=!]|\})|\[\d)       # up{job=, up{}, up[5m
    """,
    re.VERBOSE,
)
_OPERATION = re.compile(r"(\d+(\.\d+)? *[-+*/] *)?(?P<name>[a-z_][\w:]*)( +offset\b| *(==|!=|[<>]=?|[-+*/%]) )?")
_PLACEHOLDER = re.compile(r"[A-Z_]+")


@dataclass(frozen=True, slots=True)
class PageQuery:
    """A query of a page, and the line on which it begins."""

    line: int
    expression: Expression


def page_queries(page: Page, known: AbstractSet[str]) -> Iterator[PageQuery]:
    """Yield the queries of a page. `known` are the names of series, by whose first words others are recognised."""
    for span in _spans(page.text):
        if _is_query(span.text, known):
            yield PageQuery(span.line, compiled(span.text))


def is_placeholder(series: str) -> bool:
    """Return whether a name stands for whatever the reader puts there, such as SERIES."""
    return _PLACEHOLDER.fullmatch(series) is not None


@lru_cache(maxsize=1024)
def _spans(text: str) -> tuple[Found, ...]:
    return tuple(code_spans(text))


def _is_query(text: str, known: AbstractSet[str]) -> bool:
    if _BEGINNING.match(text):
        return True
    match = _OPERATION.match(text)
    if match is None or not _is_series(match["name"], known):
        return False
    return match.end("name") == len(text) or match.end() > match.end("name")


def _is_series(name: str, known: AbstractSet[str]) -> bool:
    """Return whether a name is that of a series, or looks like one of an exporter: `kube_`, `redis_`, `orion:`."""
    return name in known or (("_" in name or ":" in name) and _first_word(name) in _first_words(frozenset(known)))


@lru_cache(maxsize=8)
def _first_words(known: frozenset[str]) -> frozenset[str]:
    return frozenset(_first_word(name) for name in known if "_" in name or ":" in name)


def _first_word(name: str) -> str:
    return re.split(r"(?<=[_:])", name, maxsplit=1)[0]
