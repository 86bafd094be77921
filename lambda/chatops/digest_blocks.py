"""A digest as Slack's Block Kit: how many incidents, which alerts of which services, worst first, and what has ended.

It has no buttons: whoever acts on an incident does so in its thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from chatops.channel import Digest, Listed
from chatops.slack_blocks import HEADER_LIMIT, SEVERITY_COLORS
from chatops.slack_text import escaped, plain

MOST_LINES = 20
LINES_OF_A_SECTION = 10
"""A section holds 3,000 characters: ten lines at their longest."""
MOST_SERVICES = 5
MOST_ENDED = 12
TITLE_LIMIT = 60
SERVICE_LIMIT = 30
_WORST = ("critical", "high", "warning", "info")

Payload = dict[str, Any]


def digest_payload(digest: Digest) -> Payload:
    """Return the arguments of `chat.postMessage` and `chat.update` that show a digest."""
    sections = [
        {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in _sections(digest)
    ]
    header = {"type": "plain_text", "text": plain(digest_title(digest), HEADER_LIMIT), "emoji": False}
    return {
        "text": _notification_text(digest),
        "blocks": [{"type": "header", "text": header}],
        "attachments": [{"color": _color(digest), "blocks": sections}],
    }


def plain_digest(digest: Digest) -> Payload:
    """Return the arguments that show a digest without blocks, for when Slack refuses these."""
    return {"text": _notification_text(digest), "blocks": [], "attachments": []}


def digest_title(digest: Digest) -> str:
    """Return the title, `[FIRING:45] 47 incidents at once`."""
    still_open = sum(item.is_open for item in digest.listed)
    state = f"FIRING:{still_open}" if still_open else "RESOLVED"
    return f"[{state}] {len(digest.listed)} incidents at once"


def _notification_text(digest: Digest) -> str:
    return f"{digest_title(digest)}: {_by_severity(digest.listed)}"


def _color(digest: Digest) -> str:
    still_open = [item.severity for item in digest.listed if item.is_open]
    return SEVERITY_COLORS.get(min(still_open, key=_badness), "good") if still_open else "good"


def _badness(severity: str) -> int:
    return _WORST.index(severity) if severity in _WORST else len(_WORST)


def _by_severity(listed: Sequence[Listed]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for item in listed:
        counts[item.severity] += 1
    ordered = sorted(counts.items(), key=lambda count: (_badness(count[0]), count[0]))
    most = [f"{number} {escaped(severity, SERVICE_LIMIT) or 'without severity'}" for severity, number in ordered]
    return ", ".join(most[:MOST_SERVICES])


def _sections(digest: Digest) -> Iterator[str]:
    lines = list(_lines([item for item in digest.listed if item.is_open]))
    left_out = lines[MOST_LINES:]
    for start in range(0, min(len(lines), MOST_LINES), LINES_OF_A_SECTION):
        yield "\n".join(lines[start : start + LINES_OF_A_SECTION])
    if left_out:
        yield f"And {len(left_out)} more alerts, which their threads show."
    if note := "\n".join(_notes(digest)):
        yield note


def _lines(still_open: Sequence[Listed]) -> Iterator[str]:
    """Yield a line for each alert, with its services: one fault often sets an alert off in many of them."""
    alerts: dict[tuple[str, str], list[Listed]] = defaultdict(list)
    for item in still_open:
        alerts[item.severity, item.title].append(item)
    worst_first = sorted(alerts.items(), key=lambda alert: (_badness(alert[0][0]), -len(alert[1]), alert[0]))
    for (severity, title), items in worst_first:
        services = list(dict.fromkeys(item.service for item in items if item.service))
        named = ", ".join(escaped(service, SERVICE_LIMIT) for service in services[:MOST_SERVICES])
        more = f" and {len(services) - MOST_SERVICES} more" if len(services) > MOST_SERVICES else ""
        count = f" ({len(items)})" if len(items) > 1 else ""
        where = f": {named}{more}" if named else ""
        yield f"• *{escaped(severity, SERVICE_LIMIT) or 'none'}* {escaped(title, TITLE_LIMIT)}{count}{where}"


def _notes(digest: Digest) -> Iterator[str]:
    waiting = sum(item.is_open and not item.has_thread for item in digest.listed)
    if waiting:
        yield f"{waiting} of them have no thread yet: Slack takes about one message a second in a channel."
    resolved = [item for item in digest.listed if not item.is_open]
    unthreaded = [item for item in resolved if not item.has_thread]
    if len(resolved) > len(unthreaded):
        yield f"{len(resolved) - len(unthreaded)} have resolved, as their threads show."
    if unthreaded:
        named = "; ".join(_name(item) for item in unthreaded[:MOST_ENDED])
        more = f"; and {len(unthreaded) - MOST_ENDED} more" if len(unthreaded) > MOST_ENDED else ""
        yield f"{len(unthreaded)} resolved before they had a thread, and get none: {named}{more}."


def _name(item: Listed) -> str:
    service = f" ({escaped(item.service, SERVICE_LIMIT)})" if item.service else ""
    return f"{escaped(item.title, TITLE_LIMIT)}{service}"
