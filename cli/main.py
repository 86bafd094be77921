"""The command `orion`: what would be deployed, who is on call, and the sandbox."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from alerting.build import load_catalog, load_platform
from alerting.errors import AlertingError
from alerting.routing.orphaned_incidents import Deployment
from cli.backfill import LONGEST_DAYS, run_backfill
from cli.backfill import Question as BackfillQuestion
from cli.backtest import Question, run_backtest
from cli.backtest_run import History
from cli.budget import Question as BudgetQuestion
from cli.budget import run_budget
from cli.drift import drift_text, read_drift
from cli.matrix import run_matrix
from cli.oncall import print_on_call
from cli.oncall_arguments import ask
from cli.oncall_comparison import compare
from cli.orphans import print_orphans
from cli.preview import run_preview
from cli.render import Part, render
from cli.repairs import show_repairs, start_repairs, stop_repairs
from cli.report import print_report
from cli.sandbox import drill_by_hand, run_sandbox
from cli.site import SITE, build_site
from cli.stack_config import read_settings, setting
from tools.build import BuildFailed
from tools.paths import ToolMissing

ROOT = Path(__file__).parent.parent
STORY_SCALE = 20.0
"""How much faster than the story the sandbox runs unless told otherwise: its longest wait, 11 minutes, takes 33 s."""
application = typer.Typer(
    help="Orion Alerting: alerts, routes, rotations and repairs as reviewed data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
repairs_application = typer.Typer(help="Stop automatic repairs, start them again, or say which it is.")
application.add_typer(repairs_application, name="repairs", no_args_is_help=True)

StackOption = Annotated[str, typer.Option(help="The stack whose settings are used: dev, prod or sandbox.")]
DeployedOption = Annotated[
    str | None, typer.Option(help="The commit that is deployed; origin/main, or else main or HEAD, unless given.")
]
ActionOption = Annotated[str | None, typer.Option(help="Only the repairs of this action of the catalog.")]
ServiceOption = Annotated[str | None, typer.Option(help="Only the repairs of this service of the catalog.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AlertmanagerOption = Annotated[
    str | None, typer.Option(help="Address of the running Alertmanager: name only incidents of alerts that fire there.")
]


@application.command("render")
def render_command(
    part: Annotated[Part, typer.Argument(help="What to print.")],
    stack: StackOption = "prod",
) -> None:
    """Print what would be deployed, exactly as it would be; no secret is in it."""
    platform = load_platform(ROOT, read_settings(ROOT, stack))
    print(render(platform, part), end="")


@application.command("site")
def site_command(
    stack: StackOption = "prod",
    output: Annotated[Path, typer.Option(help="The folder to write; what is in it is replaced.")] = SITE,
) -> None:
    """Build the site of the runbooks: static files, to be published at the stack's setting addresses.runbooks."""
    settings = read_settings(ROOT, stack)
    count = build_site(load_catalog(ROOT), settings, ROOT / output)
    console.print(f"{count} pages in {output}, to be published at {settings.addresses.runbooks}")


@application.command("setting")
def setting_command(
    key: Annotated[str, typer.Argument(help="Its path, such as cluster.name.")],
    stack: StackOption = "prod",
) -> None:
    """Print one setting of a stack, for scripts."""
    print(setting(read_settings(ROOT, stack), key, stack))


@application.command("check")
def check_command() -> None:
    """Check every file and every reference between them, for each stack, by us and by the tools' own linters."""
    from cli.check import run_check  # noqa: PLC0415 - AWS's schemas take half a second to load, for this command alone

    raise typer.Exit(run_check(ROOT, console, datetime.now(UTC).date()))


@application.command("preview")
def preview_command(
    stack: StackOption = "prod",
    chart: Annotated[
        str | None,
        typer.Option(envvar="ORION_CHART", help="A chart archive to render, or `none` for no chart."),
    ] = None,
    deployed: DeployedOption = None,
    alertmanager: AlertmanagerOption = None,
) -> None:
    """Print what `pulumi up` would make of a stack, by the real engine, without its account. Nothing is made.

    Then print the open incidents that the change would orphan, as `orion orphans` does.
    """
    raise typer.Exit(run_preview(ROOT, console, stack, chart=chart, deployed=deployed, alertmanager=alertmanager))


