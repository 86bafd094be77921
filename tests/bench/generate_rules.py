"""`python -m tests.bench.generate_rules FOLDER OUTPUT`: generate all rules of a folder, as a user's process would."""

from __future__ import annotations

import sys
from pathlib import Path

from alerting.build import load_platform
from alerting.rules.render import rules_text
from cli.stack_config import read_settings

ROOT = Path(__file__).resolve().parents[2]


def generate(folder: Path, output: Path) -> None:
    """Read and check a folder, and write the rule files of stack prod to another."""
    output.mkdir(exist_ok=True)
    for file in load_platform(folder, read_settings(ROOT, "prod")).rules:
        (output / f"{file.name}.yaml").write_text(rules_text(file))


if __name__ == "__main__":
    generate(Path(sys.argv[1]), Path(sys.argv[2]))
