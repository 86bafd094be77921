"""One stack's settings as everybody is given them: each is allowed, and no two contradict each other."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from alerting.settings.contradictions import RULES, SettingsContradict
from alerting.settings.parts import UncheckedSettings


class Settings(UncheckedSettings):
    """Everything in which one stack differs from another, held against each other. `UncheckedSettings` says what."""

    @model_validator(mode="after")
    def _contradicts_nothing(self) -> Self:
        found = [one for rule in RULES for one in rule.find(self)]
        if found:
            raise SettingsContradict(found)
        return self
