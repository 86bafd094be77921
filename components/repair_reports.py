"""Rights and settings that the repair functions share: asking how a command ended, and reporting it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.policies import Statement
from orion_common.names import Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReports:
    """Topics that hear how repairs end: one for everybody, and one for each team."""

    notification_topic_arn: pulumi.Input[str]
    team_topic_arns: Mapping[str, pulumi.Input[str]]

    def statements(self) -> tuple[Statement, ...]:
        """Return what a role needs to ask for outcomes and to publish them."""
        return (
            Statement(
                sid="AskForOutcomes",
                actions=["ssm:ListCommandInvocations", "ssm:GetCommandInvocation"],
                # A command has no ARN.
                resources=["*"],
            ),
            Statement(
                sid="PublishResults",
                actions=["sns:Publish"],
                resources=[self.notification_topic_arn, *self.team_topic_arns.values()],
            ),
        )

    def environment(self) -> Mapping[Variable, pulumi.Input[str]]:
        """Return the environment variables by which a function finds the topics."""
        return {
            Variable.NOTIFICATION_TOPIC_ARN: self.notification_topic_arn,
            Variable.TEAM_TOPIC_ARNS: pulumi.Output.json_dumps(dict(self.team_topic_arns), sort_keys=True),
        }
