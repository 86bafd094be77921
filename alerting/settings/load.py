"""A stack's values become `Settings`, or every problem at once: where, which key, what is wrong, and the command.

Both readers of a stack use it: the program, which is given values by the engine, and the command line, which reads
the stack's file. Keys are the fields of `Settings`, nested ones as Pulumi writes paths: `aws.account_id`,
`network.subnet_ids[0]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never, cast

from pydantic import TypeAdapter, ValidationError

from alerting.errors import AlertingError
from alerting.names import PROJECT
from alerting.settings import Settings
from alerting.settings.contradictions import RULES, Contradiction, SettingsContradict
from alerting.source.model_errors import Fault, FieldError, field_errors, model_of
from alerting.source.problems import CatalogError, listed, shown
from alerting.source.yaml_source import Document, FieldPath, read_document

SLACK_WEBHOOKS = "slackWebhooks"
PAGERDUTY_TOKEN = "pagerdutyToken"  # noqa: S105  (a key, not a secret)
GRAFANA_PASSWORD = "grafanaAdminPassword"  # noqa: S105  (a key, not a secret)
SLACK_BOT_TOKEN = "slackBotToken"  # noqa: S105  (a key, not a secret)
SLACK_SIGNING_SECRETS = "slackSigningSecrets"
PAGERDUTY_CHAT_TOKEN = "pagerdutyChatToken"  # noqa: S105  (a key, not a secret)
CHAT_KEYS = (SLACK_BOT_TOKEN, SLACK_SIGNING_SECRETS, PAGERDUTY_CHAT_TOKEN)
"""Secrets that only chat needs. Those that sign are lists of one or two: two while one replaces the other."""
SECRET_KEYS = (PAGERDUTY_TOKEN, GRAFANA_PASSWORD, SLACK_WEBHOOKS, *CHAT_KEYS)
KNOWN_NAMESPACES = frozenset({PROJECT, "pulumi"})
"""Whose configuration is read at all. Providers are made by the program, so that a provider's own key does nothing."""
_ENCRYPTED = {"secure"}
_CHART = ("monitoring", "chart")


class SettingsRefused(AlertingError):
    """A stack's settings cannot be used. `problems` are all of them, each one line."""

    def __init__(self, stack: str, problems: Iterable[str]) -> None:
        """Keep every problem once, in the order found."""
        self.stack = stack
        self.problems: tuple[str, ...] = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


def stack_file(stack: str) -> str:
    """Return the name of a stack's file."""
    return f"Pulumi.{stack}.yaml"


def stack_names(root: Path) -> list[str]:
    """Return the stacks that have a file below `root`."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in root.glob("Pulumi.*.yaml"))


def read_stack_file(root: Path, stack: str) -> Document:
    """Return a stack's file with the line of every value.

    Raises `SettingsRefused` if it is not there, or is no YAML mapping.
    """
    if not (root / stack_file(stack)).is_file():
        allowed = listed(stack_names(root))
        message = f"--stack: found {stack!r}; allowed: {allowed}. Name one, or write {stack_file(stack)}"
        raise SettingsRefused(stack, [message])
    try:
        return read_document(root, stack_file(stack))
    except CatalogError as error:
        raise SettingsRefused(stack, [str(problem) for problem in error.problems]) from None


def configured(document: Document) -> dict[str, object]:
    """Return what a stack's file configures, by full key."""
    config = cast("Mapping[str, object]", document.data).get("config")
    return dict(cast("Mapping[str, object]", config)) if isinstance(config, Mapping) else {}


def set_command(stack: str, key: str) -> str:
    """Return the command that sets a setting."""
    if any(mark in key for mark in ".["):
        return f"pulumi config set --stack {stack} --path '{PROJECT}:{key}' VALUE"
    return f"pulumi config set --stack {stack} {key} VALUE"


def remove_command(stack: str, key: str) -> str:
    """Return the command that removes a setting."""
    if any(mark in key for mark in ".["):
        return f"pulumi config rm --stack {stack} --path '{PROJECT}:{key}'"
    return f"pulumi config rm --stack {stack} {key}"