@application.command("orphans")
def orphans_command(
    stack: StackOption = "prod", deployed: DeployedOption = None, alertmanager: AlertmanagerOption = None
) -> None:
    """Print the open incidents that nothing would resolve any more after this change."""
    after = Deployment(catalog=load_catalog(ROOT), settings=read_settings(ROOT, stack))
    raise typer.Exit(0 if print_orphans(ROOT, console, stack, after, deployed, alertmanager) else 1)


@application.command("backtest")
def backtest_command(
    history: Annotated[str, typer.Argument(help="A Prometheus' URL, or its data folder.")],
    stack: StackOption = "prod",
    days: Annotated[
        float | None, typer.Option(min=0.01, help="How many days; 30, or what there is, unless given.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="The end, by UTC; the last sample of a folder, now of a URL, unless given.")
    ] = None,
    alert: Annotated[list[str] | None, typer.Option(help="One alert only; may be repeated.")] = None,
    deployed: DeployedOption = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="Only alerts that differ from the rules in force.")
    ] = False,
    as_json: JsonOption = False,
    picture: Annotated[Path | None, typer.Option(help="Write an SVG of when each alert fired.")] = None,
    http_config: Annotated[
        Path | None, typer.Option(help="A file with Prometheus' HTTP client configuration, for a URL.")
    ] = None,
) -> None:
    """Print what each alert would have done over a Prometheus' history, by Prometheus' own rule engine.

    It is compared with the rules in force. Nothing is written to the history.
    """
    asked = History(
        source=history,
        length=None if days is None else timedelta(days=days),
        end=_by_utc(until),
        http_config=http_config,
    )
    question = Question(
        history=asked,
        alerts=tuple(alert or ()),
        reference=deployed,
        changes_only=changes,
        as_json=as_json,
        picture=picture,
    )
    raise typer.Exit(run_backtest(ROOT, console, errors, stack, question))


@application.command("backfill")
def backfill_command(
    prometheus: Annotated[str, typer.Argument(help="The URL of a Prometheus that has the objective's counters.")],
    service: Annotated[str, typer.Option(help="The objective's service.")],
    objective: Annotated[str, typer.Option(help="Its name; the service's own is `requests`.")],
    output: Annotated[Path, typer.Option(help="A new folder, for the blocks.")],
    days: Annotated[float, typer.Option(min=0.01, max=LONGEST_DAYS, help="How many days are counted.")] = 30,
    until: Annotated[
        datetime | None, typer.Option(help="The end, by UTC; where the objective's own recordings begin unless given.")
    ] = None,
) -> None:
    """Write blocks with the events of a new objective, counted over what a Prometheus has of its counters."""
    question = BackfillQuestion(
        address=prometheus,
        service=service,
        objective=objective,
        days=days,
        until=_by_utc(until),
        output=output,
    )
    raise typer.Exit(run_backfill(ROOT, console, question, datetime.now(UTC)))


