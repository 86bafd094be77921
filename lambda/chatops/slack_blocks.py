"""The root message of an episode as Slack's Block Kit and attachments, with the story's wording and colours.

An attachment holds the blocks, since only attachments have a colour. Texts of alerts are escaped and cut, and their
markup is verbatim, so that no alert mentions a person or a channel, or adds a link. Who is on call is mentioned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chatops.episode import IncidentStatus, RootMessage, Shown, WaitingRepair
from chatops.events import LIFTS, Button, stop_button
from chatops.slack_text import at_time, escaped, is_address, link, plain

HEADER_LIMIT = 150
VALUE_LIMIT = 2000
ADDRESS_LIMIT = 3000
"""The longest address of a button."""
TEXT_LIMIT = 3000
"""Slack takes 40,000 characters of text, shows 4,000, and this is shown as a whole."""
SUMMARY_LIMIT = 600
DESCRIPTION_LIMIT = 2000
NAME_LIMIT = 200
PEOPLE_LIMIT = 600

COMMAND_LIMIT = 2500
MOST_WAITING = 10
"""How many repairs have buttons at once: Slack takes 50 blocks. The others get theirs when one of these is decided."""

SEVERITY_COLORS: Mapping[str, str] = {"critical": "danger", "high": "danger", "warning": "warning"}
"""Slack's names of colours, by severity. Any other is `good`."""
MENTIONING = frozenset({"critical", "high"})
"""The severities of pages. A warning mentions nobody."""
MOST_MENTIONS = 5
LINK_PREFIX = "link-"
"""The beginning of the id of an action that opens an address: Slack reports its click, which does nothing."""
SILENCES = (Button.SILENCE_1_HOUR, Button.SILENCE_4_HOURS, Button.SILENCE_UNTIL_RESOLVED)
LABELS: Mapping[Button, str] = {
    Button.ACKNOWLEDGE: "Acknowledge",
    Button.SILENCE_1_HOUR: "Silence 1 h",
    Button.SILENCE_4_HOURS: "Silence 4 h",
    Button.SILENCE_UNTIL_RESOLVED: "Silence until resolved",
    Button.LIFT_SILENCE: "Lift silence",
    Button.ESCALATE: "Escalate",
    Button.APPROVE: "Approve",
    Button.DIAGNOSTICS: "Run diagnostics",
    Button.STOP_ACTION: "Stop this repair everywhere",
    Button.STOP_SERVICE: "Stop this service's repairs",
    Button.STOP_ALL: "Stop all repairs",
    Button.LIFT_ACTION_STOP: "Start this repair again",
    Button.LIFT_SERVICE_STOP: "Start this service's repairs again",
    Button.LIFT_STOP_OF_ALL: "Start all repairs again",
    Button.REJECT: "Reject",
    Button.NEEDED_A_HUMAN: "Needed a human: yes",
    Button.NEEDED_NO_HUMAN: "Needed a human: no",
}
STYLES: Mapping[Button, str] = {
    Button.ACKNOWLEDGE: "primary",
    Button.ESCALATE: "danger",
    Button.APPROVE: "primary",
    Button.REJECT: "danger",
    Button.STOP_ALL: "danger",
}

Payload = dict[str, Any]
NameOf = Callable[[str], str]
"""Returns the name under which a Slack user id is shown: an id in markup would mention the person."""
MentionOf = Callable[[str], str | None]
"""Returns the mention of the Slack user with an email, or None where there is none."""


def root_payload(message: RootMessage, name_of: NameOf, mention_of: MentionOf) -> Payload:
    """Return the arguments of `chat.postMessage` and `chat.update` that show a root message."""
    return {
        "text": notification_text(message),
        "blocks": [{"type": "header", "text": _plain_text(title(message), HEADER_LIMIT)}],
        "attachments": [{"color": color(message), "blocks": list(_blocks(message, name_of, mention_of))}],
    }


def plain_payload(message: RootMessage, name_of: NameOf, mention_of: MentionOf) -> Payload:
    """Return the arguments that show a root message without blocks, for when Slack refuses these."""
    lines = [notification_text(message), *_texts(message), *_facts(message, name_of, mention_of)]
    lines += [*_stops(message), *_links_as_text(message)]
    return {"text": "\n".join(lines), "blocks": [], "attachments": []}


