"""`python -m tests.types_check`: run pyright on the files whose types have not been checked as they stand.

What pyright says of a file depends on the file, on the project's files that it imports, directly or not, on the
configuration and on the locked packages. A hash of all these is kept in the cache folder for each file that passed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.passed_checks import PassedChecks
from tests.steps import PYTHON, ROOT

CONFIGURATION = ("pyproject.toml", "requirements.txt")


def modules(root: Path) -> dict[str, Path]:
    """Return the path of every module that pyright is configured to check, by its dotted name."""
    configuration: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["pyright"]
    paths: list[Path] = []
    for name in configuration["include"]:
        paths += sorted((root / name).rglob("*.py")) if (root / name).is_dir() else [root / name]
    named = {_dotted(path.relative_to(root), configuration["extraPaths"]): path for path in paths}
    if len(named) != len(paths):
        raise ValueError(f"two modules have one name: {sorted(set(paths) - set(named.values()))}")
    return named


def _dotted(path: Path, extra_roots: Iterable[str]) -> str:
    parts = path.with_suffix("").parts
    if parts[0] in extra_roots:
        parts = parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def digests(root: Path) -> dict[str, str]:
    """Return a hash for each file, by its path, of everything that its types depend on."""
    known = modules(root)
    base = hashlib.sha256(b"".join((root / name).read_bytes() for name in CONFIGURATION))
    base.update(f"{sys.version} {sys.platform}".encode())
    contents = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in known.items()}
    imported = {name: set(_imports(name, path, known)) for name, path in known.items()}
    found: dict[str, str] = {}
    for name, path in known.items():
        digest = base.copy()
        for dependency in sorted(_reached(name, imported)):
            digest.update(f"{dependency} {contents[dependency]}\n".encode())
        found[str(path.relative_to(root))] = digest.hexdigest()
    return found


def _imports(name: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield the project's modules that a module imports, with the packages that they are in."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    targets = {".".join(package)}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            targets |= {source} | {f"{source}.{alias.name}" for alias in node.names}
    for target in targets:
        parts = target.split(".")
        yield from (prefix for end in range(1, len(parts) + 1) if (prefix := ".".join(parts[:end])) in known)


def _reached(name: str, imported: Mapping[str, set[str]]) -> set[str]:
    reached = {name}
    waiting = [name]
    while waiting:
        new = imported[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached


def main() -> int:
    """Check what has changed, print what pyright reports and return the exit code."""
    now = digests(ROOT)
    checks = PassedChecks("types")
    passed = checks.read()
    changed = [path for path, digest in now.items() if digest not in passed]
    print(f"types: {len(changed)} of {len(now)} files to check")
    failed = _check(changed) if changed else set[str]()
    checks.add(digest for path, digest in now.items() if path not in failed)
    return 1 if failed else 0


def _check(paths: list[str]) -> set[str]:
    """Run pyright on `paths`, print its diagnostics and return the files that have any."""
    command = [PYTHON, "-m", "pyright", "--outputjson", *paths]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    failed: set[str] = set()
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        print(done.stdout)
        return set(paths)
    for diagnostic in report["generalDiagnostics"]:
        file = str(Path(diagnostic["file"]).relative_to(ROOT))
        start: dict[str, int] = diagnostic["range"]["start"]
        place = f"{file}:{start['line'] + 1}:{start['character'] + 1}"
        print(f"{place}: {diagnostic['severity']}: {diagnostic['message']} ({diagnostic.get('rule', 'syntax')})")
        if diagnostic["severity"] == "error":
            failed.add(file)
    # It failed without a word on any file: nothing is known to have passed.
    return failed or (set(paths) if done.returncode else failed)


if __name__ == "__main__":
    sys.exit(main())
