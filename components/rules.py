"""Prometheus' rules, one PrometheusRule per file of them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from alerting.platform import RuleFile
from components.naming import RELEASE_LABELS, type_token


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesArgs:
    """The rule files, known now, and the namespace that they go to."""

    files: tuple[RuleFile, ...]
    namespace: pulumi.Input[str]


class Rules(pulumi.ComponentResource):
    """The PrometheusRules, labelled so that the release's Prometheus selects them."""

    rule_names: tuple[str, ...]

    def __init__(self, name: str, args: RulesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Rules"), name, {}, opts)
        for file in args.files:
            kubernetes.apiextensions.CustomResource(
                f"{name}-{file.name}",
                api_version="monitoring.coreos.com/v1",
                kind="PrometheusRule",
                metadata=kubernetes.meta.v1.ObjectMetaArgs(
                    name=file.name, namespace=args.namespace, labels=dict(RELEASE_LABELS)
                ),
                spec={"groups": [dict(group) for group in file.groups]},
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.rule_names = tuple(file.name for file in args.files)
        self.register_outputs({"ruleNames": list(self.rule_names)})
