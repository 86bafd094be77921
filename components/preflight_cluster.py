"""Preflight of the cluster: that it is there, new enough, and lets in the bastion and the service accounts' tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pulumi
import pulumi_aws as aws

from alerting.settings import RoleSource, Settings
from components.eks_auto_mode import runs_itself
from components.lookups import Unreadable, read
from components.naming import arn
from components.policies import STS_AUDIENCE
from components.preflight_add_ons import AddOnChecks
from components.security_groups import EVERYWHERE

ACCESS_ENTRY_MODES = ("API", "API_AND_CONFIG_MAP")
LEAST_KUBERNETES = (1, 30)
"""The oldest that the program is made for (docs/deploying.md, 1). It is tested with the newest."""


class ClusterChecks:
    """The look-ups of the settings' cluster. `vpc_id` is empty until `problems` has read the cluster."""

    vpc_id: str

    def __init__(self, settings: Settings, options: pulumi.InvokeOptions) -> None:
        self._settings = settings
        self._options = options
        self.vpc_id = ""

    def problems(self) -> Iterator[str]:
        """Yield what is wrong, in the order that one would repair it in."""
        name = self._settings.cluster.name
        try:
            cluster = read(lambda: aws.eks.get_cluster(name=name, opts=self._options))
        except Unreadable as error:
            aws_settings = self._settings.aws
            yield (
                f"cluster.name: no EKS cluster {name!r} can be read in {aws_settings.region} of account "
                f"{aws_settings.account_id}: {error}. Make it first, correct the name, or allow eks:DescribeCluster"
            )
            return
        expected = arn(self._settings, "eks", f"cluster/{name}")
        if cluster.arn != expected:
            yield f"cluster.name: found {cluster.arn}; allowed: {expected}"
        if cluster.status != "ACTIVE":
            yield f"cluster.name: cluster {name} is {cluster.status}; wait until it is ACTIVE, or repair it"
        if _version(cluster.version) < LEAST_KUBERNETES:
            yield (
                f"cluster {name}: found Kubernetes {cluster.version or 'of no version that is told'}; allowed: "
                f"{'.'.join(map(str, LEAST_KUBERNETES))} or newer. Upgrade it, one minor version at a time: "
                f"`aws eks update-cluster-version --name {name} --kubernetes-version VERSION`"
            )
        self.vpc_id = cluster.vpc_config.vpc_id
        mode = cluster.access_configs[0].authentication_mode if cluster.access_configs else ""
        if mode not in ACCESS_ENTRY_MODES:
            yield (
                f"cluster {name}: its authentication mode is {mode or 'not told'}, and the bastion gets its rights by "
                "an access entry. Allow these beside aws-auth, which goes on working and cannot be undone: "
                f"`aws eks update-cluster-config --name {name} "
                "--access-config authenticationMode=API_AND_CONFIG_MAP`"
            )
        self._endpoint(name, cluster.vpc_config)
        if self._settings.cluster.identity is RoleSource.IRSA:
            yield from self._issuer(name, _issuer_of(cluster))
        yield from AddOnChecks(self._settings, self._options, auto_mode=runs_itself(cluster)).problems()

    def _endpoint(self, cluster: str, network: aws.eks.outputs.GetClusterVpcConfigResult) -> None:
        """Say where the bastion may find the cluster closed. At a private endpoint it is let in by its own rule."""
        if network.endpoint_private_access or EVERYWHERE in network.public_access_cidrs:
            return
        pulumi.log.warn(
            f"cluster {cluster}: its private endpoint is off, and its public one admits "
            f"{', '.join(network.public_access_cidrs) or 'nobody'} only. The bastion comes from the public address of "
            "its subnet's NAT gateway: unless that is among them, every repair fails. Turn the private endpoint on: "
            f"`aws eks update-cluster-config --name {cluster} --resources-vpc-config endpointPrivateAccess=true`, or "
            "add NAT's address to publicAccessCidrs"
        )

    def _issuer(self, cluster: str, issuer: str) -> Iterator[str]:
        """IAM has to know who issues the tokens of the cluster's service accounts, made out to STS."""
        if not issuer:
            yield f"cluster.identity: found irsa, and cluster {cluster} tells no issuer of tokens. Set pod-identity"
            return
        try:
            provider = read(lambda: aws.iam.get_open_id_connect_provider(url=issuer, opts=self._options))
        except Unreadable as error:
            yield (
                f"cluster.identity: found irsa, and no OIDC provider can be read in IAM for {issuer}, the issuer of "
                f"cluster {cluster}: {error}. Make it with `eksctl utils associate-iam-oidc-provider "
                f"--region {self._settings.aws.region} --cluster {cluster} --approve` or "
                f"`aws iam create-open-id-connect-provider --url {issuer} --client-id-list {STS_AUDIENCE}`; if it is "
                "there, allow iam:ListOpenIDConnectProviders and iam:GetOpenIDConnectProvider"
            )
            return
        if STS_AUDIENCE not in provider.client_id_lists:
            found = ", ".join(provider.client_id_lists) or "none"
            yield (
                f"cluster.identity: found irsa, and the OIDC provider {provider.arn} takes tokens for these client ids "
                f"only: {found}. EKS makes them out to {STS_AUDIENCE}: `aws iam "
                f"add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {provider.arn} "
                f"--client-id {STS_AUDIENCE}`"
            )


def _issuer_of(cluster: aws.eks.AwaitableGetClusterResult) -> str:
    return next((oidc.issuer for identity in cluster.identities or () for oidc in identity.oidcs), "")


def _version(text: str) -> tuple[int, ...]:
    """Return a version such as 1.36 as numbers, which compare as versions do; none where it is no such version."""
    return tuple(map(int, text.split("."))) if re.fullmatch(r"\d+\.\d+", text) else ()
