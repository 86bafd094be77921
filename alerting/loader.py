"""Reads catalog, rules and runbooks. Every error names file, line and field, what was found and what is allowed."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alerting.catalog import Catalog, Page, RoutingFile, Service, ServicesFile
from alerting.oncall.teams import TeamsFile
from alerting.repairs.model import ActionFile, RemediationsFile
from alerting.rules.compile import compile_rules
from alerting.rules.market_calendar import MARKET_FILE, MarketFile
from alerting.rules.model import SCRAPED_SERIES, RulesFile, RuleSource, ScrapedSeriesFile
from alerting.rules.sources import files, market_hours, missing_series
from alerting.rules.sources import services as service_rules
from alerting.source.folders import domain_problems, folder_problems
from alerting.source.problems import CatalogError, Problem, listed, shown
from alerting.source.yaml_source import Document, FieldPath, read_document, read_text

SERVICES = "catalog/services.yaml"
GENERATED_DOMAINS = (service_rules.DOMAIN, market_hours.DOMAIN, missing_series.DOMAIN)
"""The rules that are generated: no file of rules/ may have their names."""

ModelType = TypeVar("ModelType", bound=BaseModel)

_MOMENT = "a time with its offset, such as 2026-02-10T09:00:00-05:00"
SHAPES = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "datetime_from_date_parsing": _MOMENT,
    "datetime_parsing": _MOMENT,
    "dict_type": "a mapping",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "mapping_type": "a mapping",
    "string_type": "a text",
    "timezone_aware": _MOMENT,
    "tuple_type": "a list, such as [A, B]",
}
"""What is allowed in place of a value of another shape, by pydantic's name of the error: its own words are Python's."""
LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
"""How pydantic's errors about the size of a number are told, and where each holds the limit."""


class _Collector:
    """Reads one file after the other and keeps the problems of all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.documents: dict[str, Document] = {}
        self.problems: list[Problem] = []

    def read(self, file: str, model: type[ModelType]) -> ModelType | None:
        """Read one file, or keep its problems and return None."""
        try:
            document = read_document(self.root, file)
            value = validated(document, model)
        except CatalogError as error:
            self.problems += error.problems
            return None
        self.documents[file] = document
        return value

    def page(self, file: str) -> Page | None:
        """Read one runbook page, or keep its problem and return None."""
        try:
            return _page(read_text(self.root, file))
        except CatalogError as error:
            self.problems += error.problems
            return None

    def files(self, folder: str, suffix: str) -> list[str]:
        """Return the files of a folder, by name."""
        return sorted(f"{folder}/{path.name}" for path in (self.root / folder).glob(f"*{suffix}") if path.is_file())


def read_catalog(root: Path) -> Catalog:
    """Read everything below `root`, each file checked by itself; references are for `alerting.checks`.

    What lies there and is read by nothing is a problem too, as a file of another suffix or folder.

    Raises `CatalogError` with the problems of all files.
    """
    collector = _Collector(root)
    collector.problems += folder_problems(root)
    services = collector.read(SERVICES, ServicesFile)
    teams = collector.read("catalog/teams.yaml", TeamsFile)
    routing = collector.read("catalog/routing.yaml", RoutingFile)
    remediations = collector.read("catalog/remediations.yaml", RemediationsFile)
    series = collector.read(SCRAPED_SERIES, ScrapedSeriesFile)
    market = collector.read(MARKET_FILE, MarketFile)
    rules_files = [file for file in collector.files("rules", ".yaml") if file != SCRAPED_SERIES]
    collector.problems += [problem for file in rules_files for problem in domain_problems(file, GENERATED_DOMAINS)]
    rules = {Path(file).stem: collector.read(file, RulesFile) for file in rules_files}
    actions = [collector.read(file, ActionFile) for file in collector.files("runbooks/actions", ".yaml")]
    pages = {Path(file).stem: collector.page(file) for file in collector.files("runbooks", ".md")}
    if collector.problems or None in (services, teams, routing, remediations, series, market):
        raise CatalogError(collector.problems)
    sources = _sources(
        collector.documents,
        cast(ServicesFile, services).services,
        cast(MarketFile, market),
        cast(ScrapedSeriesFile, series),
        {domain: file for domain, file in rules.items() if file is not None},
    )
    return Catalog(
        services=cast(ServicesFile, services).services,
        teams=cast(TeamsFile, teams).teams,
        operating_team=cast(TeamsFile, teams).operating_team,
        routing=cast(RoutingFile, routing),
        remediations=cast(RemediationsFile, remediations).remediations,
        hand_overs=cast(RemediationsFile, remediations).hand_overs,
        bounds=cast(RemediationsFile, remediations).bounds,
        hourly_limits=cast(RemediationsFile, remediations).hourly_limits,
        actions={action.name: action for action in actions if action is not None},
        rules=compile_rules(sources, cast(ScrapedSeriesFile, series)),
        series=cast(ScrapedSeriesFile, series),
        market=cast(MarketFile, market),
        pages={alert: page for alert, page in pages.items() if page is not None},
        documents=collector.documents,
    )


def _sources(
    documents: Mapping[str, Document],
    services: Mapping[str, Service],
    market: MarketFile,
    series: ScrapedSeriesFile,
    rules: Mapping[str, RulesFile],
) -> Iterator[RuleSource]:
    """Yield the sources of all rules: first those that are generated, then the files by name."""
    yield service_rules.services_source(documents[SERVICES], services)
    yield market_hours.market_source(documents[MARKET_FILE], market)
    yield missing_series.missing_series_source(documents[SCRAPED_SERIES], series, services)
    for domain, file in rules.items():
        yield files.file_source(domain, documents[f"rules/{domain}.yaml"], file)


def _page(text: str) -> Page:
    above, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    sections: dict[str, str] = {}
    for part in parts:
        heading, _, below = part.partition("\n")
        sections[heading.strip()] = below.strip()
    return Page(title=above.strip().removeprefix("# "), sections=sections)


def validated(document: Document, model: type[ModelType]) -> ModelType:
    """Return a document as a model.

    Raises `CatalogError` with everything that the model does not allow.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = [_problem(document, model, details) for details in found if not _follows(details, found)]
        raise CatalogError(problems) from None


