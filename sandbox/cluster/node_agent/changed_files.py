"""Writes files whose readers watch them: whole, and only when the text is another one."""

from __future__ import annotations

from pathlib import Path


class ChangedFiles:
    """Remembers what it wrote. Used from one thread."""

    def __init__(self) -> None:
        self._written: dict[Path, str] = {}

    def write(self, path: Path, text: str) -> bool:
        """Replace a file unless it was written with the same text. Return False if its folder is not there."""
        if self._written.get(path) == text:
            return True
        if not path.parent.is_dir():
            return False
        following = path.with_suffix(".next")
        following.write_text(text)
        following.replace(path)
        self._written[path] = text
        return True
