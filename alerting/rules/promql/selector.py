"""Selectors of one series, such as `http_requests_total{code=~"5.."}`: read, and written with more matchers."""

from __future__ import annotations

from dataclasses import dataclass

import promql_parser as promql

from alerting.rules.promql.expression import compiled

ALLOWED = (
    'a selector of one series, without range, offset or function, such as http_requests_total{code=~"5.."}, is allowed'
)
_SIGNS = (
    (promql.MatchOp.Equal, "="),
    (promql.MatchOp.NotEqual, "!="),
    (promql.MatchOp.Re, "=~"),
    (promql.MatchOp.NotRe, "!~"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A series by name, and its matchers as PromQL writes them, each with the label that it is about."""

    name: str
    matchers: tuple[tuple[str, str], ...] = ()

    def labels(self) -> frozenset[str]:
        """Return the labels that it matches."""
        return frozenset(label for label, _ in self.matchers)

    def and_label(self, label: str, value: str, *, pattern: bool = False) -> Selector:
        """Return the selector with one matcher more. A `pattern` is a regular expression."""
        return Selector(
            name=self.name, matchers=(*self.matchers, (label, _matcher(label, "=~" if pattern else "=", value)))
        )

    def __str__(self) -> str:
        inside = ", ".join(matcher for _, matcher in self.matchers)
        return f"{self.name}{{{inside}}}" if inside else self.name


def read_selector(text: str) -> Selector:
    """Read a selector. Raises `ValueError` with what is allowed if it is anything else, or has no name of its own."""
    tree = compiled(text).tree
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


def _matcher(label: str, sign: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}{sign}"{quoted}"'