def _follows(details: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """Say whether a list is only called too short because an entry of it is wrong, which is told by itself."""
    start = details["loc"]
    inner = [one for one in found if one["loc"] != start and one["loc"][: len(start)] == start]
    return details["type"] == "too_short" and bool(inner)


def _problem(document: Document, model: type[BaseModel], details: ErrorDetails) -> Problem:
    # pydantic marks a key of a mapping that is itself wrong by `[key]`.
    path: FieldPath = tuple(part for part in details["loc"] if part != "[key]")
    place = document.place(path)
    field = str(path[-1]) if path else "the file"
    found = "nothing" if details["input"] is None else shown(details["input"])
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            message = f"found nothing; allowed: {_wanted(model, path)}. Add `{field}:`"
        case "extra_forbidden":
            message = f"found an unknown field; allowed: {_fields(model, path[:-1])}. Remove or rename it"
        case "enum" | "literal_error":
            message = f"found {found}; allowed: {context.get('expected')}. Change it"
        case "string_pattern_mismatch":
            message = f"found {found}; allowed: a text that matches {context.get('pattern')}. Change it"
        case "value_error":
            message = f"found {found}; {context.get('error')}. Change it"
        case "too_short":
            message = (
                f"found {context.get('actual_length')} entries; allowed: {context.get('min_length')} or more. Add one"
            )
        case kind if kind in SHAPES:
            message = f"found {found}; allowed: {SHAPES[kind]}. Change it"
        case "model_type":
            message = f"found {found}; allowed: {_wanted(model, path)}. Change it"
        case kind if kind in LIMITS:
            words, limit = LIMITS[kind]
            message = f"found {found}; allowed: {words} {context.get(limit):g}. Change it"
        case _:
            message = f"found {found}; {details['msg'][:1].lower()}{details['msg'][1:]}. Change it"
    return Problem(place, message)


def _wanted(model: type[BaseModel], path: FieldPath) -> str:
    """Return the description of a field that is missing, as far as its type says it."""
    annotation = _annotation(model, path)
    inner = _model_of(annotation)
    if inner is not None:
        return f"a mapping with {listed(_names(inner))}"
    if get_origin(annotation) in {tuple, list}:
        return "a list"
    if get_origin(annotation) is Mapping:
        return "a mapping"
    return {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}.get(
        cast(type, annotation), "a value"
    )


def _fields(model: type[BaseModel], path: FieldPath) -> str:
    inner = _model_of(_annotation(model, path))
    return "nothing" if inner is None else listed(_names(inner))


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _annotation(model: type[BaseModel], path: FieldPath) -> object:
    """Return the type of the value at a path, or None where the path leads out of the model."""
    annotation: object = model
    for part in path:
        inner = _model_of(annotation)
        if inner is not None:
            by_name = {field.alias or name: field.annotation for name, field in inner.model_fields.items()}
            annotation = _bare(by_name.get(str(part)))
        elif get_origin(annotation) is Mapping:
            annotation = _bare(get_args(annotation)[1])
        elif get_origin(annotation) is tuple:
            annotation = _bare(get_args(annotation)[0])
        else:
            return None
    return annotation


def _bare(annotation: object) -> object:
    """Return a type without `Annotated` and without `None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in {Union, types.UnionType}:
        return _bare(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _model_of(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
