"""Chat with its real clients, whose transports answer in this process: quick enough for each fault of each service.

`FaultWorld` is a queue, a schedule, a table, a bucket, a Slack, a PagerDuty and an Alertmanager. One service at a
time is faulty, and a function may be killed at any of its calls.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from botocore.exceptions import ClientError, ReadTimeoutError
from urllib3 import PoolManager

from alertmanager_access.handler import carry_out
from chatops import alertmanager_replicas
from chatops.chat import Chat
from chatops.clients import Unavailable
from chatops.configuration import ChatData
from chatops.episode import Episode, EpisodeId, Policy
from chatops.http_json import JsonHttp
from chatops.pagerduty_api import PagerDutyApi
from chatops.record import Record, due_at
from chatops.slack_api import SlackApi
from chatops.stop_items import StopItems
from chatops.store import Conflict, Put, Versioned
from chatops.wiring import Services, make_chat
from orion_common.aws_answers import WrongAnswer
from tests.chat_harness import CONFIGURATION, DATA, FINGERPRINT, KEY, WORKSPACE, Alertmanagers, Workspace
from tests.fault_backends import Connection, Fault, HttpAnswer, PagerDuty, Pool, Service, time_text
from tests.http_stub import Asked, Reply
from tests.lambda_events import notification
from tests.lambda_harness import SENT, Seen

VISIBILITY_SECONDS = 180.0
RECEIVES = 5
ANN = "U012ABCD1"
READING = frozenset({"users.info", "users.lookupByEmail", "conversations.list"})
"""The methods of Slack's that a client may call any number of times."""


class Killed(BaseException):
    """The function is killed. It is no `Exception`, so that no code under test catches it."""


@dataclass
class _Message:
    body: str
    at: float
    receives: int = 0


