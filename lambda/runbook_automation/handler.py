"""The repair function's entry."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

from orion_common.alertmanager import AlertmanagerApi
from orion_common.aws_answers import aws_session
from orion_common.message_archive import MessageArchive
from orion_common.names import REMEDIATIONS_FILE
from orion_common.queue_handler import CLIENT, ONE_TRY, PowertoolsObserver, queue_handler
from runbook_automation.automation import Automation
from runbook_automation.chat_queue import ChatQueue
from runbook_automation.command_results import CommandResults
from runbook_automation.commands import Commands
from runbook_automation.configuration import Configuration, Remediations
from runbook_automation.publisher import Publisher
from runbook_automation.store import RepairStore

REMEDIATIONS = Path(__file__).resolve().parent.parent / REMEDIATIONS_FILE
OBSERVER = PowertoolsObserver("runbook_automation")


@cache
def automation() -> Automation:
    """Return what handles messages, made once for as long as the function's process lives."""
    configuration = Configuration.from_environment(os.environ)
    session = aws_session()
    # `SendCommand` takes no token: the SDK's own second try may be a second command.
    ssm = session.client("ssm", config=ONE_TRY)
    return Automation(
        mode=configuration.mode,
        region=configuration.region,
        remediations=Remediations.from_json(REMEDIATIONS.read_text()),
        store=RepairStore(session.resource("dynamodb", config=CLIENT).Table(configuration.table)),
        commands=Commands(
            client=ssm,
            bastion_tag_value=configuration.bastion_tag_value,
            output_bucket=configuration.diagnostics_bucket,
            documents=configuration.documents,
        ),
        results=CommandResults(client=ssm),
        publisher=Publisher(
            sns=session.client("sns", config=CLIENT),
            notification_topic_arn=configuration.notification_topic_arn,
            team_topic_arns=configuration.team_topic_arns,
        ),
        chat=ChatQueue(sqs=session.client("sqs", config=CLIENT), url=configuration.chat_queue_url),
        archive=MessageArchive(s3=session.client("s3", config=CLIENT), bucket=configuration.diagnostics_bucket),
        alertmanager=AlertmanagerApi(address=configuration.alertmanager),
        observer=OBSERVER,
        now=time.time,
    )


def _handle(body: str, message_id: str, deadline: float) -> None:
    replace(automation(), deadline=deadline).handle(body, message_id)


handler = queue_handler(OBSERVER, _handle)
