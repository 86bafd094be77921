"""Preflight: checks account, cluster and network before anything is created, and reports every problem at once.

Only AWS' reading calls are used, and Slack's of a token. Each refusal says what to do; all of them come at once, and
nothing has been made. What AWS cannot be asked about is a warning, or is believed where
`cluster.self_managed` names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pulumi
import pulumi_aws as aws

from alerting.settings import LOAD_BALANCER, Environment, Settings
from components.lookups import Unreadable, read
from components.preflight_chat import slack_problems
from components.preflight_cluster import ClusterChecks
from components.preflight_image import warn_of_image
from components.preflight_network import NetworkChecks


class PreflightFailed(pulumi.RunError):
    """Something that the program builds on is not there or not fit. The message has a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem, one a line."""
        listed = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"Nothing was made, since what has to be there already is not:\n{listed}")
        self.problems = tuple(problems)


def preflight(settings: Settings, provider: pulumi.ProviderResource, *, slack_token: str | None = None) -> None:
    """Look at everything, by the provider that would make the rest. `slack_token` is chat's, if chat is on.

    Raises `PreflightFailed` with every problem. What is only worth knowing becomes a warning of the engine.
    """
    options = pulumi.InvokeOptions(provider=provider)
    # What another account or region answers says nothing of ours.
    problems = list(_account_problems(settings, options)) or list(_problems(settings, options))
    problems += slack_problems(settings, slack_token)
    if problems:
        raise PreflightFailed(problems)
    warn_of_image(settings, options)
    if settings.alertmanager_api is None and settings.environment is not Environment.SANDBOX:
        pulumi.log.warn(
            "alertmanager_api: missing, so that of a group of more than 100 alerts those that a message has no room "
            "for are not repaired: the team hears how many there were. Have the program make a load balancer for it "
            f"(docs/deploying.md, 3): `pulumi config set --stack {settings.environment} alertmanager_api "
            f"{LOAD_BALANCER}`; or give the address of one that the network's subnets reach"
        )


def _account_problems(settings: Settings, options: pulumi.InvokeOptions) -> Iterator[str]:
    wanted = settings.aws
    try:
        caller = read(lambda: aws.get_caller_identity(opts=options))
        region = read(lambda: aws.get_region(opts=options))
    except Unreadable as error:
        yield (
            f"aws: the credentials in use are not accepted: {error}. Sign in to account {wanted.account_id} "
            "(`aws sts get-caller-identity` shows who you are)"
        )
        return
    if caller.account_id != wanted.account_id:
        yield (
            f"aws.account_id: the credentials in use are of account {caller.account_id}, and this stack belongs to "
            f"{wanted.account_id}. Sign in to that account, or choose the other stack"
        )
    if region.region != wanted.region:
        yield f"aws.region: found {region.region}, where this stack is in {wanted.region}. Unset AWS_REGION"


def _problems(settings: Settings, options: pulumi.InvokeOptions) -> Iterator[str]:
    cluster = ClusterChecks(settings, options)
    yield from cluster.problems()
    yield from NetworkChecks(settings, options, cluster_vpc=cluster.vpc_id).problems()
