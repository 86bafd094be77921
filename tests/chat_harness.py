"""Chat with its real clients: a table and queues on moto, PagerDuty's stand-in, a Slack and Alertmanagers over HTTP."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from moto import mock_aws

from alertmanager_access.handler import carry_out
from chatops.alertmanager_replicas import AlertmanagerReplicas
from chatops.chat import Chat
from chatops.configuration import ChatData, Configuration
from chatops.episode import Episode, Policy
from chatops.episode_store import EpisodeStore
from chatops.pagerduty_api import PagerDutyApi
from chatops.record import Record
from chatops.record_codec import decode
from chatops.slack_api import SlackApi
from chatops.stop_items import StopItems
from chatops.wiring import Services, make_chat
from orion_common.group_key import deduplication_key
from sandbox.service import HttpService, wait_until_ready
from tests.http_stub import Asked, Reply, http_stub
from tests.lambda_events import create_state_table, notification
from tests.lambda_harness import BUCKET, SENT, Seen, clients
from tests.pagerduty_account import TOKEN, Events, PagerDutyAccount

WORKSPACE = "T1"
AUDIT_BUCKET = "orion-audit"
ROUTE = '{}/{severity="warning"}'
LABELS = {"alertname": "HighMemoryUsage", "service": "positions"}
KEY = deduplication_key(ROUTE, LABELS)
CONFIGURATION = Configuration(
    table="orion-state",
    diagnostics_bucket=BUCKET,
    audit_bucket=AUDIT_BUCKET,
    secret="credentials",
    queue_url="queue",
    repair_queue_url="repairs",
    alertmanager_function="access",
    alertmanager_replicas=3,
    workspace=WORKSPACE,
    slack_api="https://slack/api",
    pagerduty_api="https://pagerduty",
)
DATA: dict[str, Any] = {
    "routes": {
        "warning": {
            "key": ROUTE,
            "channel": "#orion-alerts",
            "title_prefix": "",
            "group_by": ["alertname", "cluster", "service"],
            "pages": True,
        }
    },
    "webhook_receivers": ["default"],
    "responders": ["ann@example.com", "Bob@example.com"],
    "approvers": [],
    "silences": {},
    "waits": {},
}
FINGERPRINT = "0" * 16
"""That of the first alert of a made-up notification."""


@dataclass
class Workspace:
    """A Slack with one channel, C1. `refuse` are errors by method."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    whispers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    people: dict[str, str] = field(default_factory=dict[str, str])
    refuse: dict[str, Reply] = field(default_factory=dict[str, Reply])
    limited: int = 0

    def answer(self, request: Asked) -> Reply:
        method, arguments = request.path.rpartition("/")[2], dict(request.arguments)
        if method in self.refuse:
            return self.refuse[method]
        match method:
            case "chat.postMessage":
                ts = f"{len(self.messages) + 1}.000100"
                self.messages[ts] = arguments | {"ts": ts}
                return Reply({"ok": True, "channel": "C1", "ts": ts})
            case "chat.update" if arguments["ts"] in self.messages:
                self.messages[arguments["ts"]] |= arguments
                return Reply({"ok": True})
            case "chat.postEphemeral":
                self.whispers.append((arguments["user"], arguments["text"]))
                return Reply({"ok": True})
            case "users.info":
                profile = {"email": self.people.get(arguments["user"], "")}
                return Reply({"ok": True, "user": {"profile": profile, "real_name": profile["email"]}})
            case "users.lookupByEmail":
                known = {email.casefold(): person for person, email in self.people.items()}
                person = known.get(arguments["email"].casefold())
                user = {"ok": True, "user": {"id": person}}
                return Reply(user if person else {"ok": False, "error": "users_not_found"})
            case "conversations.list":
                return Reply({"ok": True, "channels": [{"id": "C1", "name": "orion-alerts"}]})
            case "conversations.history" | "conversations.replies":
                return Reply({"ok": True, "messages": list(self.messages.values())})
            case _:
                return Reply({"ok": False, "error": "message_not_found"})

    def roots(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" not in message]

    def replies(self) -> list[str]:
        return [message["text"] for message in self.messages.values() if "thread_ts" in message]


@dataclass
class Alertmanagers:
    """Three replicas that agree. `firing` are the fingerprints of the group's alerts.

    `silenced` are the ids of silences that suppress an alert.
    """

    firing: set[str] = field(default_factory=set[str])
    silences: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    silenced: set[str] = field(default_factory=set[str])

    def lasting(self) -> list[dict[str, Any]]:
        """Return the silences that have not expired."""
        return [silence for silence in self.silences if silence["status"]["state"] != "expired"]

    def answer(self, request: Asked) -> Reply:
        started = "2026-11-24T10:00:00.000Z"
        alerts = [{"fingerprint": fingerprint, "startsAt": started} for fingerprint in sorted(self.firing)]
        match request.path.removeprefix("/api/v2/"):
            case "status":
                name = f"replica {request.connection % 3}"
                return Reply({"cluster": {"name": name}, "uptime": "2026-11-24T00:00:00.000Z"})
            case "alerts" if request.arguments.get("filter") == 'alertname="Watchdog"':
                return Reply([{"fingerprint": "w"}])
            case "alerts" if request.arguments["active"] == "false":
                return Reply([{"fingerprint": "s", "status": {"silencedBy": sorted(self.silenced)}}])
            case "alerts":
                return Reply(alerts)
            case "alerts/groups":
                return Reply([{"receiver": {"name": "warning"}, "labels": LABELS, "alerts": alerts}] if alerts else [])
            case "silences" if request.method == "POST":
                id_ = f"s{len(self.silences) + 1}"
                self.silences.append({**request.arguments, "id": id_, "status": {"state": "active"}})
                return Reply({"silenceID": id_})
            case "silences":
                return Reply(self.silences)
            case path if request.method == "DELETE":
                silence = next(one for one in self.silences if path == f"silence/{one['id']}")
                silence["status"] = {"state": "expired"}
                return Reply()
            case _:
                return Reply({}, 404)


class _InThisProcess:
    """Lambda's client, which invokes the function in the network in this process."""

    def __init__(self, replicas: AlertmanagerReplicas) -> None:
        self._replicas = replicas

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - as boto3 calls them
        del FunctionName
        return {"Payload": io.BytesIO(json.dumps(carry_out(self._replicas, json.loads(Payload))).encode())}


@dataclass
class ChatWorld:
    """Chat and what it talks to."""

    slack: Workspace
    alertmanagers: Alertmanagers
    pagerduty: PagerDutyAccount
    events: Events
    seen: Seen
    chat: Chat

    @property
    def table(self) -> Any:
        return cast("EpisodeStore", self.chat.store).table

    @property
    def time(self) -> float:
        return self.pagerduty.now.time

    @time.setter
    def time(self, value: float) -> None:
        self.pagerduty.now.time = value

    def handle(self, content: str | dict[str, Any]) -> None:
        self.chat.handle(content if isinstance(content, str) else json.dumps(content), "message-1")

    def sweep(self) -> None:
        self.handle({"source": "orion.chat.sweep"})

    def page(self) -> None:
        """Have the group fire: Alertmanager pages Ann, and notifies chat."""
        self.alertmanagers.firing = {FINGERPRINT}
        self.events.send(dedup_key=KEY)
        self.notify()

    def notify(self, status: str = "firing", *, sent: str = "2026-11-24T10:46:03.859Z", **changes: Any) -> None:
        """Send the notification that Alertmanager sends for the group."""
        content = json.loads(notification(envelope={"Timestamp": sent}, status=status, **changes))
        message = json.loads(content["Message"])
        for alert in message["notification"]["alerts"]:
            alert["status"] = status
        self.handle(json.dumps(content | {"Message": json.dumps(message)}))

    def click(self, button: str, person: str = "U012ABCD1", **changes: str) -> None:
        (root,) = self.slack.roots()
        click = {
            "workspace": WORKSPACE,
            "person": person,
            "action": button,
            "at": f"{self.time:.6f}",
            "channel": "C1",
            "message": root["ts"],
            "value": f"episode#{KEY}#1",
        }
        self.handle({"source": "orion.chat.slack", "click": click | changes})

    def webhook(self, incident: str) -> None:
        self.handle({"source": "orion.chat.pagerduty", "incident": incident})

    def episodes(self) -> list[Episode]:
        items = self.table.scan()["Items"]
        values = (decode(str(item["value"])) for item in items if "value" in item)
        return [value.episode for value in values if isinstance(value, Record)]

    def reminders(self) -> list[dict[str, Any]]:
        """Return the messages that chat has put on its own queue."""
        received = self.chat.sqs.receive_message(QueueUrl=self.chat.queue_url, MaxNumberOfMessages=10)
        return [json.loads(message.get("Body", "")) for message in received.get("Messages", [])]

    def audited(self) -> list[dict[str, Any]]:
        """Return what the audit record has, in the order of its keys."""
        s3 = clients().s3
        keys = [item.get("Key", "") for item in s3.list_objects_v2(Bucket=AUDIT_BUCKET).get("Contents", [])]
        return [json.loads(s3.get_object(Bucket=AUDIT_BUCKET, Key=key)["Body"].read()) for key in keys]

    def drafts(self) -> list[str]:
        s3 = clients().s3
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="post-incident/").get("Contents", [])
        return [s3.get_object(Bucket=BUCKET, Key=item.get("Key", ""))["Body"].read().decode() for item in listed]

    def count(self, name: str) -> int:
        counts: Counter[Any] = self.seen.counts
        return counts[name]


