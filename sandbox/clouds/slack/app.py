"""The app as it is installed in the workspace: its bot, its token and what that may do, and its signing secret."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.clouds.slack.workspace import User, new_id

APP_NAME = "Orion Alerting"
BOT_NAME = "orion_alerting"
SCOPES = (
    "channels:history",
    "channels:read",
    "chat:write",
    "groups:history",
    "groups:read",
    "incoming-webhook",
    "users:read",
    "users:read.email",
)
"""The scopes that the app is installed with, unless the sandbox is told others."""
SIGNATURE_VERSION = "v0"


@dataclass(slots=True, kw_only=True)
class App:
    """An app with a bot. `request_url` is where interactions are sent; None if interactivity is off."""

    token: str
    signing_secret: str
    bot_user: User
    id: str = field(default_factory=lambda: new_id("A"))
    bot_id: str = field(default_factory=lambda: new_id("B"))
    name: str = APP_NAME
    scopes: tuple[str, ...] = SCOPES
    request_url: str | None = None

    def signed(self, body: str, now: float) -> Mapping[str, str]:
        """Return the headers that prove to the app that a request comes from Slack, now."""
        timestamp = str(int(now))
        text = f"{SIGNATURE_VERSION}:{timestamp}:{body}".encode()
        digest = hmac.new(self.signing_secret.encode(), text, hashlib.sha256).hexdigest()
        return {
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"{SIGNATURE_VERSION}={digest}",
        }

    def knows(self, token: str) -> bool:
        """Return whether this is the app's token."""
        return hmac.compare_digest(token.encode(), self.token.encode())
