"""The binaries used, and the error for a missing one."""

from __future__ import annotations

import importlib.metadata
import io
import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from alerting.versions import TESTED_WITH
from sandbox.providers.plugins import install, installed
from tests.alerting_data import ROOT
from tools import build, paths, recipes
from tools.build import BuildFailed, build_all
from tools.paths import ToolMissing, cache_folder, tool, tools_folder
from tools.recipes import KUBERNETES_PROVIDER_VERSION, RECIPES, SANDBOX_RECIPES, OnPath

PROMETHEUS = OnPath(arguments=("--version",), versions=">=3.5,<4")


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, prints: str, code: int = 0) -> Path:
    program = folder / "prometheus"
    program.write_text(f"#!/bin/sh\necho '{prints}'\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return program


def put_go_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, cases: str) -> None:
    """Put a Go on PATH that answers each command as the cases of a shell say."""
    go = folder / "path" / "go"
    go.parent.mkdir()
    go.write_text(f'#!/bin/sh\ncase "$1" in version) echo "go version go1.26.0 linux/amd64";; {cases} esac\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(go.parent), prepend=":")


@pytest.mark.parametrize(
    ("prints", "code", "wins"),
    [
        ("prometheus, version 3.16.0 (branch: HEAD)", 0, True),
        ("prometheus, version 2.55.1 (branch: HEAD)", 0, False),
        ("prometheus, version 4.0.0 (branch: HEAD)", 0, False),
        ("no number", 0, False),
        ("prometheus, version 3.16.0", 1, False),
    ],
)
def test_a_binary_on_path_wins_in_a_good_version_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str, code: int, *, wins: bool
) -> None:
    program = put_on_path(tmp_path, monkeypatch, prints, code)

    assert build.find_on_path("prometheus", PROMETHEUS) == (program if wins else None)
    assert build.find_on_path("prometheus", None) is None


def test_a_tool_that_is_missing_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORION_TOOLS", str(tmp_path))

    with pytest.raises(ToolMissing, match=r"etcd: not found in .*`make tools`"):
        tool("etcd")
    (tmp_path / "etcd").touch()
    assert tool("etcd") == tmp_path / "etcd"


def test_the_cache_folder_is_the_users_unless_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORION_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert cache_folder() == tmp_path / "user" / "orion-alerting"

    monkeypatch.setenv("ORION_CACHE", str(tmp_path / "own"))
    monkeypatch.delenv("ORION_TOOLS", raising=False)
    assert cache_folder() == tmp_path / "own"
    assert tools_folder().parent == tmp_path / "own"


def test_a_tool_that_has_gone_from_path_is_provided_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORION_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ORION_TOOLS", raising=False)
    (tools_folder() / "crds").mkdir(parents=True)
    console = Console(file=io.StringIO())
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    gone = put_on_path(tmp_path / "old", monkeypatch, "prometheus, version 3.16.0")
    build_all(console, ["prometheus"])
    gone.unlink()

    there = put_on_path(tmp_path / "new", monkeypatch, "prometheus, version 3.16.0")
    build_all(console, ["prometheus"])

    assert tool("prometheus").readlink() == there


def test_a_build_that_fails_says_what_it_printed_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORION_CACHE", str(tmp_path))
    monkeypatch.delenv("ORION_TOOLS", raising=False)
    put_go_on_path(tmp_path, monkeypatch, "*) echo no such module; exit 1;;")

    with pytest.raises(BuildFailed, match=r"(?s)go build.*no such module"):
        build_all(Console(file=io.StringIO()), ["kwok"])

    assert list((tmp_path / "tools").iterdir()) == []
    assert not (tools_folder() / "kwok").exists()


def test_what_a_build_took_is_removed_when_it_has_succeeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORION_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ORION_TOOLS", raising=False)
    put_go_on_path(
        tmp_path,
        monkeypatch,
        'build) mkdir -p "$GOCACHE" "$GOMODCACHE"; echo "$*" | sed "s/.* -o //; s/ .*//" | xargs touch;;'
        ' clean) [ "$*" = "clean -cache -modcache" ] && rm -r "$GOCACHE" "$GOMODCACHE";;',
    )

    build_all(Console(file=io.StringIO()), ["kwok"])

    assert tool("kwok").is_file()
    assert [path.name for path in (tmp_path / "cache" / "go").iterdir()] == []


def test_a_module_is_built_with_the_files_that_it_is_published_without(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{\n  "name": "kubernetes"\n}\n')

    build.write_extra_file(tmp_path / "schema-embed.json", version="4.34.2")
    build.write_extra_file(tmp_path / "ui" / "index.html", version="4.34.2")

    assert (tmp_path / "schema-embed.json").read_text() == '{"name":"kubernetes","version":"4.34.2"}'
    assert "<title>" in (tmp_path / "ui" / "index.html").read_text()


def test_the_kubernetes_provider_has_the_version_of_its_sdk() -> None:
    assert importlib.metadata.version("pulumi-kubernetes") == KUBERNETES_PROVIDER_VERSION


def test_the_sandbox_has_every_program_that_its_code_names() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "sandbox").rglob("*.py"))
    named = set(re.findall(r'(?:\btool\(|binary=)"([\w-]+)"', sources))
    providers = {f"pulumi-resource-{provider.name}" for provider in installed() if provider.module is None}

    assert "prometheus-config-reloader" in named
    assert "pulumi-resource-kubernetes" in providers
    assert named | providers <= {recipe.name for recipe in SANDBOX_RECIPES}


def test_a_provider_that_is_not_built_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORION_TOOLS", str(tmp_path))

    with pytest.raises(ToolMissing, match=r"pulumi-resource-kubernetes: not found .*make tools"):
        install(tmp_path / "home", installed())


def test_every_recipe_is_pinned_and_named_once() -> None:
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)
    for recipe in RECIPES:
        pins = Path(build.__file__).parent / "go" / recipe.module
        assert (pins / "go.mod").exists()
        assert (pins / "go.sum").stat().st_size > 0


def test_a_program_of_our_own_is_built_again_when_its_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(build.__file__).parent, tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(build, "HERE", tmp_path / "tools")
    monkeypatch.setattr(recipes, "GO_MODULES", tmp_path / "tools" / "go")
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "tools" / "paths.py"))
    monkeypatch.delenv("ORION_TOOLS", raising=False)
    named = {recipe.name: recipe for recipe in RECIPES}
    before = {name: build.fingerprint(recipe) for name, recipe in named.items()}
    folder = tools_folder()

    source = tmp_path / "tools" / "go" / "prometheus" / "backtest" / "main.go"
    source.write_text(source.read_text() + "// changed\n")

    after = {name: build.fingerprint(recipe) for name, recipe in named.items()}
    assert [name for name in named if before[name] != after[name]] == ["orion-backtest"]
    assert tools_folder() != folder


def test_what_is_built_and_what_wins_on_path_is_the_version_that_is_deployed() -> None:
    recipes = {recipe.name: recipe for recipe in RECIPES}

    for program, (_, version) in TESTED_WITH.items():
        recipe = recipes[program]
        assert recipe.on_path is not None
        assert recipe.on_path.versions == f"=={version}"
        assert version in dict(recipe.variables).values()
        pins = (Path(build.__file__).parent / "go" / recipe.module / "go.mod").read_text()
        major, minor, patch = version.split(".")
        # Prometheus' module is of major version 0: its 3.16.0 is v0.316.0.
        module = f"v0.{major}{minor}.{patch}" if recipe.module == "prometheus" else f"v{version}"
        assert f"github.com/prometheus/{recipe.module} {module} " in pins
