"""The providers, made explicitly: nothing falls back on one that the machine's environment happens to set up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
import pulumi_pagerduty as pagerduty

from alerting.settings import ClusterSettings, Settings
from components.naming import tags, type_token


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersArgs:
    """Settings are known now; the token is a secret output, and None where nobody is paged.

    `check` looks at the account by its provider, and raises before the cluster, or anything else, is asked for.
    """

    settings: Settings
    pagerduty_token: pulumi.Output[str] | None
    check: Callable[[aws.Provider], None] | None = None


class Providers(pulumi.ComponentResource):
    """AWS, Kubernetes and, where somebody is paged, PagerDuty, as every component uses them."""

    aws: aws.Provider
    kubernetes: kubernetes.Provider
    kubeconfig: str
    pagerduty: pagerduty.Provider | None

    def __init__(self, name: str, args: ProvidersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Providers"), name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        self.aws = aws.Provider(
            f"{name}-aws",
            region=settings.aws.region,
            # Credentials of another account are refused before anything is touched.
            allowed_account_ids=[settings.aws.account_id],
            default_tags=aws.ProviderDefaultTagsArgs(tags=tags(settings)),
            opts=child,
        )
        if args.check is not None:
            args.check(self.aws)
        self.kubeconfig = self._kubeconfig(settings)
        self.kubernetes = kubernetes.Provider(
            f"{name}-kubernetes",
            kubeconfig=self.kubeconfig,
            context=settings.cluster.kubeconfig_context,
            enable_server_side_apply=True,
            # Without these a changed configuration Secret is deleted and made anew, and alerts are dropped meanwhile.
            enable_secret_mutable=True,
            enable_config_map_mutable=True,
            opts=child,
        )
        self.pagerduty = (
            None
            if args.pagerduty_token is None
            else pagerduty.Provider(f"{name}-pagerduty", token=args.pagerduty_token, opts=child)
        )
        self.register_outputs({})

    def options(self) -> pulumi.ResourceOptions:
        """Return what gives these providers to a component and all its children."""
        found = (self.aws, self.kubernetes, self.pagerduty)
        return pulumi.ResourceOptions(providers=[one for one in found if one is not None])

    def _kubeconfig(self, settings: Settings) -> str:
        """Return a kubeconfig's path, or the text of one that has the AWS CLI ask for a token: it holds no secret."""
        cluster = settings.cluster
        if cluster.kubeconfig_path is not None:
            return str(Path(cluster.kubeconfig_path).expanduser())
        found = aws.eks.get_cluster(name=cluster.name, opts=pulumi.InvokeOptions(provider=self.aws))
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": cluster.kubeconfig_context or cluster.name,
                "clusters": [
                    {
                        "name": cluster.name,
                        "cluster": {
                            "server": found.endpoint,
                            "certificate-authority-data": found.certificate_authorities[0].data,
                        },
                    }
                ],
                "contexts": [
                    {
                        "name": cluster.kubeconfig_context or cluster.name,
                        "context": {"cluster": cluster.name, "user": cluster.name},
                    }
                ],
                "users": [{"name": cluster.name, "user": {"exec": _token_command(cluster, settings.aws.region)}}],
            }
        )


def _token_command(cluster: ClusterSettings, region: str) -> dict[str, object]:
    return {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", cluster.name, "--output", "json"],
        "interactiveMode": "Never",
    }
