"""Remembers, for every checkout, what has passed a check: hashes of everything that a check's answer depends on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from tools.paths import cache_folder

MOST_KEPT = 20_000
"""How many hashes of a check are kept. The newest stay: a checkout has some hundreds."""


class PassedChecks:
    """The hashes that have passed one check, in a file of the cache folder. Safe for several processes at once."""

    def __init__(self, check: str, folder: Path | None = None) -> None:
        """Use the file of `check` in `folder`, the cache folder unless given."""
        self._path = (folder or cache_folder()) / f"passed-{check}.json"

    def read(self) -> set[str]:
        """Return the hashes that have passed."""
        return set(self._load())

    def add(self, digests: Iterable[str]) -> None:
        """Remember hashes that have passed."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            kept = dict.fromkeys(self._load())
            for digest in digests:
                kept.pop(digest, None)
                kept[digest] = None
            following = self._path.with_suffix(".next")
            following.write_text(json.dumps(list(kept)[-MOST_KEPT:]))
            following.replace(self._path)

    def _load(self) -> list[str]:
        """Return the hashes, the oldest first; none where the file is missing or damaged."""
        try:
            kept: list[str] = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return []
        return kept
