"""Objectives that are made of a file of another generator, with their places in it and what is not carried over."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from alerting.rules.objectives import ObjectivesFile
from alerting.source.durations import milliseconds
from alerting.source.problems import CatalogError, Place, Problem, shown
from alerting.source.validated import validated
from alerting.source.yaml_source import Document, FieldPath, nearest

Fields = dict[FieldPath, tuple[object, Place]]
"""Fields of an objective in the project's own format, with the place that each comes from."""
NO_KUBERNETES_OBJECT = "no object of Kubernetes is made of it"
OWN_ALERTS = 'its alerts are HighErrorBudgetBurn and SlowErrorBudgetBurn with the label objective="{name}"'
_DECIMALS = 12
"""What is kept of a percentage as a share: 99.9 divided by 100 is 0.9990000000000001."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedDocument(Document):
    """Objectives as rules/objectives/ writes them. The place of a field is the one that it comes from."""

    origins: Mapping[FieldPath, Place]

    def place(self, path: FieldPath = ()) -> Place:
        """Return where a field comes from; of one that is not there, where the nearest thing around it comes from."""
        return self.origins.get(nearest(path, self.origins), Place(file=self.file))


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """Collects what the documents of a file say. `notices` are what is not carried over and changes no budget."""

    file: str
    objectives: dict[str, dict[str, object]] = field(default_factory=dict)
    origins: dict[FieldPath, Place] = field(default_factory=dict)
    notices: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, place: Place, message: str) -> None:
        """Keep what cannot be carried over and would change what is counted, or whom it pages."""
        self.problems.append(Problem(place, message))

    def leave_out(self, place: Place, why: str) -> None:
        """Keep what is not carried over."""
        self.notices.append(Problem(place, f"is not carried over: {why}"))

    @contextmanager
    def collected(self) -> Generator[None]:
        """Keep the problems of a document, so that those of the others are found too."""
        try:
            yield
        except CatalogError as error:
            self.problems.extend(error.problems)

    def add(self, name: str, origin: Place, fields: Fields) -> None:
        """Add an objective."""
        path: FieldPath = ("objectives", name)
        if name in self.objectives:
            first = self.origins[path]
            self.refuse(origin, f"found {name} twice, first in line {first.line}; allowed: once. Rename one of them")
            return
        entry: dict[str, object] = {}
        self.origins[path] = origin
        for inner, (value, place) in fields.items():
            _put(entry, inner, value)
            for length in range(1, len(inner) + 1):
                self.origins[(*path, *inner[:length])] = place
        self.objectives[name] = entry

    def result(self) -> tuple[TranslatedDocument, ObjectivesFile]:
        """Return the objectives. Raises `CatalogError` with everything that is wrong, at its place in the file."""
        document = TranslatedDocument(
            file=self.file, data={"objectives": self.objectives}, lines={}, origins=self.origins
        )
        if self.problems:
            raise CatalogError(self.problems)
        return document, validated(document, ObjectivesFile)


def _put(entry: dict[str, object], path: FieldPath, value: object) -> None:
    inner = entry
    for key in path[:-1]:
        step = inner.setdefault(str(key), {})
        if not isinstance(step, dict):
            raise TypeError(f"{path} lies within a value")
        inner = step
    inner[str(path[-1])] = value


def share(percent: float) -> float:
    """Return a percentage as a share."""
    return round(percent / 100, _DECIMALS)


def in_days(duration: str) -> str:
    """Return a duration of whole days as days, such as 4w as 28d, and any other as it is."""
    days, rest = divmod(milliseconds(duration), milliseconds("1d"))
    return f"{days}d" if days and not rest else duration


def not_a_query(text: str, error: ValueError) -> str:
    """Return the message of a query that cannot be taken apart."""
    return f"found {shown(text)}; {error}. Change it, or record it as a counter and count that"
