"""Polls one queue for one function, as an event source mapping does: batches, partial failures, bounded concurrency.

What a function handled is deleted; what failed stays, becomes visible again, and after its receives are used up goes
to the dead-letter queue by SQS itself.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import Queue
from typing import TYPE_CHECKING, Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.credentials import REGION
from sandbox.functions.process import FunctionFailed, FunctionProcess, current_process
from sandbox.journal import Journal, Kind

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

SOURCE = "functions"
POLL_SECONDS = 0.15
WAIT_SECONDS = 2
"""Long polling: a request for messages is answered when there is one, and after this time without."""
RECEIVED_AT_ONCE = 10
STOP_SECONDS = 5.0
DEFAULT_CONCURRENCY = 5
REPORT_FAILURES = "ReportBatchItemFailures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """An event source mapping. Durations are real seconds."""

    uuid: str
    function: str
    queue_arn: str
    queue_url: str
    batch_size: int
    window_seconds: float
    visibility_seconds: int
    concurrency: int
    reports_failures: bool


def report_error(cloudwatch: CloudWatchClient, function: str) -> None:
    """Emit the metric that Lambda emits for an invocation that failed as a whole."""
    cloudwatch.put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "Errors",
                "Dimensions": [{"Name": "FunctionName", "Value": function}],
                "Value": 1,
                "Unit": "Count",
            }
        ],
    )


class EventSource:
    """One mapping's poller and its workers, each of which has a process of the function."""

    def __init__(
        self,
        mapped: Mapped,
        *,
        sqs: SQSClient,
        cloudwatch: CloudWatchClient,
        process: Callable[[], FunctionProcess],
        journal: Journal,
    ) -> None:
        """`process` returns a new process of the function as it is deployed now."""
        self.mapped = mapped
        self._cloudwatch = cloudwatch
        self._sqs = sqs
        self._process = process
        self._journal = journal
        self._stopped = threading.Event()
        self._free = threading.Semaphore(mapped.concurrency)
        self._batches: Queue[Sequence[MessageTypeDef] | None] = Queue()
        self._poller = threading.Thread(target=self._poll, name=f"poll {mapped.function}", daemon=True)
        self._workers = [
            threading.Thread(target=self._work, name=f"run {mapped.function} {number}", daemon=True)
            for number in range(mapped.concurrency)
        ]

    def start(self) -> None:
        """Begin polling."""
        for thread in (self._poller, *self._workers):
            thread.start()

    def end(self) -> None:
        """Ask the poller to end, without waiting for it."""
        self._stopped.set()

    def stop(self) -> None:
        """Take no more messages and end the processes once what they do is done."""
        self.end()
        if self._poller.ident is not None:
            self._poller.join(STOP_SECONDS)
        # After the last batch, which is worked too: what was received would otherwise stay invisible for long.
        for _ in self._workers:
            self._batches.put(None)
        for worker in self._workers:
            if worker.ident is not None:
                worker.join(STOP_SECONDS)

    def _poll(self) -> None:
        while not self._stopped.is_set():
            if not self._free.acquire(timeout=POLL_SECONDS):
                continue
            try:
                batch = self._collect()
            except (ClientError, BotoCoreError) as error:
                # The queue may be gone, or not be there yet; the runtime ends this poller when its mapping goes.
                self._journal.append(SOURCE, Kind.REQUEST_REFUSED, {"queue": self._queue}, reason=str(error))
                batch = []
                self._stopped.wait(1)
            if batch:
                self._batches.put(batch)
            else:
                self._free.release()

    @property
    def _queue(self) -> str:
        return self.mapped.queue_arn.rsplit(":", maxsplit=1)[-1]

    def _collect(self) -> list[MessageTypeDef]:
        """Return a batch: full, or as much of one as there was when the batching window closed."""
        batch: list[MessageTypeDef] = []
        closes_at: float | None = None
        while len(batch) < self.mapped.batch_size and not self._stopped.is_set():
            received = self._sqs.receive_message(
                QueueUrl=self.mapped.queue_url,
                MaxNumberOfMessages=min(RECEIVED_AT_ONCE, self.mapped.batch_size - len(batch)),
                VisibilityTimeout=self.mapped.visibility_seconds,
                # An open batch closes on time, so it waits here and not there.
                WaitTimeSeconds=0 if batch else WAIT_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            batch += received
            if not batch:
                break
            closes_at = closes_at or time.monotonic() + self.mapped.window_seconds
            if time.monotonic() >= closes_at:
                break
            if not received:
                self._stopped.wait(min(POLL_SECONDS, self.mapped.window_seconds))
        return batch

    def _work(self) -> None:
        process: FunctionProcess | None = None
        for batch in iter(self._batches.get, None):
            try:
                process = current_process(process, self._process())
                self._invoke(process, batch)
            except (FunctionFailed, ClientError, BotoCoreError, httpx.HTTPError) as error:
                # Everything stays in the queue.
                self._journal.append(
                    SOURCE, Kind.FUNCTION_INVOKED, self._ids(), messages=len(batch), failed=len(batch), error=str(error)
                )
            finally:
                self._free.release()
        if process is not None:
            process.stop()

    def _ids(self) -> dict[str, str]:
        return {"function": self.mapped.function, "queue": self._queue}

    def _invoke(self, process: FunctionProcess, batch: Sequence[MessageTypeDef]) -> None:
        started = time.time()
        try:
            answer = process.invoke({"Records": [_record(message, self.mapped.queue_arn) for message in batch]})
        except FunctionFailed:
            report_error(self._cloudwatch, self.mapped.function)
            raise
        failed = self._failed(answer, batch)
        done = [message for message in batch if message.get("MessageId") not in failed]
        self._delete(done)
        self._journal.append(
            SOURCE,
            Kind.FUNCTION_INVOKED,
            self._ids(),
            messages=len(batch),
            failed=len(batch) - len(done),
            seconds=round(time.time() - started, 3),
        )

    def _failed(self, answer: Any, batch: Sequence[MessageTypeDef]) -> set[str]:
        """Return the ids of the messages that failed. An answer that Lambda does not understand fails them all."""
        if not self.mapped.reports_failures or answer is None:
            return set()
        everything = {message.get("MessageId", "") for message in batch}
        if not isinstance(answer, dict):
            return everything
        failures = answer.get("batchItemFailures") or []
        if not isinstance(failures, list):
            return everything
        failed = {failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures}
        return {str(one) for one in failed} if failed <= everything else everything

    def _delete(self, messages: Sequence[MessageTypeDef]) -> None:
        for start in range(0, len(messages), RECEIVED_AT_ONCE):
            self._sqs.delete_message_batch(
                QueueUrl=self.mapped.queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.get("ReceiptHandle", "")}
                    for number, message in enumerate(messages[start : start + RECEIVED_AT_ONCE])
                ],
            )


def _record(message: MessageTypeDef, queue_arn: str) -> Mapping[str, Any]:
    body = message.get("Body", "")
    return {
        "messageId": message.get("MessageId", ""),
        "receiptHandle": message.get("ReceiptHandle", ""),
        "body": body,
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: {
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value.get("DataType", "String"),
            }
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }
