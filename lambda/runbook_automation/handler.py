"""The function's entry: one message of the queue after another, failed ones reported by themselves."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from runbook_automation.alertmanager import AlertmanagerApi
from runbook_automation.automation import Automation
from runbook_automation.commands import Commands
from runbook_automation.configuration import MARGIN_SECONDS, Configuration, Remediations
from runbook_automation.counts import Count
from runbook_automation.publisher import Publisher
from runbook_automation.store import RepairStore

SERVICE = "runbook_automation"
REMEDIATIONS = Path(__file__).resolve().parent.parent / "remediations.json"

logger = Logger(service=SERVICE)
metrics = Metrics(namespace="OrionAlerting", service=SERVICE)
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

_CLIENT = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
_ONE_TRY = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
"""`SendCommand` takes no token: the SDK's own second try may be a second command."""


class _Powertools:
    """Counts become metrics, what is said a log line."""

    def count(self, what: Count, number: int = 1) -> None:
        """Count something."""
        metrics.add_metric(name=what.value, unit=MetricUnit.Count, value=number)

    def say(self, text: str, **details: object) -> None:
        """Write something down."""
        logger.info(text, extra={"details": details})


@cache
def automation() -> Automation:
    """Return what handles messages, made once for as long as the function's process lives."""
    configuration = Configuration.from_environment(os.environ)
    session = boto3.session.Session()
    return Automation(
        mode=configuration.mode,
        region=configuration.region,
        remediations=Remediations.from_json(REMEDIATIONS.read_text()),
        store=RepairStore(session.resource("dynamodb", config=_CLIENT).Table(configuration.table)),
        commands=Commands(
            client=session.client("ssm", config=_ONE_TRY),
            bastion_tag_value=configuration.bastion_tag_value,
            output_bucket=configuration.diagnostics_bucket,
            documents=configuration.documents,
        ),
        publisher=Publisher(
            sns=session.client("sns", config=_CLIENT),
            s3=session.client("s3", config=_CLIENT),
            notification_topic_arn=configuration.notification_topic_arn,
            team_topic_arns=configuration.team_topic_arns,
            bucket=configuration.diagnostics_bucket,
        ),
        alertmanager=AlertmanagerApi(address=configuration.alertmanager),
        observer=_Powertools(),
        now=time.time,
    )


def _handle_record(record: SQSRecord, lambda_context: LambdaContext) -> None:
    deadline = time.time() + lambda_context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    try:
        replace(automation(), deadline=deadline).handle(record.body, record.message_id)
    except Exception:
        # Whatever it was: the processor reports the message as failed, and says nowhere why. It is raised again.
        logger.exception("message failed", extra={"message_id": record.message_id})
        raise


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Handle a batch of the queue's messages and name those that failed."""
    return process_partial_response(event=event, record_handler=_handle_record, processor=processor, context=context)
