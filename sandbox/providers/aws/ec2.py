"""EC2: instances. Security groups are in a file of their own."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, TEXT, WHETHER, Document, nested, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of
from sandbox.providers.provider_table import Request
from sandbox.providers.provider_values import Path

_GONE_INSTANCE = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")


def tagged(kind: str, wanted: Wanted) -> Any:
    """Return tags as EC2 takes them when something is made."""
    return [{"ResourceType": kind, "Tags": wanted.tag_list()}] if wanted.tags else []


def tag(aws: Aws, wanted: Wanted, put: Mapping[str, str], gone: Collection[str]) -> None:
    """Put and take away tags of anything that EC2 has."""
    if put:
        aws.ec2.create_tags(Resources=[wanted.id], Tags=[{"Key": name, "Value": put[name]} for name in put])
    if gone:
        aws.ec2.delete_tags(Resources=[wanted.id], Tags=[{"Key": name} for name in gone])


def _device(aws: Aws, image: str) -> str:
    images = aws.ec2.describe_images(ImageIds=[image])["Images"]
    return images[0].get("RootDeviceName", "/dev/xvda") if images else "/dev/xvda"


def _create_instance(aws: Aws, wanted: Wanted) -> str:
    document, inputs = wanted.document, wanted.inputs
    alike = ("ImageId", "InstanceType", "KeyName", "MetadataOptions", "PrivateIpAddress", "EbsOptimized")
    asked: Document = {name: document[name] for name in alike if name in document}
    if "associatePublicIpAddress" in inputs:
        interface: Document = {
            "DeviceIndex": 0,
            "AssociatePublicIpAddress": inputs["associatePublicIpAddress"],
            "SubnetId": document.get("SubnetId"),
            "Groups": document.get("SecurityGroupIds"),
        }
        asked["NetworkInterfaces"] = [{name: value for name, value in interface.items() if value is not None}]
    else:
        asked |= {name: document[name] for name in ("SubnetId", "SecurityGroupIds") if name in document}
    if "IamInstanceProfile" in document:
        asked["IamInstanceProfile"] = {"Name": document["IamInstanceProfile"]}
    if "Monitoring" in document:
        asked["Monitoring"] = {"Enabled": document["Monitoring"]}
    if "BlockDeviceMappings" in document:
        ebs = document["BlockDeviceMappings"][0]["Ebs"]
        asked["BlockDeviceMappings"] = [{"DeviceName": _device(aws, document["ImageId"]), "Ebs": ebs}]
    asked["UserData"] = _user_data(wanted)
    instance = aws.ec2.run_instances(MinCount=1, MaxCount=1, TagSpecifications=tagged("instance", wanted), **asked)
    made = instance["Instances"][0].get("InstanceId", "")
    aws.ec2.get_waiter("instance_running").wait(InstanceIds=[made], WaiterConfig={"Delay": 1})
    if "disableApiTermination" in inputs:
        switch: Any = {"Value": inputs["disableApiTermination"]}
        aws.ec2.modify_instance_attribute(InstanceId=made, DisableApiTermination=switch)
    return made


def _user_data(wanted: Wanted) -> str:
    """Return user data as text: boto3 encodes it."""
    encoded = wanted.inputs.get("userDataBase64")
    return base64.b64decode(encoded).decode() if encoded else str(wanted.inputs.get("userData", ""))


@gone_as_none(*_GONE_INSTANCE)
def _find_instance(aws: Aws, wanted: Wanted) -> Found | None:
    reservations = aws.ec2.describe_instances(InstanceIds=[wanted.id])["Reservations"]
    instance = cast("Document", reservations[0].get("Instances", [])[0])
    if instance["State"]["Name"] in {"terminated", "shutting-down"}:
        return None
    # moto has the groups of an instance with a network interface of its own on that interface only.
    interfaces: list[Document] = instance.get("NetworkInterfaces", [])
    groups: list[Document] = instance.get("SecurityGroups") or (interfaces[0].get("Groups", []) if interfaces else [])
    document: Document = {
        "ImageId": instance["ImageId"],
        "InstanceType": instance["InstanceType"],
        "KeyName": instance.get("KeyName") or None,
        "SubnetId": instance.get("SubnetId"),
        "SecurityGroupIds": [group["GroupId"] for group in groups],
        "IamInstanceProfile": instance.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2] or None,
        "PrivateIpAddress": instance.get("PrivateIpAddress"),
        "AvailabilityZone": instance.get("Placement", {}).get("AvailabilityZone"),
    }
    options = instance.get("MetadataOptions", {})
    document["MetadataOptions"] = {name: value for name, value in options.items() if name != "State"}
    outputs = {
        "arn": aws.arn("ec2", f"instance/{wanted.id}"),
        "instanceState": instance["State"]["Name"],
        "privateDns": instance.get("PrivateDnsName", ""),
        "publicDns": instance.get("PublicDnsName", ""),
        "publicIp": instance.get("PublicIpAddress", ""),
        "primaryNetworkInterfaceId": interfaces[0]["NetworkInterfaceId"] if interfaces else "",
    }
    return Found(document=document, outputs=outputs, tags=tags_of(instance.get("Tags", [])))


def _update_instance(aws: Aws, wanted: Wanted) -> None:
    inputs = wanted.inputs
    stops = wanted.changed("instanceType", "userData", "userDataBase64")
    if stops:
        aws.ec2.stop_instances(InstanceIds=[wanted.id])
        aws.ec2.get_waiter("instance_stopped").wait(InstanceIds=[wanted.id], WaiterConfig={"Delay": 1})
    if wanted.changed("instanceType"):
        aws.ec2.modify_instance_attribute(InstanceId=wanted.id, InstanceType={"Value": inputs["instanceType"]})
    if wanted.changed("userData", "userDataBase64"):
        text: Any = {"Value": _user_data(wanted).encode()}
        aws.ec2.modify_instance_attribute(InstanceId=wanted.id, UserData=text)
    if stops:
        aws.ec2.start_instances(InstanceIds=[wanted.id])
    if wanted.changed("vpcSecurityGroupIds"):
        aws.ec2.modify_instance_attribute(InstanceId=wanted.id, Groups=inputs["vpcSecurityGroupIds"])
    if wanted.changed("disableApiTermination"):
        switch: Any = {"Value": inputs.get("disableApiTermination", False)}
        aws.ec2.modify_instance_attribute(InstanceId=wanted.id, DisableApiTermination=switch)
    if wanted.changed("metadataOptions"):
        options: Any = wanted.document.get("MetadataOptions", {})
        aws.ec2.modify_instance_metadata_options(InstanceId=wanted.id, **options)
    if wanted.changed("iamInstanceProfile"):
        _put_profile(aws, wanted)


def _put_profile(aws: Aws, wanted: Wanted) -> None:
    filters: Any = [{"Name": "instance-id", "Values": [wanted.id]}]
    associations = aws.ec2.describe_iam_instance_profile_associations(Filters=filters)
    for one in associations["IamInstanceProfileAssociations"]:
        aws.ec2.disassociate_iam_instance_profile(AssociationId=one.get("AssociationId", ""))
    profile = wanted.inputs.get("iamInstanceProfile")
    if profile:
        aws.ec2.associate_iam_instance_profile(InstanceId=wanted.id, IamInstanceProfile={"Name": profile})


@gone_is_fine(*_GONE_INSTANCE)
def _delete_instance(aws: Aws, wanted: Wanted) -> None:
    aws.ec2.terminate_instances(InstanceIds=[wanted.id])
    aws.ec2.get_waiter("instance_terminated").wait(InstanceIds=[wanted.id], WaiterConfig={"Delay": 1})


def _new_user_data(request: Request, path: Path) -> bool:
    return path[0] in {"userData", "userDataBase64"} and bool(request.inputs.get("userDataReplaceOnChange"))


_ONLY_NEW = "pulumi-aws makes another instance for it; CloudFormation decides by case"
_INSTANCE_IN_PLACE = "pulumi-aws changes it on the instance"
_EBS = properties("deleteOnTermination", "encrypted", "iops", "kmsKeyId", "volumeSize", "volumeType")
METADATA_OPTIONS = properties(
    "httpEndpoint", "httpProtocolIpv6", "httpPutResponseHopLimit", "httpTokens", "instanceMetadataTags"
)
INSTANCE = AwsType(
    token="aws:ec2/instance:Instance",  # noqa: S106 - a type's token
    cloudformation="AWS::EC2::Instance",
    fields=properties(
        "availabilityZone",
        "disableApiTermination",
        "ebsOptimized",
        "iamInstanceProfile",
        "instanceType",
        "keyName",
        "monitoring",
        "subnetId",
        "userData",
        ami="ImageId",
        privateIp="PrivateIpAddress",
        vpcSecurityGroupIds="SecurityGroupIds",
        metadataOptions=nested("MetadataOptions", METADATA_OPTIONS),
        rootBlockDevice=nested(
            "BlockDeviceMappings/0/Ebs", _EBS, beside={"BlockDeviceMappings/0/DeviceName": "/dev/xvda"}
        ),
        associatePublicIpAddress=without_twin(
            "CloudFormation has it on a network interface, which it does not allow beside a subnet", WHETHER
        ),
        userDataBase64=without_twin("CloudFormation's UserData is encoded already", TEXT),
        userDataReplaceOnChange=without_twin("how pulumi-aws takes new user data", WHETHER),
        tags=TAGS,
    ),
    computed=("arn", "instanceState", "privateDns", "publicDns", "publicIp", "primaryNetworkInterfaceId"),
    replaces={
        "associatePublicIpAddress": _ONLY_NEW,
        "rootBlockDevice": _ONLY_NEW,
        "ebsOptimized": _ONLY_NEW,
        "monitoring": _ONLY_NEW,
    },
    updates={"instanceType": _INSTANCE_IN_PLACE},
    replaces_also=_new_user_data,
    create=_create_instance,
    find=_find_instance,
    update=_update_instance,
    delete=_delete_instance,
    tag=tag,
)

TYPES = (INSTANCE,)
