"""The functions' runtime: finds what is deployed, feeds it from its queues, keeps the schedules, serves the URLs."""

from __future__ import annotations

import socket
import threading
import zipfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox import loopback
from sandbox.clock import Clock
from sandbox.credentials import Credentials
from sandbox.functions.endpoint import Endpoint, Forbidden, UnknownUrl
from sandbox.functions.event_source import DEFAULT_CONCURRENCY, REPORT_FAILURES, SOURCE, EventSource, Mapped
from sandbox.functions.http_events import is_public
from sandbox.functions.invoker import Invoker
from sandbox.functions.process import FunctionFailed, FunctionProcess, FunctionVersion, runtime_libraries
from sandbox.functions.schedules import Schedules
from sandbox.journal import Journal, Kind
from sandbox.service import HttpService

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef

LOOK_SECONDS = 0.5
STOP_SECONDS = 15.0
DEFAULT_BATCH_SIZE = 10
VISIBILITY_MARGIN_SECONDS = 5
_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2}, max_pool_connections=20)


class FunctionRuntime:
    """A service: runs what is deployed behind `endpoint`, and reads it again after each change."""

    name = "functions"

    def __init__(
        self,
        endpoint: str,
        credentials: Credentials,
        clock: Clock,
        journal: Journal,
        directory: Path,
        *,
        listener: socket.socket | None = None,
    ) -> None:
        """`directory` gets the extracted zips and a log for each function, which acts with `credentials`.

        `listener` is the socket of functions' URLs and of invocations, whose address the stand-in for AWS was given.
        """
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock = clock
        self._journal = journal
        self._directory = directory.resolve()
        session = credentials.session()
        self._lambda = session.client("lambda", endpoint_url=endpoint, config=_CONFIG)
        self._sqs = session.client("sqs", endpoint_url=endpoint, config=_CONFIG)
        self._cloudwatch = session.client("cloudwatch", endpoint_url=endpoint, config=_CONFIG)
        self._s3 = session.client("s3", endpoint_url=endpoint, config=_CONFIG)
        self._schedules = Schedules(
            events=session.client("events", endpoint_url=endpoint, config=_CONFIG),
            sqs=self._sqs,
            clock=clock,
            journal=journal,
        )
        self._invoker = Invoker(process=self._deployed, cloudwatch=self._cloudwatch, journal=journal)
        called = Endpoint(self._invoker, self._called, credentials)
        self._http = HttpService("functions' URLs", called.application(), listener)
        self._sources: dict[str, EventSource] = {}
        self._extracting = threading.Lock()
        self._libraries: Path | None = None
        self._read_at: int | None = None
        self._stopped = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin looking."""
        self._libraries = runtime_libraries(self._directory)
        self._thread.start()
        self._http.start()

    def ready(self) -> bool:
        """Say whether it has looked at what is deployed at least once, and serves functions' URLs."""
        return self._looked.is_set() and self._http.ready()

    @property
    def address(self) -> str:
        """The folder with the functions' logs."""
        return str(self._directory)

    def warm(self) -> None:
        """Start a process of each function that has a URL: callers such as Slack wait for three seconds only.

        Raises `FunctionFailed`.
        """
        page = f"{self._endpoint}/sandbox/function-urls"
        answer = loopback.get(page, headers=self._credentials.signed(page), timeout=5.0)
        for function in answer.raise_for_status().json()["functions"]:
            self._invoker.warm(function)

    def stop(self) -> None:
        """Take no more messages and end every function."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        sources = list(self._sources.values())
        for source in sources:
            source.end()
        for source in sources:
            source.stop()
        self._sources.clear()
        self._http.stop()
        self._invoker.stop()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow_changes()
                self._schedules.turn()
                self._looked.set()
            except (ClientError, BotoCoreError, httpx.HTTPError) as error:
                # A queue may go between two looks. It is written down, and the next look finds what is there.
                self._journal.append(SOURCE, Kind.REQUEST_REFUSED, {"endpoint": self._endpoint}, reason=str(error))
            self._stopped.wait(LOOK_SECONDS)

    def _follow_changes(self) -> None:
        """Read mappings and schedules if anything was deployed, changed or removed since they were read."""
        page = f"{self._endpoint}/sandbox/deployment-changes"
        answer = loopback.get(page, headers=self._credentials.signed(page), timeout=5.0)
        # The count is older than what is read afterwards: a change in between is read once more.
        count: int = answer.raise_for_status().json()["count"]
        if count != self._read_at:
            self._follow_mappings()
            self._schedules.read()
            self._read_at = count

    def _follow_mappings(self) -> None:
        found = {mapped.uuid: mapped for mapped in self._mappings()}
        gone = {uuid: source for uuid, source in self._sources.items() if found.get(uuid) != source.mapped}
        for source in gone.values():
            source.end()
        for uuid, source in gone.items():
            source.stop()
            del self._sources[uuid]
        for uuid, mapped in found.items():
            if uuid not in self._sources:
                self._sources[uuid] = EventSource(
                    mapped,
                    sqs=self._sqs,
                    cloudwatch=self._cloudwatch,
                    process=lambda name=mapped.function: self._deployed(name),
                    journal=self._journal,
                )
                self._sources[uuid].start()

    def _mappings(self) -> Iterator[Mapped]:
        for one in self._lambda.list_event_source_mappings()["EventSourceMappings"]:
            if one.get("State") == "Enabled" and ":sqs:" in one.get("EventSourceArn", ""):
                try:
                    yield self._mapped(one)
                except ClientError as error:
                    # Its queue or function is not there: what is deployed now may go in any order.
                    if (
                        error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                        >= HTTPStatus.INTERNAL_SERVER_ERROR
                    ):
                        raise

    def _mapped(self, one: EventSourceMappingConfigurationTypeDef) -> Mapped:
        queue_arn, function = one.get("EventSourceArn", ""), one.get("FunctionArn", "").split(":")[6]
        url = self._sqs.get_queue_url(QueueName=queue_arn.rsplit(":", maxsplit=1)[-1])["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
        timeout = self._lambda.get_function_configuration(FunctionName=function)["Timeout"]
        # A function's own timeout is not scaled, so a message must not come back while it may still be handled.
        visibility = max(self._clock.real(int(attributes["VisibilityTimeout"])), timeout + VISIBILITY_MARGIN_SECONDS)
        return Mapped(
            uuid=one.get("UUID", ""),
            function=function,
            queue_arn=queue_arn,
            queue_url=url,
            batch_size=one.get("BatchSize", DEFAULT_BATCH_SIZE),
            window_seconds=self._clock.real(one.get("MaximumBatchingWindowInSeconds", 0)),
            visibility_seconds=int(visibility),
            concurrency=one.get("ScalingConfig", {}).get("MaximumConcurrency", DEFAULT_CONCURRENCY),
            reports_failures=REPORT_FAILURES in one.get("FunctionResponseTypes", []),
        )

    def _called(self, url_id: str) -> str:
        """Return the function that a URL calls. Raises `UnknownUrl`, or `Forbidden` unless everybody may call it."""
        page = f"{self._endpoint}/sandbox/function-urls/{url_id}"
        answer = loopback.get(page, headers=self._credentials.signed(page), timeout=5.0)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise UnknownUrl(url_id)
        function: str = answer.raise_for_status().json()["function"]
        try:
            policy = self._lambda.get_policy(FunctionName=function)["Policy"]
        except self._lambda.exceptions.ResourceNotFoundException as error:
            raise Forbidden(f"{function}: has no policy") from error
        if not is_public(policy):
            raise Forbidden(f"{function}: its policy does not let everybody call its URL")
        return function

    def _deployed(self, name: str) -> FunctionProcess:
        """Return a process, not yet started, of a function as it is deployed now."""
        configuration = self._lambda.get_function_configuration(FunctionName=name)
        page = f"{self._endpoint}/sandbox/functions/{name}"
        code: Mapping[str, Any] = {
            # A key may hold other code than it did.
            "CodeSha256": configuration["CodeSha256"],
            **loopback.get(page, headers=self._credentials.signed(page), timeout=5.0).raise_for_status().json(),
        }
        function = FunctionVersion(
            name=name,
            arn=configuration["FunctionArn"],
            handler=configuration["Handler"],
            runtime=configuration["Runtime"],
            timeout_seconds=configuration["Timeout"],
            memory_megabytes=configuration["MemorySize"],
            environment=tuple(sorted(configuration.get("Environment", {}).get("Variables", {}).items())),
            code=tuple(sorted(code.items())),
        )
        if self._libraries is None:
            raise FunctionFailed(f"{name}: the runtime has not been started")
        return FunctionProcess(
            function,
            task_root=self._extracted(name, code),
            libraries=self._libraries,
            log=self._directory / f"{name}.log",
            endpoint=self._endpoint,
            credentials=self._credentials,
        )

    def _extracted(self, name: str, code: Mapping[str, Any]) -> Path:
        """Return the folder of a function's code, fetched from its bucket the first time that version is wanted."""
        mark = sha256(repr(sorted(code.items())).encode()).hexdigest()[:16]
        folder = self._directory / f"{name}-{mark}"
        with self._extracting:
            if not folder.exists():
                version = {"VersionId": code["S3ObjectVersion"]} if "S3ObjectVersion" in code else {}
                answer = self._s3.get_object(Bucket=code["S3Bucket"], Key=code["S3Key"], **version)
                package = folder.with_suffix(".zip")
                package.write_bytes(answer["Body"].read())
                unfinished = folder.with_suffix(".partial")
                with zipfile.ZipFile(package) as archive:
                    archive.extractall(unfinished)
                unfinished.replace(folder)
        return folder
