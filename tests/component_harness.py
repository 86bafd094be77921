"""The components of AWS as they are made with mocks, and what their policies say."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pulumi

from alerting.settings import ChatMode, Settings
from components.bastion import Bastion, BastionArgs, BastionSpec
from components.event_bus import EventBus, EventBusArgs, EventBusSpec
from components.repair_reports import RepairReports
from components.repair_sweep import RepairSweep, RepairSweepArgs
from components.runbook_automation import RunbookAutomation, RunbookAutomationArgs, RunbookAutomationSpec
from components.state import State, StateArgs
from sandbox.mocked_program import Answers, Run, run_program
from tests.component_data import package, providers, repairs, settings

SNS = "arn:aws:sns:us-east-1:123456789012"
SQS = "arn:aws:sqs:us-east-1:123456789012"
KEY = "arn:aws:kms:us-east-1:123456789012:key/key"
EVENTS = "arn:aws:events:us-east-1:123456789012:rule"
QUEUE = f"{SQS}:orion-runbook-automation"
DEAD_LETTERS = f"{SQS}:orion-runbook-automation-dead-letters"
FUNCTION_NAME = "orion-runbook-automation"
SWEEP_NAME = "orion-repair-sweep"

Statements = dict[str, dict[str, Any]]


def deployed(
    make: Callable[[Settings, pulumi.ResourceOptions], object],
    *,
    preview: bool = False,
    answers: Answers | None = None,
    stack: Settings | None = None,
) -> Run:
    stack = stack or settings()
    return run_program(lambda: make(stack, providers(stack)), preview=preview, answers=answers)


def event_bus(*, preview: bool = False) -> Run:
    """Return the event bus, made once for all tests that read it."""
    return _event_bus(preview)


@cache
def _event_bus(preview: bool) -> Run:  # noqa: FBT001 - called above
    spec = EventBusSpec(settings=settings(), teams=repairs().teams)
    return deployed(
        lambda _, options: EventBus("event-bus", EventBusArgs(spec=spec), options),
        preview=preview,
    )


@cache
def _package_folder() -> Path:
    """Return the folder of the functions' zip. It is removed when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="orion-package-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def automation(*, preview: bool = False, alertmanager_api: str | None = None, chat: ChatMode = ChatMode.OFF) -> Run:
    """Return the state and both functions on it, made once for all tests that read them."""
    return _automation(preview, alertmanager_api, chat)


@cache
def _automation(preview: bool, alertmanager_api: str | None, chat: ChatMode) -> Run:  # noqa: FBT001 - called above
    def make(stack: Settings, options: pulumi.ResourceOptions) -> None:
        stack = stack.model_copy(update={"alertmanager_api": alertmanager_api, "chat": chat})
        state = State("state", StateArgs(settings=stack, key_arn=KEY), options)
        reports = RepairReports(
            settings=stack,
            notification_topic_arn=f"{SNS}:orion-notifications",
            team_topic_arns={team: f"{SNS}:orion-team-{team}" for team in ("trading", "platform")},
        )
        args = RunbookAutomationArgs(
            spec=RunbookAutomationSpec(settings=stack, repairs=repairs(), package=package(_package_folder())),
            namespace="monitoring",
            state=state,
            key_arn=KEY,
            alert_topic_arn=f"{SNS}:orion-alerts",
            reports=reports,
            alarm_topic_arn=f"{SNS}:orion-alarms",
        )
        RunbookAutomation("runbook-automation", args, options)
        sweep = RepairSweepArgs(
            settings=stack,
            package=package(_package_folder()),
            state=state,
            key_arn=KEY,
            reports=reports,
            alarm_topic_arn=f"{SNS}:orion-alarms",
        )
        RepairSweep("repair-sweep", sweep, options)

    return deployed(make, preview=preview)


def bastion(*, preview: bool = False, answers: Answers | None = None, stack: Settings | None = None) -> Run:
    """Return the bastion, made once for all tests that read it where neither answers nor a stack are given."""
    return _bastion(preview) if answers is None and stack is None else _made_bastion(preview, answers, stack)


@cache
def _bastion(preview: bool) -> Run:  # noqa: FBT001 - called above
    return _made_bastion(preview, None, None)


def _made_bastion(preview: bool, answers: Answers | None, stack: Settings | None) -> Run:  # noqa: FBT001 - as above

    def make(stack: Settings, options: pulumi.ResourceOptions) -> None:
        args = BastionArgs(
            spec=BastionSpec(settings=stack, repairs=repairs()),
            namespace="monitoring",
            diagnostics_bucket_arn="arn:aws:s3:::orion-diagnostics-123456789012",
            key_arn=KEY,
        )
        Bastion("bastion", args, options)

    return deployed(make, preview=preview, answers=answers, stack=stack)


def statements(text: str) -> Statements:
    return {statement["Sid"]: statement for statement in json.loads(text)["Statement"]}


def assert_narrow(allowed: Statements, *, except_for: tuple[str, ...] = ()) -> None:
    """No action and no resource is a bare wildcard, but for statements whose action has no resource to name."""
    for sid, statement in allowed.items():
        assert all(action != "*" and not action.endswith(":*") for action in statement["Action"]), sid
        if sid not in except_for:
            assert "*" not in statement["Resource"], sid
            assert all(resource.startswith("arn:aws:") for resource in statement["Resource"]), sid
