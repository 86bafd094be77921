"""YAML files read with the line of every value, so that an error can name it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Container, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from alerting.source.problems import CatalogError, Place, Problem, shown
from alerting.source.yaml_events import MOST_BITS, NULL, TEXT, TIMESTAMP, NotPlain, PlainReader

MOST_REPEATED = 10_000
"""How many values aliases may stand for, all together: aliases of aliases are quickly more than a machine can hold."""
MOST_BYTES = 5_000_000
"""The largest file that is read: ten thousand objectives are half of it."""
MOST_VALUES = 1_000_000
"""How many keys and values a file may hold. Each costs some hundred bytes of memory."""
KEPT_DOCUMENTS = 256
"""How many files are kept parsed, for who compares a catalog with another one: most are the same in both."""
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")

Composed = TypeVar("Composed")
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
        line = self.lines.get(nearest(path, self.lines), 1)
        return Place(file=self.file, line=line, field=".".join(str(part) for part in path))


def nearest(path: FieldPath, known: Container[FieldPath]) -> FieldPath:
    """Return a path if it is known, else that of the nearest thing around it that is."""
    while path and path not in known:
        path = path[:-1]
    return path


def read_document(root: Path, file: str) -> Document:
    """Read `file`, relative to `root`.

    Raises `CatalogError` if it cannot be read, is not UTF-8 or YAML, holds a key twice, a tag or more aliases than
    `MOST_REPEATED`, or is not a mapping.
    """
    return _parsed(file, read_text(root, file))


def read_text(root: Path, file: str) -> str:
    """Return the text of `file`, relative to `root`.

    Raises `CatalogError` if it cannot be read, is larger than `MOST_BYTES`, or is not UTF-8.
    """
    try:
        with open(f"{root}/{file}", encoding="utf-8") as opened:  # noqa: PTH123  (half of pathlib's time, of each page)
            size = os.fstat(opened.fileno()).st_size
            if size > MOST_BYTES:
                message = f"found {size} bytes; allowed: at most {MOST_BYTES}. Split the file"
                raise CatalogError([Problem(Place(file=file), message)])
            return opened.read()
    except FileNotFoundError:
        raise CatalogError([Problem(Place(file=file), "the file is not there. Write it")]) from None
    except OSError as error:
        raise CatalogError([Problem(Place(file=file), f"cannot be read: {error.strerror}. Put that right")]) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 at byte {error.start}. Save it as UTF-8"
        raise CatalogError([Problem(Place(file=file), message)]) from None


def read_documents(root: Path, file: str) -> tuple[Document, ...]:
    """Read `file`, which may hold several documents of YAML, or lists of them. Each keeps its lines in the file.

    Raises `CatalogError` as `read_document` does.
    """
    return _parsed_documents(file, read_text(root, file))


def parse_document(file: str, text: str) -> Document:
    """Parse the text of `file`, with the errors of `read_document`."""
    _require_few_values(file, text)
    plain = plain_document(file, text)
    if plain is not None:
        return plain
    problems: list[Problem] = []
    with _told_as_problems(file, text):
        loader, node = _composed(text, _only_node)
        read = _read_node(_Reading(file, loader, problems), node)
    if problems:
        raise CatalogError(problems)
    return read


def parse_documents(file: str, text: str) -> tuple[Document, ...]:
    """Parse the text of `file`, with the errors of `read_document`: each document, or each entry of a list of them."""
    _require_few_values(file, text)
    plain = plain_document(file, text)
    if plain is not None:
        return (plain,)
    problems: list[Problem] = []
    read: list[Document] = []
    with _told_as_problems(file, text):
        loader, nodes = _composed(text, _all_nodes)
        reading = _Reading(file, loader, problems)
        for node in nodes or [None]:
            entries = node.value if isinstance(node, yaml.SequenceNode) else [node]
            read += [_read_node(reading, entry) for entry in entries]
    if problems:
        raise CatalogError(problems)
    return tuple(read)


def _require_few_values(file: str, text: str) -> None:
    """Do nothing for a text of at most `MOST_VALUES` keys and values, or one that is no YAML, which is told elsewhere.

    Raises `CatalogError` before anything is made of the others.
    """
    if len(text) <= MOST_VALUES:  # each is a character at least
        return
    loader = (_fast_loader() or yaml.SafeLoader)(text)
    values = 0
    with suppress(yaml.YAMLError, ValueError):
        while loader.check_event():
            event = loader.get_event()
            values += isinstance(event, yaml.NodeEvent)
            if values > MOST_VALUES:
                message = f"found more than {MOST_VALUES} keys and values; allowed: as many. Split the file"
                raise CatalogError([Problem(Place(file=file, line=event.start_mark.line + 1), message)])


def _read_node(reading: _Reading, node: yaml.Node | None) -> Document:
    reading.lines = lines = dict[FieldPath, int]()
    data = {} if node is None else reading.value(node, ())
    if not isinstance(data, dict) and not reading.problems:
        place = Place(file=reading.file, line=1 if node is None else node.start_mark.line + 1)
        reading.problems.append(Problem(place, "found no mapping at the top. Write `key: value` lines"))
    return Document(file=reading.file, data=data, lines=lines)


@contextmanager
def _told_as_problems(file: str, text: str) -> Generator[None]:
    """Raise `CatalogError` for what PyYAML raises while it reads `text`."""
    try:
        yield
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
    except (ValueError, OverflowError) as error:  # an escape that stands for no character
        raise CatalogError([Problem(Place(file=file), f"is not YAML: {error}. Put the YAML right")]) from None
    except RecursionError:
        raise CatalogError([Problem(Place(file=file), "is nested too deeply. Flatten it")]) from None


@lru_cache(maxsize=KEPT_DOCUMENTS)
def _parsed(file: str, text: str) -> Document:
    """Return what `parse_document` does, parsed once for all catalogs that have this file with this text."""
    return parse_document(file, text)


@lru_cache(maxsize=KEPT_DOCUMENTS)
def _parsed_documents(file: str, text: str) -> tuple[Document, ...]:
    """Return what `parse_documents` does, parsed once for all catalogs that have this file with this text."""
    return parse_documents(file, text)


def plain_document(file: str, text: str) -> Document | None:
    """Return the document of plain YAML with a mapping at its top, or None for anything else."""
    fast = _fast_loader()
    if fast is None:
        return None
    reader = PlainReader(fast(text))
    try:
        data = reader.document()
    except (NotPlain, yaml.YAMLError, ValueError):
        return None
    return Document(file=file, data=data, lines=reader.lines) if isinstance(data, dict) else None


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


def _composed(text: str, compose: Callable[[yaml.SafeLoader], Composed]) -> tuple[yaml.SafeLoader, Composed]:
    """Return what a text is composed to. What libyaml refuses is read again in Python, whose messages say more."""
    fast = _fast_loader()
    if fast is not None:
        loader = fast(text)
        with suppress(yaml.YAMLError, ValueError):
            return loader, compose(loader)
    loader = yaml.SafeLoader(text)
    return loader, compose(loader)


def _only_node(loader: yaml.SafeLoader) -> yaml.Node | None:
    return loader.get_single_node()


def _all_nodes(loader: yaml.SafeLoader) -> list[yaml.Node]:
    nodes: list[yaml.Node] = []
    while loader.check_node():
        nodes.append(cast("yaml.Node", loader.get_node()))
    return nodes


class _Reading:
    """Turns YAML nodes into plain data, and keeps their lines. What aliases stand for is counted over all of a file."""

    def __init__(self, file: str, loader: yaml.SafeLoader, problems: list[Problem]) -> None:
        self.file = file
        self.loader = loader
        self.lines: dict[FieldPath, int] = {}
        self.problems = problems
        self._above: list[yaml.Node] = []
        self._read: set[yaml.Node] = set()
        self._repeated = 0

    def value(self, node: yaml.Node, path: FieldPath) -> object:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._count(node)
        if node in self._above:
            raise yaml.MarkedYAMLError(problem="an alias holds itself", problem_mark=node.start_mark)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            self._wrong(node, path, f"has the tag {shown(node.tag)}; allowed: no tag. Remove it")
            return None
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
        return self._scalar(node, path)

    def _count(self, node: yaml.Node) -> None:
        """Count the values that are read again, by an alias. Raises `MarkedYAMLError` where there are too many."""
        self._repeated += node in self._read
        if self._repeated > MOST_REPEATED:
            what = f"aliases stand for more than {MOST_REPEATED} values; write the values out"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)
        self._read.add(node)

    def _wrong(self, node: yaml.Node, path: FieldPath, message: str) -> None:
        place = Place(file=self.file, line=node.start_mark.line + 1, field=".".join(map(str, path)))
        self.problems.append(Problem(place, message))

    def _scalar(self, node: yaml.Node, path: FieldPath) -> object:
        """Return a single value; of one that a tag says to be what its text is not, keep the problem."""
        if node.tag == TEXT:
            return node.value
        if node.tag != self.loader.resolve(yaml.ScalarNode, node.value, (True, False)):
            self._wrong(node, path, f"has the tag {shown(node.tag)}; allowed: no tag. Remove it")
            return None
        # A date stays the text that was written: a model says what it takes.
        if node.tag == TIMESTAMP:
            return node.value
        try:
            value = self.loader.construct_object(node, deep=True)
        except (ValueError, OverflowError):  # what looks like a number and is none, or is too large for one
            value = None
        too_large = isinstance(value, int) and value.bit_length() > MOST_BITS
        if too_large or (value is None and node.tag != NULL):
            message = f"found {shown(node.value)}; allowed: a number of at most {MOST_BITS} bits. Change or quote it"
            self._wrong(node, path, message)
            return None
        return value

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, object]:
        result: dict[str, object] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(key_node, path, "found a key that is not a text. Write a text as key")
                continue
            key = key_node.value
            here = (*path, key)
            if not key.isprintable():
                message = f"found the key {shown(key)}; allowed: a key on one line that can be seen whole. Change it"
                self._wrong(key_node, path, message)
                continue
            if key in first:
                message = f"found twice, first in line {first[key]}; allowed: once. Remove one of them"
                self._wrong(key_node, here, message)
                continue
            first[key] = line
            self.lines[here] = line
            result[key] = self.value(value_node, here)
        return result