def secret_command(stack: str, key: str, *, path: bool = False) -> str:
    """Return the command that sets a secret: without a value, so that pulumi asks and no shell's history has it."""
    target = f"--path '{PROJECT}:{key}'" if path else key
    return f"pulumi config set --stack {stack} --secret {target}"


def webhook_path(channel: str) -> str:
    """Return the path of a channel's webhook among the secrets."""
    return f'{SLACK_WEBHOOKS}["{channel}"]'


def settings_from_file(root: Path, stack: str, *, extra: Mapping[str, object] | None = None) -> Settings:
    """Return the settings in a stack's file. `extra` adds what is set only when the stack is run.

    Secrets stay unread. Raises `SettingsRefused` with every problem, among them a secret that lies there in plain text.
    """
    document = read_stack_file(root, stack)
    values = configured(document)
    problems = [
        f"{_place(document, key)}{key}: is stored as plain text; set it with `{secret_command(stack, key)}`, "
        "and have its owner issue another: whoever saw the file has this one"
        for key in SECRET_KEYS
        if _has_plain_text(values.get(f"{PROJECT}:{key}"))
    ]
    prefix = f"{PROJECT}:"
    given = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
    return settings_from({**given, **(extra or {})}, stack, keys=values, document=document, problems=problems)


def settings_from(
    values: Mapping[str, object],
    stack: str,
    *,
    keys: Iterable[str],
    document: Document | None = None,
    problems: Sequence[str] = (),
) -> Settings:
    """Return the settings that plain values make.

    `keys` are all the full keys that the stack has, to find those that nothing reads; `document` is the stack's file,
    for the lines; `problems` were found before. Raises `SettingsRefused` with every problem.
    """
    found = [*_unknown(keys, stack, document), *problems]
    plain: dict[str, object] = {}
    wrong: set[str] = set()
    for key, field in Settings.model_fields.items():
        if key not in values:
            if field.is_required() and model_of(field.annotation) is not None:
                plain[key] = {}  # so that each part that is missing is named, with the command that sets it
        elif _is_encrypted(values[key]):
            wrong.add(key)
            found.append(
                f"{_place(document, key)}{key}: found a secret; allowed: plain text, which can be reviewed. "
                f"Set it with `{set_command(stack, key)}`"
            )
        elif isinstance(values[key], str) and model_of(field.annotation) is not None:
            wrong.add(key)
            command = set_command(stack, f"{key}.PART")
            place = _place(document, key)
            found.append(f"{place}{key}: found {shown(values[key])}; its parts are set one by one: `{command}`")
        else:
            plain[key] = values[key]
    try:
        settings = Settings.model_validate(plain)
    except ValidationError as error:
        errors = [one for one in field_errors(error, Settings) if not one.path or one.path[0] not in wrong]
        found += [_wrong(one, stack, document) for one in errors if one.path]
        wrong |= {str(one.path[0]) for one in errors if one.path}
        # The model looks for contradictions itself once each setting is right; before that, among those that are.
        held = next((one.cause for one in errors if isinstance(one.cause, SettingsContradict)), None)
        against = _contradictions(plain, wrong) if held is None else held.contradictions
        found += [_contradiction(one, stack, document) for one in against]
        raise SettingsRefused(stack, found) from None
    if found:
        raise SettingsRefused(stack, found)
    return settings


def require_known_channels(settings: Settings, channels: Sequence[str]) -> None:
    """Hold that the settings post nothing elsewhere that the catalog does not post at all.

    Raises `SettingsRefused` otherwise.
    """
    stack = settings.environment.value
    problems: list[str] = []
    for name in settings.channels:
        if name not in channels:
            key = f'channels["{name}"]'
            problems.append(
                f"{key}: no route posts to {name}; allowed: {listed(channels)}. "
                f"Remove it with `{remove_command(stack, key)}`, or add the channel to catalog/routing.yaml"
            )
    if problems:
        raise SettingsRefused(stack, problems)


