"""Reads a file of rules/objectives/, of whatever format: it is told by `version:`, or by `apiVersion:` and `kind:`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alerting.rules.formats import openslo, pyrra, sloth
from alerting.rules.formats.translation import Translation
from alerting.rules.objectives import ObjectivesFile
from alerting.source.problems import Problem, listed, shown
from alerting.source.validated import validated
from alerting.source.yaml_source import Document, read_documents

FORMATS = (
    f"version {sloth.VERSION}",
    f"{sloth.API_VERSION} {sloth.KIND}",
    openslo.API_VERSION,
    f"{pyrra.API_VERSION} {pyrra.KIND}",
)
"""How errors call the formats that are read."""
_HEADER = ("version", "apiVersion", "kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadObjectives:
    """The objectives of a file. `notices` say what another generator's file has that is not carried over."""

    document: Document
    objectives: ObjectivesFile
    notices: tuple[Problem, ...] = ()


def read_objectives(root: Path, file: str) -> ReadObjectives:
    """Read a file of objectives, relative to `root`. Raises `CatalogError` with everything that is wrong with it."""
    documents = read_documents(root, file)
    first = documents[0]
    if len(documents) == 1 and not _header(first):
        return ReadObjectives(document=first, objectives=validated(first, ObjectivesFile))
    translation = Translation(file=file)
    of_openslo: list[Document] = []
    for document in documents:
        header = _header(document)
        if not document.data:
            continue  # nothing stands between two `---`
        if openslo.is_openslo(header):
            of_openslo.append(document)
            continue
        with translation.collected():
            _translate(document, header, translation)
    with translation.collected():
        openslo.translate(of_openslo, translation)
    translated, objectives = translation.result()
    return ReadObjectives(document=translated, objectives=objectives, notices=tuple(translation.notices))


def _translate(document: Document, header: Mapping[str, object], translation: Translation) -> None:
    if sloth.is_sloth(header):
        sloth.translate(document, translation)
    elif pyrra.is_pyrra(header):
        pyrra.translate(document, translation)
    else:
        found = ", ".join(f"{key}: {shown(value)}" for key, value in header.items()) or "`objectives:` beside others"
        message = f"found {found}; allowed: {listed(FORMATS)}, or `objectives:` alone in a file. Convert or remove it"
        translation.refuse(document.place(tuple(header)[:1]), message)


def _header(document: Document) -> Mapping[str, object]:
    data = document.data if isinstance(document.data, dict) else {}
    return {key: data[key] for key in _HEADER if key in data}
