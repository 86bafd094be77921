"""The document that proves a bastion: it runs one harmless command in the way that repairs take.

The program runs it on each new instance and waits for it, so that `up` fails where a repair would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alerting.platform_repairs import ClusterRight, Repairs
from alerting.repairs.ssm_documents import SHELL_SCRIPT, VARIABLE_PREFIX

DOCUMENT_NAME = "orion-prove-bastion"
INSTANCE = "instance"
"""The parameter that names the instance to be proved."""
TIMEOUT_SECONDS = 120


def proof_document(repairs: Repairs) -> Mapping[str, Any]:
    """Return the document as it is deployed.

    Its script fails unless the agent gives parameters as environment variables, kubectl reaches the cluster, and the
    cluster allows every right that the actions need. It changes nothing.
    """
    variable = f"{VARIABLE_PREFIX}{INSTANCE}"
    lines = [
        "#!/bin/bash",
        "set -euo pipefail",
        f': "${{{variable}:?}}"',
        "may() {",
        '  kubectl auth can-i --quiet "$@" || { echo "failed: the cluster does not allow: $*" >&2; exit 1; }',
        "}",
        "kubectl version --request-timeout=20s >/dev/null",
        *_questions(repairs),
        f'echo "usable: instance ${variable} reaches the cluster and has every right that repairs need"',
    ]
    return {
        "schemaVersion": "2.2",
        "description": "Proves that a bastion can run repairs; changes nothing",
        "parameters": {
            INSTANCE: {
                "type": "String",
                "description": "The instance that is proved",
                "allowedPattern": "^i-[0-9a-f]{8,17}$",
                "interpolationType": "ENV_VAR",
            }
        },
        "mainSteps": [
            {
                "action": SHELL_SCRIPT,
                "name": "proveBastion",
                "inputs": {"timeoutSeconds": str(TIMEOUT_SECONDS), "runCommand": ["\n".join(lines) + "\n"]},
            }
        ],
    }


def _questions(repairs: Repairs) -> Iterator[str]:
    for namespace in repairs.namespaces:
        for right in repairs.rights:
            yield from (f"{question} --namespace={namespace}" for question in _of_right(right))
    for right in repairs.cluster_rights:
        yield from _of_right(right)


def _of_right(right: ClusterRight) -> Iterator[str]:
    resource, _, part = right.resource.partition("/")
    kind = f"{resource}.{right.group}" if right.group else resource
    subresource = f" --subresource={part}" if part else ""
    for name in right.names or ("",):
        target = f"{kind}/{name}" if name else kind
        yield from (f"may {verb} {target}{subresource}" for verb in right.verbs)
