"""The network that another stack made: its outputs become plain settings."""

from __future__ import annotations

from typing import Any

import pulumi
from pydantic import ValidationError

from alerting.settings import NetworkSettings, OtherStack, Settings

READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"


class NetworkUnknown(pulumi.RunError):
    """The other stack cannot be read, or does not have the outputs that the settings name."""


def with_network(settings: Settings) -> Settings:
    """Return the settings with the network by value, whichever way they give it.

    Raises `NetworkUnknown`, naming the stack, the output and what there is instead.
    """
    source = settings.network.from_stack
    if source is None:
        return settings
    outputs = _outputs(source)
    found = {
        "vpc_id": _output(source, outputs, source.vpc_output, "an id", str),
        "subnet_ids": _output(source, outputs, source.subnets_output, "a list of ids", list),
    }
    network, wrong = None, [f"{name}: found {value!r}" for name, value in found.items() if not value]
    try:
        network = NetworkSettings.model_validate(found)
    except ValidationError as error:
        wrong = [f"{one['loc'][0]}: found {one['input']!r}" for one in error.errors()]
    if network is None or wrong:
        raise NetworkUnknown(
            f"network.from_stack: stack {source.stack} gives a network that will not do: {'; '.join(wrong)}. Have that "
            "stack export the right ones, or name other outputs in vpc_output and subnets_output"
        )
    return settings.model_copy(update={"network": network})


def _outputs(source: OtherStack) -> dict[str, Any]:
    try:
        return dict(pulumi.runtime.invoke(READ_OUTPUTS, {"name": source.stack}).value["outputs"])
    except Exception as error:  # Pulumi's SDK raises nothing narrower for a look-up that fails
        raise NetworkUnknown(
            f"network.from_stack.stack: {source.stack} cannot be read: {error}. It has to exist in the same backend, "
            "as ORGANISATION/PROJECT/STACK, and whoever runs this has to be allowed to read it"
        ) from error


def _output(source: OtherStack, outputs: dict[str, Any], name: str, shape: str, kind: type) -> Any:
    if name not in outputs:
        there = ", ".join(sorted(outputs)) or "none at all"
        raise NetworkUnknown(
            f"network.from_stack: stack {source.stack} has no output {name!r}; it has: {there}. Name the right one in "
            "vpc_output or subnets_output"
        )
    value = outputs[name]
    if not isinstance(value, kind):
        raise NetworkUnknown(f"network.from_stack: output {name!r} of stack {source.stack} is not {shape}")
    return value
