"""Settings that are each allowed and do not go together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from alerting.settings.parts import (
    LOAD_BALANCER,
    MOST_RETENTION_SHARE,
    AddOn,
    ChatMode,
    CustomResourcesOnly,
    Endpoints,
    Environment,
    RoleSource,
    Spread,
    UncheckedSettings,
)
from alerting.source.quantities import bytes_of

LEAST_IN_PROD = {"alertmanager_replicas": 3, "prometheus_replicas": 2}
"""The fewest replicas in prod. With one Alertmanager lost and one being drained, there is still one that pages; with
the zone of a Prometheus lost, there is still one that sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Settings that are each allowed and do not go together. `key` is the one to change.

    `remove` says whether it may be taken out instead.
    """

    key: str
    message: str
    remove: bool = False


class SettingsContradict(ValueError):
    """Settings that are each allowed contradict each other. `contradictions` are all that were found."""

    def __init__(self, contradictions: Iterable[Contradiction]) -> None:
        """Keep every contradiction."""
        self.contradictions = tuple(contradictions)
        super().__init__("; ".join(f"{one.key}: {one.message}" for one in self.contradictions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Finds contradictions. `reads` are the settings that it looks at: where one of them is wrong, it has no say."""

    reads: tuple[str, ...]
    find: Callable[[UncheckedSettings], Iterator[Contradiction]]


def _found(key: str, value: object, where: str, allowed: object) -> Contradiction:
    return Contradiction(key=key, message=f"found {value}; allowed {where}: {allowed}", remove=True)


def _only_in_the_sandbox(
    settings: UncheckedSettings, key: str, value: object, allowed: object
) -> Iterator[Contradiction]:
    if settings.environment is not Environment.SANDBOX and value != allowed:
        yield _found(key, value, "outside the sandbox", allowed)


def _time_scale(settings: UncheckedSettings) -> Iterator[Contradiction]:
    yield from _only_in_the_sandbox(settings, "time_scale", settings.time_scale, 1)


def _endpoints(settings: UncheckedSettings) -> Iterator[Contradiction]:
    if settings.environment is not Environment.SANDBOX and settings.endpoints != Endpoints():
        yield Contradiction(key="endpoints", message="allowed in the sandbox only", remove=True)


def _plain_http(settings: UncheckedSettings) -> Iterator[Contradiction]:
    yield from _only_in_the_sandbox(settings, "aws.require_tls", settings.aws.require_tls, allowed=True)


def _kept_data(settings: UncheckedSettings) -> Iterator[Contradiction]:
    if settings.environment is Environment.PROD and not settings.aws.keep_data:
        yield _found("aws.keep_data", value=False, where="in prod", allowed=True)


def _paged(settings: UncheckedSettings) -> Iterator[Contradiction]:
    if settings.environment is Environment.PROD and not settings.paging:
        yield _found("paging", value=False, where="in prod", allowed=True)


def _fixed_image(settings: UncheckedSettings) -> Iterator[Contradiction]:
    """A plan of prod is carried out after it was approved: a newer image in between would not be the approved one."""
    if settings.environment is Environment.PROD and settings.bastion.image is None:
        message = "found nothing; allowed in prod: an image's id, ami-... (docs/deploying.md, 9)"
        yield Contradiction(key="bastion.image", message=message)


def _spread(settings: UncheckedSettings) -> Iterator[Contradiction]:
    monitoring = settings.monitoring
    if settings.environment is Environment.PROD and monitoring.spread is not Spread.REQUIRED:
        yield _found("monitoring.spread", monitoring.spread.value, "in prod", Spread.REQUIRED.value)


def _replicas(settings: UncheckedSettings) -> Iterator[Contradiction]:
    if settings.environment is not Environment.PROD:
        return
    for name, least in LEAST_IN_PROD.items():
        replicas = getattr(settings.monitoring, name)
        if replicas < least:
            yield Contradiction(key=f"monitoring.{name}", message=f"found {replicas}; allowed in prod: {least} or more")


def _retention_size(settings: UncheckedSettings) -> Iterator[Contradiction]:
    monitoring = settings.monitoring
    most = int(MOST_RETENTION_SHARE * bytes_of(monitoring.prometheus_storage))
    if monitoring.retention_bytes() > most:
        allowed = f"{most // 2**20}Mi or less, {MOST_RETENTION_SHARE:.0%} of monitoring.prometheus_storage"
        message = f"found {monitoring.retention_size}; allowed: {allowed}, or Prometheus fills its disk and goes blind"
        yield Contradiction(key="monitoring.retention_size", message=message, remove=True)


