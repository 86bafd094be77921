"""Sloth's files and its rules of them, by Sloth itself (`sloth generate`)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.programs import bench_program

PROGRAM = "sloth"
SPECIFICATION = """\
version: "prometheus/v1"
service: "{service}"
slos:
  - name: "{name}"
    objective: {percent:.10g}
    description: "Requests that are not answered with a server error."
    sli:
      events:
        error_query: sum(rate({metric}{{service="{service}",code=~"5.."}}[{{{{.window}}}}]))
        total_query: sum(rate({metric}{{service="{service}"}}[{{{{.window}}}}]))
    alerting:
      name: ErrorBudgetBurn
      labels: {{team: trading}}
      annotations: {{summary: "{service} spends its error budget too fast"}}
      page_alert: {{labels: {{severity: critical}}}}
      ticket_alert: {{labels: {{severity: warning}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlothObjective:
    """An objective on `metric`, of the series with the label `service`; those whose `code` is a 5xx are errors."""

    service: str
    target: float
    name: str = "requests"
    metric: str = "http_requests_total"


def sloth_rules(folder: Path, objectives: Iterable[SlothObjective]) -> Path:
    """Write Sloth's file of objectives, have Sloth generate, and return the rules as a file that Prometheus reads."""
    source, made = write_sloth(folder / "sloth.yml", objectives), folder / "sloth.rules.yml"
    subprocess.run(generate_command(source, made), check=True, capture_output=True)
    made.write_text(one_document(made.read_text()))
    return made


def one_document(rules: str) -> str:
    """Return all groups in one document: Sloth writes one for each objective, and Prometheus reads the first."""
    return "groups:\n" + "".join(
        document.partition("\ngroups:\n")[2].rstrip("\n") + "\n"
        for document in f"\n{rules}".split("\n---\n")
        if document.strip()
    )


def write_sloth(path: Path, objectives: Iterable[SlothObjective]) -> Path:
    """Write objectives as one file, a document each."""
    documents = (
        SPECIFICATION.format(service=one.service, name=one.name, percent=one.target * 100, metric=one.metric)
        for one in objectives
    )
    path.write_text("---\n".join(documents))
    return path


def generate_command(source: Path, made: Path) -> list[str]:
    """Return the command that generates the rules of a file."""
    return [str(bench_program(PROGRAM)), "generate", "--input", str(source), "--out", str(made)]
