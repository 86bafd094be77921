"""Closed models of the parts of a stack's settings. Each value is validated by itself.

A field's description is what errors call allowed. What may not stand beside what is in `contradictions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from alerting.source import fields
from alerting.source.durations import Duration
from alerting.source.quantities import bytes_of


class Environment(StrEnum):
    """The environment of a stack. It is no tier of importance: prod is where people are paged for customers."""

    DEV = "dev"
    PROD = "prod"
    SANDBOX = "sandbox"


Text = Annotated[str, Field(min_length=1, description="a text")]
KubernetesName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="a name of lower-case letters, digits and `-`"),
]
_A_SIZE = "a size such as 2Gi, in Ki, Mi, Gi or Ti"
Quantity = Annotated[str, Field(pattern=r"^[1-9]\d*(Ki|Mi|Gi|Ti)$", description=_A_SIZE)]
RETENTION_SHARE = 0.8
"""The share of its volume that Prometheus fills with blocks and log before it removes the oldest block.

It merges blocks into ones of up to a tenth of the retention time, and has both for that time: 90 % at most. The rest is
for the file system's own use, and for what is written between two looks at the size.
"""
MOST_RETENTION_SHARE = 0.85
"""The most that may be set: with the tenth that a merge takes, 95 %."""
Retention = Annotated[
    Duration,
    Field(pattern=r"^[1-9]\d*[hdwy]$", description="a time such as 15d, in h, d, w or y, of less than 292 years"),
]
_PATH = r"A-Za-z0-9._~:!$&'()*+,;=%-"
# Links of notifications are made from these addresses: see alerting/source/addresses.py.
_ADDRESS = rf"https?://[A-Za-z0-9._-]+(:[0-9]+)?(/[{_PATH}/]*[{_PATH}])?"
Address = Annotated[
    str, Field(pattern=rf"^{_ADDRESS}$", description="an address, https://HOST, without a / at its end")
]
LOAD_BALANCER = "load-balancer"
"""As `alertmanager_api`: the program makes the load balancer, and its address is known once it is there."""
Channel = Annotated[fields.Channel, Field(description="a Slack channel such as #orion-alerts")]
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
    """The mode of automatic repairs, from the strictest on.

    `off` answers no alert by a command, `dry-run` reports what it would do and changes nothing, `approve` waits for a
    person, and `on` goes as far as the catalog's modes let it.
    """

    OFF = "off"
    DRY_RUN = "dry-run"
    APPROVE = "approve"
    ON = "on"


class ChatMode(StrEnum):
    """The mode of chat. `on` gives each incident a thread in Slack, from which people act."""

    OFF = "off"
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
    """Something outside the cluster that Prometheus scrapes. `address` is host:port, `labels` the target's."""

    job: Text
    address: Annotated[str, Field(pattern=r"^[^\s/:]+:\d{1,5}$", description="HOST:PORT")]
    path: Annotated[str, Field(pattern=r"^/\S*$", description="a path, from its / on")] = "/metrics"
    labels: Mapping[fields.LabelName, Text] = {}


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


class RetainedResource(StrEnum):
    """Resources that `keep_data` leaves in the account when the program is told to remove them."""

    KEY = "key"
    NAMESPACE = "namespace"
    STATE_TABLE = "state_table"
    DIAGNOSTICS_BUCKET = "diagnostics_bucket"
    FUNCTIONS_BUCKET = "functions_bucket"
    AUDIT_BUCKET = "audit_bucket"


class Imports(_Model):
    """Ids of retained resources that exist already, which `up` takes over in place of making them."""

    key: Text | None = Field(default=None, description="a KMS key's id")
    namespace: Text | None = Field(default=None, description="a namespace's name")
    state_table: Text | None = Field(default=None, description="a DynamoDB table's name")
    diagnostics_bucket: Text | None = Field(default=None, description="a bucket's name")
    functions_bucket: Text | None = Field(default=None, description="a bucket's name")
    audit_bucket: Text | None = Field(default=None, description="a bucket's name")

    def id_of(self, resource: RetainedResource) -> str | None:
        """Return the id of a resource that is taken over, or None for one that is made."""
        return {
            RetainedResource.KEY: self.key,
            RetainedResource.NAMESPACE: self.namespace,
            RetainedResource.STATE_TABLE: self.state_table,
            RetainedResource.DIAGNOSTICS_BUCKET: self.diagnostics_bucket,
            RetainedResource.FUNCTIONS_BUCKET: self.functions_bucket,
            RetainedResource.AUDIT_BUCKET: self.audit_bucket,
        }[resource]


class AddOn(StrEnum):
    """The add-ons that the cluster needs, by EKS' names; the last is no EKS add-on."""

    EBS_CSI_DRIVER = "aws-ebs-csi-driver"
    POD_IDENTITY_AGENT = "eks-pod-identity-agent"
    VPC_CNI = "vpc-cni"
    LOAD_BALANCER_CONTROLLER = "aws-load-balancer-controller"


class RoleSource(StrEnum):
    """The way a service account gets its AWS role: EKS pod identity, or IRSA (IAM roles for service accounts)."""

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


class BastionSettings(_Model):
    """The bastion, on which repairs run. `image` is its machine image, of Amazon Linux 2023 for arm64.

    Without one, each `up` takes the newest that there is. Another image makes another instance, which is proved before
    the one so far goes.
    """

    image: Annotated[str, Field(pattern=r"^ami-[0-9a-f]{8,17}$", description="an image's id, ami-...")] | None = None


