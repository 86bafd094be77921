"""`python -m sandbox.providers.kubernetes ENGINE`: the provider, as the engine starts it."""

from __future__ import annotations

from importlib.metadata import version

from sandbox.providers.kubernetes.cluster import Cluster
from sandbox.providers.kubernetes.objects import Objects
from sandbox.providers.kubernetes.release import Releases
from sandbox.providers.provider_server import serve
from sandbox.providers.provider_table import Setting, Table, by_token


def main() -> None:
    """Be the provider."""
    serve(table(Cluster()))


def table(cluster: Cluster) -> Table:
    """Return the provider's description; `cluster` is what its settings lead to."""
    return Table(
        name="kubernetes",
        version=version("pulumi-kubernetes"),
        resources=by_token(Releases(cluster).described()),
        settings={
            "kubeconfig": Setting(secret=True),
            "context": Setting(),
            "namespace": Setting(),
            "enableServerSideApply": Setting(is_json=True),
            "enableSecretMutable": Setting(is_json=True),
            "enableConfigMapMutable": Setting(is_json=True),
            "enablePatchForce": Setting(is_json=True),
            "suppressDeprecationWarnings": Setting(is_json=True),
            "suppressHelmHookWarnings": Setting(is_json=True),
        },
        find=Objects(cluster).find,
        configure=cluster.configure,
    )


if __name__ == "__main__":
    main()
