"""Reads the audit record: what people and the platform did in each episode, one JSON object for each action.

`lambda/chatops/audit.py` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from alerting.errors import AlertingError

PAGED, ACKNOWLEDGED, RESOLVED, ANSWERED = "paged", "acknowledged", "resolved", "needed a human"
"""The kinds of actions that a report counts. There are others."""
YES = "yes"


class AuditUnreadable(AlertingError):
    """An object of the audit record is none that this version reads. The message names it."""


class Action(BaseModel):
    """One action of an episode. A newer release may say more of it. Times are Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    form: Literal[1]
    episode: str
    opened_at: float
    title: str
    receiver: str
    labels: Mapping[str, str]
    service: str
    number: int
    at: float
    kind: str
    actor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedEpisode:
    """The actions of an episode that were read, in their order: at least one."""

    actions: tuple[Action, ...]

    @property
    def newest(self) -> Action:
        """Return the newest action, which says most of the episode."""
        return self.actions[-1]

    @property
    def opened_at(self) -> float:
        """Return when the episode opened, in Unix seconds."""
        return self.newest.opened_at

    @property
    def alert(self) -> str:
        """Return the name of the alert, or the title of a group that has none."""
        return self.newest.labels.get("alertname") or self.newest.title

    def first(self, kind: str) -> datetime | None:
        """Return when something of a kind first happened, in UTC, or None."""
        return next((datetime.fromtimestamp(action.at, UTC) for action in self.actions if action.kind == kind), None)

    @property
    def needed_human(self) -> bool | None:
        """Return the newest answer to whether it needed a human, or None."""
        answers = [action.text == YES for action in self.actions if action.kind == ANSWERED]
        return answers[-1] if answers else None


def read_action(key: str, text: str) -> Action:
    """Return the action of an object. Raises `AuditUnreadable`."""
    try:
        return Action.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the object"
        raise AuditUnreadable(
            f"{key}: {place}: {problem['msg']}, found {str(problem['input'])[:80]!r}; allowed: what "
            "lambda/chatops/audit.py of this release writes. A newer release may have written it: check out that one"
        ) from None


def episodes_of(actions: Iterable[Action]) -> tuple[AuditedEpisode, ...]:
    """Return actions by their episode, in the order in which the episodes opened."""
    by_episode: dict[str, list[Action]] = {}
    for action in sorted(actions, key=lambda action: action.number):
        by_episode.setdefault(action.episode, []).append(action)
    episodes = [AuditedEpisode(actions=tuple(known)) for known in by_episode.values()]
    return tuple(sorted(episodes, key=lambda episode: (episode.opened_at, episode.newest.episode)))