def title(message: RootMessage) -> str:
    """Return the title, `[FIRING:2] HighP99Latency`."""
    state = message.state.value.upper()
    count = f":{message.firing}" if message.state is not Shown.RESOLVED and message.firing else ""
    return f"[{state}{count}] {message.title or 'Alert without a name'}"


def notification_text(message: RootMessage) -> str:
    """Return what a push notification shows, in one line."""
    summary = message.details.summary
    shown = escaped(title(message), NAME_LIMIT)
    return f"{shown}: {escaped(summary, SUMMARY_LIMIT)}" if summary.strip() else shown


def color(message: RootMessage) -> str:
    """Return the colour of a message's bar."""
    if message.state is Shown.RESOLVED:
        return "good"
    return SEVERITY_COLORS.get(message.details.severity, "good")


def _blocks(message: RootMessage, name_of: NameOf, mention_of: MentionOf) -> Iterator[Payload]:
    texts = list(_texts(message))
    if texts:
        yield {"type": "section", "text": _markup("\n".join(texts))}
    yield {"type": "section", "fields": [_markup(fact) for fact in _facts(message, name_of, mention_of)]}
    links = [
        {
            "type": "button",
            "action_id": f"{LINK_PREFIX}{name.lower()}",
            "text": _plain_text(name, HEADER_LIMIT),
            "url": address,
        }
        for name, address in _links(message)
    ]
    if links:
        yield {"type": "actions", "block_id": "links", "elements": links}
    for number, repair in enumerate(message.waiting[:MOST_WAITING]):
        yield {"type": "section", "text": _markup(_waiting(repair))}
        yield {
            "type": "actions",
            "block_id": f"repair-{number}",
            "elements": [_button(button, message, repair.id) for button in (Button.APPROVE, Button.REJECT)],
        }
    if len(message.waiting) > MOST_WAITING:
        left = len(message.waiting) - MOST_WAITING
        yield {"type": "section", "text": _markup(f"{left} more repairs wait for an approval.")}
    if message.stops:
        yield {"type": "section", "text": _markup("\n".join(_stops(message)))}
    buttons = [_button(button, message) for button in shown_buttons(message)]
    if buttons:
        yield {"type": "actions", "block_id": "actions", "elements": buttons}


def _waiting(repair: WaitingRepair) -> str:
    until = "" if repair.until is None else f" until {at_time(repair.until)}"
    return f"*Repair waiting for an approval{until}:* {escaped(repair.command, COMMAND_LIMIT)}"


def _texts(message: RootMessage) -> Iterator[str]:
    details = message.details
    if details.summary.strip():
        yield f"*Alert:* {escaped(details.summary, SUMMARY_LIMIT)}"
    if details.description.strip():
        yield f"*Description:* {escaped(details.description, DESCRIPTION_LIMIT)}"
    if details.more and message.state is not Shown.RESOLVED:
        yield f"This is one of {details.more + 1} alerts."


def _facts(message: RootMessage, name_of: NameOf, mention_of: MentionOf) -> Iterator[str]:
    """Yield the facts, at most ten, which is what Slack takes in a section."""
    details, incident = message.details, message.incident
    yield f"*Severity:* {escaped(details.severity or 'none', NAME_LIMIT)}"
    if details.service.strip():
        yield f"*Service:* {escaped(details.service, NAME_LIMIT)}"
    if details.value.strip():
        yield f"*Value:* {escaped(details.value, NAME_LIMIT)}"
    yield f"*Started:* {at_time(message.opened_at if details.since is None else details.since)}"
    if message.ended_at is not None:
        yield f"*Resolved:* {at_time(message.ended_at)}"
    priority = f", priority {escaped(incident.priority, NAME_LIMIT)}" if incident and incident.priority else ""
    yield f"*State:* {message.state.value}{priority}"
    if message.acknowledged_by:
        yield f"*Acknowledged by:* {escaped(', '.join(message.acknowledged_by), PEOPLE_LIMIT)}"
    if incident is not None and incident.assigned_to:
        yield f"*On call:* {_on_call(incident.assigned_to, message.details.severity, mention_of)}"
    if message.needed_human is not None:
        answer, by = message.needed_human, escaped(name_of(message.needed_human.by), NAME_LIMIT)
        yield f"*Needed a human:* {'yes' if answer.needed else 'no'}, says {by}"
    if message.silenced_until is not None:
        by = escaped(name_of(message.silenced_by or ""), NAME_LIMIT)
        yield f"*Silenced until:* {at_time(message.silenced_until)} by {by}"


