"""A stand-in for a command of GitHub's runners."""

from __future__ import annotations

from pathlib import Path


def fake_command(folder: Path, name: str, *, says: str = "") -> Path:
    """Write a command that does nothing but say this, and return the folder that it is in."""
    folder.mkdir()
    command = folder / name
    command.write_text(f"#!/bin/sh\nprintf '{says}'\n")
    command.chmod(0o755)
    return folder