@application.command("budget")
def budget_command(
    prometheus: Annotated[str, typer.Argument(help="A Prometheus' URL.")],
    service: Annotated[list[str] | None, typer.Option(help="One service only; may be repeated.")] = None,
    objective: Annotated[list[str] | None, typer.Option(help="One objective only; may be repeated.")] = None,
    fail_under: Annotated[
        float | None, typer.Option(min=0, max=100, help="Exit with 1 if less of a budget is left, in percent.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what is left of each error budget, how much of its period is known, and what is at risk.

    With --fail-under it is a gate for deployments: 1 if too little is left, 2 if too little is known to decide.
    """
    question = BudgetQuestion(
        address=prometheus,
        services=tuple(service or ()),
        objectives=tuple(objective or ()),
        fail_under=fail_under,
        as_json=as_json,
    )
    raise typer.Exit(run_budget(ROOT, console, errors, question))


@application.command("matrix")
def matrix_command(
    scenario: Annotated[list[str] | None, typer.Option(help="One scenario only; may be repeated.")] = None,
    stack: StackOption = "prod",
) -> None:
    """Print what the alerts make of every scenario of rules/scenarios/: who is notified of what, and how soon.

    Prometheus' own rule engine and Alertmanager decide. The result is in build/matrix.json.
    """
    raise typer.Exit(run_matrix(ROOT, console, errors, stack, scenario or ()))


@application.command("drift")
def drift_command(
    refresh: Annotated[Path, typer.Argument(help="What `pulumi refresh --preview-only --json` has printed.")],
    stack: StackOption = "prod",
) -> None:
    """Print which resources were changed or removed by something else than the program; nothing if none was."""
    print(drift_text(stack, read_drift(refresh)), end="")


@application.command("oncall")
def oncall_command(
    stack: StackOption = "prod",
    at: Annotated[str | None, typer.Option(help="When, such as 2026-12-24T18:00; now unless given.")] = None,
    team: Annotated[str | None, typer.Option(help="One team only.")] = None,
    weeks: Annotated[int, typer.Option(min=1, max=53, help="How many weeks the calendar has.")] = 2,
    zone: Annotated[
        str | None, typer.Option(help="Your time zone, such as Europe/London; else this machine's.")
    ] = None,
    compare_: Annotated[
        bool, typer.Option("--compare", help="Hold PagerDuty against it, by the key in PAGERDUTY_TOKEN.")
    ] = False,
) -> None:
    """Say who is on call, for whom, whom an incident reaches next, and who follows in the next weeks."""
    question = ask(at, zone, team, weeks)
    if compare_:
        raise typer.Exit(compare(ROOT, console, question))
    print_on_call(ROOT, console, stack, question)


@application.command("report")
def report_command(
    team: Annotated[str, typer.Option(help="The team.")],
    week: Annotated[str, typer.Option(help="An ISO week by UTC, such as 2026-W48.")],
    stack: StackOption = "prod",
    as_json: JsonOption = False,
) -> None:
    """Count a team's week: pages of each shift, how many needed a human, and what paged most."""
    print_report(ROOT, console, stack, team=team, week=week, as_json=as_json)


@application.command("sandbox")
def sandbox_command(
    once: Annotated[bool, typer.Option("--once", help="Take everything down after the drills.")] = False,
    realtime: Annotated[bool, typer.Option("--realtime", help="Keep the story's own timings.")] = False,
    chart: Annotated[
        str | None,
        typer.Option(envvar="ORION_CHART", help="A chart archive to install, or `none` for no chart."),
    ] = None,
) -> None:
    """Bring everything up on this machine, run the drills, and stay up until Ctrl-C."""
    raise typer.Exit(run_sandbox(ROOT, console, scale=1.0 if realtime else STORY_SCALE, once=once, chart=chart))


@application.command("drill")
def drill_command(
    alert: Annotated[str, typer.Argument(help="The alert to set off, such as HighMemoryUsage.")],
    label: Annotated[list[str] | None, typer.Option(help="Where: NAME=VALUE, once per label.")] = None,
) -> None:
    """Set one alert off in the running sandbox and tell what follows, until Ctrl-C mends it."""
    raise typer.Exit(drill_by_hand(ROOT, console, alert, label or []))


@repairs_application.command("stop")
def stop_command(
    why: Annotated[str, typer.Option(help="Why: every team whose alert is not repaired reads it.")],
    stack: StackOption = "prod",
    action: ActionOption = None,
    service: ServiceOption = None,
) -> None:
    """Stop automatic repairs within seconds, all or some, and cancel those that wait or run."""
    raise typer.Exit(stop_repairs(ROOT, console, stack, why, action, service))


@repairs_application.command("start")
def start_command(stack: StackOption = "prod", action: ActionOption = None, service: ServiceOption = None) -> None:
    """Let automatic repairs begin again, for alerts that come from now on: lift every stop, or one."""
    raise typer.Exit(start_repairs(ROOT, console, stack, action, service))


@repairs_application.command("status")
def status_command(stack: StackOption = "prod") -> None:
    """Say which automatic repairs are stopped, since when, by whom and why."""
    raise typer.Exit(show_repairs(ROOT, console, stack))


def main() -> None:
    """Run the command line. Whatever a person can put right is told in plain lines, without a stack trace."""
    try:
        application()
    except (AlertingError, BuildFailed, ToolMissing) as problem:
        errors.print(str(problem), markup=False)
        sys.exit(1)
    except (BotoCoreError, ClientError) as problem:
        errors.print(f"AWS: {problem}", markup=False)
        sys.exit(1)
    except httpx.HTTPError as problem:
        errors.print(f"{_address(problem)}: no answer that can be used: {problem}", markup=False)
        sys.exit(1)


def _by_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _address(problem: httpx.HTTPError) -> str:
    try:
        return str(problem.request.url)
    except RuntimeError:  # it failed before there was a request
        return "HTTP"