def _on_call(people: Sequence[str], severity: str, mention_of: MentionOf) -> str:
    """Return who is on call: the first few as mentions, where the alert is one that wakes people."""
    first = people[:MOST_MENTIONS] if severity in MENTIONING else ()
    mentions = [mention_of(person) or escaped(person, NAME_LIMIT) for person in first]
    others = people[len(mentions) :]
    return ", ".join([*mentions, *([escaped(", ".join(others), PEOPLE_LIMIT)] if others else [])])


def _stops(message: RootMessage) -> Iterator[str]:
    for stop in message.stops:
        repairs, by = escaped(stop.scope.repairs, NAME_LIMIT), escaped(stop.by, NAME_LIMIT)
        why = escaped(stop.why, SUMMARY_LIMIT)
        yield f"*{repairs} are stopped* since {escaped(stop.since, NAME_LIMIT)} by {by} ({why})"


def _links(message: RootMessage) -> Iterator[tuple[str, str]]:
    details, incident = message.details, message.incident
    links = {
        "Runbook": details.runbook,
        "Dashboard": details.dashboard,
        "Incident": incident.url if incident is not None else "",
        "Silence": details.silence if message.state is not Shown.RESOLVED else "",
    }
    yield from ((name, address) for name, address in links.items() if is_address(address, ADDRESS_LIMIT))


def _links_as_text(message: RootMessage) -> Iterator[str]:
    yield from (f"*{name}:* {link(address, f'View {name}')}" for name, address in _links(message))


def shown_buttons(message: RootMessage) -> Iterator[Button]:
    """Yield the buttons that a message has in its state."""
    incident = message.incident
    is_open = message.state is not Shown.RESOLVED
    pages = is_open and incident is not None and incident.status is not IncidentStatus.RESOLVED
    if pages and message.state is not Shown.ACKNOWLEDGED:
        yield Button.ACKNOWLEDGE
    if is_open and message.silenced_until is None:
        yield from SILENCES
    if message.silenced_until is not None:
        yield Button.LIFT_SILENCE
    if pages:
        yield Button.ESCALATE
    if is_open:
        yield Button.DIAGNOSTICS
    yield from _stops_or_lifts(message, is_open=is_open)
    if not is_open:  # what was answered may be changed
        answer = message.needed_human
        yield from () if answer is not None and answer.needed else (Button.NEEDED_A_HUMAN,)
        yield from () if answer is not None and not answer.needed else (Button.NEEDED_NO_HUMAN,)


def _stops_or_lifts(message: RootMessage, *, is_open: bool) -> Iterator[Button]:
    """Yield the buttons that stop repairs, or lift what is stopped. A stop can be lifted in a resolved thread too."""
    held = {stop_button(stop.scope) for stop in message.stops}
    for button, lift in LIFTS.items():
        if button in held:
            yield lift
        elif is_open and message.has_repairs and (button is not Button.STOP_SERVICE or message.details.service):
            yield button


def _button(button: Button, message: RootMessage, repair: str = "") -> Payload:
    style = {"style": STYLES[button]} if button in STYLES else {}
    return {
        "type": "button",
        "action_id": button.value,
        "text": _plain_text(LABELS[button], HEADER_LIMIT),
        "value": f"{message.episode} {repair}".strip()[:VALUE_LIMIT],
        **style,
    }


def _plain_text(text: str, limit: int) -> Payload:
    return {"type": "plain_text", "text": plain(text, limit), "emoji": False}


def _markup(text: str) -> Payload:
    return {"type": "mrkdwn", "text": text, "verbatim": True}
