"""Scopes of a stop of repairs: all of them, those of an action, or those of a service."""

from __future__ import annotations

from dataclasses import dataclass

from orion_common.names import ACTION_STOP, SERVICE_STOP, STOP_ID


@dataclass(frozen=True, slots=True)
class Scope:
    """The repairs of an action or of a service, or all of them where both are empty."""

    action: str = ""
    service: str = ""

    @property
    def name(self) -> str:
        """Return the action or the service, or nothing where it is all repairs."""
        return self.action or self.service

    @property
    def repairs(self) -> str:
        """Return which repairs it is, as people read it."""
        return f"Repairs of {self.name}" if self.name else "All repairs"

    @property
    def stop_id(self) -> str:
        """Return the id of the state table's item that stops these repairs while it is there."""
        if self.action:
            return f"{ACTION_STOP}{self.action}"
        return f"{SERVICE_STOP}{self.service}" if self.service else STOP_ID
