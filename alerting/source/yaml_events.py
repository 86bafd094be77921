"""Reads plain YAML straight from the parser's events, which is twice as fast as by way of nodes.

Plain is what teams write: no anchors, aliases or tags, no key twice, nothing nested deeply. Anything else is left to
`yaml_source`, which reads all of YAML and says what is wrong with it.
"""

from __future__ import annotations

from sys import intern
from typing import Any

import yaml

DEEPEST = 50
"""How many levels a plain document may have. Deeper ones are read by way of nodes."""
MOST_BITS = 64
"""A number with more of them is none that a tool reads."""
TEXT = "tag:yaml.org,2002:str"
TIMESTAMP = "tag:yaml.org,2002:timestamp"
NULL = "tag:yaml.org,2002:null"


class NotPlain(Exception):
    """The document holds something that only `yaml_source` reads."""


class PlainReader:
    """Turns the events of one document into plain data, and keeps the line of every value."""

    def __init__(self, loader: Any) -> None:
        """Read from a loader that has the parser's events and resolves and constructs scalars."""
        self._loader = loader
        self.lines: dict[tuple[str | int, ...], int] = {}

    def document(self) -> object:
        """Return the only document of the text.

        Raises `NotPlain`, or what the parser raises.
        """
        next_event = self._loader.get_event
        next_event()  # the stream's start
        if not isinstance(next_event(), yaml.DocumentStartEvent):
            raise NotPlain
        event = next_event()
        self.lines[()] = event.start_mark.line + 1
        data = self._value(event, (), 0)
        next_event()  # the document's end
        if not isinstance(next_event(), yaml.StreamEndEvent):
            raise NotPlain
        return data

    def _value(self, event: Any, path: tuple[str | int, ...], depth: int) -> object:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None or event.tag is not None or depth > DEEPEST:
            raise NotPlain
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event) if event.implicit[0] else event.value
        next_event, lines = self._loader.get_event, self.lines
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[object] = []
            while not isinstance(inner := next_event(), yaml.SequenceEndEvent):
                here = (*path, len(items))
                lines[here] = self._line(inner)
                items.append(self._value(inner, here, depth + 1))
            return items
        result: dict[str, object] = {}
        while not isinstance(key := next_event(), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or key.anchor is not None or key.tag is not None:
                raise NotPlain
            name = intern(key.value)  # thousands of entries have the same fields
            if name in result or not name.isprintable():
                raise NotPlain
            here = (*path, name)
            lines[here] = self._line(key)
            result[name] = self._value(next_event(), here, depth + 1)
        return result

    @staticmethod
    def _line(event: Any) -> int:
        return event.start_mark.line + 1

    def _scalar(self, event: Any) -> object:
        tag = self._loader.resolve(yaml.ScalarNode, event.value, (True, False))
        if tag in {TEXT, TIMESTAMP}:
            return event.value
        try:
            value = self._loader.construct_object(yaml.ScalarNode(tag, event.value), deep=True)
        except (ValueError, OverflowError):
            raise NotPlain from None
        if (isinstance(value, int) and value.bit_length() > MOST_BITS) or (value is None and tag != NULL):
            raise NotPlain
        return value
