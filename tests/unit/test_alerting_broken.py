"""Every reference broken, every required field removed, every enum misspelled, one at a time: one error, in its place.

The cases are made from the repository's own files and models, so that a new field or file is held to the same.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, cast, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from alerting import checks
from alerting.catalog import RoutingFile, ServicesFile
from alerting.oncall.teams import TeamsFile
from alerting.repairs.model import ActionFile, RemediationsFile
from alerting.routing.silences import SilencesFile
from alerting.rules.market_calendar import MarketFile
from alerting.rules.model import SCRAPED_SERIES, RulesFile, ScrapedSeriesFile
from alerting.source.problems import CatalogError, Problem
from alerting.source.validated import validated
from alerting.source.yaml_source import Document, FieldPath, parse_document
from tests.alerting_data import DATA, fixture_catalog

MODELS: dict[str, type[BaseModel]] = {
    "catalog/services.yaml": ServicesFile,
    "catalog/teams.yaml": TeamsFile,
    "catalog/routing.yaml": RoutingFile,
    "catalog/remediations.yaml": RemediationsFile,
    "catalog/market.yaml": MarketFile,
    "catalog/silences.yaml": SilencesFile,
    SCRAPED_SERIES: ScrapedSeriesFile,
    **{
        f"rules/{path.name}": RulesFile
        for path in sorted((DATA / "rules").glob("*.yaml"))
        if f"rules/{path.name}" != SCRAPED_SERIES
    },
    **{f"runbooks/actions/{path.name}": ActionFile for path in sorted((DATA / "runbooks" / "actions").glob("*.yaml"))},
}
REFERENCES: dict[str, str] = {
    "catalog/services.yaml": r"services\.[^.]+\.team",
    "catalog/teams.yaml": (
        r"operating_team"
        r"|teams\.[^.]+\.schedules\.[^.]+\.rotations\.[^.]+\.people\.\d+"
        r"|teams\.[^.]+\.schedules\.[^.]+\.overrides\.\d+\.person"
        r"|teams\.[^.]+\.escalation\.levels\.\d+\.(people|schedules)\.\d+"
    ),
    "catalog/routing.yaml": (
        r"fallback_team|default\.receiver"
        r"|routes\.\d+\.(receiver|match\.(team|severity)\.\d+)"
        r"|receivers\.[^.]+\.slack\.\d+\.channel"
        r"|inhibitions\.\d+\.(source|target)\.(alerts|severities)\.\d+"
    ),
    "catalog/remediations.yaml": r"remediations\.[^.]+\.action|hand_overs\.[^.]+\.team",
    "catalog/silences.yaml": r"silences\.[^.]+\.(owner|match\.(alertname|severity|service|team)\.\d+)",
}
"""Where a file names something that another file, or another place of it, has to have."""


def document(file: str, data: object) -> Document:
    text = yaml.dump(data, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    return parse_document(file, text)


def _plain(file: str) -> Any:
    return copy.deepcopy(fixture_catalog().documents[file].data)


def leaves(value: object, path: FieldPath = ()) -> Iterator[tuple[FieldPath, object]]:
    if isinstance(value, dict):
        for key, one in cast("dict[str, object]", value).items():
            yield from leaves(one, (*path, key))
    elif isinstance(value, list):
        for at, one in enumerate(cast("list[object]", value)):
            yield from leaves(one, (*path, at))
    else:
        yield path, value


def changed(file: str, path: FieldPath, value: object) -> Document:
    """Return the file with another value at a path; None removes it."""
    data = _plain(file)
    holder = data
    for part in path[:-1]:
        holder = holder[part]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return document(file, data)


def told(file: str, broken: Document) -> list[Problem]:
    """Return what is said of one file, and of its references if it is valid by itself."""
    try:
        value = validated(broken, MODELS[file])
    except CatalogError as error:
        return list(error.problems)
    catalog = fixture_catalog()
    parts: dict[str, Any] = {"documents": {**catalog.documents, file: broken}}
    match value:
        case ServicesFile():
            parts["services"] = value.services
        case TeamsFile():
            parts |= {"teams": value.teams, "operating_team": value.operating_team}
        case RoutingFile():
            parts["routing"] = value
        case RemediationsFile():
            parts |= {"remediations": value.remediations, "hand_overs": value.hand_overs, "bounds": value.bounds}
        case SilencesFile():
            parts["silences"] = value.silences
        case _:
            raise AssertionError(f"{file}: nothing refers from it")
    return list(CatalogError(checks.problems(dataclasses.replace(catalog, **parts))).problems)


def only(file: str, broken: Document, path: FieldPath) -> str:
    """Return why one problem in its place is not what is told; nothing if it is."""
    problems = told(file, broken)
    written = ".".join(map(str, path))
    if len(problems) != 1:
        return f"{file}: {written}: {len(problems)} problems: {[str(one) for one in problems]}"
    place = broken.place(path)
    (problem,) = problems
    if (problem.place.file, problem.place.line) != (place.file, place.line):
        return f"{file}: {written}: told at line {problem.place.line}, is in line {place.line}: {problem}"
    if not problem.message.rstrip().endswith((".", "`", "]")) and "allowed" not in problem.message:
        return f"{file}: {written}: says nothing of what is allowed: {problem}"
    return ""


def references(file: str) -> list[FieldPath]:
    """Return the places that name something, once for each kind of place and name."""
    seen: dict[tuple[str, object], FieldPath] = {}
    for path, value in leaves(_plain(file)):
        written = ".".join(map(str, path))
        if re.fullmatch(REFERENCES[file], written):
            kind = re.sub(r"\.\d+", "", written) if file == "catalog/routing.yaml" else str(path[-1])
            seen.setdefault((kind, value), path)
    return list(seen.values())


@pytest.mark.parametrize("file", sorted(REFERENCES))
def test_a_name_that_is_not_there_is_one_problem_in_its_place(file: str) -> None:
    paths = references(file)
    found = [only(file, changed(file, path, f"{_at(_plain(file), path)}-nowhere"), path) for path in paths]

    assert len(paths) >= 2
    assert [one for one in found if one] == []


def _at(data: Any, path: FieldPath) -> Any:
    for part in path:
        data = data[part]
    return data


def fields(model: object, value: object, path: FieldPath = ()) -> Iterator[tuple[FieldPath, FieldInfo]]:
    """Yield every field of a model that a value has, with its place, down to the last."""
    bare = _bare(model)
    if isinstance(bare, type) and issubclass(bare, BaseModel) and isinstance(value, dict):
        for name, field in bare.model_fields.items():
            key = field.alias or name
            if key in value:
                yield (*path, key), field
                yield from fields(field.annotation, cast("dict[str, object]", value)[key], (*path, key))
    elif isinstance(value, dict):
        inner = (get_args(bare) or (None, None))[-1]
        for key, one in cast("dict[str, object]", value).items():
            yield from fields(inner, one, (*path, key))
    elif isinstance(value, list):
        inner = (get_args(bare) or (None,))[0]
        for at, one in enumerate(cast("list[object]", value)):
            yield from fields(inner, one, (*path, at))


def _bare(annotation: object) -> object:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    arguments = [one for one in get_args(annotation) if one is not type(None)]
    if type(None) in get_args(annotation) and len(arguments) == 1:
        return _bare(arguments[0])
    return annotation


@pytest.mark.parametrize("file", sorted(MODELS))
def test_a_required_field_that_is_gone_is_one_problem_in_its_place(file: str) -> None:
    data = _plain(file)
    required = [path for path, field in fields(MODELS[file], data) if field.is_required()]
    found: list[str] = []
    for path in required:
        problems = _validation(file, changed(file, path, None))
        written = ".".join(map(str, path))
        if len(problems) != 1 or problems[0].place.field != written or f"`{path[-1]}:`" not in problems[0].message:
            found.append(f"{file}: {written}: {[str(one) for one in problems]}")

    assert required, f"{file}: no field of it is required"
    assert found == []


def _validation(file: str, broken: Document) -> list[Problem]:
    try:
        validated(broken, MODELS[file])
    except CatalogError as error:
        return list(error.problems)
    return []


def _choices(annotation: object) -> list[str]:
    bare = _bare(annotation)
    if isinstance(bare, type) and issubclass(bare, Enum):
        return [str(one.value) for one in bare]
    if get_origin(bare) is Literal:
        return [str(one) for one in get_args(bare)]
    return _choices(get_args(bare)[0]) if get_origin(bare) is tuple else []


@pytest.mark.parametrize("file", sorted(MODELS))
def test_a_misspelled_choice_is_one_problem_that_lists_the_choices(file: str) -> None:
    data = _plain(file)
    found: list[str] = []
    for path, field in fields(MODELS[file], data):
        choices = _choices(field.annotation)
        value = _at(data, path)
        for place in [(*path, at) for at in range(len(value))] if isinstance(value, list) else [path]:
            if not choices:
                continue
            problems = _validation(file, changed(file, place, f"{_at(data, place)}x"))
            if len(problems) != 1 or not all(one in problems[0].message for one in choices):
                found.append(f"{file}: {'.'.join(map(str, place))}: {[str(one) for one in problems]}")

    assert found == []


def test_there_are_choices_to_misspell() -> None:
    held = {file for file in MODELS for _, field in fields(MODELS[file], _plain(file)) if _choices(field.annotation)}

    assert {"catalog/routing.yaml", "catalog/teams.yaml"} <= held