def _grafana(settings: UncheckedSettings) -> Iterator[Contradiction]:
    if settings.monitoring.grafana and isinstance(settings.monitoring.chart, CustomResourcesOnly):
        message = "found True; allowed with chart.source custom-resources, which installs no Grafana: False"
        yield Contradiction(key="monitoring.grafana", message=message)


def _targets(settings: UncheckedSettings) -> Iterator[Contradiction]:
    jobs = Counter(target.job for target in settings.monitoring.extra_scrape_targets)
    for job, count in jobs.items():
        if count > 1:
            message = f"found job {job} {count} times; allowed: a job of its own for each"
            yield Contradiction(key="monitoring.extra_scrape_targets", message=message)


def _load_balancer(settings: UncheckedSettings) -> Iterator[Contradiction]:
    if settings.environment is Environment.SANDBOX and settings.alertmanager_api == LOAD_BALANCER:
        where = "in the sandbox, where nothing makes load balancers"
        yield _found("alertmanager_api", LOAD_BALANCER, where, "an address, http://HOST:PORT")


def _way_in(settings: UncheckedSettings) -> Iterator[Contradiction]:
    cluster = settings.cluster
    if cluster.kubeconfig_context is not None and cluster.kubeconfig_path is None:
        message = "a context is one of a kubeconfig, and cluster.kubeconfig_path is not set; set it, or remove this"
        yield Contradiction(key="cluster.kubeconfig_context", message=message, remove=True)


def _identity(settings: UncheckedSettings) -> Iterator[Contradiction]:
    cluster = settings.cluster
    if cluster.identity is not RoleSource.IRSA:
        return
    if settings.environment is Environment.SANDBOX:
        yield _found("cluster.identity", "irsa", "in the sandbox, which knows no other", RoleSource.POD_IDENTITY.value)
    if AddOn.POD_IDENTITY_AGENT in cluster.self_managed:
        key = f"cluster.self_managed[{cluster.self_managed.index(AddOn.POD_IDENTITY_AGENT)}]"
        others = ", ".join(one.value for one in AddOn if one is not AddOn.POD_IDENTITY_AGENT)
        yield _found(key, AddOn.POD_IDENTITY_AGENT.value, "with cluster.identity irsa, which needs no agent", others)


def _network(settings: UncheckedSettings) -> Iterator[Contradiction]:
    network = settings.network
    given = [name for name in ("vpc_id", "subnet_ids") if getattr(network, name)]
    if network.from_stack is not None:
        for name in given:
            message = "found beside network.from_stack, which gives it too; allowed: one of the two"
            yield Contradiction(key=f"network.{name}", message=message, remove=True)
        return
    for name in ("vpc_id", "subnet_ids"):
        if name not in given:
            message = "missing, and network.from_stack.stack is too: one of the two is needed"
            yield Contradiction(key=f"network.{name}", message=message)
    for subnet, count in Counter(network.subnet_ids).items():
        if count > 1:
            message = f"found {subnet} {count} times; allowed: once"
            yield Contradiction(key="network.subnet_ids", message=message)


def _chat(settings: UncheckedSettings) -> Iterator[Contradiction]:
    if settings.chat is not ChatMode.ON:
        return
    needed = {
        "slack_workspace": "the id of the workspace whose clicks count",
        "pagerduty_sender": "the email of the PagerDuty user in whose name notes are added",
        "alertmanager_api": "the address at which chat asks what fires",
    }
    for key, what in needed.items():
        if getattr(settings, key) is None:
            yield Contradiction(key=key, message=f"missing, and chat is on, which needs it: {what}")
    if not settings.paging:
        yield _found("chat", ChatMode.ON.value, "where nobody is paged (paging is false)", ChatMode.OFF.value)


RULES = (
    Rule(reads=("environment", "time_scale"), find=_time_scale),
    Rule(reads=("environment", "endpoints"), find=_endpoints),
    Rule(reads=("environment", "aws"), find=_plain_http),
    Rule(reads=("environment", "aws"), find=_kept_data),
    Rule(reads=("environment", "paging"), find=_paged),
    Rule(reads=("environment", "bastion"), find=_fixed_image),
    Rule(reads=("environment", "monitoring"), find=_spread),
    Rule(reads=("environment", "monitoring"), find=_replicas),
    Rule(reads=("monitoring",), find=_retention_size),
    Rule(reads=("monitoring",), find=_grafana),
    Rule(reads=("monitoring",), find=_targets),
    Rule(reads=("cluster",), find=_way_in),
    Rule(reads=("environment", "cluster"), find=_identity),
    Rule(reads=("network",), find=_network),
    Rule(reads=("environment", "alertmanager_api"), find=_load_balancer),
    Rule(reads=("chat", "slack_workspace", "pagerduty_sender", "alertmanager_api", "paging"), find=_chat),
)
"""What has to go together."""
