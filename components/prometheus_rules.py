"""A PrometheusRule for each file of rules, and a PodMonitor for each exporter that runs as pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from alerting.platform import PodMonitor, RuleFile
from components.naming import RELEASE_LABELS, type_token


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesArgs:
    """The rule files and what their series come from, known now, and the namespace that they go to."""

    files: tuple[RuleFile, ...]
    pod_monitors: tuple[PodMonitor, ...]
    namespace: pulumi.Input[str]


class Rules(pulumi.ComponentResource):
    """The PrometheusRules and PodMonitors, labelled so that the release's Prometheus selects them."""

    rule_names: tuple[str, ...]

    def __init__(self, name: str, args: RulesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Rules"), name, {}, opts)
        self._name = name
        self._namespace = args.namespace
        for file in args.files:
            self._resource("PrometheusRule", file.name, file.name, {"groups": [dict(group) for group in file.groups]})
        for monitor in args.pod_monitors:
            self._resource("PodMonitor", f"scrape-{monitor.name}", monitor.name, dict(monitor.spec))
        self.rule_names = tuple(file.name for file in args.files)
        self.register_outputs({"ruleNames": list(self.rule_names)})

    def _resource(self, kind: str, key: str, name: str, spec: Mapping[str, Any]) -> None:
        metadata = kubernetes.meta.v1.ObjectMetaArgs(name=name, namespace=self._namespace, labels=dict(RELEASE_LABELS))
        kubernetes.apiextensions.CustomResource(
            f"{self._name}-{key}",
            api_version="monitoring.coreos.com/v1",
            kind=kind,
            metadata=metadata,
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )
