"""Checks which files lie in catalog/, rules/ and runbooks/, and rejects those that nothing would read."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from alerting.source.problems import Place, Problem, listed

LONGEST_DOMAIN = 34
"""A domain's dashboard is `orion-DOMAIN`, and Grafana takes at most 40 characters as a dashboard's `uid`."""
_DOMAIN = re.compile(rf"[a-z]([a-z0-9-]{{0,{LONGEST_DOMAIN - 2}}}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """The contents allowed in a folder: files of these names, or any with `suffix`, and `folders`."""

    path: str
    names: frozenset[str] = frozenset()
    suffix: str | None = None
    folders: frozenset[str] = frozenset()
    optional: bool = False

    def allowed(self) -> str:
        files = [*sorted(self.names), *([f"NAME{self.suffix}"] if self.suffix else [])]
        return listed([*files, *(f"{name}/" for name in sorted(self.folders))])

    def allows(self, entry: os.DirEntry[str]) -> bool:
        if entry.is_dir():
            return entry.name in self.folders
        named = entry.name in self.names or (self.suffix is not None and entry.name.endswith(self.suffix))
        return named and entry.is_file()


_CATALOG = frozenset(
    {
        "services.yaml",
        "teams.yaml",
        "routing.yaml",
        "remediations.yaml",
        "market.yaml",
        "silences.yaml",
        "corrections.yaml",
    }
)
_FOLDERS = (
    _Folder(path="catalog", names=_CATALOG),
    _Folder(path="rules", suffix=".yaml", folders=frozenset({"objectives", "scenarios", "tests"})),
    # A commit of an earlier release, which `orion orphans` compares with, has none.
    _Folder(path="rules/objectives", suffix=".yaml", optional=True),
    _Folder(path="rules/scenarios", suffix=".yaml", optional=True),
    _Folder(path="rules/tests", suffix=".yaml"),
    _Folder(path="runbooks", suffix=".md", folders=frozenset({"actions"})),
    _Folder(path="runbooks/actions", suffix=".yaml"),
)


def folder_problems(root: Path) -> Iterator[Problem]:
    """Yield the files and folders below `root` that nothing reads, but for hidden ones, and rules of a wrong name."""
    for folder in _FOLDERS:
        if not (root / folder.path).is_dir():
            if folder.optional:
                continue
            yield Problem(Place(file=folder.path), "the folder is not there. Make it")
            continue
        with os.scandir(root / folder.path) as entries:
            unread = sorted(one.name for one in entries if not one.name.startswith(".") and not folder.allows(one))
        for name in unread:
            message = f"nothing reads it; allowed in {folder.path}/: {folder.allowed()}. Rename, move or remove it"
            yield Problem(Place(file=f"{folder.path}/{name}"), message)


def domain_problems(file: str, generated: Collection[str]) -> Iterator[Problem]:
    """Yield why a file of rules cannot have its name: its domain is part of a name in Kubernetes and in Grafana.

    `generated` are the domains of the rules that are generated.
    """
    domain = Path(file).stem
    if domain in generated:
        message = f"is the name of rules that are made from the catalog; allowed: any but {listed(generated)}"
        yield Problem(Place(file=file), f"{message}. Rename the file")
    elif not _DOMAIN.fullmatch(domain):
        message = f"allowed as a name: lower-case letters, digits and `-`, at most {LONGEST_DOMAIN}, a letter first"
        yield Problem(Place(file=file), f"{message}. Rename the file")
