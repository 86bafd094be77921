"""`orion check`: every cross-check, and the linters of the tools that will read what is rendered."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

import yaml
from rich.console import Console
from rich.markup import escape

from alerting.build import build_platform, load_catalog
from alerting.catalog import Catalog
from alerting.detection.scenarios import FOLDER as SCENARIOS
from alerting.detection.scenarios import read_scenarios
from alerting.platform import Platform
from alerting.routing.checks.silences import ended_silences, silence_lines, silence_notices
from alerting.routing.checks.slack_groups import burst_notices
from alerting.rules.checks.corrections import correction_lines, ended_corrections
from alerting.rules.market_calendar import MARKET_FILE
from alerting.rules.render import rules_text
from alerting.settings import Environment
from alerting.source.problems import listed
from alerting.versions import ALERTMANAGER_VERSION, PROMETHEUS_VERSION
from cli.mocked_run import registered
from cli.stack_config import NOT_PAGED, read_settings, stack_names
from cli.versions import differing_versions
from sandbox.kubernetes_limits import limit_refusals
from sandbox.mocked_checks import checkers, refusals, resources_of
from sandbox.scenarios.simulation import KNOWN_STEPS
from tools.paths import tool

MOUNTED = "/etc/alertmanager"
TESTS = Path("rules", "tests")
ADD_A_TEST = "Add one to DOMAIN_test.yaml there: it fires at its boundary, not a minute before, and resolves"
HELD_TO = {
    "aws": "cfn-lint's schemas of AWS",
    "kubernetes": "the limits of Kubernetes' objects",
    "pagerduty": "the shapes of PagerDuty's objects",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Linter:
    """One run of a tool: what it is told to look at, in the folder that everything was rendered to."""

    says: str
    program: str
    arguments: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """The result of a linter: its exit code and its output."""

    refused: bool
    said: str


CONFIGURATION = "alertmanager.yml"
"""Alertmanager's, beside the rules: of another suffix than theirs, which may be of a domain called alertmanager."""


def run_check(root: Path, console: Console, today: date) -> int:
    """Check everything for each stack, and return the exit code. `today` is what the holidays have to reach beyond.

    Raises `CatalogError`, `SettingsRefused` and `RefusedOption` with what is wrong before any tool is asked.
    """
    catalog = load_catalog(root)
    scenarios = read_scenarios(root, catalog, KNOWN_STEPS)
    platforms = {stack: build_platform(catalog, read_settings(root, stack)) for stack in stack_names(root)}
    for stack, platform in platforms.items():
        alerts = sum("alert" in rule for file in platform.rules for group in file.groups for rule in group["rules"])
        paged = f"{len(platform.on_call.services)} paged services" if platform.settings.paging else "nobody paged"
        repairs = len(platform.repairs.repairs)
        console.print(f"[green]✓[/] {stack}: {alerts} alerts, {paged}, {repairs} automatic repairs")
        for notice in burst_notices(catalog, platform.settings):
            console.print(f"[yellow]![/] {stack}: {escape(notice)}", soft_wrap=True)
    now = datetime.combine(today, time.min, UTC)
    _print_notices(catalog, console, now)
    console.print(f"[green]✓[/] {SCENARIOS}: {len(scenarios)} scenarios; `orion matrix` runs them")
    failed = not silences_hold(catalog, platforms, console, now)
    if untested := untested_alerts(root, catalog):
        failed = True
        console.print(f"[red]✗[/] {TESTS}: no test names {listed(untested)}. {ADD_A_TEST}", soft_wrap=True)
    different = list(differing_versions())
    for message in different:
        console.print(f"[red]✗[/] {message}", soft_wrap=True)
    if not different:
        versions = f"Prometheus {PROMETHEUS_VERSION} and Alertmanager {ALERTMANAGER_VERSION}"
        console.print(f"[green]✓[/] {versions} are what is tested with")
    failed |= bool(different)
    with _linted(root, platforms) as linted:
        for stack, platform in platforms.items():
            if platform.settings.environment is not Environment.SANDBOX:
                failed |= not _clouds_take(root, stack, platform, console)
        told: dict[str, str] = {}
        for stack, linter, run in linted:
            failed |= not _passed(linter, run.result(), stack, console, told)
    return 1 if failed else 0


