"""The entry of a function that a queue feeds: a message at a time, failed ones reported by themselves.

Counts become CloudWatch metrics, and what a function reports becomes a line of its log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from orion_common.deadlines import deadline_of
from orion_common.names import METRICS_NAMESPACE

CLIENT = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
ONE_TRY = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
"""For operations that take no client token, of which the SDK's own second try may be a second effect."""

Handler = Callable[[dict[str, Any], Any], PartialItemFailureResponse]


class PowertoolsObserver:
    """Turns counts into metrics, and reports into log lines."""

    def __init__(self, service: str) -> None:
        self.logger = Logger(service=service)
        self.metrics = Metrics(namespace=METRICS_NAMESPACE, service=service)

    def count(self, what: StrEnum, number: int = 1) -> None:
        """Count something."""
        self.metrics.add_metric(name=what.value, unit=MetricUnit.Count, value=number)

    def measure(self, what: StrEnum, seconds: float) -> None:
        """Report how long something took: CloudWatch keeps every value, for percentiles."""
        self.metrics.add_metric(name=what.value, unit=MetricUnit.Seconds, value=seconds)

    def say(self, text: str, **details: object) -> None:
        """Write a line to the log."""
        self.logger.info(text, extra={"details": details})


def queue_handler(observer: PowertoolsObserver, handle: Callable[[str, str, float], object]) -> Handler:
    """Return the handler of a function that a queue feeds.

    `handle` takes a message's body, its id, and the time after which it begins nothing more. A message that it raises
    an error for is reported as failed, and the queue delivers it again.
    """
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

    def handle_record(record: SQSRecord, lambda_context: LambdaContext) -> None:
        deadline = deadline_of(time.time(), lambda_context.get_remaining_time_in_millis())
        try:
            handle(record.body, record.message_id, deadline)
        except Exception:
            # Whatever it was: the processor reports the message as failed, and says nowhere why. It is raised again.
            observer.logger.exception("message failed", extra={"message_id": record.message_id})
            raise

    @observer.logger.inject_lambda_context
    @observer.metrics.log_metrics
    def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
        """Handle a batch of the queue's messages and name those that failed."""
        return process_partial_response(event=event, record_handler=handle_record, processor=processor, context=context)

    return handler