@contextmanager
def chat_world(folder: Path, slack_api: SlackApi | None = None) -> Generator[ChatWorld]:
    """Yield an environment of its own, whose clock stands still. Ann is on call first, and Bob second.

    With `slack_api` chat talks to that Slack, and the world's own stays empty.
    """
    slack, alertmanagers = (
        Workspace(people={"U012ABCD1": "ann@example.com", "U012ABCD2": "bob@example.com"}),
        Alertmanagers(),
    )
    account = PagerDutyAccount(folder)
    account.now.time = SENT
    levels = [(5, [("user", account.person(name))]) for name in ("ann", "bob")]
    events = account.service(account.policy(*levels))
    served = HttpService("PagerDuty", account.application)
    served.start()
    try:
        wait_until_ready(served, timeout_seconds=10)
        with mock_aws(), http_stub(slack.answer) as slack_http, http_stub(alertmanagers.answer) as alertmanager_http:
            seen = Seen()
            replicas = AlertmanagerReplicas(
                addresses=(alertmanager_http.address,), replicas=3, now=lambda: account.now.time
            )
            api = slack_api or SlackApi(token="xoxb", address=slack_http.address)
            chat = _chat(api, served.address, seen, replicas, account)
            yield ChatWorld(slack, alertmanagers, account, events, seen, chat)
    finally:
        served.stop()


