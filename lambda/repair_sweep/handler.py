"""Entry of the function that sweeps repairs."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from functools import cache

from orion_common.aws_answers import aws_session
from orion_common.names import Variable
from orion_common.queue_handler import CLIENT, PowertoolsObserver, queue_handler
from repair_sweep.sweep import RepairSweep
from runbook_automation.chat_queue import ChatQueue
from runbook_automation.command_results import CommandResults
from runbook_automation.outcomes import Outcomes
from runbook_automation.publisher import Publisher
from runbook_automation.store import RepairStore

OBSERVER = PowertoolsObserver("repair_sweep")


@cache
def repair_sweep() -> RepairSweep:
    """Return what handles messages, made once for as long as the function's process lives."""
    session = aws_session()
    return RepairSweep(
        outcomes=Outcomes(
            store=RepairStore(session.resource("dynamodb", config=CLIENT).Table(os.environ[Variable.REPAIR_TABLE])),
            results=CommandResults(client=session.client("ssm", config=CLIENT)),
            publisher=Publisher(
                sns=session.client("sns", config=CLIENT),
                notification_topic_arn=os.environ[Variable.NOTIFICATION_TOPIC_ARN],
                team_topic_arns=json.loads(os.environ[Variable.TEAM_TOPIC_ARNS]),
            ),
            chat=ChatQueue(sqs=session.client("sqs", config=CLIENT), url=os.environ.get(Variable.CHAT_QUEUE_URL)),
            observer=OBSERVER,
            now=time.time,
        )
    )


def _handle(body: str, _: str, deadline: float) -> None:
    replace(repair_sweep(), deadline=deadline).handle(body)


handler = queue_handler(OBSERVER, _handle)
