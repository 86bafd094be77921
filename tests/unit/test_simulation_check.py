"""The simulation is run again when anything that it runs has changed, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import simulation_check
from tests.simulation_check import digest, main

FILES = {
    "pyproject.toml": '[tool.pyright]\ninclude = ["tests", "lambda"]\nextraPaths = ["lambda"]\n',
    "requirements.txt": "pyyaml==6\n",
    "docs/reliability.md": "",
    "tests/__init__.py": "",
    "tests/conftest.py": "",
    "tests/other.py": "",
    "tests/simulation/__init__.py": "",
    "tests/simulation/test_seeds.py": "import chatops.step\n",
    "lambda/chatops/__init__.py": "",
    "lambda/chatops/step.py": "import orion_common\n",
    "lambda/chatops/main.py": "",
    "lambda/orion_common.py": "",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(simulation_check, "ROOT", tmp_path)
    monkeypatch.setenv("ORION_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("changed", sorted(FILES))
def test_what_the_simulation_runs_decides_and_nothing_else(changed: str, root: Path) -> None:
    before = digest(root)
    with (root / changed).open("a") as file:
        file.write("# changed\n")

    assert (digest(root) == before) == (changed in {"tests/other.py", "lambda/chatops/main.py"})


@pytest.mark.usefixtures("root")
def test_what_failed_is_run_again_and_what_passed_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    for code in (1, 0, 3):
        monkeypatch.setattr(simulation_check, "COMMAND", ("sh", "-c", f"exit {code}"))
        codes.append(main())

    assert codes == [1, 0, 0]
    assert capsys.readouterr().out == "unchanged: the same code has passed before\n"
