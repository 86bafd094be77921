"""Secrets and ConfigMaps that Alertmanager mounts: its configuration, its templates, and a file for each key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import pulumi
import pulumi_kubernetes as kubernetes

from alerting import names
from alerting.platform import AlertmanagerFiles, SecretFile, SecretSource
from components.naming import GRAFANA_ADMIN_SECRET, type_token

CONFIGURATION_KEY = "alertmanager.yaml"
GRAFANA_USER = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsArgs:
    """Arguments: the files, known now, and the values that they name, which are secret outputs.

    `integration_keys` maps a key's name to the routing key, `slack_webhooks` a channel, with its #, to its address.
    """

    files: AlertmanagerFiles
    namespace: pulumi.Input[str]
    integration_keys: Mapping[str, pulumi.Output[str]]
    slack_webhooks: Mapping[str, pulumi.Output[str]]
    grafana_password: pulumi.Output[str] | None


class Secrets(pulumi.ComponentResource):
    """The Secrets and the ConfigMap of the monitoring stack.

    Their names are fixed and their data changes in place: while the configuration's Secret is missing, even for a
    moment, the operator deploys one that drops every alert. The provider's mutable flags see to it.
    """

    secret_names: tuple[str, ...]
    config_map_names: tuple[str, ...]

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("Secrets"), name, {}, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)

        # It names files and holds no secret; `orion render` shows what a preview, which masks Secrets, does not.
        # JSON is YAML too.
        configuration = json.dumps(args.files.configuration, indent=2, ensure_ascii=False)
        self._secret(names.ALERTMANAGER_CONFIG_SECRET, {CONFIGURATION_KEY: configuration})
        mounted: dict[str, dict[str, pulumi.Input[str]]] = {}
        for file in args.files.secret_files:
            mounted.setdefault(file.secret, {})[file.key] = self._value(file)
        for secret, data in sorted(mounted.items()):
            self._secret(secret, data)
        if args.grafana_password is not None:
            self._secret(GRAFANA_ADMIN_SECRET, {"admin-user": GRAFANA_USER, "admin-password": args.grafana_password})
        kubernetes.core.v1.ConfigMap(
            f"{name}-{args.files.template_config_map}",
            metadata=self._metadata(args.files.template_config_map),
            data=dict(args.files.templates),
            opts=self._child,
        )
        self.secret_names = tuple(sorted(mounted))
        self.config_map_names = (args.files.template_config_map,)
        self.register_outputs({"secretNames": list(self.secret_names), "configMapNames": list(self.config_map_names)})

    def _secret(self, secret: str, data: Mapping[str, pulumi.Input[str]]) -> None:
        kubernetes.core.v1.Secret(
            f"{self._name}-{secret}",
            metadata=self._metadata(secret),
            type="Opaque",
            string_data=dict(data),
            opts=self._child,
        )

    def _metadata(self, name: str) -> kubernetes.meta.v1.ObjectMetaArgs:
        return kubernetes.meta.v1.ObjectMetaArgs(name=name, namespace=self._args.namespace)

    def _value(self, file: SecretFile) -> pulumi.Output[str]:
        match file.source:
            case SecretSource.PAGERDUTY_INTEGRATION:
                values, kind = self._args.integration_keys, "PagerDuty integration"
            case SecretSource.SLACK_WEBHOOK:
                values, kind = self._args.slack_webhooks, "Slack webhook"
            case _:
                assert_never(file.source)
        if file.reference not in values:
            raise KeyError(
                f"{file.path}: no {kind} for {file.reference}; there is one for: {', '.join(sorted(values))}"
            )
        return values[file.reference]
