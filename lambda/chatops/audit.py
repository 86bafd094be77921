"""The audit record: one object in S3 for each entry of an episode's timeline, written once and never changed.

`alerting.oncall.audit_record` reads it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from chatops.episode import Episode, EpisodeId
from chatops.timeline import TimelineEntry
from orion_common.names import AUDIT_PREFIX

FORM_VERSION = 1
KEPT_AT_ONCE = 50
"""How many objects one attempt writes, so that it ends before its function's time does."""


def key_of(id_: EpisodeId, entry: TimelineEntry) -> str:
    """Return the key of an entry's object. It begins with the day in UTC, by which a report finds it."""
    at = datetime.fromtimestamp(entry.at, UTC)
    return f"{AUDIT_PREFIX}{at:%Y-%m-%d}/{id_.group}/{id_.number}/{entry.number:05d}-{at:%Y%m%dT%H%M%SZ}.json"


def content_of(episode: Episode, entry: TimelineEntry) -> str:
    """Return the JSON of an entry's object: the entry, and what a reader needs to know of its episode."""
    incident = episode.incident
    content = {
        "form": FORM_VERSION,
        "episode": str(episode.id),
        "opened_at": episode.opened_at,
        "title": episode.group.title,
        "receiver": episode.group.receiver,
        "channel": episode.group.channel,
        "labels": dict(episode.group.labels),
        "severity": episode.details.severity,
        "service": episode.details.service,
        "incident": None if incident is None else incident.id,
        "number": entry.number,
        "at": entry.at,
        "kind": entry.kind.value,
        "actor": entry.actor,
        "text": entry.text,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
