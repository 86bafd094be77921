"""Import rules that import-linter cannot check: the program's own file, and the function's source root."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerting_data import ROOT

FUNCTION_ROOT = ROOT / "lambda"
OF_THE_FUNCTION = {"boto3", "botocore", "dateutil", "urllib3", "aws_lambda_powertools"}
"""botocore needs dateutil and urllib3, so that the runtime has them."""
TYPES_OF_CLIENTS = "mypy_boto3_"
"""Read by the type checker alone."""
OF_THE_PROGRAM = {"alerting", "components", "pulumi", "pulumi_aws", "pulumi_kubernetes", "pulumi_pagerduty"}
SHARED = FUNCTION_ROOT / "orion_common" / "names.py"
"""What components import of the functions."""
PROGRAM = [
    path for room in ("alerting", "components", "cli", "sandbox") for path in sorted((ROOT / room).rglob("*.py"))
]


def imported(path: Path) -> Iterator[str]:
    """Yield the first part of the name of each module that a file imports, at its top or anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def modules_imported(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports from."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", PROGRAM, ids=lambda path: str(path.relative_to(ROOT)))
def test_of_the_functions_components_import_the_shared_names_and_no_other_room_anything(path: Path) -> None:
    functions = {folder.name for folder in FUNCTION_ROOT.iterdir() if folder.is_dir()}
    of_functions = {name for name in modules_imported(path) if name.partition(".")[0] in functions}

    assert of_functions <= ({"orion_common.names"} if path.is_relative_to(ROOT / "components") else set())


def test_the_shared_names_need_the_standard_library_alone() -> None:
    assert set(imported(SHARED)) <= sys.stdlib_module_names


def test_the_program_composes_components_and_nothing_else() -> None:
    assert set(imported(ROOT / "__main__.py")) - sys.stdlib_module_names <= OF_THE_PROGRAM


@pytest.mark.parametrize(
    "path", sorted(FUNCTION_ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(FUNCTION_ROOT))
)
def test_the_function_shares_nothing_with_the_program(path: Path) -> None:
    own = {folder.name for folder in FUNCTION_ROOT.iterdir() if folder.is_dir()}

    others = {name for name in imported(path) if not name.startswith(TYPES_OF_CLIENTS)}
    assert others - sys.stdlib_module_names <= own | OF_THE_FUNCTION
