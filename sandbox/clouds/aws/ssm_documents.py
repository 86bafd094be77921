"""Systems Manager's documents, as far as ours go: typed parameters as environment variables, and shell scripts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import yaml

from sandbox.clouds.aws.protocol import AwsError

SCHEMA_VERSION = "2.2"
SHELL_SCRIPT = "aws:runShellScript"
DEFAULT_EXECUTION_SECONDS = 3600.0
"""What aws:runShellScript gives a script that says nothing else."""
PARAMETER_NAME = "[a-zA-Z0-9]+"
"""The parameter names that the agent accepts (amazon-ssm-agent, `paramNameRegex`)."""
DOCUMENT_NAME = r"[a-zA-Z0-9_\-.]{3,128}"
RESERVED_NAMES = ("aws", "amazon", "amzn")
DOCUMENT_BYTES = 64 * 1024
DOCUMENT_ELEMENTS = frozenset({"schemaVersion", "description", "parameters", "variables", "mainSteps", "files"})
PARAMETER_ELEMENTS = frozenset(
    {
        "type",
        "description",
        "default",
        "allowedValues",
        "allowedPattern",
        "displayType",
        "minItems",
        "maxItems",
        "minChars",
        "maxChars",
        "interpolationType",
    }
)
PARAMETER_TYPES = frozenset({"String", "StringList", "Integer", "Boolean", "MapList", "StringMap"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One script, and how many seconds it may run."""

    name: str
    script: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that can be run: `parameters` as it declares them."""

    name: str
    version: str
    parameters: Mapping[str, Mapping[str, Any]]
    steps: tuple[Step, ...]


def require_valid(name: str, content: str) -> None:
    """Refuse what `CreateDocument` and `UpdateDocument` refuse of a command document.

    AWS documents the size, the elements and the names of documents. That it refuses the name of a parameter is assumed:
    the agent would drop it, which `received_values` does with a document that was made otherwise.

    Raises `AwsError`.
    """
    if not re.fullmatch(DOCUMENT_NAME, name) or name.lower().startswith(RESERVED_NAMES):
        raise AwsError("ValidationException", f"Value '{name}' at 'name' failed to satisfy constraint: {DOCUMENT_NAME}")
    if len(content.encode()) > DOCUMENT_BYTES:
        raise AwsError("MaxDocumentSizeExceeded", f"{name}: the content is of more than {DOCUMENT_BYTES} bytes")
    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise _refused(name, f"neither JSON nor YAML: {error}") from error
    if not isinstance(document, dict) or "schemaVersion" not in document:
        raise _refused(name, "no schemaVersion")
    read = cast("dict[str, Any]", document)
    _require_known(name, "document", read, DOCUMENT_ELEMENTS)
    if not read.get("mainSteps"):
        raise _refused(name, "no mainSteps")
    for parameter, declared in read.get("parameters", {}).items():
        if not re.fullmatch(PARAMETER_NAME, parameter):
            raise _refused(name, f"parameter {parameter}: a name is of letters and digits")
        _require_known(name, f"parameter {parameter}", declared, PARAMETER_ELEMENTS)
        if declared.get("type") not in PARAMETER_TYPES:
            raise _refused(name, f"parameter {parameter}: no type {declared.get('type')}")
    steps = [step.get("name") for step in read["mainSteps"]]
    if None in steps or len(set(steps)) < len(steps):
        raise _refused(name, "each step has a name of its own")


def _require_known(document: str, part: str, found: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise _refused(document, f"{part}: unknown elements {', '.join(unknown)}")


def _refused(document: str, reason: str) -> AwsError:
    return AwsError("InvalidDocumentContent", f"{document}: {reason}")


def read_document(name: str, version: str, content: str) -> Document:
    """Read a document. Raises `AwsError` for what the sandbox does not run as AWS would."""
    document: dict[str, Any] = yaml.safe_load(content)
    if document.get("schemaVersion") != SCHEMA_VERSION:
        raise AwsError("InvalidDocument", f"{name}: the sandbox runs documents of schema {SCHEMA_VERSION} only")
    parameters: dict[str, dict[str, Any]] = document.get("parameters", {})
    for parameter, declared in parameters.items():
        if declared.get("type") != "String" or declared.get("interpolationType") != "ENV_VAR":
            message = f"{name}: the sandbox takes parameters of type String and interpolationType ENV_VAR: {parameter}"
            raise AwsError("InvalidDocument", message)
    steps = tuple(_step(name, step) for step in document["mainSteps"])
    return Document(name=name, version=version, parameters=parameters, steps=steps)


def _step(document: str, step: Mapping[str, Any]) -> Step:
    if step.get("action") != SHELL_SCRIPT or set(step) - {"action", "name", "inputs"}:
        message = f"{document}: the sandbox runs steps that have an action {SHELL_SCRIPT}, a name and inputs only"
        raise AwsError("InvalidDocument", message)
    inputs: Mapping[str, Any] = step["inputs"]
    unknown = set(inputs) - {"runCommand", "timeoutSeconds"}
    if unknown:
        raise AwsError("InvalidDocument", f"{document}: the sandbox does not know the inputs {sorted(unknown)}")
    script = "\n".join(inputs["runCommand"])
    if "{{" in json.dumps(script):
        raise AwsError("InvalidDocument", f"{document}: the sandbox pastes no parameter into a script")
    return Step(
        name=step["name"],
        script=script,
        timeout_seconds=float(inputs.get("timeoutSeconds", DEFAULT_EXECUTION_SECONDS)),
    )


def parameter_values(document: Document, given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return each parameter's value. Raises `AwsError` (InvalidParameters) as Systems Manager does."""
    unknown = sorted(set(given) - set(document.parameters))
    if unknown:
        raise _invalid(f"document {document.name} does not support parameters: [{', '.join(unknown)}]")
    values: dict[str, str] = {}
    for name, declared in document.parameters.items():
        if name not in given:
            if "default" not in declared:
                raise _invalid(f"document {document.name} requires parameter {name}")
            values[name] = str(declared["default"])
            continue
        if len(given[name]) != 1:
            raise _invalid(f"parameter {name} is of type String: it takes one value")
        value = given[name][0]
        pattern = declared.get("allowedPattern")
        if pattern is not None and not re.fullmatch(pattern, value):
            raise _invalid(f"Parameter {name} value does not match the allowedPattern of {pattern}")
        allowed = declared.get("allowedValues")
        if allowed is not None and value not in allowed:
            raise _invalid(f"Parameter {name} value is not one of {allowed}")
        values[name] = value
    return values


def received_values(document: Document, values: Mapping[str, str]) -> dict[str, str]:
    """Return the values that a script gets from the agent.

    The agent drops a parameter whose name it does not accept, writes a line to its log, and takes the default from the
    document (amazon-ssm-agent, `ValidParameters` and `getValidatedParameters`).
    """
    received: dict[str, str] = {}
    for name, declared in document.parameters.items():
        value = values.get(name)
        if not re.fullmatch(PARAMETER_NAME, name):
            sys.stderr.write(f"agent: {document.name}: invalid parameter name {name}\n")
            value = declared.get("default")
        if value is not None:
            received[name] = str(value)
    return received


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameters", message)
