"""Finds the queries and the labels in the templates of an alert's annotations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

_STRING = r'"(?:\\.|[^"\\])*"|`[^`]*`'
ACTION = re.compile(rf"\{{\{{((?:{_STRING}|[^\"`])*?)\}}\}}", re.DOTALL)
_TOKEN = re.compile(rf"(?P<string>{_STRING})|(?P<word>[\w.$]+)|(?P<other>\S)", re.DOTALL)
_ASKS = re.compile(r"\bquery\b")
_VERB = re.compile(r"%[qsv]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One `query` of an annotation. `expression` is its PromQL, or None where it is not written out.

    Where `printf` puts a value in, the expression has an empty text: it is parsed for what it reads, and never run.
    """

    annotation: str
    expression: str | None


def queries(annotations: Mapping[str, str]) -> Iterator[Query]:
    """Yield every query of an alert's annotations, in their order.

    `query "PROMQL"` and `query (printf "PROMQL" …)` are understood; of anything else nobody can say what it reads.
    """
    for name, text in annotations.items():
        if not _ASKS.search(text):  # most do not, and there may be thousands
            continue
        for action in ACTION.findall(text):
            tokens = _tokens(action)
            for position, token in enumerate(tokens):
                if token == ("word", "query"):
                    yield Query(annotation=name, expression=_asked(tokens[position + 1 :]))


def sample_labels(annotation: str) -> Iterator[str]:
    """Yield the labels that an annotation reads of what it queried: `label "NAME"`."""
    if not _ASKS.search(annotation):
        return
    for action in ACTION.findall(annotation):
        for token, (kind, text) in pairwise(_tokens(action)):
            if token == ("word", "label") and kind == "string" and (name := _unquoted(text)) is not None:
                yield name


def _tokens(action: str) -> list[tuple[str | None, str]]:
    return [(match.lastgroup, match.group()) for match in _TOKEN.finditer(action)]


def _asked(tokens: list[tuple[str | None, str]]) -> str | None:
    """Return the PromQL that stands after `query`."""
    formatted = tokens[:2] == [("other", "("), ("word", "printf")]
    kind, text = next(iter(tokens[2:] if formatted else tokens), (None, ""))
    if kind != "string":
        return None
    written = _unquoted(text)
    if written is None or not formatted:
        return written
    return _VERB.sub(lambda verb: '""' if verb.group() == "%q" else "", written).replace("%%", "%")


def _unquoted(text: str) -> str | None:
    """Return a string of Go's without its quotes, or None where it has escapes that JSON has not."""
    if text.startswith("`"):
        return text[1:-1]
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return None
