"""Entry of chat's function."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from botocore.config import Config

from chatops.chat import Chat
from chatops.configuration import ChatData, Configuration, Credentials
from chatops.episode import Policy
from chatops.episode_store import EpisodeStore
from chatops.pagerduty_api import PagerDutyApi
from chatops.slack_api import SlackApi
from chatops.stop_items import StopItems
from chatops.wiring import Services, make_chat
from orion_common.aws_answers import aws_session
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
        Made.chat, Made.at = _made(Configuration.from_environment(os.environ)), time.time()
    return Made.chat


def _made(configuration: Configuration) -> Chat:
    """Return what handles messages, with the credentials as they are now."""
    session = aws_session()
    secrets = session.client("secretsmanager", config=CLIENT)
    credentials = Credentials.from_json(secrets.get_secret_value(SecretId=configuration.secret)["SecretString"])
    data = ChatData.from_json(DATA.read_text())
    policy = Policy(
        responders=frozenset(),
        approvers=frozenset(),
        replicas=configuration.alertmanager_replicas,
        waits=data.waits,
    )
    s3 = session.client("s3", config=CLIENT)
    table = session.resource("dynamodb", config=CLIENT).Table(configuration.table)
    services = Services(
        slack=SlackApi(token=credentials.slack_token, address=configuration.slack_api),
        pagerduty=PagerDutyApi(
            token=credentials.pagerduty_token,
            sender=credentials.pagerduty_sender,
            address=configuration.pagerduty_api,
        ),
        store=EpisodeStore(table=table, policy=policy),
        stop_items=StopItems(table=table),
        functions=session.client("lambda", config=ALERTMANAGER_CLIENT),
        s3=s3,
        sqs=session.client("sqs", config=CLIENT),
        region=s3.meta.region_name,
        observer=OBSERVER,
        now=time.time,
    )
    return make_chat(configuration, data, policy, services)


def _handle(body: str, message_id: str, deadline: float) -> None:
    replace(chat(), deadline=deadline).handle(body, message_id)


handler = queue_handler(OBSERVER, _handle)
