"""Annotations that are addresses can be linked to, whatever the values of labels in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from alerting.rules.model import CompiledRule
from alerting.rules.promql.annotation_queries import ACTION
from alerting.source.addresses import LINK_IS, is_link
from alerting.source.problems import Problem, shown

_ESCAPED = re.compile(r"\|\s*urlquery\s*-?$")
_HOST = re.compile(r"https?://[^/?#]+[/?#]")
_HOST_ALONE = re.compile(r"https?://[^/?#{]+")
_ADDRESS_SUFFIX = "_url"


def address_problems(located: CompiledRule) -> Iterator[Problem]:
    """Yield the annotations called `*_url` that are no address, or that a label's value could make into none.

    Slack refuses the whole message for one button with such an address.
    """
    for name, text in located.rule.annotations.items():
        if not name.endswith(_ADDRESS_SUFFIX):
            continue
        place = located.place("annotations", name)
        if not is_link(ACTION.sub("x", text)):
            advice = "Write the whole address, or remove it where the one that is made by default will do"
            yield Problem(place, f"found {shown(text)}; allowed: {LINK_IS}. {advice}")
        elif not _HOST_ALONE.fullmatch(text) and not _HOST.match(text.partition("{{")[0]):
            yield Problem(place, f"found {shown(text)}; allowed: a host that is written out. Write it out")
        elif any(not _ESCAPED.search(action.strip()) for action in ACTION.findall(text)):
            advice = "Write {{ $labels.NAME | urlquery }}"
            yield Problem(place, f"found {shown(text)}; allowed: values that are percent-encoded. {advice}")