def _print_notices(catalog: Catalog, console: Console, now: datetime) -> None:
    for line in correction_lines(catalog, now):
        console.print(f"[green]✓[/] {escape(line)}", soft_wrap=True)
    for notice in _catalog_notices(catalog, now):
        console.print(f"[yellow]![/] {escape(notice)}", soft_wrap=True)


def _catalog_notices(catalog: Catalog, now: datetime) -> Iterator[str]:
    """Yield what is not wrong, and ought to be known: a calendar that ends, and fields that nothing reads."""
    if (notice := catalog.market.notice(now.date())) is not None:
        yield f"{MARKET_FILE}: {notice}"
    if catalog.objectives is not None:
        yield from map(str, catalog.objectives.not_carried_over)
    yield from map(str, ended_corrections(catalog, now))


def silences_hold(catalog: Catalog, platforms: Mapping[str, Platform], console: Console, now: datetime) -> bool:
    """Print the maintenance windows, and return whether none of them has been over for long."""
    for line in silence_lines(catalog, now):
        console.print(f"[green]✓[/] {escape(line)}", soft_wrap=True)
    for stack, platform in platforms.items():
        for notice in silence_notices(catalog, platform.settings, now):
            console.print(f"[yellow]![/] {stack}: {escape(notice)}", soft_wrap=True)
    ended = list(ended_silences(catalog, now))
    for silence in ended:
        sign = "[red]✗[/]" if silence.stale else "[yellow]![/]"
        console.print(f"{sign} {escape(str(silence.problem))}", soft_wrap=True)
    return not any(silence.stale for silence in ended)


def untested_alerts(root: Path, catalog: Catalog) -> list[str]:
    """Return the alerts that no test of promtool's names."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (root / TESTS).glob("*.yaml"))
    tested = set(re.findall(r"""alertname(?:=|:\s*)["']?(\w+)""", tests))
    return [alert for alert in catalog.rules.alerts if alert not in tested]


@contextmanager
def _linted(root: Path, platforms: Mapping[str, Platform]) -> Generator[list[tuple[str, Linter, Future[_Done]]]]:
    """Have the tools read what is rendered for each stack, beside whatever else is done meanwhile."""
    # The alerts' tests hold the story's own times, and market hours: once, for a stack that has them.
    tested = next(
        (stack for stack, one in platforms.items() if one.settings.environment is not Environment.SANDBOX), ""
    )
    with tempfile.TemporaryDirectory(prefix="orion-check-") as folder, ThreadPoolExecutor() as threads:
        linted: list[tuple[str, Linter, Future[_Done]]] = []
        for stack, platform in platforms.items():
            rendered = Path(folder) / stack
            rendered.mkdir()
            _write(root, platform, rendered)
            linters = _linters(rendered, tested=stack == tested)
            linted += [(stack, linter, threads.submit(_run, linter, rendered)) for linter in linters]
        yield linted


def _clouds_take(root: Path, stack: str, platform: Platform, console: Console) -> bool:
    """Hold what the program would make of a stack to what its clouds publish of their resources."""
    run = registered(root, stack, platform)
    for warning in run.warnings:
        console.print(f"[yellow]![/] {stack}: {escape(warning)}")
    if not platform.settings.paging:
        console.print(f"[green]✓[/] {stack}: PagerDuty: {NOT_PAGED}")
    wrong = {package: list(refusals(machine, resources_of(run, package))) for package, machine in checkers(run).items()}
    wrong["kubernetes"] = list(limit_refusals(one.inputs for one in resources_of(run, "kubernetes")))
    for package, refused in wrong.items():
        if refused:
            console.print(f"[red]✗[/] {stack}: {HELD_TO[package]} refuse what the program would make:")
            console.print("\n".join(refused), markup=False)
        else:
            count = len(resources_of(run, package))
            console.print(f"[green]✓[/] {stack}: {HELD_TO[package]} take {count} resources")
    return not any(wrong.values())


