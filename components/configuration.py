"""Reads a stack's configuration into `alerting.settings.Settings` and its secrets, and says all that is wrong at once.

Secrets have keys of their own and must have been set with `--secret`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pulumi
from pulumi.runtime.config import CONFIG, get_config, get_config_env, is_config_secret
from pydantic import BaseModel

from alerting.settings import Settings
from alerting.settings.load import (
    CHAT_KEYS,
    GRAFANA_PASSWORD,
    PAGERDUTY_CHAT_TOKEN,
    PAGERDUTY_TOKEN,
    SECRET_KEYS,
    SLACK_BOT_TOKEN,
    SLACK_SIGNING_SECRETS,
    SLACK_WEBHOOKS,
    SettingsRefused,
    read_stack_file,
    secret_command,
    set_command,
    settings_from,
    webhook_path,
)
from alerting.source.yaml_source import Document


class ConfigurationError(pulumi.RunError):
    """A stack's configuration is incomplete or wrong. The message names each key and the command that sets it."""

    def __init__(self, stack: str, problems: Sequence[str]) -> None:
        """Keep every problem, one a line."""
        listed = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"The configuration of stack {stack} cannot be used:\n{listed}")
        self.problems = tuple(problems)


SIGNING_KEYS = (SLACK_SIGNING_SECRETS,)
MOST_SIGNING_KEYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSecrets:
    """Chat's secrets, as secret outputs. What signs is a list: its second key is one that is being replaced."""

    slack_token: pulumi.Output[str]
    slack_signing_secrets: pulumi.Output[Sequence[str]]
    pagerduty_token: pulumi.Output[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSecrets:
    """A stack's secrets, as secret outputs, and None for what it has no use for.

    `slack_webhooks` maps a channel, with its #, to an address.
    """

    slack_webhooks: Mapping[str, pulumi.Output[str]]
    pagerduty_token: pulumi.Output[str] | None
    grafana_password: pulumi.Output[str] | None
    chat: ChatSecrets | None = None


def read_settings(config: pulumi.Config, stack: str, *, root: Path | None = None) -> Settings:
    """Return the settings of a stack. `root` is the project's folder, whose stack file tells the lines.

    Raises `ConfigurationError` naming every key that is missing, unknown, of a wrong type or in contradiction.
    """
    values: dict[str, object] = {}
    problems: list[str] = []
    for key, field in Settings.model_fields.items():
        text = get_config(f"{config.name}:{key}")
        if text is not None:
            values[key] = _plain(text, structured=_is_structured(field.annotation))
        if text is not None and is_config_secret(f"{config.name}:{key}"):
            problems.append(
                f"{key}: found a secret; allowed: plain text, which can be reviewed. "
                f"Set it with `{set_command(stack, key)}`"
            )
    try:
        return settings_from(values, stack, keys=_keys(), document=_document(root, stack), problems=problems)
    except SettingsRefused as error:
        raise ConfigurationError(stack, error.problems) from None


def read_secrets(
    config: pulumi.Config, stack: str, *, channels: Sequence[str], grafana: bool, paging: bool, chat: bool = False
) -> StackSecrets:
    """Return a stack's secrets; `channels` are those that alerts are posted to.

    Raises `ConfigurationError` naming every one that is missing or was set without `--secret`. No value is shown.
    """
    problems: list[str] = []
    unused = {
        SLACK_WEBHOOKS: not channels,
        GRAFANA_PASSWORD: not grafana,
        PAGERDUTY_TOKEN: not paging,
        **dict.fromkeys(CHAT_KEYS, not chat),
    }
    for key in SECRET_KEYS:
        if unused[key]:
            continue
        if get_config(f"{config.name}:{key}") is None:
            if key in SIGNING_KEYS:
                command = secret_command(stack, f"{key}[0]", path=True)
                problems.append(f"{key}: missing; set it with `{command}`")
            elif key != SLACK_WEBHOOKS:
                problems.append(f"{key}: missing; set it with `{secret_command(stack, key)}`")
        elif not is_config_secret(f"{config.name}:{key}"):
            problems.append(f"{key}: is stored as plain text; set it with `{secret_command(stack, key)}`")
        elif key in SIGNING_KEYS and not _is_signing_keys(get_config(f"{config.name}:{key}")):
            command = secret_command(stack, f"{key}[0]", path=True)
            allowed = f"a list of one or {MOST_SIGNING_KEYS} texts"
            problems.append(f"{key}: found something else; allowed: {allowed}. Set it with `{command}`")
    known = _webhook_channels(config)
    problems += [
        f"{SLACK_WEBHOOKS}: no webhook for channel {channel}; "
        f"set it with `{secret_command(stack, webhook_path(channel), path=True)}`"
        for channel in channels
        if channel not in known
    ]
    if problems:
        raise ConfigurationError(stack, problems)
    webhooks = config.require_secret_object(SLACK_WEBHOOKS) if channels else pulumi.Output.secret({})
    return StackSecrets(
        slack_webhooks={channel: pulumi.Output.secret(webhooks[channel]) for channel in channels},
        pagerduty_token=config.require_secret(PAGERDUTY_TOKEN) if paging else None,
        grafana_password=config.require_secret(GRAFANA_PASSWORD) if grafana else None,
        chat=_chat_secrets(config) if chat else None,
    )


def read_slack_token(config: pulumi.Config) -> str | None:
    """Return the token of chat's bot in plain text, for preflight alone, which asks Slack about it before all else."""
    return get_config(f"{config.name}:{SLACK_BOT_TOKEN}")


def _chat_secrets(config: pulumi.Config) -> ChatSecrets:
    return ChatSecrets(
        slack_token=config.require_secret(SLACK_BOT_TOKEN),
        slack_signing_secrets=config.require_secret_object(SLACK_SIGNING_SECRETS),
        pagerduty_token=config.require_secret(PAGERDUTY_CHAT_TOKEN),
    )


def _is_signing_keys(text: str | None) -> bool:
    """Return whether a text is the JSON of one or two keys, without showing it."""
    try:
        keys = json.loads(text or "")
    except json.JSONDecodeError:
        return False
    if not isinstance(keys, list) or not 1 <= len(cast("list[object]", keys)) <= MOST_SIGNING_KEYS:
        return False
    return all(isinstance(key, str) and key for key in cast("list[object]", keys))


def _keys() -> list[str]:
    """Return every key of the stack, so that one that nothing reads, such as a mistyped one, is found."""
    return list({**get_config_env(), **CONFIG.get()})


def _document(root: Path | None, stack: str) -> Document | None:
    """Return the stack's file, if there is one: the engine may have been given values otherwise."""
    if root is None:
        return None
    try:
        return read_stack_file(root, stack)
    except SettingsRefused:
        return None


def _plain(text: str, *, structured: bool) -> object:
    """Return a value as it was set: the engine hands over texts, and objects and lists as JSON."""
    if not structured:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _is_structured(annotation: object) -> bool:
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return is_model or "Mapping" in str(annotation)


def _webhook_channels(config: pulumi.Config) -> set[str]:
    """Return the channels that have a webhook, without their secret values."""
    try:
        webhooks = json.loads(get_config(f"{config.name}:{SLACK_WEBHOOKS}") or "{}")
    except json.JSONDecodeError:
        return set()
    if not isinstance(webhooks, dict):
        return set()
    return {
        channel
        for channel, address in cast("dict[str, object]", webhooks).items()
        if isinstance(address, str) and address
    }
