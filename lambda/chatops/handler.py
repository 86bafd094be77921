"""Entry of chat's function."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from botocore.config import Config

from chatops.alertmanager_client import AlertmanagerClient
from chatops.archive_client import ArchiveClient
from chatops.chat import Chat, known_group
from chatops.clients import Clients
from chatops.configuration import ChatData, Configuration, Credentials
from chatops.digests import Digests
from chatops.episode import Policy
from chatops.episode_store import EpisodeStore
from chatops.paced_slack import PacedSlack
from chatops.pagerduty_api import PagerDutyApi
from chatops.pagerduty_client import PagerDutyClient
from chatops.reminders import digest_reminder
from chatops.repair_function import RepairFunction
from chatops.slack_api import SlackApi
from chatops.slack_client import SlackClient
from orion_common.aws_answers import aws_session
from orion_common.message_archive import MessageArchive
from orion_common.names import CHAT_FILE
from orion_common.queue_handler import CLIENT, PowertoolsObserver, queue_handler

DATA = Path(__file__).resolve().parent.parent / CHAT_FILE
OBSERVER = PowertoolsObserver("chatops")
CREDENTIALS_SECONDS = 300
"""How long credentials are used before they are read again: a new token works without a deployment."""
ALERTMANAGER_CLIENT = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 1})


class Made:
    """The object that handles messages, and the time at which its credentials were read."""

    chat: Chat | None = None
    at: float = 0.0


def chat() -> Chat:
    """Return what handles messages, made once in a while for as long as the function's process lives."""
    if Made.chat is None or time.time() - Made.at > CREDENTIALS_SECONDS:
        Made.chat, Made.at = make_chat(Configuration.from_environment(os.environ)), time.time()
    return Made.chat


def make_chat(configuration: Configuration) -> Chat:
    """Return what handles messages, with the credentials as they are now."""
    session = aws_session()
    secrets = session.client("secretsmanager", config=CLIENT)
    credentials = Credentials.from_json(secrets.get_secret_value(SecretId=configuration.secret)["SecretString"])
    data = ChatData.from_json(DATA.read_text())
    policy = Policy(responders=frozenset(), approvers=frozenset(), replicas=configuration.alertmanager_replicas)
    store = EpisodeStore(table=session.resource("dynamodb", config=CLIENT).Table(configuration.table), policy=policy)
    slack = SlackClient(api=SlackApi(token=credentials.slack_token, address=configuration.slack_api))
    pagerduty = PagerDutyClient(
        api=PagerDutyApi(
            token=credentials.pagerduty_token,
            sender=credentials.pagerduty_sender,
            address=configuration.pagerduty_api,
        ),
        email_of=slack.email_of,
        group_of=lambda key: known_group(store, key),
    )
    sqs = session.client("sqs", config=CLIENT)
    remind = digest_reminder(sqs, configuration.queue_url, OBSERVER)
    digests = Digests(slack=slack, store=store, now=time.time, remind=remind)
    alertmanager = AlertmanagerClient(
        client=session.client("lambda", config=ALERTMANAGER_CLIENT),
        function=configuration.alertmanager_function,
        group_of=data.group_of,
    )
    s3 = session.client("s3", config=CLIENT)
    archive = ArchiveClient(
        s3=s3,
        audit_bucket=configuration.audit_bucket,
        drafts_bucket=configuration.diagnostics_bucket,
        region=s3.meta.region_name,
    )
    return Chat(
        data=data,
        workspace=configuration.workspace,
        policy=policy,
        store=store,
        clients=Clients(
            chat=PacedSlack(digests=digests),
            pagerduty=pagerduty,
            alertmanager=alertmanager,
            commands=RepairFunction(sqs=sqs, queue_url=configuration.repair_queue_url),
            archive=archive,
        ),
        digests=digests,
        slack=slack,
        pagerduty=pagerduty,
        archive=MessageArchive(s3=s3, bucket=configuration.diagnostics_bucket),
        observer=OBSERVER,
        sqs=sqs,
        queue_url=configuration.queue_url,
        now=time.time,
    )


def _handle(body: str, message_id: str, deadline: float) -> None:
    replace(chat(), deadline=deadline).handle(body, message_id)


handler = queue_handler(OBSERVER, _handle)
