"""YAML files read with the line of every value, so that an error can name it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from alerting.problems import CatalogError, Place, Problem

FieldPath = tuple[str | int, ...]
"""Where a value stands in a document: keys of mappings and positions in lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML file. `data` is plain data; `lines` has the line of every value in it."""

    file: str
    data: object
    lines: Mapping[FieldPath, int]

    def place(self, path: FieldPath = ()) -> Place:
        """Return where a value stands; of one that is not there, where the nearest thing around it stands."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Place(file=self.file, line=self.lines.get(known, 1), field=".".join(str(part) for part in path))


def read_document(root: Path, file: str) -> Document:
    """Read `file`, relative to `root`.

    Raises `CatalogError` if it is not there, is not UTF-8 or YAML, holds a key twice, or is not a mapping.
    """
    try:
        text = (root / file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CatalogError([Problem(Place(file=file), "the file is not there. Write it")]) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 at byte {error.start}. Save it as UTF-8"
        raise CatalogError([Problem(Place(file=file), message)]) from None
    return parse_document(file, text)


def parse_document(file: str, text: str) -> Document:
    """Parse the text of `file`, with the errors of `read_document`."""
    lines: dict[FieldPath, int] = {}
    problems: list[Problem] = []
    try:
        loader, node = _composed(text)
        reading = _Reading(file, loader, lines, problems)
        data = {} if node is None else reading.value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "unknown error"
        place = Place(file=file, line=1 if mark is None else mark.line + 1)
        raise CatalogError([Problem(place, f"is not YAML: {what}. Put the YAML right")]) from None
    except yaml.reader.ReaderError as error:
        # The library's type says bytes; for text it is the character's number.
        message = f"is not YAML: character #x{int(error.character):04x} is not allowed. Remove it"
        line = text.count("\n", 0, error.position) + 1
        raise CatalogError([Problem(Place(file=file, line=line), message)]) from None
    except ValueError as error:  # a number that YAML's own types cannot hold
        raise CatalogError([Problem(Place(file=file), f"is not YAML: {error}. Quote the value")]) from None
    except RecursionError:
        raise CatalogError([Problem(Place(file=file), "is nested too deeply. Flatten it")]) from None
    if not isinstance(data, dict):
        problems.append(Problem(Place(file=file), "found no mapping at the top. Write `key: value` lines"))
    if problems:
        raise CatalogError(problems)
    return Document(file=file, data=data, lines=lines)


@cache
def _fast_loader() -> type[yaml.SafeLoader] | None:
    """Return a loader on libyaml's parser, several times as fast as Python's; None where there is no libyaml.

    Nodes are put together in Python: libyaml's own way ends the whole process at a text that is nested deeply.
    """
    if not yaml.__with_libyaml__:
        return None
    parser: Any = importlib.import_module("yaml.cyaml").CParser

    class Loader(Composer, parser, SafeConstructor, Resolver):
        def __init__(self, text: str) -> None:
            parser.__init__(self, text)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

    return cast("type[yaml.SafeLoader]", Loader)


def _composed(text: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """Return the node that a text is. What libyaml refuses is read again in Python, whose messages say more."""
    fast = _fast_loader()
    if fast is not None:
        loader = fast(text)
        try:
            return loader, loader.get_single_node()
        except (yaml.YAMLError, ValueError):
            pass
    loader = yaml.SafeLoader(text)
    return loader, loader.get_single_node()


class _Reading:
    """Turns YAML nodes into plain data, and keeps their lines."""

    def __init__(
        self, file: str, loader: yaml.SafeLoader, lines: dict[FieldPath, int], problems: list[Problem]
    ) -> None:
        self.file = file
        self.loader = loader
        self.lines = lines
        self.problems = problems
        self._above: list[yaml.Node] = []

    def value(self, node: yaml.Node, path: FieldPath) -> object:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if node in self._above:
            raise yaml.MarkedYAMLError(problem="an alias holds itself", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            self._above.append(node)
            result = self._mapping(node, path)
            self._above.pop()
            return result
        if isinstance(node, yaml.SequenceNode):
            self._above.append(node)
            items = [self.value(item, (*path, position)) for position, item in enumerate(node.value)]
            self._above.pop()
            return items
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> object:
        # A date stays the text that was written: a model says what it takes.
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        return self.loader.construct_object(node, deep=True)

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, object]:
        result: dict[str, object] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                place = Place(file=self.file, line=line, field=".".join(map(str, path)))
                self.problems.append(Problem(place, "found a key that is not a text. Write a text as key"))
                continue
            key = key_node.value
            here = (*path, key)
            if key in first:
                place = Place(file=self.file, line=line, field=".".join(map(str, here)))
                self.problems.append(
                    Problem(place, f"found twice, first in line {first[key]}; allowed: once. Remove one of them")
                )
                continue
            first[key] = line
            self.lines[here] = line
            result[key] = self.value(value_node, here)
        return result
