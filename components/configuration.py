"""Reads a stack's configuration into `alerting.settings.Settings` and its secrets, and says all that is wrong at once.

Keys are the fields of `Settings`, nested ones as paths: `aws.account_id`, `network.subnet_ids[0]`. Secrets have keys of
their own and must have been set with `--secret`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pulumi
from pulumi.runtime.config import CONFIG, get_config, get_config_env, is_config_secret
from pydantic import BaseModel, ValidationError

from alerting import names
from alerting.settings import Settings

SLACK_WEBHOOKS = "slackWebhooks"
PAGERDUTY_TOKEN = "pagerdutyToken"  # noqa: S105  (a key, not a secret)
GRAFANA_PASSWORD = "grafanaAdminPassword"  # noqa: S105  (a key, not a secret)


class ConfigurationError(pulumi.RunError):
    """A stack's configuration is incomplete or wrong. The message names each key and the command that sets it."""

    def __init__(self, stack: str, problems: Sequence[str]) -> None:
        """Keep every problem, one a line."""
        listed = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"The configuration of stack {stack} cannot be used:\n{listed}")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSecrets:
    """A stack's secrets, as secret outputs. `slack_webhooks` maps a channel, with its #, to an address."""

    slack_webhooks: Mapping[str, pulumi.Output[str]]
    pagerduty_token: pulumi.Output[str]
    grafana_password: pulumi.Output[str] | None


def read_settings(config: pulumi.Config, stack: str) -> Settings:
    """Return the settings of a stack.

    Raises `ConfigurationError` naming every key that is missing, unknown, of a wrong type or in contradiction.
    """
    values: dict[str, Any] = {}
    problems = [
        f"{key}: there is no such setting; remove it with `pulumi config rm --stack {stack} {key}`"
        for key in _unknown_keys(config)
    ]
    for key, field in Settings.model_fields.items():
        text = get_config(f"{config.name}:{key}")
        if text is None:
            if field.is_required() and _is_object(field.annotation):
                values[key] = {}  # so that each part that is missing is named, with the command that sets it
            continue
        if not _is_object(field.annotation):
            values[key] = text
            continue
        try:
            values[key] = json.loads(text)
        except json.JSONDecodeError:
            problems.append(f"{key}: found {text!r}; its parts are set one by one: {_command(stack, f'{key}.PART')}")
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        # A key that could not be read has been named already, and would only be called missing here.
        already = {problem.split(":")[0] for problem in problems}
        problems += [
            _problem(stack, one["loc"], one["msg"], one["type"], one["input"])
            for one in error.errors()
            if not (one["loc"] and one["loc"][0] in already)
        ]
        raise ConfigurationError(stack, problems) from None
    if problems:
        raise ConfigurationError(stack, problems)
    return settings


def read_secrets(config: pulumi.Config, stack: str, *, channels: Sequence[str], grafana: bool) -> StackSecrets:
    """Return a stack's secrets; `channels` are those that alerts are posted to.

    Raises `ConfigurationError` naming every one that is missing or was set without `--secret`. No value is shown.
    """
    problems: list[str] = []
    for key in [PAGERDUTY_TOKEN, *([SLACK_WEBHOOKS] if channels else []), *([GRAFANA_PASSWORD] if grafana else [])]:
        if get_config(f"{config.name}:{key}") is None:
            if key != SLACK_WEBHOOKS:
                problems.append(f"{key}: missing; set it with `{_secret_command(stack, key)}`")
        elif not is_config_secret(f"{config.name}:{key}"):
            problems.append(f"{key}: is stored as plain text; set it with `{_secret_command(stack, key)}`")
    known = _webhook_channels(config)
    problems += [
        f"{SLACK_WEBHOOKS}: no webhook for channel {channel}; "
        f"set it with `{_secret_command(stack, _webhook_path(channel), path=True)}`"
        for channel in channels
        if channel not in known
    ]
    if problems:
        raise ConfigurationError(stack, problems)
    webhooks = config.require_secret_object(SLACK_WEBHOOKS) if channels else pulumi.Output.secret({})
    return StackSecrets(
        slack_webhooks={channel: pulumi.Output.secret(webhooks[channel]) for channel in channels},
        pagerduty_token=config.require_secret(PAGERDUTY_TOKEN),
        grafana_password=config.require_secret(GRAFANA_PASSWORD) if grafana else None,
    )


def _unknown_keys(config: pulumi.Config) -> list[str]:
    """Return the keys of this project that nothing reads, such as a mistyped one."""
    known = {*Settings.model_fields, SLACK_WEBHOOKS, PAGERDUTY_TOKEN, GRAFANA_PASSWORD}
    found = {key.removeprefix(f"{config.name}:") for key in {**get_config_env(), **CONFIG.get()} if _ours(config, key)}
    return sorted(found - known)


def _ours(config: pulumi.Config, key: str) -> bool:
    return key.startswith(f"{config.name}:")


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


def _webhook_path(channel: str) -> str:
    return f'{SLACK_WEBHOOKS}["{channel}"]'


def _secret_command(stack: str, key: str, *, path: bool = False) -> str:
    """Without a value on the command line, pulumi asks for it, so that it stays out of the shell's history."""
    target = f"--path '{names.PROJECT}:{key}'" if path else key
    return f"pulumi config set --stack {stack} --secret {target}"


def _command(stack: str, key: str) -> str:
    if any(mark in key for mark in ".["):
        return f"pulumi config set --stack {stack} --path '{names.PROJECT}:{key}' VALUE"
    return f"pulumi config set --stack {stack} {key} VALUE"


def _problem(stack: str, location: tuple[int | str, ...], message: str, kind: str, found: object) -> str:
    if not location:
        return message.removeprefix("Value error, ")
    key = _key(location)
    match kind:
        case "missing":
            return f"{key}: missing; set it with `{_command(stack, key)}`"
        case "extra_forbidden":
            command = f"pulumi config rm --stack {stack} --path '{names.PROJECT}:{key}'"
            return f"{key}: there is no such setting; remove it with `{command}`"
        case _:
            said = message.removeprefix("Value error, ")
            return f"{key}: found {found!r}; {said[0].lower()}{said[1:]}. Set it with `{_command(stack, key)}`"


def _key(location: tuple[int | str, ...]) -> str:
    """Return a path as pulumi writes it: names joined by dots, positions in brackets."""
    parts = list(location)
    if parts[:2] == ["monitoring", "chart"] and len(parts) > 2:  # noqa: PLR2004
        del parts[2]  # pydantic names the kind of chart that it took it for
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _is_object(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
