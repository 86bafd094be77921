"""Connects Slack's stand-in with chat's ingress, and returns the settings and secrets of chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.clouds.slack.workspace import TEAM
from sandbox.credentials import Credentials
from sandbox.seed_data import send_interactions

INTERACTIONS_PATH = "/slack/interactions"
"""The path at the ingress that a person gives to Slack's app (docs/episodes.md)."""


@dataclass(frozen=True, slots=True)
class ChatConnection:
    """The stand-ins of a run. `ingress` is the URL of the function that Slack reports to."""

    slack: str
    pagerduty: str
    ingress: str
    credentials: Credentials

    def endpoints(self) -> Mapping[str, str]:
        """Return the addresses of both APIs, as the setting `endpoints` has them."""
        return {"pagerduty": self.pagerduty, "slack": f"{self.slack}/api"}

    def settings(self, sender: str) -> Mapping[str, str]:
        """Return the settings of chat. `sender` is the email of the person in whose name notes are added."""
        return {"slack_workspace": TEAM, "pagerduty_sender": sender}

    def connect(self) -> Mapping[str, Any]:
        """Have clicks sent to the ingress, and return the secrets of chat."""
        send_interactions(self.slack, self.ingress.rstrip("/") + INTERACTIONS_PATH, self.credentials)
        return {
            "slackBotToken": self.credentials.slack_bot_token,
            "slackSigningSecrets": [self.credentials.slack_signing_secret],
            "pagerdutyChatToken": self.credentials.pagerduty_token,
        }
