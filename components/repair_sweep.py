"""Lambda function that looks for repairs whose outcome was never heard of, once a minute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi

from alerting.settings import Settings
from components.function import Function, FunctionArgs, FunctionSpec
from components.function_alarms import ErrorsAlarm, QueueAlarms
from components.function_package import FunctionPackage, build_function_package
from components.function_queue import RuleFeed
from components.naming import SWEEP_FUNCTION, SWEEP_RULE
from components.repair_reports import RepairReports
from components.state import State
from orion_common.names import BY_STATUS, SWEEP_SOURCE, Variable

PACKAGES = ("orion_common", "runbook_automation", "repair_sweep")
"""The packages of `lambda/` that the function's zip holds."""
SCHEDULE = RuleFeed(
    key="schedule",
    sid="Sweep",
    rule=SWEEP_RULE,
    description="Looks for repairs whose outcome was never heard of",
    schedule="rate(1 minute)",
    message={"source": SWEEP_SOURCE},
)
QUEUE_ALARMS = QueueAlarms(
    given_up=(
        "The sweep failed five times for the same minute, and left repairs that nobody was told of: "
        'docs/repairs.md, "When messages fail"'
    ),
    waiting='Nothing runs the sweep: lost repairs are not reported. docs/repairs.md, "When messages wait"',
)
ERRORS_ALARM = ErrorsAlarm(
    description='The sweep fails again and again: lost repairs are not reported. docs/repairs.md, "When messages wait"',
    # A new message comes every minute, so that three failures are two minutes apart.
    minutes=5,
)


def build_sweep_package(source_root: Path, folder: Path) -> FunctionPackage:
    """Build the sweep's zip in `folder`."""
    return build_function_package(source_root, PACKAGES, folder, SWEEP_FUNCTION, data={})


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairSweepArgs:
    """Inputs of the sweep: settings, its zip, the state, and the topics that it reports to."""

    settings: Settings
    package: FunctionPackage
    state: State
    key_arn: pulumi.Input[str]
    reports: RepairReports
    alarm_topic_arn: pulumi.Input[str]


class RepairSweep(Function):
    """The sweep's function. It ends and reports repairs, and has no right to begin one."""

    def __init__(self, name: str, args: RepairSweepArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("RepairSweep", name, opts)
        state = args.state
        made = self.make_function(
            FunctionArgs(
                spec=FunctionSpec(
                    settings=args.settings,
                    function=SWEEP_FUNCTION,
                    title="repair sweep",
                    description="Reports repairs whose outcome was never heard of",
                    role_description="Repair sweep: reads open repairs, asks for outcomes, publishes results",
                    policy="sweep",
                    handler="repair_sweep.handler.handler",
                    package=args.package,
                    errors_alarm=ERRORS_ALARM,
                ),
                code=state.code,
                key_arn=args.key_arn,
                alarm_topic_arn=args.alarm_topic_arn,
                feeds=[SCHEDULE],
                statements=[
                    state.write_statement("KeepState", "dynamodb:UpdateItem"),
                    state.query_statement("FindState", BY_STATUS),
                    *args.reports.statements(),
                ],
                environment={
                    Variable.REPAIR_TABLE: state.table_name,
                    **args.reports.environment(),
                },
            ),
            QUEUE_ALARMS,
        )
        self.function_arn = made.function_arn
        self.register_outputs({"functionArn": self.function_arn})
