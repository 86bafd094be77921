"""Makes what handles chat's messages out of the services that it talks to, the same in Lambda and in tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatops.alertmanager_client import AlertmanagerClient
from chatops.archive_client import ArchiveClient
from chatops.chat import Chat, known_group
from chatops.clients import Clients
from chatops.configuration import ChatData, Configuration
from chatops.digests import Digests
from chatops.episode import Policy
from chatops.paced_slack import PacedSlack
from chatops.pagerduty_api import PagerDutyApi
from chatops.pagerduty_client import PagerDutyClient
from chatops.reminders import digest_reminder
from chatops.repair_function import RepairFunction
from chatops.slack_api import SlackApi
from chatops.slack_client import SlackClient
from chatops.stop_items import StopItems
from chatops.store import Store
from orion_common.message_archive import MessageArchive
from orion_common.observer import Observer

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services that chat talks to. `functions` is Lambda's client, `now` returns Unix seconds."""

    slack: SlackApi
    pagerduty: PagerDutyApi
    store: Store
    stop_items: StopItems
    functions: LambdaClient
    s3: S3Client
    sqs: SQSClient
    region: str
    observer: Observer
    now: Callable[[], float]


def make_chat(configuration: Configuration, data: ChatData, policy: Policy, services: Services) -> Chat:
    """Return what handles messages. The people of the `policy` are those of a click, and nobody otherwise."""
    store, sqs, now = services.store, services.sqs, services.now
    slack = SlackClient(api=services.slack, now=now)
    pagerduty = PagerDutyClient(
        api=services.pagerduty, email_of=slack.email_of, group_of=lambda key: known_group(store, key), now=now
    )
    remind = digest_reminder(sqs, configuration.queue_url, services.observer)
    digests = Digests(slack=slack, store=store, now=now, remind=remind)
    return Chat(
        data=data,
        workspace=configuration.workspace,
        policy=policy,
        store=store,
        clients=Clients(
            chat=PacedSlack(digests=digests),
            pagerduty=pagerduty,
            alertmanager=AlertmanagerClient(
                client=services.functions, function=configuration.alertmanager_function, group_of=data.group_of
            ),
            commands=RepairFunction(sqs=sqs, queue_url=configuration.repair_queue_url, stop_items=services.stop_items),
            archive=ArchiveClient(
                s3=services.s3,
                audit_bucket=configuration.audit_bucket,
                drafts_bucket=configuration.diagnostics_bucket,
                region=services.region,
            ),
        ),
        digests=digests,
        slack=slack,
        pagerduty=pagerduty,
        archive=MessageArchive(s3=services.s3, bucket=configuration.diagnostics_bucket),
        observer=services.observer,
        sqs=sqs,
        queue_url=configuration.queue_url,
        now=now,
    )
