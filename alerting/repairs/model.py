"""catalog/remediations.yaml and runbooks/actions/*.yaml: what answers an alert, and how far it may go."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from alerting.repairs.ssm_documents import SsmDocument
from alerting.settings import Environment
from alerting.source.clock_fields import Time, TimeZone, Weekday
from alerting.source.fields import ClosedModel, LabelName, Name

DAY_SECONDS = 24 * 60 * 60


class RemediationEntry(ClosedModel):
    """The action that runs when an alert fires.

    `triggered_by` is another alert, which shows that the action is due: the action is then taken when that one fires,
    and gets its labels and annotations.
    """

    action: str
    triggered_by: str | None = None


ActionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class HandOverEntry(ClosedModel):
    """An action that runs nothing: the alert is published to a team's topic, with a link to what it is about.

    `link` is an address with `{region}` and `{value}`; `value` is the alert's label `label`, which must match `pattern`
    as a whole.
    """

    team: str
    label: LabelName
    pattern: str = Field(pattern=r"^\^.*\$$")
    link: str = Field(pattern=r"^https://[^\s]+$")


class ActionLimit(ClosedModel):
    """The limits of an action: how often it may begin within an hour, per service and in all."""

    service: int = Field(ge=1, le=50)
    platform: int = Field(ge=1, le=200)


class CeilingEntry(ClosedModel):
    """The repairs that may begin within an hour without an approval, in a service and in all, in an environment.

    Those of all actions that change anything count. Every one beyond waits for an approval.
    """

    service: int = Field(ge=1, le=50)
    platform: int = Field(ge=1, le=200)
    environment: Environment | None = None


class ActionMode(StrEnum):
    """The modes of an action, from the strictest on."""

    OFF = "off"
    DRY_RUN = "dry-run"
    APPROVE = "approve"
    AUTO = "auto"


def _as_text(value: object) -> object:
    # YAML 1.1 reads `off` as false.
    return ActionMode.OFF.value if value is False else value


class HoursEntry(ClosedModel):
    """Hours of a week by the clock of a place, summer time included.

    They begin on each of `days`, and end at the first `ends` after that: the next day, if it is earlier than `begins`.
    """

    time_zone: TimeZone
    days: tuple[Weekday, ...] = Field(min_length=1)
    begins: Time
    ends: Time

    @model_validator(mode="after")
    def _have_a_length(self) -> Self:
        if self.begins == self.ends:
            raise ValueError(f"begins and ends are {self.begins}; allowed: two different times")
        return self


class ModeRule(ClosedModel):
    """A mode for an action, or for all of them, in a service, an environment, or everywhere.

    A rule with `during` matches within these hours only, one with `outside` at all other times. Of all the rules that
    match, and of the stack's own mode, the strictest applies.
    """

    mode: Annotated[ActionMode, BeforeValidator(_as_text)]
    action: ActionName | None = None
    service: Name | None = None
    environment: Environment | None = None
    during: Name | None = None
    outside: Name | None = None

    @model_validator(mode="after")
    def _one_at_most(self) -> Self:
        if self.during is not None and self.outside is not None:
            raise ValueError("`during:` and `outside:` are both there; allowed: one of them, and two rules")
        return self

    @property
    def hours(self) -> str | None:
        """Return the name of the hours that the rule depends on, if it does."""
        return self.during or self.outside


class Approvers(ClosedModel):
    """The people who may approve repairs: everybody of some teams, and further people by their emails."""

    teams: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


class RemediationsFile(ClosedModel):
    """catalog/remediations.yaml: alert name to what is done, and how far each action may go.

    `bounds` are whole numbers, by action and name: an action's script reads them as variables. `hourly_limits` are by
    action: the function sends no more commands than these. Within `cooldown_seconds` an action is not sent again for
    the same target. `modes` says what runs by itself; without a rule an action does. `hours` are times of a week that
    its rules name. More than `approval_above` says begins only with an approval; of the entries for an environment the
    lowest numbers apply. `approvers` may approve what waits for it.
    """

    remediations: Mapping[str, RemediationEntry] = Field(default_factory=dict)
    hand_overs: Mapping[ActionName, HandOverEntry] = Field(default_factory=dict)
    bounds: Mapping[ActionName, Mapping[ActionName, Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    hourly_limits: Mapping[ActionName, ActionLimit] = Field(default_factory=dict)
    cooldown_seconds: Mapping[ActionName, Annotated[int, Field(ge=60, le=DAY_SECONDS)]] = Field(default_factory=dict)
    hours: Mapping[Name, HoursEntry] = Field(default_factory=dict)
    modes: tuple[ModeRule, ...] = ()
    approval_above: tuple[CeilingEntry, ...] = ()
    approvers: Approvers = Approvers()


class Verb(StrEnum):
    """Verbs on a resource of the cluster. `deletecollection` is not among them: a repair is about one object."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"


READING = frozenset({Verb.GET, Verb.LIST, Verb.WATCH})


class Right(ClosedModel):
    """A script's rights on a resource of the cluster: an API group, `pods` or `pods/log`, and verbs."""

    group: str = ""
    resource: str = Field(pattern=r"^[a-z]+(/[a-z]+)?$")
    verbs: tuple[Verb, ...]


class AccountRightEntry(ClosedModel):
    """A script's rights in the AWS account: a service, its actions, and the ends of the ARNs they are allowed on."""

    service: str = Field(pattern=r"^[a-z0-9-]+$")
    actions: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]+$")], ...] = Field(min_length=1)
    resources: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z-]+[:/][A-Za-z0-9*/:-]+$")], ...] = Field(
        min_length=1
    )

    @property
    def changes_anything(self) -> bool:
        """Say whether the rights are for more than reading, by the names that AWS gives its actions."""
        return any(not action.startswith(("Describe", "Get", "List")) for action in self.actions)


class ActionFile(ClosedModel):
    """runbooks/actions/NAME.yaml: a repair or a diagnosis.

    `rights` are what its script needs in the namespaces that may be touched, `cluster_rights` what it needs of
    resources that belong to none, `account_rights` what it needs in the AWS account; the bastion gets these and no
    others. `bounds` names the bounds that the script reads; catalog/remediations.yaml sets them. `approval_only` is for
    an action that never runs without an approval.

    `target` names the parameters that say what is repaired, whichever alert asks and however it has changed: a
    deployment's namespace and name, but not its revision. An action without it is about its alert's service, since a
    pod that was restarted has another name.

    `parameters_from_labels` are what an alert is about. `parameters_from_annotations` are what it saw that may change
    while it fires, such as a number of replicas: as a label, each change would make another alert of it.
    """

    name: ActionName
    document_name: str = Field(pattern=r"^orion-[a-z0-9-]{3,100}$")
    timeout_seconds: int = Field(ge=30, le=3600)
    parameters_from_labels: Mapping[str, LabelName] = Field(min_length=1)
    parameters_from_annotations: Mapping[str, LabelName] = Field(default_factory=dict)
    target: tuple[str, ...] = ()
    bounds: tuple[ActionName, ...] = ()
    rights: tuple[Right, ...]
    cluster_rights: tuple[Right, ...] = ()
    account_rights: tuple[AccountRightEntry, ...] = ()
    approval_only: bool = False
    document: SsmDocument

    @property
    def changes_cluster(self) -> bool:
        """Say whether the action may do more than read: such an action does nothing during maintenance."""
        in_the_cluster = any(set(right.verbs) - READING for right in (*self.rights, *self.cluster_rights))
        return in_the_cluster or any(right.changes_anything for right in self.account_rights)
