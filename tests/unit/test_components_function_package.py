"""The function's zip: the same bytes wherever it is built, pure Python only, with everything that it imports."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from components.function_package import FunctionPackage, NotPurePython, build_function_package
from components.runbook_automation import PACKAGES
from tests.alerting_data import ROOT

SOURCE = ROOT / "lambda"
REMEDIATIONS = {"repairs": {"HighMemoryUsage": {"action": "restart_pod", "team": "trading"}}, "namespaces": ["orion"]}
DATA = {"remediations.json": REMEDIATIONS}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> FunctionPackage:
    return build_function_package(SOURCE, PACKAGES, tmp_path_factory.mktemp("zip"), "function", data=DATA)


def small_source(folder: Path) -> Path:
    source = folder / "runbook_automation"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("")
    (source / "handler.py").write_text("def handler(): ...\n")
    return source


def test_two_folders_two_times_and_two_modes_give_the_same_bytes(tmp_path: Path, built: FunctionPackage) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(SOURCE, other)
    for path in other.rglob("*.py"):
        path.chmod(0o755)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    package = other / "runbook_automation"
    (package / "__pycache__").mkdir(exist_ok=True)
    (package / "__pycache__" / "handler.cpython-399.pyc").write_bytes(b"bytecode")
    (package / "left_behind.pyc").write_bytes(b"bytecode")
    data = {"remediations.json": dict(reversed(REMEDIATIONS.items()))}
    again = build_function_package(other, tuple(reversed(PACKAGES)), tmp_path / "deep", "other", data=data)

    assert again.path.read_bytes() == built.path.read_bytes()
    assert again.source_code_hash == built.source_code_hash


def test_a_changed_line_changes_the_hash(tmp_path: Path) -> None:
    source = small_source(tmp_path)
    before = build_function_package(source.parent, [source.name], tmp_path, "function", data=DATA, libraries=())
    (source / "handler.py").write_text("def handler(): return 1\n")
    after = build_function_package(source.parent, [source.name], tmp_path, "function", data=DATA, libraries=())

    assert before.sha256 != after.sha256


def test_what_another_program_builds_in_the_same_folder_is_not_taken_for_its_own(tmp_path: Path) -> None:
    source = small_source(tmp_path)
    in_real_time, scaled = (
        build_function_package(
            source.parent, [source.name], tmp_path, "function", data={"settings.json": seconds}, libraries=()
        )
        for seconds in (600, 30)
    )

    for built, seconds in ((in_real_time, 600), (scaled, 30)):
        with zipfile.ZipFile(built.path) as archive:
            assert json.loads(archive.read("settings.json")) == seconds
        assert hashlib.sha256(built.path.read_bytes()).hexdigest() == built.sha256


def test_entries_are_sorted_stored_and_dated_alike(built: FunctionPackage) -> None:
    with zipfile.ZipFile(built.path) as archive:
        entries = archive.infolist()

    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {
        "runbook_automation/handler.py",
        "orion_common/names.py",
        "remediations.json",
        "typing_extensions.py",
    } <= set(names)
    assert any(name.startswith("aws_lambda_powertools/") for name in names)
    assert any(name.startswith("jmespath/") for name in names)
    assert not [name for name in names if name.endswith((".pyc", ".so")) or "__pycache__" in name or ".." in name]
    assert not [name for name in names if name.startswith(("boto3/", "botocore/")) or ".dist-info/" in name]


def test_the_zip_imports_with_nothing_but_the_runtime_beside_it(built: FunctionPackage) -> None:
    """Only boto3 and what it needs may come from outside, as in Lambda's own runtime."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import runbook_automation.handler, aws_lambda_powertools as p; "
        "print(runbook_automation.handler.__file__); print(p.__file__)"
    )
    environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", program, str(built.path)],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        cwd=built.path.parent,
    )

    assert all(line.startswith(str(built.path)) for line in answer.stdout.split())


def test_compiled_code_is_refused_in_the_source(tmp_path: Path) -> None:
    source = small_source(tmp_path)
    (source / "fast.cpython-313-aarch64-linux-gnu.so").write_bytes(b"ELF")

    with pytest.raises(NotPurePython, match=r"fast.*pure Python"):
        build_function_package(source.parent, [source.name], tmp_path, "function", data=DATA, libraries=())
    assert not list(tmp_path.rglob("*.zip"))


def test_compiled_code_is_refused_in_a_library(tmp_path: Path) -> None:
    source = small_source(tmp_path)

    with pytest.raises(NotPurePython, match="pydantic_core"):
        build_function_package(
            source.parent, [source.name], tmp_path, "function", data={}, libraries=("pydantic-core",)
        )


def test_no_package_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        build_function_package(tmp_path, ["nothing-here"], tmp_path, "function", data=DATA)


def test_a_package_that_is_not_chosen_is_left_out(tmp_path: Path) -> None:
    other = small_source(tmp_path).parent / "another_function"
    other.mkdir()
    (other / "__init__.py").write_text("")
    built = build_function_package(tmp_path, ["another_function"], tmp_path, "function", data={}, libraries=())

    with zipfile.ZipFile(built.path) as archive:
        assert archive.namelist() == ["another_function/__init__.py"]
