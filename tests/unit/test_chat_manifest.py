"""The Slack app's manifest: the scopes that the client's methods need, and the ingress' own path."""

from __future__ import annotations

import ast
import re
from typing import Any

import yaml

from orion_common.names import SLACK_PATH
from tests.alerting_data import ROOT

SCOPES_OF = {
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "chat.delete": {"chat:write"},
    "chat.postEphemeral": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history"},
    "conversations.replies": {"channels:history", "groups:history"},
    "conversations.list": {"channels:read", "groups:read"},
    "users.info": {"users:read", "users:read.email"},
    "users.lookupByEmail": {"users:read.email"},
}
"""The scopes that Slack documents for each method, for public and private channels."""
METHOD = re.compile(r"(chat|conversations|users)\.[a-zA-Z.]+")


def _manifest() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docs" / "slack-app-manifest.yaml").read_text())


def test_the_app_has_the_scopes_that_the_client_needs_and_no_others() -> None:
    tree = ast.parse((ROOT / "lambda" / "chatops" / "slack_client.py").read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    methods = {text for text in texts if METHOD.fullmatch(text)}

    assert methods == SCOPES_OF.keys()
    assert set(_manifest()["oauth_config"]["scopes"]["bot"]) == set[str]().union(*SCOPES_OF.values())


def test_slack_sends_clicks_to_the_ingress() -> None:
    interactivity = _manifest()["settings"]["interactivity"]

    assert interactivity == {"is_enabled": True, "request_url": f"CHAT_ADDRESS{SLACK_PATH}"}
