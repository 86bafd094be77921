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
    """The credentials of the chat function, and the keys by which the ingress verifies requests.

    PagerDuty gives its key out for the ingress' address, so that the ingress is made before its keys have a value.
    Until then it asks whoever calls to do so again.
    """

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
        self._signing_keys = self._empty_secret(
            "signing-keys", CHAT_SIGNING_KEYS, "Keys by which Slack and PagerDuty sign what they send to chat"
        )
        self.signing_keys_arn = self._signing_keys.arn
        self.register_outputs({"credentialsArn": self.credentials_arn, "signingKeysArn": self.signing_keys_arn})

    def keep_signing_keys(self, pagerduty_webhook_secret: pulumi.Output[str]) -> None:
        """Give the keys their value, with that of PagerDuty's webhooks."""
        self._keep(
            "signing-keys",
            self._signing_keys,
            {
                "slack_signing_secrets": self._args.secrets.slack_signing_secrets,
                "pagerduty_webhook_secrets": [pagerduty_webhook_secret],
            },
        )

    def _secret(
        self, key: str, secret_name: str, description: str, content: Mapping[str, object]
    ) -> pulumi.Output[str]:
        secret = self._empty_secret(key, secret_name, description)
        version = self._keep(key, secret, content)
        # Whoever reads the secret comes after it has a value.
        return pulumi.Output.all(secret.arn, version.id).apply(lambda outputs: str(outputs[0]))

    def _empty_secret(self, key: str, secret_name: str, description: str) -> aws.secretsmanager.Secret:
        return aws.secretsmanager.Secret(
            f"{self._name}-{key}",
            name=secret_name,
            description=description,
            kms_key_id=self._args.key_arn,
            recovery_window_in_days=0 if self._args.empty_on_delete else RECOVERY_DAYS,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _keep(
        self, key: str, secret: aws.secretsmanager.Secret, content: Mapping[str, object]
    ) -> aws.secretsmanager.SecretVersion:
        return aws.secretsmanager.SecretVersion(
            f"{self._name}-{key}-version",
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(pulumi.Output.json_dumps(content, sort_keys=True)),
            opts=pulumi.ResourceOptions(parent=self),
        )
