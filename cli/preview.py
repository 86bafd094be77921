"""`orion preview`: what a stack's `pulumi up` would do, as a table, without its account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.markup import escape

from alerting.build import build_platform, load_catalog
from alerting.catalog import Catalog
from alerting.routing.checks.silences import silence_notices
from alerting.routing.orphaned_incidents import Deployment
from alerting.settings import Environment, Settings
from alerting.settings.load import SettingsRefused
from cli.chart import choose_chart
from cli.orphans import print_orphans
from cli.placeholders import network_of, network_setting, secrets_of
from cli.stack_config import NOT_PAGED, read_settings
from sandbox.engine import Progress
from sandbox.engine_preview import Preview, PreviewAccount, PreviewPlan
from sandbox.interrupts import INTERRUPTED, ended_as_interrupted
from sandbox.process_environment import forget_accounts
from sandbox.runs import Run, end_stale_runs

RUNS = Path("build") / "preview"
SIGNS = {"create": "+", "update": "~", "replace": "+-", "delete": "-", "read": ">", "same": " "}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes what will be known only once something is made."""


def run_preview(
    root: Path,
    console: Console,
    stack: str,
    *,
    chart: str | None,
    deployed: str | None = None,
    alertmanager: str | None = None,
) -> int:
    """Print the plan of a stack, and return the exit code: 0 if there is one, 130 after Ctrl-C.

    After the plan come the open incidents that the change from the commit `deployed` would orphan; with the address of
    an `alertmanager`, those of the alerts that fire there.

    Raises `SettingsRefused`, `CatalogError` and `DeploymentFailed` with what is wrong, and `httpx.HTTPError` if the
    Alertmanager gives no answer.
    """
    settings = read_settings(root, stack)
    if settings.environment is Environment.SANDBOX:
        problem = "--stack: found 'sandbox', which has neither account nor cluster of its own; `make sandbox` runs it"
        raise SettingsRefused(stack, [problem])
    catalog = load_catalog(root)
    plan, notices = preview_plan(root, stack, settings, catalog, chart=chart)
    end_stale_runs(root / RUNS)
    for notice in notices:
        console.print(notice)
    forget_accounts()
    try:
        with ended_as_interrupted():
            preview = previewed(root, plan, console.print)
    except KeyboardInterrupt:
        console.print("stopped; nothing is left running")
        return INTERRUPTED
    print_plan(console, preview, stack)
    print_orphans(root, console, stack, Deployment(catalog=catalog, settings=settings), deployed, alertmanager)
    return 0


def previewed(root: Path, plan: PreviewPlan, tell: Callable[[str], None]) -> Preview:
    """Start what the preview needs, ask the engine, and end it all."""
    with Run(root / RUNS) as run, PreviewAccount(plan, run, tell) as account:
        return account.preview()


def preview_plan(
    root: Path, stack: str, settings: Settings, catalog: Catalog, *, chart: str | None
) -> tuple[PreviewPlan, list[str]]:
    """Return what is previewed, and what a person has to know of how it differs from the account's own preview."""
    notices = ["No account is asked: secrets and addresses are invented, and everything is shown as new."]
    configuration: dict[str, Any] = network_setting(settings)
    if settings.network.from_stack is not None:
        source = settings.network.from_stack.stack
        notices.append(f"network: invented, since the outputs of stack {source} cannot be read here")
    if not settings.paging:
        notices.append(f"PagerDuty: {NOT_PAGED}")
    notices += silence_notices(catalog, settings, datetime.now(UTC))
    setting, notice = choose_chart(root, chart)
    if setting["source"] != "repository":
        notices.append(notice)
        grafana = {} if setting["source"] == "file" else {"grafana": False}
        configuration["monitoring"] = {"chart": {"version": None, "repository": None, **setting}, **grafana}
    platform = build_platform(catalog, settings)
    plan = PreviewPlan(
        project=root,
        stack=stack,
        account_id=settings.aws.account_id,
        region=settings.aws.region,
        cluster_name=settings.cluster.name,
        network=network_of(settings),
        people=platform.on_call.people if settings.paging else (),
        configuration=configuration,
        secrets=secrets_of(platform),
    )
    return plan, notices


def print_plan(console: Console, preview: Preview, stack: str) -> None:
    """Print every resource below its component, then the warnings and the counts.

    A line is never broken or cut, whatever the width: it is read in pull requests too.
    """
    rows = {
        component: [
            (SIGNS.get(step.operation, step.operation), _type(step.type), _called(step), step.name) for step in steps
        ]
        for component, steps in _by_component(preview.steps).items()
    }
    widths = [max((len(row[at]) for one in rows.values() for row in one), default=0) for at in range(4)]
    for component, lines in rows.items():
        console.print(f"\n[bold]{component}[/] ({len(lines)})")
        for row in lines:
            text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            console.print(f"  {text.rstrip()}", markup=False)
    console.print()
    for warning in preview.result.warnings:
        console.print(f"[yellow]warning[/]: {escape(warning)}")
    counts = Counter({operation: count for operation, count in preview.result.changes.items() if count})
    told = ", ".join(f"{count} to {operation}" for operation, count in sorted(counts.items()))
    console.print(f"{stack}: {counts.total()} resources: {told}. Nothing was made.")


def _by_component(steps: tuple[Progress, ...]) -> dict[str, list[Progress]]:
    """Return the steps by the component at the top that they belong to: a child is named after its parent.

    A component that makes nothing in this stack is there with no steps.
    """
    tops = sorted((step.name for step in steps if _depth(step) == 1 and step.type.startswith("orion:")), key=len)
    grouped: dict[str, list[Progress]] = {}
    for step in steps:
        if step.type == "pulumi:pulumi:Stack":
            continue
        if step.name in tops:
            grouped.setdefault(step.name, [])
            continue
        owner = next((top for top in reversed(tops) if step.name.startswith(f"{top}-")), step.type.split(":")[0])
        grouped.setdefault(owner, []).append(step)
    return grouped


def _depth(step: Progress) -> int:
    types = step.urn.split("::")[2]
    return len([one for one in types.split("$") if one != "pulumi:pulumi:Stack"])


def _type(token: str) -> str:
    """Return a type as a person says it: `aws sns Topic`, `kubernetes rbac Role`, `pagerduty Service`."""
    package, module, name = token.split(":")
    group = module.split("/")[0].split(".")[0]
    return f"{package} {name}" if package in {"orion", "pulumi", "pagerduty"} else f"{package} {group} {name}"


def _called(step: Progress) -> str:
    """Return what the cloud will call it, where that is known."""
    metadata = step.inputs.get("metadata")
    named = cast("Mapping[str, Any]", metadata if isinstance(metadata, dict) else step.inputs)
    names = [named[key] for key in ("namespace", "name", "bucket") if isinstance(named.get(key), str)]
    known = [name for name in names if name != UNKNOWN]
    return "/".join(known) or "-"
