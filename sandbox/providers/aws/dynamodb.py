"""DynamoDB: tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, Document, Mapped, nested, properties, shaped
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of

_GONE = ("ResourceNotFoundException",)
_KEY = "a table's key can't be changed; CloudFormation replaces the table for most changes, pulumi-aws for all"


def _hash(attribute: Any) -> Document:
    return {"AttributeName": attribute, "KeyType": "HASH"}


def _range(attribute: Any) -> Document:
    return {"AttributeName": attribute, "KeyType": "RANGE"}


def _attribute(key: Any) -> Any:
    return key["AttributeName"]


_KEYS = {
    "hashKey": shaped("KeySchema/0", _hash, _attribute),
    "rangeKey": shaped("KeySchema/1", _range, _attribute),
}
_INDEX = properties(
    name="IndexName",
    projectionType="Projection/ProjectionType",
    nonKeyAttributes="Projection/NonKeyAttributes",
)
_CAPACITY = properties(
    readCapacity="ProvisionedThroughput/ReadCapacityUnits", writeCapacity="ProvisionedThroughput/WriteCapacityUnits"
)
_KEY_SCHEMAS = properties(keySchemas=nested("KeySchema", properties("attributeName", "keyType")))
"""An index's keys as a list, instead of `hashKey` and `rangeKey`, which pulumi-aws deprecates."""
_ALIKE = (
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "ProvisionedThroughput",
    "TableClass",
)
"""What CreateTable and CloudFormation call the same."""


def _encryption(document: Document) -> Document:
    said = document.get("SSESpecification")
    if said is None:
        return {"Enabled": False}
    encryption: Document = {"Enabled": said["SSEEnabled"]}
    if said["SSEEnabled"]:
        encryption |= {"SSEType": "KMS"}
    return encryption | ({"KMSMasterKeyId": said["KMSMasterKeyId"]} if "KMSMasterKeyId" in said else {})


def _create_table(aws: Aws, wanted: Wanted) -> str:
    document = wanted.document
    asked = {name: document[name] for name in _ALIKE if name in document}
    if "SSESpecification" in document:
        asked["SSESpecification"] = _encryption(document)
    name = str(document["TableName"])
    aws.dynamodb.create_table(TableName=name, Tags=wanted.tag_list(), **asked)
    aws.dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    if "TimeToLiveSpecification" in document:
        _put_expiry(aws, name, document)
    if "PointInTimeRecoverySpecification" in document:
        _put_recovery(aws, name, document)
    return name


def _put_expiry(aws: Aws, name: str, document: Document) -> None:
    specification: Any = document["TimeToLiveSpecification"]
    aws.dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)


def _put_recovery(aws: Aws, name: str, document: Document) -> None:
    specification: Any = document.get("PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": False})
    aws.dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=specification)


