"""What outlives a mistake: resources that hold data or keys, and resources that were given another name."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from alerting.settings import Settings

RENAMED: Mapping[str, tuple[str, ...]] = {}
"""A resource's name in the program, and the names that it had before.

Pulumi knows a resource by type and name: without its old name here, one that is renamed is made anew and the old one
removed. An entry may go once every stack has been brought up with it.
"""


def kept(settings: Settings) -> pulumi.ResourceOptions:
    """Return the options of what holds data or keys.

    The engine refuses to delete or replace it (`protect`), and leaves it in the account even when it is told to forget
    it (`retain_on_delete`). The sandbox, and a stack whose settings say so, keep nothing.
    """
    keep = settings.aws.keep_data
    return pulumi.ResourceOptions(protect=keep, retain_on_delete=keep)


def know_old_names(renamed: Mapping[str, tuple[str, ...]] = RENAMED) -> None:
    """Have every resource that is made from here on known by the names that it had before, too."""

    def add_aliases(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        names = renamed.get(args.name)
        if names is None:
            return None
        aliases = pulumi.ResourceOptions(aliases=[pulumi.Alias(name=name) for name in names])
        return pulumi.ResourceTransformationResult(
            props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, aliases)
        )

    pulumi.runtime.register_stack_transformation(add_aliases)
