"""Lambda: permissions to invoke a function, and the URL at which a function is invoked by HTTP."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import urlsplit

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TEXT, Document, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine

_GONE = ("ResourceNotFoundException",)
BUFFERED = "BUFFERED"


def _create_permission(aws: Aws, wanted: Wanted) -> str:
    asked: Document = dict(wanted.document)
    statement = str(wanted.inputs["statementId"])
    if "qualifier" in wanted.inputs:
        asked["Qualifier"] = wanted.inputs["qualifier"]
    aws.lambda_.add_permission(StatementId=statement, **asked)
    return statement


@gone_as_none(*_GONE)
def _find_permission(aws: Aws, wanted: Wanted) -> Found | None:
    function = wanted.inputs.get("function") or wanted.state.get("function")
    policy = json.loads(aws.lambda_.get_policy(FunctionName=str(function))["Policy"])
    found = [one for one in policy["Statement"] if one["Sid"] == wanted.id]
    if not found:
        return None
    principal: Any = found[0]["Principal"]
    if isinstance(principal, dict):
        principal = next(iter(cast("Document", principal).values()))
    outputs = {"statementId": wanted.id, "function": function}
    return Found(document={"Action": found[0]["Action"], "Principal": principal}, outputs=outputs)


@gone_is_fine(*_GONE)
def _delete_permission(aws: Aws, wanted: Wanted) -> None:
    aws.lambda_.remove_permission(FunctionName=wanted.inputs["function"], StatementId=wanted.id)


PERMISSION = AwsType(
    token="aws:lambda/permission:Permission",  # noqa: S106 - a type's token
    cloudformation="AWS::Lambda::Permission",
    fields=properties(
        "action",
        "eventSourceToken",
        "functionUrlAuthType",
        "invokedViaFunctionUrl",
        "principal",
        "sourceAccount",
        "sourceArn",
        function="FunctionName",
        principalOrgId="PrincipalOrgID",
        qualifier=without_twin("CloudFormation has it in the function's name", TEXT),
        statementId=without_twin("CloudFormation makes it up", {"type": "string", "pattern": "^[a-zA-Z0-9-_]{1,100}$"}),
    ),
    name="statementId",
    create=_create_permission,
    find=_find_permission,
    delete=_delete_permission,
)


def _create_url(aws: Aws, wanted: Wanted) -> str:
    function = str(wanted.inputs["functionName"])
    aws.lambda_.create_function_url_config(FunctionName=function, **_url_settings(wanted))
    return function


def _url_settings(wanted: Wanted) -> Any:
    return {name: value for name, value in wanted.document.items() if name != "TargetFunctionArn"}


@gone_as_none(*_GONE)
def _find_url(aws: Aws, wanted: Wanted) -> Found:
    config = aws.lambda_.get_function_url_config(FunctionName=wanted.id)
    url = config["FunctionUrl"]
    document = {
        "AuthType": config["AuthType"],
        # moto keeps no default as AWS spells it.
        "InvokeMode": config.get("InvokeMode", BUFFERED).upper(),
        "TargetFunctionArn": wanted.inputs.get("functionName", wanted.id),
    }
    outputs = {"functionArn": config["FunctionArn"], "functionUrl": url, "urlId": _url_id(url)}
    return Found(document=document, outputs=outputs)


def _url_id(url: str) -> str:
    """Return a URL's id: the first label of its host, or its path on the sandbox's one host."""
    parts = urlsplit(url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]


def _update_url(aws: Aws, wanted: Wanted) -> None:
    aws.lambda_.update_function_url_config(FunctionName=wanted.id, **_url_settings(wanted))


@gone_is_fine(*_GONE)
def _delete_url(aws: Aws, wanted: Wanted) -> None:
    aws.lambda_.delete_function_url_config(FunctionName=wanted.id)


FUNCTION_URL = AwsType(
    token="aws:lambda/functionUrl:FunctionUrl",  # noqa: S106 - a type's token
    cloudformation="AWS::Lambda::Url",
    fields=properties(
        "invokeMode",
        authorizationType="AuthType",
        functionName="TargetFunctionArn",
    ),
    defaults={"invokeMode": BUFFERED},
    computed=("functionArn", "functionUrl", "urlId"),
    create=_create_url,
    find=_find_url,
    update=_update_url,
    delete=_delete_url,
)

TYPES = (PERMISSION, FUNCTION_URL)
