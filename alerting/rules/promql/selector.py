"""Selectors of one series, such as `http_requests_total{code=~"5.."}`: read, and written with more matchers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import promql_parser as promql

from alerting.rules.promql.expression import compiled

ALLOWED = (
    'a selector of one series, without range, offset or function, such as http_requests_total{code=~"5.."}, is allowed'
)
NO_PLACEHOLDER = (
    'a selector without a placeholder, such as http_requests_total{code=~"5.."}, is allowed: the program counts it in '
    "windows of its own. Remove the range and the functions too"
)
_PLACEHOLDERS = ("$", "{{")
_SIGNS = (
    (promql.MatchOp.Equal, "="),
    (promql.MatchOp.NotEqual, "!="),
    (promql.MatchOp.Re, "=~"),
    (promql.MatchOp.NotRe, "!~"),
)


LabelValues = Mapping[str, str | tuple[str, ...]]
"""What labels have to be equal to: a value, or one of some values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A series by name, and its matchers as PromQL writes them, each with the label that it is about."""

    name: str
    matchers: tuple[tuple[str, str], ...] = ()

    def labels(self) -> frozenset[str]:
        """Return the labels that it matches."""
        return frozenset(label for label, _ in self.matchers)

    def value_of(self, label: str) -> str | None:
        """Return the value that a label has to be equal to, or None where the selector names no single one."""
        equal = [text for name, text in self.matchers if name == label and text.startswith(f'{label}="')]
        return json.loads(equal[0].removeprefix(f"{label}=")) if len(equal) == 1 else None

    def without_label(self, label: str) -> Selector:
        """Return the selector without the matchers of a label."""
        return Selector(name=self.name, matchers=tuple(each for each in self.matchers if each[0] != label))

    def and_label(self, label: str, value: str, *, pattern: bool = False) -> Selector:
        """Return the selector with one matcher more. A `pattern` is a regular expression."""
        return Selector(
            name=self.name, matchers=(*self.matchers, (label, _matcher(label, "=~" if pattern else "=", value)))
        )

    def and_labels(self, values: LabelValues) -> Selector:
        """Return the selector with a matcher more for each label: it has to be its value, or one of its values."""
        more = (
            (label, _matcher(label, "=", value) if isinstance(value, str) else _matcher(label, "=~", _one_of(value)))
            for label, value in values.items()
        )
        return Selector(name=self.name, matchers=(*self.matchers, *more))

    def __str__(self) -> str:
        inside = ", ".join(matcher for _, matcher in self.matchers)
        return f"{self.name}{{{inside}}}" if inside else self.name


@lru_cache(maxsize=4096)  # a selector is read by each check of its objective
def read_selector(text: str) -> Selector:
    """Read a selector. Raises `ValueError` with what is allowed if it is anything else, or has no name of its own."""
    tree = compiled(text).tree
    if tree is None and any(placeholder in text for placeholder in _PLACEHOLDERS):
        raise ValueError(NO_PLACEHOLDER)
    return selector_of(tree)


def selector_of(tree: promql.Expr | None) -> Selector:
    """Return the selector that an expression is. Raises `ValueError` as `read_selector` does."""
    if (
        not isinstance(tree, promql.VectorSelector)
        or tree.name is None
        or tree.offset is not None
        or tree.at is not None
    ):
        raise ValueError(ALLOWED)
    if tree.matchers.or_matchers:
        raise ValueError(ALLOWED)
    matchers = tuple((one.name, _matcher(one.name, _sign(one.op), one.value)) for one in tree.matchers.matchers)
    return Selector(name=tree.name, matchers=matchers)


def _sign(operator: promql.MatchOp) -> str:
    return next(sign for one, sign in _SIGNS if one == operator)  # the library's operators have no hash


def _one_of(values: Iterable[str]) -> str:
    """Return a pattern of names. Of their signs only a dot and a plus, as in a time zone, would mean something else."""
    return "|".join(value.replace(".", "\\.").replace("+", "\\+") for value in values)


def _matcher(label: str, sign: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}{sign}"{quoted}"'
