"""Entry of the function that Slack and PagerDuty call. Slack waits for three seconds, PagerDuty for five."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from botocore.config import Config

from chat_ingress.ingress import Ingress
from orion_common.aws_answers import aws_session
from orion_common.names import Variable
from orion_common.queue_handler import PowertoolsObserver

OBSERVER = PowertoolsObserver("chat_ingress")
QUICK = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})


@cache
def ingress() -> Ingress:
    """Return what answers requests, made once for as long as the function's process lives."""
    session = aws_session()
    secrets = session.client("secretsmanager", config=QUICK)
    secret = os.environ[Variable.CHAT_SIGNING_KEYS]
    return Ingress(
        read_secret=lambda: secrets.get_secret_value(SecretId=secret)["SecretString"],
        sqs=session.client("sqs", config=QUICK),
        queue_url=os.environ[Variable.CHAT_QUEUE_URL],
        observer=OBSERVER,
        now=time.time,
    )


@OBSERVER.logger.inject_lambda_context
@OBSERVER.metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request."""
    del context
    return ingress().handle(event)
