"""Corrects moto's EventBridge: a rule that has only a schedule takes no events, as in AWS. In moto it takes all."""

from __future__ import annotations

from typing import Any

from moto.events.models import EventPattern

_matches_event = EventPattern.matches_event


def _matches_with_a_pattern(self: EventPattern, event: Any) -> bool:
    return bool(self.get_pattern()) and _matches_event(self, event)


def keep_events_from_schedules() -> None:
    """Have moto's rules in this process match events by their pattern only."""
    EventPattern.matches_event = _matches_with_a_pattern
