"""Alertmanager as the executor sees it, by the function that is in its network (`alertmanager_access`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chatops.alertmanager_replicas import FiringGroup
from chatops.clients import ActiveGroup, ActiveSilence, ListedSilence, NewSilence, Refused, Unavailable
from chatops.episode import Group
from chatops.http_json import as_object
from chatops.looks import Look
from chatops.record_codec import CannotRead, as_content, from_content
from orion_common.names import AlertmanagerOperation

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerClient:
    """The function `function`. `group_of` returns the group of a receiver and labels, or None for one of no route."""

    client: LambdaClient
    function: str
    group_of: Callable[[str, Mapping[str, str]], Group | None]

    def look(self, group: Group) -> Look:
        """Ask each replica for the group's alerts, silenced and inhibited ones too."""
        return self._ask(AlertmanagerOperation.LOOK, Look, group=as_content(group))

    def active_groups(self) -> Sequence[ActiveGroup]:
        """Return the groups that have alerts which fire and are not suppressed."""
        firing: tuple[FiringGroup, ...] = self._ask(AlertmanagerOperation.FIRING_GROUPS, tuple[FiringGroup, ...])
        known = ((self.group_of(one.receiver, dict(one.labels)), one) for one in firing if one.firing)
        return [
            ActiveGroup(group=group, firing=one.firing, since=one.since, details=one.details)
            for group, one in known
            if group is not None
        ]

    def silences(self, key: str) -> Sequence[ActiveSilence]:
        """Return the active silences with a key. Raises `Unavailable` unless every replica answers."""
        return self._ask(AlertmanagerOperation.SILENCES, tuple[ActiveSilence, ...], key=key)

    def set_silence(self, id_: str | None, group: Group, key: str, ends_at: float) -> None:
        """Create a silence of exactly the group's labels, or change the end of one."""
        self._ask(
            AlertmanagerOperation.SET_SILENCE, type(None), id=id_, group=as_content(group), key=key, ends_at=ends_at
        )

    def expire_silence(self, id_: str) -> None:
        """Expire a silence."""
        self._ask(AlertmanagerOperation.EXPIRE_SILENCE, type(None), id=id_)

    def all_silences(self) -> Sequence[ListedSilence]:
        """Return the silences of everybody in the replicas that answer. Raises `Unavailable` if none does."""
        return self._ask(AlertmanagerOperation.ALL_SILENCES, tuple[ListedSilence, ...])

    def create_silence(self, silence: NewSilence) -> None:
        """Create a silence."""
        self._ask(AlertmanagerOperation.CREATE_SILENCE, type(None), silence=as_content(silence))

    def _ask(self, operation: AlertmanagerOperation, hint: Any, **arguments: object) -> Any:
        request = json.dumps({"operation": operation.value, "arguments": arguments})
        try:
            invoked = self.client.invoke(FunctionName=self.function, Payload=request.encode())
            text = invoked["Payload"].read()
        except (BotoCoreError, ClientError, OSError) as error:
            raise Unavailable(f"{self.function} did not answer: {error}") from error
        if invoked.get("FunctionError"):
            raise Unavailable(f"{self.function} failed: {text[:300]!r}")
        try:
            answer = as_object(json.loads(text))
        except ValueError as error:
            raise Unavailable(f"{self.function}'s answer is not JSON: {error}") from error
        if "refused" in answer:
            raise Refused(str(answer["refused"]))
        if "answer" not in answer:
            raise Unavailable(str(answer.get("unavailable")))
        try:
            return None if hint is type(None) else from_content(answer["answer"], hint, operation.value)
        except CannotRead as error:
            raise Unavailable(f"{self.function}: {error}") from error
