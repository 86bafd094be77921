"""Reads catalog, rules and runbooks. Every error names file, line and field, what was found and what is allowed."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from alerting.catalog import SERVICES, Catalog, Page, RoutingFile, Service, ServicesFile
from alerting.oncall.teams import TeamsFile
from alerting.repairs.model import ActionFile, RemediationsFile
from alerting.routing.silences import SILENCES, SilencesFile
from alerting.rules.compile import compile_rules
from alerting.rules.corrections import CORRECTIONS, CorrectionEntry, CorrectionsFile
from alerting.rules.formats.read import ReadObjectives, read_objectives
from alerting.rules.market_calendar import MARKET_FILE, MarketFile
from alerting.rules.model import SCRAPED_SERIES, RulesFile, RuleSource, ScrapedSeriesFile
from alerting.rules.objectives import FOLDER as OBJECTIVES
from alerting.rules.objectives import TIERS, Objectives, TiersFile
from alerting.rules.sources import files, market_hours, missing_series
from alerting.rules.sources import objectives as objective_rules
from alerting.rules.sources import services as service_rules
from alerting.source.folders import domain_problems, folder_problems
from alerting.source.problems import CatalogError, Problem
from alerting.source.validated import ModelType, validated
from alerting.source.yaml_source import Document, read_document, read_text

GENERATED_DOMAINS = (service_rules.DOMAIN, market_hours.DOMAIN, missing_series.DOMAIN)
"""The rules that are generated: no file of rules/ may have their names."""


class _Collector:
    """Reads one file after the other and keeps the problems of all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.documents: dict[str, Document] = {}
        self.problems: list[Problem] = []

    def read(self, file: str, model: type[ModelType]) -> ModelType | None:
        """Read one file, or keep its problems and return None."""
        with self._collected():
            document = read_document(self.root, file)
            value = validated(document, model)
            self.documents[file] = document
            return value

    def objectives(self, file: str) -> ReadObjectives | None:
        """Read one file of objectives, or keep its problems and return None."""
        with self._collected():
            read = read_objectives(self.root, file)
            self.documents[file] = read.document
            return read

    def page(self, file: str) -> Page | None:
        """Read one runbook page, or keep its problem and return None."""
        with self._collected():
            return _page(read_text(self.root, file))

    @contextmanager
    def _collected(self) -> Generator[None]:
        """Keep the problems of a file, so that those of the others are found too."""
        try:
            yield
        except CatalogError as error:
            self.problems += error.problems

    def files(self, folder: str, suffix: str) -> list[str]:
        """Return the files of a folder, by name."""
        if not (self.root / folder).is_dir():  # which `folder_problems` reports
            return []
        with os.scandir(self.root / folder) as entries:
            return sorted(f"{folder}/{one.name}" for one in entries if one.name.endswith(suffix) and one.is_file())


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
    # A commit of an earlier release, which `orion orphans` compares with, has no such file.
    silences = collector.read(SILENCES, SilencesFile) if (root / SILENCES).exists() else SilencesFile(silences={})
    corrections = CorrectionsFile(corrections={})
    if (root / CORRECTIONS).exists():
        corrections = collector.read(CORRECTIONS, CorrectionsFile)
    # Nor has it objectives: its rules/slo.yaml is a file like others.
    has_objectives = (root / OBJECTIVES).is_dir()
    tiers = collector.read(TIERS, TiersFile) if has_objectives else None
    written = {file: collector.objectives(file) for file in collector.files(OBJECTIVES, ".yaml") if file != TIERS}
    rules_files = [file for file in collector.files("rules", ".yaml") if file != SCRAPED_SERIES]
    generated = (*GENERATED_DOMAINS, objective_rules.DOMAIN) if has_objectives else GENERATED_DOMAINS
    collector.problems += [problem for file in rules_files for problem in domain_problems(file, generated)]
    rules = {Path(file).stem: collector.read(file, RulesFile) for file in rules_files}
    actions = [collector.read(file, ActionFile) for file in collector.files("runbooks/actions", ".yaml")]
    pages = {Path(file).stem: collector.page(file) for file in collector.files("runbooks", ".md")}
    if collector.problems or None in (services, teams, routing, remediations, series, market, silences, corrections):
        raise CatalogError(collector.problems)
    objectives = None
    if tiers is not None:
        read = {file: one for file, one in written.items() if one is not None}
        objectives = Objectives(
            tiers=tiers,
            written={file: one.objectives for file, one in read.items()},
            not_carried_over=tuple(notice for one in read.values() for notice in one.notices),
        )
    sources = _sources(
        collector.documents,
        cast(ServicesFile, services).services,
        cast(MarketFile, market),
        cast(ScrapedSeriesFile, series),
        objectives,
        cast(CorrectionsFile, corrections).corrections,
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
        cooldown_seconds=cast(RemediationsFile, remediations).cooldown_seconds,
        hours=cast(RemediationsFile, remediations).hours,
        modes=cast(RemediationsFile, remediations).modes,
        approval_above=cast(RemediationsFile, remediations).approval_above,
        approvers=cast(RemediationsFile, remediations).approvers,
        actions={action.name: action for action in actions if action is not None},
        rules=compile_rules(sources, cast(ScrapedSeriesFile, series)),
        objectives=objectives,
        series=cast(ScrapedSeriesFile, series),
        market=cast(MarketFile, market),
        silences=cast(SilencesFile, silences).silences,
        corrections=cast(CorrectionsFile, corrections).corrections,
        pages={alert: page for alert, page in pages.items() if page is not None},
        documents=collector.documents,
    )


def _sources(
    documents: Mapping[str, Document],
    services: Mapping[str, Service],
    market: MarketFile,
    series: ScrapedSeriesFile,
    objectives: Objectives | None,
    corrections: Mapping[str, CorrectionEntry],
    rules: Mapping[str, RulesFile],
) -> Iterator[RuleSource]:
    """Yield the sources of all rules: first those that are generated, then the files by name."""
    yield service_rules.services_source(documents[SERVICES], services)
    yield market_hours.market_source(documents[MARKET_FILE], market)
    yield missing_series.missing_series_source(documents[SCRAPED_SERIES], series, services)
    if objectives is not None:
        yield from objective_rules.objectives_sources(documents, objectives, services, series, corrections)
    for domain, file in rules.items():
        yield files.file_source(domain, documents[f"rules/{domain}.yaml"], file)


def _page(text: str) -> Page:
    above, *parts = f"\n{text}".split("\n## ")
    sections: dict[str, str] = {}
    for part in parts:
        heading, _, below = part.partition("\n")
        sections[heading.strip()] = below.strip()
    return Page(title=above.strip().removeprefix("# "), sections=sections, text=text)
