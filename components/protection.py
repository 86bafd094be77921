"""Protection of resources that hold data or keys, their import where they exist, and aliases of renamed resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from alerting.settings import RetainedResource, Settings
from components.existing import LookUp
from components.naming import type_token


@dataclass(frozen=True, slots=True, kw_only=True)
class OldPlace:
    """The name that a resource had before, and the component (its type and name) that it was a child of.

    Without a component, only the name has changed.
    """

    name: str
    component: tuple[str, str] | None = None

    def alias(self) -> pulumi.Alias:
        """Return the alias by which Pulumi knows the resource."""
        if self.component is None:
            return pulumi.Alias(name=self.name)
        type_name, name = self.component
        parent = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{type_token(type_name)}::{name}"
        return pulumi.Alias(name=self.name, parent=parent)


_EVENT_BUS = ("EventBus", "event-bus")
_RUNBOOK_AUTOMATION = ("RunbookAutomation", "runbook-automation")
RENAMED: Mapping[str, tuple[OldPlace, ...]] = {
    # Since November 2026: a function owns its queue and what feeds it, and the state is a component of its own.
    "runbook-automation-queue": (OldPlace(name="event-bus-queue", component=_EVENT_BUS),),
    "runbook-automation-queue-policy": (OldPlace(name="event-bus-queue-policy", component=_EVENT_BUS),),
    "runbook-automation-dead-letters": (OldPlace(name="event-bus-dead-letters", component=_EVENT_BUS),),
    "runbook-automation-dead-letters-policy": (OldPlace(name="event-bus-dead-letters-policy", component=_EVENT_BUS),),
    "runbook-automation-alerts-to-queue": (OldPlace(name="event-bus-alerts-to-queue", component=_EVENT_BUS),),
    "runbook-automation-outcomes": (OldPlace(name="event-bus-outcomes", component=_EVENT_BUS),),
    "runbook-automation-outcomes-to-queue": (OldPlace(name="event-bus-outcomes-to-queue", component=_EVENT_BUS),),
    "repair-sweep-schedule": (OldPlace(name="event-bus-sweep", component=_EVENT_BUS),),
    "state-table": (OldPlace(name="runbook-automation-state", component=_RUNBOOK_AUTOMATION),),
    # A bucket's resources inherit the alias of the component that they belong to.
    "state-diagnostics": (OldPlace(name="runbook-automation-diagnostics", component=_RUNBOOK_AUTOMATION),),
    "state-code": (OldPlace(name="runbook-automation-code", component=_RUNBOOK_AUTOMATION),),
}
"""A resource's name in the program, and the places that it had before.

Pulumi knows a resource by type, name and parents: without its old place here, one that is renamed or moved is made anew
and the old one removed. An entry may go once every stack has been brought up with it.
"""


EXISTS = re.compile(
    r"already exists|AlreadyExists|BucketAlreadyOwnedByYou|ResourceInUseException|Table already exists", re.IGNORECASE
)
"""How the Kubernetes API server, S3 and DynamoDB refuse to make what is there."""


def kept(
    settings: Settings, resource: RetainedResource, *, found_as: str, look_up: LookUp | None = None
) -> pulumi.ResourceOptions:
    """Return the options of a resource that holds data or keys. `found_as` is its id where it exists already.

    The engine refuses to delete or replace it (`protect`), and leaves it in the account even when it is told to forget
    it (`retain_on_delete`). The sandbox, and a stack whose settings say so, keep nothing. Where the stack's `imports`
    name it, `up` takes over the existing one. Where it would be made although `look_up` finds it, the preview is
    refused, and says how to take it over; so is an `up` that fails because of one that nobody could look up.
    """
    keep = settings.aws.keep_data

    def explain(error: pulumi.ErrorHookArgs) -> bool:
        if error.failed_operation == "create" and any(EXISTS.search(text) for text in error.errors):
            pulumi.log.error(explain_existing(pulumi.get_stack(), resource, found_as))
        return False

    return pulumi.ResourceOptions(
        protect=keep,
        retain_on_delete=keep,
        import_=settings.imports.id_of(resource),
        # What a namespace that somebody else made says beside its name stays as it is.
        ignore_changes=["metadata.labels", "metadata.annotations"] if resource is RetainedResource.NAMESPACE else None,
        hooks=pulumi.ResourceHookBinding(
            before_create=[_refusal(resource, found_as, look_up)] if keep and look_up is not None else None,
            on_error=[pulumi.ErrorHook(f"exists-already-{resource}", explain)],
        ),
    )


def _refusal(resource: RetainedResource, found_as: str, look_up: LookUp) -> pulumi.ResourceHook:
    """Return the hook that refuses to make what is there.

    The engine runs it only where it would make the resource, so where the state lacks it and no import is asked for;
    and before a replacement, which it refuses of what is protected.
    """

    def refuse(_: pulumi.ResourceHookArgs) -> None:
        if look_up():
            raise pulumi.RunError(explain_existing(pulumi.get_stack(), resource, found_as))

    return pulumi.ResourceHook(f"look-up-of-{resource}", refuse, opts=pulumi.ResourceHookOptions(on_dry_run=True))


def explain_existing(stack: str, resource: RetainedResource, found_as: str) -> str:
    """Return what to do where a retained resource exists already and the stack's state does not have it."""
    command = import_command(stack, resource, found_as)
    further = (
        " It is encrypted with the key that it was made with: import that too (docs/deploying.md, 11)."
        if resource is RetainedResource.STATE_TABLE
        else ""
    )
    return (
        f"{resource} {found_as}: exists already, and the state of stack {stack} does not have it: an earlier stack "
        f"left it there, or somebody else made it. To have this stack take it over: `{command}`, and `pulumi up` again."
        f"{further} Nothing was lost."
    )


def import_command(stack: str, resource: RetainedResource, found_as: str) -> str:
    """Return the command after which `up` imports a resource in place of making it."""
    return f"pulumi config set --stack {stack} --path 'orion-alerting:imports.{resource}' {found_as}"


def know_old_names(renamed: Mapping[str, tuple[OldPlace, ...]] = RENAMED) -> None:
    """Have every resource that is made from here on known by the names that it had before, too."""

    def add_aliases(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        places = renamed.get(args.name)
        if places is None:
            return None
        aliases = pulumi.ResourceOptions(aliases=[place.alias() for place in places])
        return pulumi.ResourceTransformationResult(
            props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, aliases)
        )

    pulumi.runtime.register_stack_transformation(add_aliases)
