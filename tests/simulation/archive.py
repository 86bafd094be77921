"""S3 as the simulation has it: the audit record, in which nothing changes, and the drafts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.world import Violation, World


@dataclass(slots=True)
class Archive:
    """Two buckets."""

    world: World
    actions: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    drafts: dict[str, str] = field(default_factory=dict[str, str])

    def keep(self, key: str, text: str) -> None:
        """Write an object of the audit record, unless it is there."""

        def act() -> None:
            content = json.loads(text)
            known = self.actions.setdefault(key, content)
            told = ("at", "kind", "actor", "text")
            if any(known[name] != content[name] for name in told):
                raise Violation(f"{key} tells two things: {known} and {content}")

        self.world.call("s3 keep", act, limited=True)

    def write_draft(self, key: str, text: str) -> str:
        """Write a draft over the one that is there."""

        def act() -> str:
            self.drafts[key] = text
            return f"https://drafts.example.com/{key}"

        return self.world.call("s3 draft", act, limited=True)