def _unknown(keys: Iterable[str], stack: str, document: Document | None) -> Iterable[str]:
    for full in sorted(keys):
        namespace, _, key = full.rpartition(":")
        if namespace not in KNOWN_NAMESPACES:
            yield (
                f"{_place(document, full, whole=True)}{full}: nothing reads it: the providers are made from "
                f"{PROJECT}:aws and {PROJECT}:cluster; remove it with `pulumi config rm --stack {stack} {full}`"
            )
        elif namespace == PROJECT and key not in {*Settings.model_fields, *SECRET_KEYS}:
            yield (
                f"{_place(document, key)}{key}: there is no such setting; allowed: {listed(Settings.model_fields)}; "
                f"remove it with `{remove_command(stack, key)}`"
            )


def _contradictions(plain: Mapping[str, object], wrong: set[str]) -> Iterable[Contradiction]:
    """Return what does not go together among the settings that are right by themselves."""
    right: dict[str, Any] = {}
    for key, field in Settings.model_fields.items():
        if key in plain and key not in wrong:
            # Its type is the field's own, known only at run time.
            adapter: TypeAdapter[Any] = TypeAdapter(cast("Any", field.annotation))
            right[key] = adapter.validate_python(plain[key])
        elif key not in plain and not field.is_required():
            right[key] = field.default
    partial = Settings.model_construct(**right)
    for rule in RULES:
        if right.keys() >= set(rule.reads):
            yield from rule.find(partial)


def _contradiction(one: Contradiction, stack: str, document: Document | None) -> str:
    advice = f"Set it with `{set_command(stack, one.key)}`"
    if one.remove:
        advice += f" or remove it with `{remove_command(stack, one.key)}`"
    return f"{_place(document, one.key)}{one.key}: {one.message}. {advice}"


def _wrong(error: FieldError, stack: str, document: Document | None) -> str:
    key = _key(error.path)
    start = f"{_place(document, key)}{key}"
    match error.fault:
        case Fault.MISSING:
            return f"{start}: missing; {error.expected}. Set it with `{set_command(stack, key)}`"
        case Fault.UNKNOWN:
            command = remove_command(stack, key)
            return f"{start}: there is no such setting; {error.expected}; remove it with `{command}`"
        case Fault.VALUE:
            return f"{start}: found {error.found}; {error.expected}. Set it with `{set_command(stack, key)}`"
        case _:
            assert_never(error.fault)


def _key(location: FieldPath) -> str:
    """Return a path as pulumi writes it: names joined by dots, positions and odd names in brackets."""
    parts = list(location)
    if tuple(parts[:2]) == _CHART and len(parts) > len(_CHART):
        del parts[2]  # pydantic names the kind of chart that it took it for
    texts = [
        f"[{part}]" if isinstance(part, int) else f".{part}" if part.isidentifier() else f'["{part}"]' for part in parts
    ]
    return "".join(texts).removeprefix(".")


def _place(document: Document | None, key: str, *, whole: bool = False) -> str:
    """Return the file and line of a key, or of what is around it; only the file where nothing of it is there."""
    if document is None:
        return ""
    full = key if whole else f"{PROJECT}:{key}"
    texts = full.replace('"]', "").replace('["', ".").replace("[", ".").replace("]", "").split(".")
    parts = [int(text) if text.isdigit() else text for text in texts]
    path: FieldPath = ("config", *parts)
    while len(path) > 1 and path not in document.lines:
        path = path[:-1]
    return f"{document.file}:{document.lines[path]}: " if len(path) > 1 else f"{document.file}: "


def _is_encrypted(value: object) -> bool:
    return isinstance(value, Mapping) and set(cast("Mapping[str, object]", value)) == _ENCRYPTED


def _has_plain_text(value: object) -> bool:
    if value is None or _is_encrypted(value):
        return False
    if isinstance(value, Mapping):
        return any(_has_plain_text(one) for one in cast("Mapping[str, object]", value).values())
    return True
