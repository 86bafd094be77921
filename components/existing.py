"""Look-ups of retained resources that are there already, whoever made them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pulumi
import pulumi_aws as aws

from alerting.settings import Settings
from components.lookups import Unreadable, read

KUBECTL_SECONDS = 30
"""How long the API server may take to answer about the namespace."""
LookUp = Callable[[], bool]
"""Says whether a resource is there. Where it cannot be asked for, the answer is no: `up` finds it then."""


def table_look_up(settings: Settings, name: str, parent: pulumi.Resource) -> LookUp:
    """Return the look-up of a DynamoDB table, asked by the provider of `parent`."""
    return _asked(settings, lambda: aws.dynamodb.get_table(name=name, opts=pulumi.InvokeOptions(parent=parent)))


def bucket_look_up(settings: Settings, name: str, parent: pulumi.Resource) -> LookUp:
    """Return the look-up of an S3 bucket that this account may read, asked by the provider of `parent`."""
    return _asked(settings, lambda: aws.s3.get_bucket(bucket=name, opts=pulumi.InvokeOptions(parent=parent)))


def namespace_look_up(settings: Settings, kubeconfig: str) -> LookUp:
    """Return the look-up of the stack's namespace. `kubeconfig` is a file's path, or the text of one.

    The Kubernetes provider has no look-up that may find nothing, so that `kubectl` asks: where it is not installed,
    nothing is known of the namespace before `up`.
    """

    def look_up() -> bool:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(kubeconfig)
            if kubeconfig.lstrip().startswith("{"):
                path = Path(folder, "kubeconfig")
                path.write_text(kubeconfig)
            return _has_namespace(settings, path)

    return look_up


def _asked(settings: Settings, look_up: Callable[[], object]) -> LookUp:
    """Ask AWS now: while the engine waits for a hook, which is when the answer is needed, the SDK asks it nothing."""
    found = False
    if settings.aws.keep_data:
        try:
            read(look_up)
            found = True
        except Unreadable as error:
            pulumi.log.debug(f"not there, or not to be asked for: {error}")
    return lambda: found


def _has_namespace(settings: Settings, kubeconfig: Path) -> bool:
    cluster = settings.cluster
    context = ["--context", cluster.kubeconfig_context] if cluster.kubeconfig_context else []
    asked = ["get", "namespace", cluster.namespace, "--output=name", f"--request-timeout={KUBECTL_SECONDS}s"]
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return False
    try:
        subprocess.run(
            [kubectl, "--kubeconfig", str(kubeconfig), *context, *asked],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=2 * KUBECTL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        pulumi.log.debug(f"namespace {cluster.namespace}: not there, or not to be asked for: {error}")
        return False
    return True