@gone_as_none(*_GONE)
def _find_table(aws: Aws, wanted: Wanted) -> Found:
    table = cast("Document", aws.dynamodb.describe_table(TableName=wanted.id)["Table"])
    document: Document = {
        "TableName": wanted.id,
        "AttributeDefinitions": table["AttributeDefinitions"],
        "KeySchema": table["KeySchema"],
        "BillingMode": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        "DeletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
    }
    indexes: list[Document] = table.get("GlobalSecondaryIndexes") or []
    if indexes:
        names = ("IndexName", "KeySchema", "Projection")
        document["GlobalSecondaryIndexes"] = [{name: one[name] for name in names} for one in indexes]
    encryption = table.get("SSEDescription")
    if encryption is not None:
        document["SSESpecification"] = {
            "SSEEnabled": encryption.get("Status") in {"ENABLED", "ENABLING", "UPDATING"},
            "KMSMasterKeyId": encryption.get("KMSMasterKeyArn"),
        }
    expiry = aws.dynamodb.describe_time_to_live(TableName=wanted.id)["TimeToLiveDescription"]
    if "AttributeName" in expiry:
        enabled = expiry.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
        document["TimeToLiveSpecification"] = {"AttributeName": expiry["AttributeName"], "Enabled": enabled}
    backups = aws.dynamodb.describe_continuous_backups(TableName=wanted.id)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    document["PointInTimeRecoverySpecification"] = {"PointInTimeRecoveryEnabled": recovery == "ENABLED"}
    outputs = {
        "arn": table["TableArn"],
        "streamArn": table.get("LatestStreamArn", ""),
        "streamLabel": table.get("LatestStreamLabel", ""),
    }
    tags = tags_of(aws.dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags", []))
    return Found(document=document, outputs=outputs, tags=tags)


def _update_table(aws: Aws, wanted: Wanted) -> None:
    name, document = wanted.id, wanted.document
    simple = {
        "BillingMode": ("billingMode",),
        "DeletionProtectionEnabled": ("deletionProtectionEnabled",),
        "ProvisionedThroughput": ("readCapacity", "writeCapacity"),
        "TableClass": ("tableClass",),
    }
    asked = {there: document[there] for there, here in simple.items() if there in document and wanted.changed(*here)}
    if "deletionProtectionEnabled" not in wanted.inputs and wanted.changed("deletionProtectionEnabled"):
        asked["DeletionProtectionEnabled"] = False
    if asked:
        aws.dynamodb.update_table(TableName=name, **asked)
    if wanted.changed("serverSideEncryption"):
        encryption: Any = _encryption(document)
        aws.dynamodb.update_table(TableName=name, SSESpecification=encryption)
    for change in _index_changes(wanted):  # DynamoDB takes one index a request
        attributes: Any = document["AttributeDefinitions"]
        changes: Any = [change]
        aws.dynamodb.update_table(TableName=name, AttributeDefinitions=attributes, GlobalSecondaryIndexUpdates=changes)
    if wanted.changed("ttl"):
        said = document.get("TimeToLiveSpecification")
        before = wanted.old.document["TimeToLiveSpecification"] if wanted.old is not None and said is None else {}
        _put_expiry(aws, name, {"TimeToLiveSpecification": said or {**before, "Enabled": False}})
    if wanted.changed("pointInTimeRecovery"):
        _put_recovery(aws, name, document)


def _index_changes(wanted: Wanted) -> list[Document]:
    before = _indexes(wanted.old.document if wanted.old is not None else {})
    now = _indexes(wanted.document)
    gone = [name for name in before if now.get(name) != before[name]]
    made = [name for name in now if before.get(name) != now[name]]
    return [{"Delete": {"IndexName": name}} for name in gone] + [{"Create": now[name]} for name in made]


def _indexes(document: Document) -> dict[str, Document]:
    return {one["IndexName"]: one for one in document.get("GlobalSecondaryIndexes", [])}


@gone_is_fine(*_GONE)
def _delete_table(aws: Aws, wanted: Wanted) -> None:
    aws.dynamodb.delete_table(TableName=wanted.id)
    aws.dynamodb.get_waiter("table_not_exists").wait(TableName=wanted.id, WaiterConfig={"Delay": 1})


def _tag_table(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    arn = aws.arn("dynamodb", f"table/{wanted.id}")
    if put:
        aws.dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": name, "Value": put[name]} for name in put])
    if gone:
        aws.dynamodb.untag_resource(ResourceArn=arn, TagKeys=list(gone))


TABLE = AwsType(
    token="aws:dynamodb/table:Table",  # noqa: S106 - a type's token
    cloudformation="AWS::DynamoDB::Table",
    fields=properties(
        "billingMode",
        "deletionProtectionEnabled",
        "tableClass",
        name="TableName",
        attributes=nested("AttributeDefinitions", properties(name="AttributeName", type="AttributeType")),
        globalSecondaryIndexes=nested("GlobalSecondaryIndexes", _INDEX | _KEYS | _CAPACITY | _KEY_SCHEMAS),
        pointInTimeRecovery=nested(
            "PointInTimeRecoverySpecification",
            properties("recoveryPeriodInDays", enabled="PointInTimeRecoveryEnabled"),
        ),
        serverSideEncryption=nested(
            "SSESpecification",
            properties(enabled="SSEEnabled", kmsKeyArn=Mapped(target=("KMSMasterKeyId",), beside={"SSEType": "KMS"})),
        ),
        ttl=nested("TimeToLiveSpecification", properties("attributeName", "enabled")),
        tags=TAGS,
    )
    | _KEYS
    | _CAPACITY,
    name="name",
    computed=("arn", "streamArn", "streamLabel"),
    replaces={"hashKey": _KEY, "rangeKey": _KEY},
    create=_create_table,
    find=_find_table,
    update=_update_table,
    delete=_delete_table,
    tag=_tag_table,
)

TYPES = (TABLE,)
