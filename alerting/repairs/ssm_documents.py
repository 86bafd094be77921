"""Documents of Systems Manager (SSM), and the rules that AWS and its agent hold them to.

Sources: the user guide's "Data elements and parameters" and `CreateDocument`, and amazon-ssm-agent:
`docparser/parameters` (names), `paramvalidator` (patterns), `docparser` (references such as `{{ssm:name}}`).
The agent drops a parameter whose name it does not accept, writes a line to its log and takes the default from the
document. So what breaks a rule may be found out by nothing but a repair that goes wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import promql_parser
from pydantic import AfterValidator, Field, StringConstraints

from alerting.source.fields import ClosedModel

SHELL_SCRIPT = "aws:runShellScript"
VARIABLE_PREFIX = "SSM_"
"""A parameter `name` of the type ENV_VAR is the environment variable `SSM_name`."""
CONTENT_BYTES = 64 * 1024
"""The most that a document may hold, together with the values of its parameters when it is run."""
PARAMETER_BYTES = 4 * 1024
"""Kept free for the values: labels, each as long as its pattern allows."""
MOST_REPETITIONS = 1000
"""The highest count, as in `a{1000}`, that Go's regular expressions accept."""


def _accepted_by_go(pattern: str) -> str:
    """Return a pattern. Raises `ValueError` if the agent, which is written in Go, could not read it."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    # Escaped characters and sets say nothing of repetitions.
    bare = re.sub(r"\\.|\[\^?\]?(\\.|[^\]\\])*\]", "x", pattern)
    counts = [int(count) for count in re.findall(r"\d+", " ".join(re.findall(r"\{[\d,]+\}", bare)))]
    if any(count > MOST_REPETITIONS for count in counts):
        raise ValueError(f"at most {MOST_REPETITIONS} repetitions are allowed in a regular expression of Go")
    # The parser of PromQL reads the regular expressions of label matchers by the rules that Go's share: no look-around,
    # no back-reference. Repeated repetitions are read otherwise there.
    try:
        promql_parser.parse(f'{{name="x", pattern=~{json.dumps(pattern)}}}')
        accepted = re.search(r"[*+?}][*+]", bare) is None
    except ValueError:
        accepted = False
    if not accepted:
        raise ValueError("a regular expression of Go is allowed: without look-around, back-references and `++`")
    return pattern


ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9]+$")]
"""The names that the agent accepts (`paramNameRegex`)."""
StepName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9]{1,64}$")]
"""The agent names a folder and a part of an object's key after a step."""
Pattern = Annotated[str, StringConstraints(pattern=r"^\^.*\$$"), AfterValidator(_accepted_by_go)]
"""The agent looks for a match anywhere in a value, so that the pattern itself holds the beginning and the end."""
Timeout = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*$")]


class DocumentParameter(ClosedModel):
    """A parameter that a script reads from an environment variable."""

    type: Literal["String"]
    description: str = Field(default="", max_length=1024)
    default: str | None = None
    allowedPattern: Pattern  # noqa: N815 - the name is AWS's
    interpolationType: Literal["ENV_VAR"]  # noqa: N815 - the name is AWS's


class ScriptInputs(ClosedModel):
    """The lines of a shell script, and how long it may run. The agent takes an hour for what is not a number."""

    timeoutSeconds: Timeout  # noqa: N815 - the name is AWS's
    runCommand: tuple[str, ...] = Field(min_length=1)  # noqa: N815 - the name is AWS's


class DocumentStep(ClosedModel):
    """A step that runs a shell script."""

    action: Literal["aws:runShellScript"]
    name: StepName
    inputs: ScriptInputs


class SsmDocument(ClosedModel):
    """A command document of schema 2.2."""

    schemaVersion: Literal["2.2"]  # noqa: N815 - the name is AWS's
    description: str = Field(min_length=1, max_length=1024)
    parameters: Mapping[ParameterName, DocumentParameter] = Field(min_length=1)
    mainSteps: tuple[DocumentStep, ...] = Field(min_length=1)  # noqa: N815 - the name is AWS's

    def content(self) -> dict[str, Any]:
        """Return the document as it is written, to be added to."""
        return self.model_dump(mode="json", exclude_unset=True)


def document_text(content: Mapping[str, Any]) -> str:
    """Return a document as it is deployed: Systems Manager's hash of a document is that of its text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def content_problems(content: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the rules that a document breaks as it is deployed: the place in it, and the problem.

    These are the rules that are about more than one field; the models hold the others.
    """
    # {{ name }} is replaced by a parameter's text before a shell reads it, {{ssm:name}} by one of the account's.
    for part in ("mainSteps", "parameters"):
        members = content[part]
        for key, value in members.items() if isinstance(members, dict) else enumerate(members):
            if "{{" in json.dumps(value):
                message = 'found "{{"; allowed: parameters as environment variables. Read "$SSM_name" instead'
                yield (part, key), message
    names = [step["name"] for step in content["mainSteps"]]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("mainSteps", index, "name"), f"found {name} twice; allowed: each name once. Rename one"
    first = content["mainSteps"][0]["inputs"]["runCommand"][0]
    if not first.startswith("#!/bin/bash\n"):
        yield ("mainSteps", 0), "the script does not begin with #!/bin/bash; without it the agent runs it by sh. Add it"
    size = len(document_text(content).encode())
    most = CONTENT_BYTES - PARAMETER_BYTES
    if size > most:
        yield (), f"found {size} bytes as deployed; allowed: {most}, so that parameters have room. Shorten the script"
