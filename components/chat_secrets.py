"""Secrets of chat in Secrets Manager: one for each function that reads one, so that neither can read the other's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.configuration import ChatSecrets
from components.naming import CHAT_CREDENTIALS, CHAT_SIGNING_KEYS, type_token

RECOVERY_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSecretsArgs:
    """Inputs of the secrets: their values, and what belongs with them."""

    secrets: ChatSecrets
    pagerduty_sender: str
    key_arn: pulumi.Input[str]
    empty_on_delete: bool


class ChatSecretStore(pulumi.ComponentResource):
    """The credentials of the chat function, and the keys by which the ingress verifies requests."""

    credentials_arn: pulumi.Output[str]
    signing_keys_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ChatSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("ChatSecretStore"), name, {}, opts)
        self._name = name
        self._args = args
        secrets = args.secrets
        self.credentials_arn = self._secret(
            "credentials",
            CHAT_CREDENTIALS,
            "Tokens by which chat posts to Slack and acts in PagerDuty",
            {
                "slack_token": secrets.slack_token,
                "pagerduty_token": secrets.pagerduty_token,
                "pagerduty_sender": args.pagerduty_sender,
            },
        )
        self.signing_keys_arn = self._secret(
            "signing-keys",
            CHAT_SIGNING_KEYS,
            "Keys by which Slack and PagerDuty sign what they send to chat",
            {
                "slack_signing_secrets": secrets.slack_signing_secrets,
                "pagerduty_webhook_secrets": secrets.pagerduty_webhook_secrets,
            },
        )
        self.register_outputs({"credentialsArn": self.credentials_arn, "signingKeysArn": self.signing_keys_arn})

    def _secret(
        self, key: str, secret_name: str, description: str, content: Mapping[str, object]
    ) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        secret = aws.secretsmanager.Secret(
            f"{self._name}-{key}",
            name=secret_name,
            description=description,
            kms_key_id=self._args.key_arn,
            recovery_window_in_days=0 if self._args.empty_on_delete else RECOVERY_DAYS,
            opts=child,
        )
        version = aws.secretsmanager.SecretVersion(
            f"{self._name}-{key}-version",
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(pulumi.Output.json_dumps(content, sort_keys=True)),
            opts=child,
        )
        # Whoever reads the secret comes after it has a value.
        return pulumi.Output.all(secret.arn, version.id).apply(lambda outputs: str(outputs[0]))
