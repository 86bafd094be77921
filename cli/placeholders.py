"""Placeholders for what a stack would read from its account: secrets, and another stack's network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerting.platform import Platform
from alerting.settings import ChatMode, Settings
from alerting.settings.load import (
    GRAFANA_PASSWORD,
    PAGERDUTY_CHAT_TOKEN,
    PAGERDUTY_TOKEN,
    SLACK_BOT_TOKEN,
    SLACK_SIGNING_SECRETS,
    SLACK_WEBHOOKS,
)
from sandbox.seed_data import Network

INVENTED = "invented-for-a-preview"
INVENTED_NETWORK = Network(vpc_id="vpc-0preview", subnet_ids=("subnet-0preview1", "subnet-0preview2"))
"""The network of a stack that takes another stack's outputs: they are in that stack's own backend."""


def network_of(settings: Settings) -> Network:
    """Return the network that the settings name, or an invented one."""
    if settings.network.from_stack is not None:
        return INVENTED_NETWORK
    return Network(vpc_id=settings.network.vpc_id, subnet_ids=settings.network.subnet_ids)


def network_setting(settings: Settings) -> dict[str, Any]:
    """Return the setting that stands for another stack's network, by key; nothing where there is none to stand for."""
    if settings.network.from_stack is None:
        return {}
    network = {"vpc_id": INVENTED_NETWORK.vpc_id, "subnet_ids": list(INVENTED_NETWORK.subnet_ids), "from_stack": None}
    return {"network": network}


def secrets_of(platform: Platform) -> Mapping[str, Any]:
    """Return a value for each secret of the stack, by key."""
    chat = {
        SLACK_BOT_TOKEN: INVENTED,
        SLACK_SIGNING_SECRETS: [INVENTED],
        PAGERDUTY_CHAT_TOKEN: INVENTED,
    }
    return {
        **(chat if platform.settings.chat is ChatMode.ON else {}),
        **({PAGERDUTY_TOKEN: INVENTED} if platform.settings.paging else {}),
        GRAFANA_PASSWORD: INVENTED,
        SLACK_WEBHOOKS: dict.fromkeys(platform.alertmanager.slack_channels, f"https://hooks.example.com/{INVENTED}"),
    }