class OtherStack(_Model):
    """The Pulumi stack that made the network, and what it calls its outputs: an id, and a list of ids."""

    stack: str = Field(pattern=r"^[^/\s]+/[^/\s]+/[^/\s]+$", description="ORGANISATION/PROJECT/STACK")
    vpc_output: Text = "vpcId"
    subnets_output: Text = "privateSubnetIds"


class NetworkSettings(_Model):
    """The bastion's network. The subnets are private, with a way out through NAT.

    By value, or by the outputs of another stack; `components.network_stack_reference` looks these up before anything
    else, so that every other reader finds values. Until then `vpc_id` is empty.
    """

    vpc_id: Annotated[str, Field(pattern=r"^(vpc-\w+)?$", description="a VPC's id, vpc-...")] = ""
    subnet_ids: tuple[Annotated[str, Field(pattern=r"^subnet-\w+$", description="a subnet's id, subnet-...")], ...] = ()
    from_stack: OtherStack | None = None


class Spread(StrEnum):
    """The strictness with which replicas are spread over nodes and zones. `required` leaves one pending instead."""

    REQUIRED = "required"
    PREFERRED = "preferred"


class MonitoringSettings(_Model):
    """Settings of the monitoring stack. Storage sizes are Kubernetes quantities, durations Prometheus ones.

    Scrape and evaluation interval are the story's: they are divided by `time_scale` like every other interval.
    `retention` is as long as the longest window of the rules or longer; `prometheus_storage` is that of each replica.
    Prometheus removes its oldest block when its data reaches `retention_size`, whatever their age: a full disk stores
    nothing. Without the setting, that is 80 % of `prometheus_storage`.
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
    retention_size: Quantity | None = Field(default=None, description=_A_SIZE)
    storage_class: Text | None = None
    scrape_interval_seconds: Seconds = 30
    evaluation_interval_seconds: Seconds = 30
    extra_scrape_targets: tuple[ScrapeTarget, ...] = ()
    spread: Spread = Spread.REQUIRED
    grafana: bool = True
    page_namespaces: tuple[KubernetesName, ...] = ()
    page_networks: tuple[PrivateNetwork, ...] = ()
    admission_webhooks: bool = True

    def retention_bytes(self) -> int:
        """Return how many bytes of blocks and log Prometheus keeps at most: less than its volume has."""
        if self.retention_size is not None:
            return bytes_of(self.retention_size)
        return int(RETENTION_SHARE * bytes_of(self.prometheus_storage))


RUNBOOK_SECTION = "diagnosis"
"""The section of a runbook page that links lead to: the notification has said what is wrong, so this is what to do."""


class Addresses(_Model):
    """Base addresses of the links in notifications. `runbooks` is where the site of `orion site` is published."""

    alertmanager: Address
    prometheus: Address
    grafana: Address = "https://grafana.orion.example.com"
    runbooks: Address = "https://runbooks.orion.example.com"

    def runbook(self, alert: str) -> str:
        """Return the address of an alert's runbook page, at the section with the first thing to do."""
        return f"{self.runbooks}/{alert}/#{RUNBOOK_SECTION}"


class Endpoints(_Model):
    """Other addresses of the clouds' own APIs. Only the sandbox has them."""

    sns: str | None = None
    pagerduty_events: str | None = None
    pagerduty: str | None = None
    slack: str | None = None


class UncheckedSettings(_Model):
    """Everything in which one stack differs from another, not yet held against each other.

    `time_scale` divides every `for:`, wait, interval and rate window; it is 1 everywhere but in the sandbox.
    `alertmanager_api` is where the repair function, in the network's subnets, asks Alertmanager for the alerts that a
    message has no room for: at an internal load balancer that the program makes, or at an address; without it a team
    only hears how many there were.
    `paging` off keeps every route, for an environment that nobody is on call for: what would page is posted to the
    default route's channels instead.
    `channels` has what the catalog posts to one channel posted to another in this stack.
    `chat` gives each incident a thread in the Slack workspace `slack_workspace`; `pagerduty_sender` is the email of the
    PagerDuty user in whose name the platform adds notes.
    """

    environment: Environment
    aws: AwsSettings
    cluster: ClusterSettings
    network: NetworkSettings
    bastion: BastionSettings = BastionSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    addresses: Addresses
    endpoints: Endpoints = Endpoints()
    paging: bool = True
    imports: Imports = Imports()
    channels: Mapping[Channel, Channel] = {}
    repairs: RepairMode = RepairMode.DRY_RUN
    chat: ChatMode = ChatMode.OFF
    slack_workspace: str | None = Field(
        default=None, pattern=r"^T[A-Z0-9]{2,}$", description="the id of a Slack workspace such as T0123ABCD"
    )
    pagerduty_sender: str | None = Field(
        default=None, pattern=r"^[^@\s]+@[^@\s]+$", description="the email of a PagerDuty user"
    )
    alertmanager_api: str | None = Field(
        default=None,
        pattern=rf"^({LOAD_BALANCER}|{_ADDRESS})$",
        description=f"{LOAD_BALANCER}, or an address, http://HOST:PORT",
    )
    time_scale: float = Field(default=1, ge=1, allow_inf_nan=False, description="1 or more")

    def channel(self, name: str) -> str:
        """Return the channel of this stack that takes what the catalog posts to `name`."""
        return self.channels.get(name, name)
