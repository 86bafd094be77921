"""One stack's settings, as one closed model, made from plain data (Pulumi's configuration, a file).

`alerting.stack_settings` reads them and says all that is wrong; a field's description is what its errors call allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerting.durations import Duration


class Environment(StrEnum):
    """Where a stack runs. Not a tier of importance: prod is where people are paged for customers."""

    DEV = "dev"
    PROD = "prod"
    SANDBOX = "sandbox"


LEAST_IN_PROD = {"alertmanager_replicas": 3, "prometheus_replicas": 2}
"""The fewest replicas in prod. With one Alertmanager lost and one being drained, there is still one that pages; with
the zone of a Prometheus lost, there is still one that sends."""

Text = Annotated[str, Field(min_length=1, description="a text")]
KubernetesName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="a name of lower-case letters, digits and `-`"),
]
Quantity = Annotated[
    str, Field(pattern=r"^[1-9]\d*(Ki|Mi|Gi|Ti)$", description="a size such as 2Gi, in Ki, Mi, Gi or Ti")
]
Retention = Annotated[
    Duration,
    Field(pattern=r"^[1-9]\d*[hdwy]$", description="a time such as 15d, in h, d, w or y, of less than 292 years"),
]
_ADDRESS = r"https?://[^/\s@]+(/[^\s@]*[^/\s@])?"
Address = Annotated[
    str, Field(pattern=rf"^{_ADDRESS}$", description="an address, https://HOST, without a / at its end")
]
LOAD_BALANCER = "load-balancer"
"""As `alertmanager_api`: the program makes the load balancer, and its address is known once it is there."""
Channel = Annotated[
    str, Field(pattern=r"^#[a-z0-9_-][a-z0-9._-]{0,78}$", description="a Slack channel such as #orion-alerts")
]
PrivateNetwork = Annotated[
    str,
    Field(
        pattern=r"^(10|172\.(1[6-9]|2\d|3[01])|192\.168|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(\.\d{1,3}){1,3}/([89]|[12]\d|3[0-2])$",
        description="a private network such as 10.0.0.0/16",
    ),
]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, description="a number of seconds over 0")]
Replicas = Annotated[int, Field(ge=1, description="a whole number, 1 or more")]


class RepairMode(StrEnum):
    """What automatic repairs do. `dry-run` says what it would do and touches nothing."""

    DRY_RUN = "dry-run"
    ON = "on"


class _Model(BaseModel):
    # `pulumi config set --path` stores what looks like a number as a number, an account id too.
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class ChartFromRepository(_Model):
    """kube-prometheus-stack from a Helm repository."""

    source: Literal["repository"]
    repository: Address = "https://prometheus-community.github.io/helm-charts"
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$", description="a version such as 88.5.3")] = "88.5.3"


class ChartFromFile(_Model):
    """kube-prometheus-stack from a chart archive on this machine."""

    source: Literal["file"]
    path: Text


class CustomResourcesOnly(_Model):
    """No chart: the Alertmanager and Prometheus resources themselves, on an operator that is there already."""

    source: Literal["custom-resources"]


Chart = Annotated[ChartFromRepository | ChartFromFile | CustomResourcesOnly, Field(discriminator="source")]


class ScrapeTarget(_Model):
    """Something outside the cluster that Prometheus scrapes. `address` is host:port."""

    job: Text
    address: Annotated[str, Field(pattern=r"^[^\s/:]+:\d{1,5}$", description="HOST:PORT")]
    path: Annotated[str, Field(pattern=r"^/\S*$", description="a path, from its / on")] = "/metrics"


class AwsSettings(_Model):
    """The account that the stack belongs to; preflight compares it with the credentials in use.

    `require_tls` has buckets, topics and queues refuse plain HTTP; only the sandbox, whose clouds speak nothing else,
    has it off. `keep_data` protects what holds data or keys from being removed by this program, and from being lost
    with its state; without it a destroy empties the buckets and removes everything.
    """

    account_id: str = Field(pattern=r"^\d{12}$", description="an AWS account's twelve digits")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="a region such as us-east-1")
    require_tls: bool = True
    keep_data: bool = True


class AddOn(StrEnum):
    """What the cluster has to have. EKS' own names of them; the last is none of its add-ons."""

    EBS_CSI_DRIVER = "aws-ebs-csi-driver"
    POD_IDENTITY_AGENT = "eks-pod-identity-agent"
    VPC_CNI = "vpc-cni"
    LOAD_BALANCER_CONTROLLER = "aws-load-balancer-controller"


