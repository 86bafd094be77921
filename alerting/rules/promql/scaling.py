"""Divides the durations of a PromQL expression by a time scale.

The durations of a PromQL expression stand inside `[…]` and after `offset`; nothing else in it is time. A number that a
function takes as seconds (`predict_linear(x[1h], 14400)`), and a threshold, mean what they say at any scale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from alerting.source.durations import divided, milliseconds

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|\#[^\n]*)
    | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+(?![A-Za-z0-9_.]))
    | (?P<number>0[xX][0-9a-fA-F_]+|(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_:]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_SECOND = 1000


def scaled_expression(expression: str, scale: float) -> str:
    """Return PromQL with the durations of its ranges, subqueries and offsets divided by `scale`.

    1 changes nothing. Strings, comments, names and every other number stay as they are.
    """
    if scale == 1:
        return expression
    return "".join(_scaled_tokens(expression, scale))


def _scaled_tokens(expression: str, scale: float) -> Iterator[str]:
    brackets = 0
    after_offset = False
    for match in _TOKEN.finditer(expression):
        kind, text = match.lastgroup, match.group()
        if kind == "space":
            yield text
            continue
        if kind in {"duration", "number"} and (brackets or after_offset):
            yield _scaled_token(kind, text, scale)
        else:
            yield text
        if kind == "other":
            brackets = max(0, brackets + {"[": 1, "]": -1}.get(text, 0))
        # `offset -5m` and `offset +5m` are one offset; anything else ends it.
        after_offset = (kind == "name" and text.lower() == "offset") or (after_offset and text in {"-", "+"})


def _scaled_token(kind: str, text: str, scale: float) -> str:
    if kind == "duration":
        return divided(milliseconds(text), scale)
    seconds = float(int(text.replace("_", ""), 16) if text[:2] in {"0x", "0X"} else text.replace("_", ""))
    return divided(seconds * _SECOND, scale)
