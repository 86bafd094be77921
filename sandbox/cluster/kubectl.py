"""Server-side apply by the real kubectl, for what the sandbox itself puts into the cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.service import ServiceFailed
from tools.paths import tool

FIELD_MANAGER = "orion-sandbox"
TIMEOUT_SECONDS = 60

Manifest = Mapping[str, Any]


def kubectl(kubeconfig: Path, *arguments: str, standard_input: str | None = None) -> str:
    """Run kubectl and return what it prints.

    Raises `ServiceFailed` with kubectl's own message if it fails, or if it does not end in time.
    """
    try:
        done = subprocess.run(
            [str(tool("kubectl")), f"--kubeconfig={kubeconfig}", *arguments],
            input=standard_input,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ServiceFailed(f"kubectl {' '.join(arguments)}: no answer after {TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        message = f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        raise ServiceFailed(message)
    return done.stdout


def apply(kubeconfig: Path, manifests: Iterable[Manifest]) -> None:
    """Apply manifests, in order. Raises `ServiceFailed` if one is refused."""
    documents = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
    kubectl(kubeconfig, *_APPLY, f"--field-manager={FIELD_MANAGER}", "-f", "-", standard_input=json.dumps(documents))


def apply_files(kubeconfig: Path, paths: Sequence[Path], *, field_manager: str = FIELD_MANAGER) -> None:
    """Apply the manifests of files, as `field_manager`. Raises `ServiceFailed` if one is refused."""
    kubectl(kubeconfig, *_APPLY, f"--field-manager={field_manager}", *(f"--filename={path}" for path in paths))


_APPLY = ("apply", "--server-side", "--force-conflicts")
