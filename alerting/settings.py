"""One stack's settings, as one closed model, made from plain data (Pulumi's configuration, a file)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Environment(StrEnum):
    """Where a stack runs. Not a tier of importance: prod is where people are paged for customers."""

    DEV = "dev"
    PROD = "prod"
    SANDBOX = "sandbox"


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
    repository: str = "https://prometheus-community.github.io/helm-charts"
    version: str = "88.5.3"


class ChartFromFile(_Model):
    """kube-prometheus-stack from a chart archive on this machine."""

    source: Literal["file"]
    path: str


class CustomResourcesOnly(_Model):
    """No chart: the Alertmanager and Prometheus resources themselves, on an operator that is there already."""

    source: Literal["custom-resources"]


Chart = Annotated[ChartFromRepository | ChartFromFile | CustomResourcesOnly, Field(discriminator="source")]


class ScrapeTarget(_Model):
    """Something outside the cluster that Prometheus scrapes. `address` is host:port."""

    job: str
    address: str
    path: str = "/metrics"


class AwsSettings(_Model):
    """The account that the stack belongs to; preflight compares it with the credentials in use.

    `require_tls` has buckets, topics and queues refuse plain HTTP; only the sandbox, whose clouds speak nothing else,
    has it off. `keep_data` refuses to remove a bucket that still holds something; without it a destroy empties it.
    """

    account_id: str = Field(pattern=r"^\d{12}$")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    require_tls: bool = True
    keep_data: bool = True


class ClusterSettings(_Model):
    """The EKS cluster. `kubeconfig_path` is for a cluster that is reached by a file instead."""

    name: str
    namespace: str = "monitoring"
    kubeconfig_path: str | None = None
    kubeconfig_context: str | None = None


class NetworkSettings(_Model):
    """Where the bastion stands. The subnets are private, with a way out through NAT."""

    vpc_id: str
    subnet_ids: tuple[str, ...] = Field(min_length=1)


class Spread(StrEnum):
    """How strictly replicas are kept on nodes and in zones of their own. `required` leaves one pending instead."""

    REQUIRED = "required"
    PREFERRED = "preferred"


class MonitoringSettings(_Model):
    """How the monitoring stack is run. Storage sizes are Kubernetes quantities, durations Prometheus ones.

    Scrape and evaluation interval are the story's: they are divided by `time_scale` like every other interval.
    `admission_webhooks` off has the operator check nothing before a rule is stored, and speak no TLS: for a cluster
    whose API server cannot reach it.
    """

    chart: Chart = ChartFromRepository(source="repository")
    alertmanager_replicas: int = Field(default=3, ge=1)
    alertmanager_storage: str = "2Gi"
    prometheus_replicas: int = Field(default=2, ge=1)
    prometheus_storage: str = "50Gi"
    retention: str = "15d"
    storage_class: str | None = None
    scrape_interval_seconds: float = 30
    evaluation_interval_seconds: float = 30
    extra_scrape_targets: tuple[ScrapeTarget, ...] = ()
    spread: Spread = Spread.REQUIRED
    grafana: bool = True
    admission_webhooks: bool = True


class Addresses(_Model):
    """What links in notifications point at."""

    alertmanager: str
    prometheus: str
    grafana: str = "https://grafana.orion.example.com"
    runbooks: str = "https://runbooks.orion.example.com"


class Endpoints(_Model):
    """Other addresses of the clouds' own APIs. Only the sandbox has them."""

    sns: str | None = None
    pagerduty_events: str | None = None


class Settings(_Model):
    """Everything in which one stack differs from another.

    `time_scale` divides every `for:`, wait, interval and rate window; it is 1 everywhere but in the sandbox.
    `paging` off keeps every route and drops what pages people, for an environment that nobody is on call for.
    """

    environment: Environment
    aws: AwsSettings
    cluster: ClusterSettings
    network: NetworkSettings
    monitoring: MonitoringSettings = MonitoringSettings()
    addresses: Addresses
    endpoints: Endpoints = Endpoints()
    paging: bool = True
    repairs: RepairMode = RepairMode.DRY_RUN
    time_scale: float = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _sandbox_only(self) -> Self:
        if self.environment is Environment.SANDBOX:
            return self
        if self.time_scale != 1:
            message = f"time_scale: found {self.time_scale}; allowed outside the sandbox: 1. Remove it from this stack"
            raise ValueError(message)
        if self.endpoints != Endpoints():
            message = "endpoints: allowed in the sandbox only. Remove it from this stack"
            raise ValueError(message)
        if not self.aws.require_tls:
            message = "aws.require_tls: found False; allowed outside the sandbox: True. Remove it from this stack"
            raise ValueError(message)
        if self.environment is Environment.PROD and not self.aws.keep_data:
            message = "aws.keep_data: found False; allowed in prod: True. Remove it from this stack"
            raise ValueError(message)
        if self.environment is Environment.PROD and self.monitoring.spread is not Spread.REQUIRED:
            message = f"monitoring.spread: found {self.monitoring.spread.value}; allowed in prod: required"
            raise ValueError(message)
        return self
