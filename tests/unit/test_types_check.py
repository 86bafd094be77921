"""A file is checked anew when it, or what it imports, has changed, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.types_check import digests, modules

FILES = {
    "pyproject.toml": '[tool.pyright]\ninclude = ["app", "lambda", "main.py"]\nextraPaths = ["lambda"]\n',
    "requirements.txt": "pyyaml==6\n",
    "main.py": "import app.deep.leaf\n",
    "app/__init__.py": "",
    "app/deep/__init__.py": "",
    "app/deep/leaf.py": "LEAF: int = 1\n",
    "app/user.py": "from app.deep import leaf\n",
    "app/relative.py": "from .user import leaf\n",
    "app/alone.py": "import json\n",
    "lambda/handler/__init__.py": "",
    "lambda/handler/main.py": "from handler.state import STATE\n",
    "lambda/handler/state.py": "STATE = 1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "checked"),
    [
        ("app/deep/leaf.py", {"app/deep/leaf.py", "app/user.py", "app/relative.py", "main.py"}),
        ("app/user.py", {"app/user.py", "app/relative.py"}),
        ("app/alone.py", {"app/alone.py"}),
        ("lambda/handler/state.py", {"lambda/handler/state.py", "lambda/handler/main.py"}),
        ("requirements.txt", {name for name in FILES if name.endswith(".py")}),
    ],
)
def test_what_depends_on_a_change_is_checked_anew(changed: str, checked: set[str], root: Path) -> None:
    before = digests(root)
    (root / changed).write_text(FILES[changed] + "# changed\n")
    after = digests(root)

    assert {path for path in after if after[path] != before[path]} == checked


def test_a_file_that_takes_the_place_of_a_package_counts(root: Path) -> None:
    before = digests(root)
    (root / "lambda" / "json.py").write_text("")
    after = digests(root)

    assert {path for path in before if after[path] != before[path]} == {"app/alone.py"}


def test_every_module_has_a_name_of_its_own(root: Path) -> None:
    assert set(modules(root)) == {
        "main",
        "app",
        "app.deep",
        "app.deep.leaf",
        "app.user",
        "app.relative",
        "app.alone",
        "handler",
        "handler.main",
        "handler.state",
    }
