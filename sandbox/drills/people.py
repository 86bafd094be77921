"""Acts as people do in Slack and in PagerDuty: clicks a button of a thread, acknowledges an incident."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox import loopback
from sandbox.credentials import Credentials

REQUEST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who has an account at the stand-ins at these addresses."""

    slack: str
    pagerduty: str
    credentials: Credentials

    def click(self, person: str, channel: str, ts: str, button: str) -> None:
        """Click a button of a message on Slack's page. `person` is an email, or the name of a user who has none.

        Raises `LookupError` where the message has no such button, and `httpx.HTTPStatusError` where the page refuses.
        """
        user = self.slack_user(person)
        channel_id = next(
            one["id"] for one in self._all("conversations.list", "channels") if f"#{one['name']}" == channel
        )
        history = self._ask("conversations.history", channel=channel_id, latest=ts, inclusive="true", limit="1")
        for message in history["messages"]:
            for block, action in _buttons(message):
                if message["ts"] == ts and action == button:
                    form = {"as": user, "channel": channel_id, "ts": ts, "block": block, "action": action}
                    # As the page's own form is sent: it names where it comes from.
                    answer = loopback.post(
                        f"{self.slack}/click", data=form, headers={"Origin": self.slack}, timeout=REQUEST_SECONDS
                    )
                    if not answer.is_redirect:
                        answer.raise_for_status()
                    return
        raise LookupError(f"the message {ts} of {channel} has no button {button!r}")

    def slack_user(self, person: str) -> str:
        """Return the id of a Slack user. `person` is an email, or the name of a user who has none."""
        return next(user["id"] for user in self._all("users.list", "members") if _is(user, person))

    def acknowledge(self, person: str, incident: str) -> None:
        """Acknowledge an incident in PagerDuty. Raises `httpx.HTTPStatusError` where PagerDuty refuses."""
        loopback.request(
            "PUT",
            f"{self.pagerduty}/incidents/{incident}",
            json={"incident": {"type": "incident_reference", "status": "acknowledged"}},
            headers={**self.credentials.pagerduty_headers(), "From": person},
            timeout=REQUEST_SECONDS,
        ).raise_for_status()

    def _all(self, method: str, name: str) -> list[dict[str, Any]]:
        return self._ask(method, limit="1000")[name]

    def _ask(self, method: str, **arguments: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.credentials.slack_bot_token}"}
        address = f"{self.slack}/api/{method}"
        answer = (
            loopback.get(address, params=arguments, headers=headers, timeout=REQUEST_SECONDS).raise_for_status().json()
        )
        if not answer["ok"]:
            raise LookupError(f"{method}: {answer['error']}")
        return answer


def _is(user: dict[str, Any], person: str) -> bool:
    return person in {user.get("profile", {}).get("email"), user.get("name")}


def _buttons(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the ids of the block and of the action of each button."""
    attached = [block for attachment in message.get("attachments", ()) for block in attachment.get("blocks", ())]
    for block in (*message.get("blocks", ()), *attached):
        if block["type"] == "actions":
            yield from ((block["block_id"], element["action_id"]) for element in block["elements"])