def _linters(rendered: Path, *, tested: bool) -> list[Linter]:
    """Return what is run for a stack."""
    rules = sorted(path.name for path in rendered.glob("*.yaml"))
    tests = sorted(f"tests/{path.name}" for path in (rendered / "tests").glob("*.yaml"))
    return [
        Linter(
            says=f"promtool takes {len(rules)} rule files",
            program="promtool",
            arguments=["check", "rules", "--lint=all", "--lint-fatal", *rules],
        ),
        *(
            [
                Linter(
                    says=f"promtool holds {len(tests)} test files",
                    program="promtool",
                    arguments=["test", "rules", *tests],
                )
            ]
            if tested
            else []
        ),
        Linter(
            says="pint finds nothing in them",
            program="pint",
            arguments=["--no-color", "--offline", "lint", "--min-severity=bug", *rules],
        ),
        Linter(
            says="amtool takes Alertmanager's configuration and templates",
            program="amtool",
            arguments=["check-config", CONFIGURATION],
        ),
    ]


def linter_environment() -> dict[str, str]:
    """Return the tools' environment. With Go's default, a third of promtool's tests' time is garbage collection."""
    return {"GOGC": "400", **os.environ}


def _run(linter: Linter, rendered: Path) -> _Done:
    done = subprocess.run(
        [tool(linter.program), *linter.arguments],
        cwd=rendered,
        env=linter_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return _Done(refused=done.returncode != 0, said=(done.stdout + done.stderr).strip().replace(str(rendered), ""))


def _passed(linter: Linter, done: _Done, stack: str, console: Console, told: dict[str, str]) -> bool:
    """Print how a linter ended. What it says of several stacks is said once: `told` has the stack of each text."""
    if not done.refused:
        console.print(f"[green]✓[/] {stack}: {linter.says}")
        return True
    what = next(argument for argument in linter.arguments if not argument.startswith("-"))
    refuses = f"[red]✗[/] {stack}: {linter.program} {what} refuses what is rendered"
    said = _of_what_is_wrong(done.said)
    if said in told:
        console.print(f"{refuses}, with the same words as for {told[said]}")
    else:
        told[said] = stack
        console.print(f"{refuses}; lines are those of the rendered file:")
        console.print(said, markup=False)
    return False


def _of_what_is_wrong(said: str) -> str:
    """Return what a tool said without its progress and the files that are right, and each line once."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("level=INFO")]
    wrong = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if not line.startswith("  SUCCESS")
        and not (line.startswith(("Checking ", "Processing ")) and following.startswith("  SUCCESS"))
    ]
    return "\n".join(dict.fromkeys(wrong))


def _write(root: Path, platform: Platform, folder: Path) -> None:
    """Write what is rendered as the tools read it. The folder takes the place of /etc/alertmanager."""
    for file in platform.rules:
        (folder / f"{file.name.removeprefix('orion-')}.yaml").write_text(rules_text(file), encoding="utf-8")
    shutil.copytree(root / TESTS, folder / "tests")
    files = platform.alertmanager
    templates = folder / "configmaps" / files.template_config_map
    templates.mkdir(parents=True)
    for name, text in files.templates.items():
        (templates / name).write_text(text, encoding="utf-8")
    for secret in files.secret_files:
        path = folder / "secrets" / secret.secret / secret.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0" * 32)  # in place of a secret: a tool wants the file, and looks at its form at most
    text = json.dumps(files.configuration, ensure_ascii=False).replace(MOUNTED, str(folder))
    (folder / CONFIGURATION).write_text(yaml.safe_dump(json.loads(text), sort_keys=False), encoding="utf-8")
