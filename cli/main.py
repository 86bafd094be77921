"""The command `orion`: render and check what would be deployed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from alerting.build import load_platform
from alerting.problems import CatalogError
from cli.render import Part, render
from cli.stacks import StackUnreadable, read_settings, stack_names

ROOT = Path(__file__).parent.parent
application = typer.Typer(
    help="Orion Alerting: alerts, routes, rotations and repairs as reviewed data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

StackOption = Annotated[str, typer.Option(help="The stack whose settings are used: dev, prod or sandbox.")]


@application.command("render")
def render_command(
    part: Annotated[Part, typer.Argument(help="What to print.")],
    stack: StackOption = "prod",
) -> None:
    """Print what would be deployed, exactly as it would be; no secret is in it."""
    platform = load_platform(ROOT, read_settings(ROOT, stack))
    print(render(platform, part), end="")


@application.command("check")
def check_command() -> None:
    """Check every file and every reference between them, for each stack."""
    for stack in stack_names(ROOT):
        platform = load_platform(ROOT, read_settings(ROOT, stack))
        alerts = sum("alert" in rule for file in platform.rules for group in file.groups for rule in group["rules"])
        services = len(platform.on_call.services)
        repairs = len(platform.repairs.repairs)
        console.print(f"[green]✓[/] {stack}: {alerts} alerts, {services} paged services, {repairs} automatic repairs")


def main() -> None:
    """Run the command line. Whatever a person can put right is told in plain lines, without a stack trace."""
    try:
        application()
    except (CatalogError, StackUnreadable) as problem:
        errors.print(str(problem), markup=False)
        sys.exit(1)