class RoleSource(StrEnum):
    """How a service account gets its AWS role: by EKS pod identity, or by IRSA (IAM roles for service accounts)."""

    POD_IDENTITY = "pod-identity"
    IRSA = "irsa"


class ClusterSettings(_Model):
    """The EKS cluster, by its name. Kubernetes is reached by a token for it, or by a kubeconfig where one is given.

    `identity` is how Alertmanager's service account gets its AWS role: `pod-identity` needs the cluster's pod identity
    agent, `irsa` an OIDC provider in IAM for the cluster's issuer.
    `self_managed` names what was installed otherwise than as an EKS add-on (by helm): AWS cannot be asked about it, so
    preflight believes it.
    """

    name: Text
    namespace: KubernetesName = "monitoring"
    kubeconfig_path: Text | None = None
    kubeconfig_context: Text | None = None
    identity: RoleSource = RoleSource.POD_IDENTITY
    self_managed: tuple[AddOn, ...] = ()


class OtherStack(_Model):
    """The Pulumi stack that made the network, and what it calls its outputs: an id, and a list of ids."""

    stack: str = Field(pattern=r"^[^/\s]+/[^/\s]+/[^/\s]+$", description="ORGANISATION/PROJECT/STACK")
    vpc_output: Text = "vpcId"
    subnets_output: Text = "privateSubnetIds"


class NetworkSettings(_Model):
    """Where the bastion stands. The subnets are private, with a way out through NAT.

    By value, or by the outputs of another stack; `components.network` looks these up before anything else, so that
    every other reader finds values. Until then `vpc_id` is empty.
    """

    vpc_id: Annotated[str, Field(pattern=r"^(vpc-\w+)?$", description="a VPC's id, vpc-...")] = ""
    subnet_ids: tuple[Annotated[str, Field(pattern=r"^subnet-\w+$", description="a subnet's id, subnet-...")], ...] = ()
    from_stack: OtherStack | None = None


class Spread(StrEnum):
    """How strictly replicas are kept on nodes and in zones of their own. `required` leaves one pending instead."""

    REQUIRED = "required"
    PREFERRED = "preferred"


class MonitoringSettings(_Model):
    """How the monitoring stack is run. Storage sizes are Kubernetes quantities, durations Prometheus ones.

    Scrape and evaluation interval are the story's: they are divided by `time_scale` like every other interval.
    `retention` is as long as the longest window of the rules or longer; `prometheus_storage` is that of each replica.
    `page_namespaces` are those whose pods may open Alertmanager's page besides Prometheus and Grafana: an ingress
    controller's; `page_networks` are those of load balancers that reach pods without one. `admission_webhooks` off has
    the operator check nothing before a rule is stored, and speak no TLS: for a cluster whose API server cannot reach
    it.
    """

    chart: Chart = ChartFromRepository(source="repository")
    alertmanager_replicas: Replicas = 3
    alertmanager_storage: Quantity = "2Gi"
    prometheus_replicas: Replicas = 2
    prometheus_storage: Quantity = "100Gi"
    retention: Retention = "30d"
    storage_class: Text | None = None
    scrape_interval_seconds: Seconds = 30
    evaluation_interval_seconds: Seconds = 30
    extra_scrape_targets: tuple[ScrapeTarget, ...] = ()
    spread: Spread = Spread.REQUIRED
    grafana: bool = True
    page_namespaces: tuple[KubernetesName, ...] = ()
    page_networks: tuple[PrivateNetwork, ...] = ()
    admission_webhooks: bool = True


