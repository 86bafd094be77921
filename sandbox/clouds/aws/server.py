"""Serves the front and moto behind it, and evaluates the alarms, from threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sqs.models import sqs_backends
from werkzeug.serving import make_server

from sandbox.clock import Clock
from sandbox.clouds.aws.alarms import SOURCE, Alarms, Sample, Sources
from sandbox.clouds.aws.clients import Clients
from sandbox.clouds.aws.cluster_access import issuer_of
from sandbox.clouds.aws.event_rules import keep_events_from_schedules
from sandbox.clouds.aws.identity import ClusterIdentities
from sandbox.clouds.aws.moto_middleware import Front
from sandbox.clouds.aws.network import make_network
from sandbox.credentials import ACCOUNT_ID, REGION, Credentials
from sandbox.guard import WsgiGuard
from sandbox.journal import Journal, Kind
from sandbox.ports import LOOPBACK, free_port

STOP_SECONDS = 10.0
ALARMS_STORY_SECONDS = 15.0
SHORTEST_ALARMS_SECONDS, LONGEST_ALARMS_SECONDS = 0.5, 5.0


def alarms_seconds(clock: Clock) -> float:
    """Return the real seconds between two evaluations of the alarms: at least four in a period of a minute."""
    return min(LONGEST_ALARMS_SECONDS, max(SHORTEST_ALARMS_SECONDS, clock.real(ALARMS_STORY_SECONDS)))


def oldest_message(queue: str, *, account_id: str, region: str) -> float | None:
    """Return since when the oldest message of a queue waits, in Unix seconds, or None where none waits.

    No API of SQS answers this, only the metric ApproximateAgeOfOldestMessage, which moto does not emit. SQS passes over
    messages that were received more than three times. Here those that were received once are passed over: they come
    back after the function's own timeout, which no time scale shortens. For the same reason a delayed message counts
    from when it can be received.
    """
    found = sqs_backends[account_id][region].queues.get(queue)
    if found is None:
        return None
    messages = list(found._messages)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the public list leaves out what is not handed out now
    waiting = [
        max(message.sent_timestamp or 0, message.delayed_until)
        for message in messages
        if not message.approximate_receive_count
    ]
    return min((milliseconds / 1000 for milliseconds in waiting), default=None)


def waiting_messages(queue: str, *, account_id: str, region: str) -> float | None:
    """Return how many messages of a queue are visible, or None without such a queue.

    SQS' API answers this too. Asking moto's own state saves two requests for each alarm and evaluation.
    """
    found = sqs_backends[account_id][region].queues.get(queue)
    return None if found is None else float(found.approximate_number_of_messages)


def function_errors(function: str, *, account_id: str, region: str) -> list[Sample]:
    """Return the errors of a function that were reported as Lambda does: when, in Unix seconds, and how many.

    CloudWatch's API answers this too. Asking moto's own state saves a request for each function and evaluation.
    """
    return [
        (point.timestamp.timestamp(), float(point.value))
        for point in cloudwatch_backends[account_id][region].metric_data
        if isinstance(point, MetricDatum)
        and (point.namespace, point.name) == ("AWS/Lambda", "Errors")
        and {(one.name, one.value) for one in point.dimensions} == {("FunctionName", function)}
    ]


class _QuietHandler(MotoRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class AwsServer:
    """AWS on a loopback port. moto's state is the process': one server a process."""

    name = "aws"

    def __init__(
        self,
        *,
        journal: Journal,
        credentials: Credentials,
        port: int | None = None,
        cluster: tuple[str, Path, Path] | None = None,
        kubectl: Path | None = None,
        account_id: str = ACCOUNT_ID,
        region: str = REGION,
        network: Sequence[str] = (),
        clock: Clock | None = None,
        function_runtime: str | None = None,
    ) -> None:
        """Take the port. moto reads the account from $MOTO_ACCOUNT_ID: give the same.

        `credentials` are the only ones whose signature is taken.

        `network` are the ids of a VPC to make and of its subnets, else the account's first one is the cluster's.

        `clock` is what alarms' periods are scaled by, the story's own timings unless given.

        `cluster` is EKS' name for the cluster, its administrator's kubeconfig, and its PKI folder.

        `function_runtime` is the address of the runtime of functions, which need not answer yet.
        """
        self._port = port or free_port()
        if network:
            make_network(account_id, region, network[0], network[1:])
        if cluster is not None:
            iam_backends[account_id]["aws"].create_open_id_connect_provider(
                issuer_of(cluster[0], region), thumbprint_list=[], client_id_list=["sts.amazonaws.com"], tags=[]
            )
        keep_events_from_schedules()
        moto = DomainDispatcherApplication(create_backend_app)
        clients = Clients.of(self.address, credentials, account_id=account_id, region=region)
        self._journal = journal
        self._front = Front(
            moto,
            clients=clients,
            credentials=credentials,
            journal=journal,
            cluster=None if cluster is None else (cluster[0], ClusterIdentities(cluster[1], cluster[2])),
            kubectl=kubectl,
            vpc_id=network[0] if network else None,
            function_runtime=function_runtime,
        )
        sources = Sources(
            published=self._front.topics.published,
            errors=lambda function: function_errors(function, account_id=account_id, region=region),
            oldest_message=lambda queue: oldest_message(queue, account_id=account_id, region=region),
            waiting_messages=lambda queue: waiting_messages(queue, account_id=account_id, region=region),
        )
        self._alarms = Alarms(clients, sources, clock or Clock(), journal)
        self._alarms_seconds = alarms_seconds(clock or Clock())
        self._stopped = threading.Event()
        self._watching = threading.Thread(target=self._watch_alarms, name="alarms", daemon=True)
        guarded = WsgiGuard(self._front, self._port)
        self._server = make_server(LOOPBACK, self._port, guarded, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="aws", daemon=True)

    @property
    def address(self) -> str:
        """The endpoint of every service."""
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Begin serving."""
        self._thread.start()
        self._watching.start()

    def ready(self) -> bool:
        """Say whether requests are answered: the port is open from the beginning."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the commands that run, and close the port."""
        self._stopped.set()
        if self._watching.ident is not None:
            self._watching.join(STOP_SECONDS)
        self._front.stop()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(STOP_SECONDS)
        self._server.server_close()

    def _watch_alarms(self) -> None:
        while not self._stopped.wait(self._alarms_seconds):
            try:
                self._alarms.turn()
            except (BotoCoreError, ClientError) as error:
                # What an alarm is about may go between two looks. The next look finds what is there.
                self._journal.append(SOURCE, Kind.REQUEST_REFUSED, {"endpoint": self.address}, reason=str(error))
