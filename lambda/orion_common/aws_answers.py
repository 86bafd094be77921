"""Sessions of boto3 whose clients take no answer that AWS has not written.

botocore reads another server's page, such as a proxy's, as an answer without content: a write would seem to have
succeeded, and an item that exists would seem to be missing.

WrongAnswer   the answer is not one of AWS: the operation may have happened or not
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError
from botocore.model import OperationModel

REQUEST_ID_HEADERS = ("x-amzn-requestid", "x-amz-request-id")
"""Every answer of AWS has one of these; the second is that of S3."""


class WrongAnswer(BotoCoreError):
    """An answer is not one that AWS writes. Like a lost one, it leaves open what happened."""

    fmt = "{operation}: {found}; allowed: an answer of AWS"


def aws_session(**arguments: Any) -> boto3.session.Session:
    """Return a session, whose clients raise `WrongAnswer`."""
    session = boto3.session.Session(**arguments)
    session.events.register("before-parse", _refuse_wrong_answer)
    return session


def field_of_answer(answer: object, name: str) -> Any:
    """Return what AWS always answers, though its types leave it open. Raises `WrongAnswer` where it does not."""
    if not isinstance(answer, dict) or name not in answer:
        raise WrongAnswer(operation=name, found="nothing of that name in the answer")
    return answer[name]


def _refuse_wrong_answer(*, operation_model: OperationModel, response_dict: Mapping[str, Any], **_: object) -> None:
    if response_dict["status_code"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return  # a load balancer may have written it, and botocore raises an error for it
    headers = {str(name).lower() for name in response_dict["headers"]}
    if headers.isdisjoint(REQUEST_ID_HEADERS):
        raise WrongAnswer(operation=operation_model.name, found="an answer without the id of a request")
    is_json = operation_model.service_model.metadata.get("protocol") == "json"
    if is_json and not response_dict["body"].lstrip().startswith(b"{"):
        raise WrongAnswer(operation=operation_model.name, found="an answer that is no JSON object")