class Addresses(_Model):
    """What links in notifications point at."""

    alertmanager: Address
    prometheus: Address
    grafana: Address = "https://grafana.orion.example.com"
    runbooks: Address = "https://runbooks.orion.example.com"


class Endpoints(_Model):
    """Other addresses of the clouds' own APIs. Only the sandbox has them."""

    sns: str | None = None
    pagerduty_events: str | None = None


class Settings(_Model):
    """Everything in which one stack differs from another.

    `time_scale` divides every `for:`, wait, interval and rate window; it is 1 everywhere but in the sandbox.
    `alertmanager_api` is where the repair function, in the network's subnets, asks Alertmanager for the alerts that a
    message has no room for: at an internal load balancer that the program makes, or at an address; without it a team
    only hears how many there were.
    `paging` off keeps every route, for an environment that nobody is on call for: what would page is posted to the
    default route's channels instead.
    `channels` has what the catalog posts to one channel posted to another in this stack.
    """

    environment: Environment
    aws: AwsSettings
    cluster: ClusterSettings
    network: NetworkSettings
    monitoring: MonitoringSettings = MonitoringSettings()
    addresses: Addresses
    endpoints: Endpoints = Endpoints()
    paging: bool = True
    channels: Mapping[Channel, Channel] = {}
    repairs: RepairMode = RepairMode.DRY_RUN
    alertmanager_api: str | None = Field(
        default=None,
        pattern=rf"^({LOAD_BALANCER}|{_ADDRESS})$",
        description=f"{LOAD_BALANCER}, or an address, http://HOST:PORT",
    )
    time_scale: float = Field(default=1, ge=1, allow_inf_nan=False, description="1 or more")

    @model_validator(mode="after")
    def _contradicts_nothing(self) -> Self:
        found = [f"{one.key}: {one.message}" for rule in RULES for one in rule.find(self)]
        if found:
            raise ValueError("; ".join(found))
        return self

    def channel(self, name: str) -> str:
        """Return the channel of this stack that takes what the catalog posts to `name`."""
        return self.channels.get(name, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Settings that are each allowed and do not go together. `key` is the one to change; `remove` says how."""

    key: str
    message: str
    remove: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Finds contradictions. `reads` are the settings that it looks at: where one of them is wrong, it has no say."""

    reads: tuple[str, ...]
    find: Callable[[Settings], Iterator[Contradiction]]


def _found(key: str, value: object, where: str, allowed: object) -> Contradiction:
    return Contradiction(key=key, message=f"found {value}; allowed {where}: {allowed}", remove=True)


def _only_in_the_sandbox(settings: Settings, key: str, value: object, allowed: object) -> Iterator[Contradiction]:
    if settings.environment is not Environment.SANDBOX and value != allowed:
        yield _found(key, value, "outside the sandbox", allowed)


def _time_scale(settings: Settings) -> Iterator[Contradiction]:
    yield from _only_in_the_sandbox(settings, "time_scale", settings.time_scale, 1)


def _endpoints(settings: Settings) -> Iterator[Contradiction]:
    if settings.environment is not Environment.SANDBOX and settings.endpoints != Endpoints():
        yield Contradiction(key="endpoints", message="allowed in the sandbox only", remove=True)


def _plain_http(settings: Settings) -> Iterator[Contradiction]:
    yield from _only_in_the_sandbox(settings, "aws.require_tls", settings.aws.require_tls, allowed=True)


def _kept_data(settings: Settings) -> Iterator[Contradiction]:
    if settings.environment is Environment.PROD and not settings.aws.keep_data:
        yield _found("aws.keep_data", value=False, where="in prod", allowed=True)


def _paged(settings: Settings) -> Iterator[Contradiction]:
    if settings.environment is Environment.PROD and not settings.paging:
        yield _found("paging", value=False, where="in prod", allowed=True)


def _spread(settings: Settings) -> Iterator[Contradiction]:
    monitoring = settings.monitoring
    if settings.environment is Environment.PROD and monitoring.spread is not Spread.REQUIRED:
        yield _found("monitoring.spread", monitoring.spread.value, "in prod", Spread.REQUIRED.value)


def _replicas(settings: Settings) -> Iterator[Contradiction]:
    if settings.environment is not Environment.PROD:
        return
    for name, least in LEAST_IN_PROD.items():
        replicas = getattr(settings.monitoring, name)
        if replicas < least:
            yield Contradiction(key=f"monitoring.{name}", message=f"found {replicas}; allowed in prod: {least} or more")


def _grafana(settings: Settings) -> Iterator[Contradiction]:
    if settings.monitoring.grafana and isinstance(settings.monitoring.chart, CustomResourcesOnly):
        message = "found True; allowed with chart.source custom-resources, which installs no Grafana: False"
        yield Contradiction(key="monitoring.grafana", message=message)


def _targets(settings: Settings) -> Iterator[Contradiction]:
    jobs = Counter(target.job for target in settings.monitoring.extra_scrape_targets)
    for job, count in jobs.items():
        if count > 1:
            message = f"found job {job} {count} times; allowed: a job of its own for each"
            yield Contradiction(key="monitoring.extra_scrape_targets", message=message)


def _load_balancer(settings: Settings) -> Iterator[Contradiction]:
    if settings.environment is Environment.SANDBOX and settings.alertmanager_api == LOAD_BALANCER:
        where = "in the sandbox, where nothing makes load balancers"
        yield _found("alertmanager_api", LOAD_BALANCER, where, "an address, http://HOST:PORT")


def _way_in(settings: Settings) -> Iterator[Contradiction]:
    cluster = settings.cluster
    if cluster.kubeconfig_context is not None and cluster.kubeconfig_path is None:
        message = "a context is one of a kubeconfig, and cluster.kubeconfig_path is not set; set it, or remove this"
        yield Contradiction(key="cluster.kubeconfig_context", message=message, remove=True)


def _identity(settings: Settings) -> Iterator[Contradiction]:
    cluster = settings.cluster
    if cluster.identity is not RoleSource.IRSA:
        return
    if settings.environment is Environment.SANDBOX:
        yield _found("cluster.identity", "irsa", "in the sandbox, which knows no other", RoleSource.POD_IDENTITY.value)
    if AddOn.POD_IDENTITY_AGENT in cluster.self_managed:
        key = f"cluster.self_managed[{cluster.self_managed.index(AddOn.POD_IDENTITY_AGENT)}]"
        others = ", ".join(one.value for one in AddOn if one is not AddOn.POD_IDENTITY_AGENT)
        yield _found(key, AddOn.POD_IDENTITY_AGENT.value, "with cluster.identity irsa, which needs no agent", others)


def _network(settings: Settings) -> Iterator[Contradiction]:
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


RULES = (
    Rule(reads=("environment", "time_scale"), find=_time_scale),
    Rule(reads=("environment", "endpoints"), find=_endpoints),
    Rule(reads=("environment", "aws"), find=_plain_http),
    Rule(reads=("environment", "aws"), find=_kept_data),
    Rule(reads=("environment", "paging"), find=_paged),
    Rule(reads=("environment", "monitoring"), find=_spread),
    Rule(reads=("environment", "monitoring"), find=_replicas),
    Rule(reads=("monitoring",), find=_grafana),
    Rule(reads=("monitoring",), find=_targets),
    Rule(reads=("cluster",), find=_way_in),
    Rule(reads=("environment", "cluster"), find=_identity),
    Rule(reads=("network",), find=_network),
    Rule(reads=("environment", "alertmanager_api"), find=_load_balancer),
)
"""What has to go together."""