@dataclass
class FaultWorld:
    """Chat and what it talks to, while `service` has a `fault` until a time."""

    time: float = SENT
    service: Service | None = None
    fault: Fault = Fault.TIME_OUT
    faulty_until: float = 0.0
    kill_at: tuple[int, bool] | None = None
    """At which of its effects the function is killed, and whether after it."""
    effects: int = 0
    copies: int = 1
    """How often the queue delivers each message."""
    slack: Workspace = field(default_factory=lambda: Workspace(people={ANN: "ann@example.com"}))
    alertmanagers: Alertmanagers = field(default_factory=Alertmanagers)
    items: dict[str, Versioned] = field(default_factory=dict[str, Versioned])
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    seen: Seen = field(default_factory=Seen)
    queue: list[_Message] = field(default_factory=list[_Message])
    given_up: list[str] = field(default_factory=list[str])
    connections: int = 0
    pagerduty: PagerDuty = field(init=False)
    chat: Chat = field(init=False)

    def __post_init__(self) -> None:
        self.pagerduty = PagerDuty(now=self.now)
        self.chat = self._chat()

    def now(self) -> float:
        return self.time

    def call(self, act: Callable[[], Any], *, writes: bool) -> Any:
        """Let a service act. Raises `Killed` where the function is killed at this effect."""
        if not writes:
            return act()
        self.effects += 1
        number, after = self.kill_at or (0, False)
        if number == self.effects and not after:
            raise Killed
        answer = act()
        if number == self.effects:
            raise Killed
        return answer

    def fault_of(self, service: Service) -> Fault | None:
        return self.fault if service is self.service and self.time < self.faulty_until else None

    def be_faulty(self, service: Service, fault: Fault, seconds: float) -> None:
        self.service, self.fault, self.faulty_until = service, fault, self.time + seconds

    def http(self, service: Service, request: Asked) -> HttpAnswer | None:
        """Return the answer of an HTTP service, or None where there is none in time."""
        backends = {
            Service.SLACK: self.slack.answer,
            Service.PAGERDUTY: self.pagerduty.answer,
            Service.ALERTMANAGER: self.alertmanagers.answer,
        }
        fault = self.fault_of(service)
        read = request.method == "GET" or request.path.rpartition("/")[2] in READING
        match fault:
            case None | Fault.LOST:
                reply = self.call(lambda: backends[service](request), writes=not read)
            case Fault.TIME_OUT:
                return None
            case Fault.LIMITED:
                reply = Reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "7"})
            case Fault.SERVER_ERROR:
                reply = Reply({"ok": False}, 503)
            case Fault.NOT_JSON:
                reply = Reply(b"<html>")
            case Fault.OTHER_SHAPE:
                reply = Reply({"ok": True})
        if fault is Fault.LOST:
            return None
        content = reply.content if isinstance(reply.content, bytes) else json.dumps(reply.content).encode()
        return HttpAnswer(reply.status, content, reply.headers)

    def aws(self, service: Service, operation: str, act: Callable[[], Any], *, writes: bool = True) -> Any:
        """Return AWS' answer. Raises what boto3 does."""
        fault = self.fault_of(service)
        match fault:
            case None:
                return self.call(act, writes=writes)
            case Fault.LOST:
                self.call(act, writes=writes)
                raise ReadTimeoutError(endpoint_url=service)
            case Fault.TIME_OUT:
                raise ReadTimeoutError(endpoint_url=service)
            case Fault.LIMITED | Fault.SERVER_ERROR:
                code = "ThrottlingException" if fault is Fault.LIMITED else "InternalServerError"
                raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
            case Fault.NOT_JSON | Fault.OTHER_SHAPE:
                raise WrongAnswer(operation=operation, found="an answer without the id of a request")

    def send(self, content: Mapping[str, Any] | str, at: float | None = None) -> None:
        """Put a message on chat's queue."""
        body = content if isinstance(content, str) else json.dumps(content)
        self.queue += [_Message(body, self.time if at is None else at) for _ in range(self.copies)]

    def run(self, until: float, every: float = 60.0) -> None:
        """Have chat handle its queue's messages, and the schedule's, until a time."""
        sweep_at = self.time + every
        while True:
            message = min(self.queue, key=lambda message: message.at, default=None)
            if message is not None and message.at <= sweep_at:
                self.time = max(self.time, message.at)
                self._receive(message)
            elif sweep_at > until:
                self.time = until
                return
            else:
                self.time = max(self.time, sweep_at)
                self._handle(json.dumps({"source": "orion.chat.sweep"}))
                sweep_at += every

    def _receive(self, message: _Message) -> None:
        self.queue.remove(message)
        if self._handle(message.body):
            return
        message.receives += 1
        message.at = self.time + VISIBILITY_SECONDS
        (self.given_up.append(message.body) if message.receives == RECEIVES else self.queue.append(message))

    def _handle(self, body: str) -> bool:
        try:
            self.chat.handle(body, "message-1")
        except (Exception, Killed):  # noqa: BLE001 - whatever it is, the queue delivers the message again
            return False
        return True

    def fire(self) -> None:
        """Have the group fire: Alertmanager pages Ann, and notifies chat."""
        self.alertmanagers.firing = {FINGERPRINT}
        self.pagerduty.open()
        self.send(self.notification("firing"))

    def resolve(self) -> None:
        self.alertmanagers.firing = set()
        self.send(self.notification("resolved"))

    def notification(self, status: str, **of_alert: Any) -> str:
        """Return a notification of the group, with fields of its alert changed."""
        content = json.loads(notification(envelope={"Timestamp": time_text(self.time)}, status=status))
        message = json.loads(content["Message"])
        for alert in message["notification"]["alerts"]:
            alert |= {"status": status, **of_alert}
        return json.dumps(content | {"Message": json.dumps(message)})

    def click(self, button: str, **changes: str) -> None:
        click = {
            "workspace": WORKSPACE,
            "person": ANN,
            "action": button,
            "at": f"{self.time:.6f}",
            "channel": "C1",
            "message": self.slack.roots()[0]["ts"],
            "value": f"episode#{KEY}#1",
        }
        self.send({"source": "orion.chat.slack", "click": click | changes})

    def episodes(self) -> list[Episode]:
        return [item.value.episode for item in self.items.values() if isinstance(item.value, Record)]

    def read(self, key: str) -> Versioned | None:
        return self._table("GetItem", lambda: self.items.get(key))

    def write(self, *puts: Put) -> None:
        def write() -> None:
            for put in puts:
                known = self.items.get(put.key)
                if (known.version if known else 0) != put.version:
                    raise Conflict(put.key)
            self.items.update({put.key: Versioned(put.value, put.version + 1) for put in puts})

        self._table("TransactWriteItems", write)

    def due(self, now: float) -> Sequence[EpisodeId]:
        records = [item.value for item in self.items.values() if isinstance(item.value, Record)]
        times = {record.episode.id: due_at(record, self.chat.policy) for record in records}
        return self._table("Query", lambda: [id_ for id_, at in times.items() if at and at <= now])

    def _table(self, operation: str, act: Callable[[], Any]) -> Any:
        try:
            return self.aws(Service.DYNAMODB, operation, act, writes=False)
        except (ReadTimeoutError, ClientError, WrongAnswer) as error:  # as `EpisodeStore` does
            raise Unavailable(str(error)) from error

    def send_message(self, *, QueueUrl: str, MessageBody: str, DelaySeconds: int) -> None:  # noqa: N803 - boto3's
        del QueueUrl
        self.aws(Service.SQS, "SendMessage", lambda: self.send(MessageBody, self.time + DelaySeconds))

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **options: Any) -> None:  # noqa: N803 - boto3's
        def put() -> None:
            if "IfNoneMatch" in options and f"{Bucket}/{Key}" in self.objects:
                raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": ""}}, "PutObject")
            self.objects[f"{Bucket}/{Key}"] = Body

        self.aws(Service.S3, "PutObject", put)

    def connection(self, _: str) -> Connection:
        """Return a connection to the next of the Alertmanagers."""
        self.connections += 1
        return Connection(self, self.connections)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's
        """Run the function in the network in this process, over connections that are none."""
        del FunctionName
        replicas = alertmanager_replicas.AlertmanagerReplicas(addresses=("http://a",), replicas=1, now=self.now)
        return {"Payload": io.BytesIO(json.dumps(carry_out(replicas, json.loads(Payload))).encode())}

    def _chat(self) -> Chat:
        policy = Policy(responders=frozenset(), approvers=frozenset(), replicas=1)
        slack = JsonHttp(service="Slack", pool=cast("PoolManager", Pool(self, Service.SLACK)))
        pagerduty = JsonHttp(service="PagerDuty", pool=cast("PoolManager", Pool(self, Service.PAGERDUTY)))
        sender, fake = "bob@example.com", cast("Any", self)
        services = Services(
            slack=SlackApi(token="xoxb", address=CONFIGURATION.slack_api, http=slack),
            pagerduty=PagerDutyApi(token="t", sender=sender, address=CONFIGURATION.pagerduty_api, http=pagerduty),
            store=self,
            stop_items=StopItems(table=fake),
            functions=fake,
            s3=fake,
            sqs=fake,
            region="us-east-1",
            observer=self.seen,
            now=self.now,
        )
        configuration = replace(CONFIGURATION, diagnostics_bucket="drafts", audit_bucket="audit")
        return make_chat(configuration, ChatData.from_json(json.dumps(DATA)), policy, services)
