"""A stack of the Automation API that asks the engine only for what is read: each question starts a process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation._stack import StackInitMode  # it is exported nowhere else

from sandbox.pulumi_command import PulumiCommand


class _Workspace(automation.LocalWorkspace):
    def stack_outputs(self, stack_name: str) -> dict[str, automation.OutputValue]:
        """Return the outputs in plain text. The Automation API asks twice, to say which of them are secret."""
        command = ["stack", "output", "--json", "--show-secrets", "--stack", stack_name]
        outputs: Mapping[str, Any] = json.loads(self._run_pulumi_cmd_sync(command).stdout)
        return {name: automation.OutputValue(value=value, secret=True) for name, value in outputs.items()}


class QuickStack(automation.Stack):
    """A stack without a history: an operation's result is what its events say."""

    def info(self, show_secrets: bool = True) -> automation.UpdateSummary:  # noqa: FBT001, FBT002, ARG002 - the API's own
        """Return an empty summary."""
        return automation.UpdateSummary(
            kind="", start_time=datetime.now(UTC), message="", environment={}, config={}, result=""
        )


def quick_stack(
    name: str, program: automation.PulumiFn, *, work: Path, home: Path, command: PulumiCommand
) -> QuickStack:
    """Return the stack of the project whose files are in `work`; it is created if it is not there yet."""
    workspace = _Workspace(
        work_dir=str(work),
        pulumi_home=str(home),
        program=program,
        pulumi_command=command,
        env_vars=command.environment,
    )
    return QuickStack(name, workspace, StackInitMode.CREATE_OR_SELECT)
