"""Rights and settings that the repair functions share: asking how a command ended, and reporting it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from alerting.settings import ChatMode, Settings
from components.naming import CHAT_FUNCTION, arn, queue_url
from components.policies import Statement
from orion_common.names import Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReports:
    """Destinations of repairs' ends: a topic for everybody, one for each team, and chat's queue where chat is on."""

    settings: Settings
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
            *self._chat_statements(),
        )

    def _chat_statements(self) -> tuple[Statement, ...]:
        if self.settings.chat is not ChatMode.ON:
            return ()
        queue_arn = arn(self.settings, "sqs", CHAT_FUNCTION)
        return (Statement(sid="TellChat", actions=["sqs:SendMessage"], resources=[queue_arn]),)

    def environment(self) -> Mapping[Variable, pulumi.Input[str]]:
        """Return the environment variables by which a function finds the topics and the queue."""
        is_on = self.settings.chat is ChatMode.ON
        chat = {Variable.CHAT_QUEUE_URL: queue_url(self.settings, CHAT_FUNCTION)} if is_on else {}
        return {
            **chat,
            Variable.NOTIFICATION_TOPIC_ARN: self.notification_topic_arn,
            Variable.TEAM_TOPIC_ARNS: pulumi.Output.json_dumps(dict(self.team_topic_arns), sort_keys=True),
        }