def _chat(
    slack: SlackApi, pagerduty: str, seen: Seen, replicas: AlertmanagerReplicas, account: PagerDutyAccount
) -> Chat:
    aws = clients()
    s3, sqs, table = aws.s3, aws.sqs, aws.dynamodb.Table("orion-state")
    create_state_table(table.meta.client)
    s3.create_bucket(Bucket=BUCKET)
    s3.create_bucket(Bucket=AUDIT_BUCKET, ObjectLockEnabledForBucket=True)
    queue_url = sqs.create_queue(QueueName="orion-chatops")["QueueUrl"]
    repair_queue_url = sqs.create_queue(QueueName="orion-runbook-automation")["QueueUrl"]

    def now() -> float:
        return account.now.time

    policy = Policy(responders=frozenset(), approvers=frozenset())
    services = Services(
        slack=slack,
        pagerduty=PagerDutyApi(token=TOKEN, sender="ann@example.com", address=pagerduty),
        store=EpisodeStore(table=table, policy=policy, now=now),
        stop_items=StopItems(table=table),
        functions=cast("Any", _InThisProcess(replicas)),
        s3=s3,
        sqs=sqs,
        region="us-east-1",
        observer=seen,
        now=now,
    )
    configuration = replace(CONFIGURATION, queue_url=queue_url, repair_queue_url=repair_queue_url)
    return make_chat(configuration, ChatData.from_json(json.dumps(DATA)), policy, services)
