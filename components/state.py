"""Data that the functions keep: the state table, and buckets of diagnostics, of their code and of the audit record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from alerting.names import STATE_TABLE
from alerting.settings import ChatMode, RetainedResource, Settings
from components.existing import bucket_look_up, table_look_up
from components.naming import audit_bucket, diagnostics_bucket, functions_bucket, type_token
from components.policies import Statement
from components.private_bucket import PrivateBucket, PrivateBucketArgs, PrivateBucketSpec
from components.protection import kept
from orion_common.names import BY_COMMAND, BY_STATUS, COMMAND_ID, DUE_AT, EXPIRES_AT, KEY, OPEN

DIAGNOSTICS_DAYS = 90
OLD_VERSIONS_DAYS = 90
AUDIT_DAYS = 400
"""How long the audit record is kept, and locked: a year and the time of an audit."""
ATTRIBUTES: Mapping[str, str] = {KEY: "S", COMMAND_ID: "S", OPEN: "S", DUE_AT: "N"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateArgs:
    """Inputs of the state: settings, and the key that encrypts it."""

    settings: Settings
    key_arn: pulumi.Input[str]


class State(pulumi.ComponentResource):
    """The table and the buckets. All of them outlive the stack, unless its settings say otherwise."""

    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]
    diagnostics: PrivateBucket
    code: PrivateBucket

    def __init__(self, name: str, args: StateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token("State"), name, {}, opts)
        self._name = name
        self._args = args
        self._settings = args.settings
        self._child = pulumi.ResourceOptions(parent=self)
        table = self._table()
        self.diagnostics = self._bucket(
            "diagnostics",
            RetainedResource.DIAGNOSTICS_BUCKET,
            diagnostics_bucket(self._settings),
            expire_days=DIAGNOSTICS_DAYS,
        )
        self.code = self._bucket(
            "code", RetainedResource.FUNCTIONS_BUCKET, functions_bucket(self._settings), expire_days=None
        )
        self._audit = self._audit_bucket()
        self.table_name = table.name
        self.table_arn = table.arn
        self.register_outputs(
            {
                "tableName": self.table_name,
                "tableArn": self.table_arn,
                "diagnosticsBucketName": self.diagnostics.name,
                "codeBucketName": self.code.name,
            }
        )

    @property
    def audit_bucket(self) -> PrivateBucket:
        """Return the bucket of the audit record, which is there where chat is on: chat alone writes it."""
        if self._audit is None:
            raise ValueError("the audit record is kept where the setting chat is on")
        return self._audit

    def write_statement(self, sid: str, *actions: str) -> Statement:
        """Return the statement that allows these operations on the table."""
        return Statement(sid=sid, actions=actions, resources=[self.table_arn])

    def query_statement(self, sid: str, *indexes: str) -> Statement:
        """Return the statement that allows queries of these indexes of the table."""
        resources = [pulumi.Output.format("{0}/index/{1}", self.table_arn, index) for index in indexes]
        return Statement(sid=sid, actions=["dynamodb:Query"], resources=resources)

    def _table(self) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            f"{self._name}-table",
            name=STATE_TABLE,
            billing_mode="PAY_PER_REQUEST",
            hash_key=KEY,
            attributes=[aws.dynamodb.TableAttributeArgs(name=key, type=type_) for key, type_ in ATTRIBUTES.items()],
            global_secondary_indexes=[
                # Only repairs that have the attribute are in an index: those sent, and those still open.
                _index(BY_COMMAND, hash_key=COMMAND_ID),
                _index(BY_STATUS, hash_key=OPEN, range_key=DUE_AT),
            ],
            ttl=aws.dynamodb.TableTtlArgs(attribute_name=EXPIRES_AT, enabled=True),
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(
                enabled=True, kms_key_arn=self._args.key_arn
            ),
            opts=pulumi.ResourceOptions.merge(
                self._child,
                kept(
                    self._settings,
                    RetainedResource.STATE_TABLE,
                    found_as=STATE_TABLE,
                    look_up=table_look_up(self._settings, STATE_TABLE, self),
                ),
            ),
        )

    def _audit_bucket(self) -> PrivateBucket | None:
        if self._settings.chat is not ChatMode.ON:
            return None
        bucket = audit_bucket(self._settings)
        return self._bucket(
            "audit", RetainedResource.AUDIT_BUCKET, bucket, expire_days=AUDIT_DAYS, locked_days=AUDIT_DAYS
        )

    def _bucket(
        self,
        key: str,
        resource: RetainedResource,
        bucket: str,
        *,
        expire_days: int | None,
        locked_days: int | None = None,
    ) -> PrivateBucket:
        spec = PrivateBucketSpec(
            bucket=bucket,
            account_id=self._settings.aws.account_id,
            require_tls=self._settings.aws.require_tls,
            empty_on_delete=not self._settings.aws.keep_data,
            expire_days=expire_days,
            old_versions_days=OLD_VERSIONS_DAYS,
            locked_days=locked_days,
        )
        holding = kept(self._settings, resource, found_as=bucket, look_up=bucket_look_up(self._settings, bucket, self))
        return PrivateBucket(
            f"{self._name}-{key}",
            PrivateBucketArgs(spec=spec, key_arn=self._args.key_arn, holding=holding),
            opts=self._child,
        )


def _index(name: str, *, hash_key: str, range_key: str | None = None) -> aws.dynamodb.TableGlobalSecondaryIndexArgs:
    schema = [aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=hash_key, key_type="HASH")]
    if range_key is not None:
        schema.append(aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=range_key, key_type="RANGE"))
    return aws.dynamodb.TableGlobalSecondaryIndexArgs(name=name, key_schemas=schema, projection_type="ALL")
