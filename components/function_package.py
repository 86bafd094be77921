"""Builds a function's zip, the same byte for byte wherever and whenever it is built.

Names are sorted, times and modes fixed, nothing is compressed (a compressor's output differs between its versions), and
no bytecode is taken. What it needs beyond the runtime's own boto3 is copied from the running environment, pure Python
only, so that one zip runs on any processor.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.requirements import Requirement

EARLIEST_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can say."""
FILE_MODE = 0o100644
NAMED_DIGITS = 16
"""So much of its hash names the folder that a zip lies in."""
RUNTIME_LIBRARIES = ("aws-lambda-powertools",)
COMPILED = frozenset({".so", ".pyd", ".dll", ".dylib"})
LEFT_OUT = frozenset({"__pycache__", ".pytest_cache", "tests"})
_UNIX = 3


class NotPurePython(RuntimeError):
    """A library holds compiled code: the function's processor is not this machine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPackage:
    """A built zip. `sha256` is its hash in hex, `source_code_hash` the same in base64, as Lambda compares it."""

    path: Path
    sha256: str

    @property
    def source_code_hash(self) -> str:
        """Return the hash as Lambda writes it."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()


def build_function_package(
    root: Path,
    packages: Sequence[str],
    folder: Path,
    function: str,
    *,
    data: Mapping[str, Any],
    libraries: Sequence[str] = RUNTIME_LIBRARIES,
) -> FunctionPackage:
    """Build the zip of `packages`, folders of the source root `root`, as `function`.zip under `folder`.

    `data` is written as JSON into files at the zip's root, by their names. The zip lies in a folder that is named by
    its hash: of two programs that build at once, with other data, neither deploys what the other has built.

    Raises `FileNotFoundError` if a package does not exist, `NotPurePython` if a library holds compiled code, and
    `importlib.metadata.PackageNotFoundError` if one is not installed.
    """
    contents: dict[str, bytes] = {}
    for package in packages:
        source = root / package
        if not (source / "__init__.py").is_file():
            raise FileNotFoundError(f"{source}: found no __init__.py; a package of a function's code is expected there")
        contents |= _package_files(source)
    for library in sorted(_with_requirements(libraries)):
        contents |= _library_files(library)
    for name, value in data.items():
        contents[name] = json.dumps(value, sort_keys=True, indent=2).encode() + b"\n"

    zipped = _zipped(contents)
    digest = hashlib.sha256(zipped).hexdigest()
    package = FunctionPackage(path=folder / digest[:NAMED_DIGITS] / f"{function}.zip", sha256=digest)
    if not package.path.exists():
        package.path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and moved, so that nobody ever reads half a zip.
        unfinished = package.path.with_suffix(f".{os.getpid()}.partial")
        unfinished.write_bytes(zipped)
        unfinished.replace(package.path)
    return package


def _zipped(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, EARLIEST_TIME)
            entry.create_system = _UNIX
            entry.external_attr = FILE_MODE << 16
            archive.writestr(entry, contents[name])
    return buffer.getvalue()


def _package_files(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in source.rglob("*"):
        relative = path.relative_to(source.parent)
        if path.is_file() and _is_wanted(PurePosixPath(relative.as_posix())):
            yield relative.as_posix(), path.read_bytes()


def _is_wanted(path: PurePosixPath) -> bool:
    if path.suffix in COMPILED:
        raise NotPurePython(f"{path}: compiled code runs on one kind of processor only; use a library in pure Python")
    return path.suffix != ".pyc" and not LEFT_OUT.intersection(path.parts)


def _with_requirements(libraries: Sequence[str]) -> set[str]:
    """Return the libraries and everything that they need in turn, without their extras."""
    found: set[str] = set()
    waiting = list(libraries)
    while waiting:
        library = waiting.pop()
        if library in found:
            continue
        found.add(library)
        for text in metadata.requires(library) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


@cache
def _library_files(library: str) -> Mapping[str, bytes]:
    """Return an installed library's files, without what pip wrote beside them. Most functions have the same ones."""
    contents: dict[str, bytes] = {}
    for file in metadata.distribution(library).files or ():
        path = PurePosixPath(file.as_posix())
        # Scripts lie outside the folder of packages; a .dist-info holds what pip wrote (RECORD, INSTALLER).
        if path.parts[0] == ".." or path.parts[0].endswith(".dist-info"):
            continue
        if _is_wanted(path):
            contents[path.as_posix()] = Path(str(file.locate())).read_bytes()
    return contents
