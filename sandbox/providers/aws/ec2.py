"""EC2: instances and security groups. Launch templates are in a file of their own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.mapping import TAGS, TEXT, TEXTS_BY_NAME, WHETHER, Document, nested, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of
from sandbox.providers.machine import Path, Request

_GONE_GROUP = ("InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidGroupId.Malformed")
_GONE_RULE = ("InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound", "InvalidPermission.NotFound")
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


def _create_group(aws: Aws, wanted: Wanted) -> str:
    asked: Document = {
        "GroupName": wanted.document["GroupName"],
        "Description": wanted.document["GroupDescription"],
        "TagSpecifications": tagged("security-group", wanted),
    }
    if "VpcId" in wanted.document:
        asked["VpcId"] = wanted.document["VpcId"]
    group = aws.ec2.create_security_group(**asked)["GroupId"]
    # As pulumi-aws does: AWS lets everything out of a new group, the program says itself what may go out.
    for rule in aws.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0].get("IpPermissionsEgress", []):
        permissions: Any = [rule]
        aws.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=permissions)
    return group


@gone_as_none(*_GONE_GROUP)
def _find_group(aws: Aws, wanted: Wanted) -> Found:
    group = cast("Document", aws.ec2.describe_security_groups(GroupIds=[wanted.id])["SecurityGroups"][0])
    document = {
        "GroupName": group["GroupName"],
        "GroupDescription": group["Description"],
        "VpcId": group.get("VpcId"),
    }
    outputs = {"arn": aws.arn("ec2", f"security-group/{wanted.id}"), "ownerId": group["OwnerId"]}
    return Found(document=document, outputs=outputs, tags=tags_of(group.get("Tags", [])))


def _nothing(_aws: Aws, _wanted: Wanted) -> None:
    """Only tags and what pulumi-aws itself goes by can change."""


@gone_is_fine(*_GONE_GROUP)
def _delete_group(aws: Aws, wanted: Wanted) -> None:
    aws.ec2.delete_security_group(GroupId=wanted.id)


SECURITY_GROUP = AwsType(
    token="aws:ec2/securityGroup:SecurityGroup",  # noqa: S106 - a type's token
    cloudformation="AWS::EC2::SecurityGroup",
    fields=properties(
        "vpcId",
        name="GroupName",
        description="GroupDescription",
        revokeRulesOnDelete=without_twin("how pulumi-aws deletes a group", WHETHER),
        tags=TAGS,
    ),
    name="name",
    defaults={"description": "Managed by Pulumi"},
    computed=("arn", "ownerId"),
    create=_create_group,
    find=_find_group,
    update=_nothing,
    delete=_delete_group,
    tag=tag,
)


def _rule(
    token: str,
    cloudformation: str,
    other_end: str,
    *,
    authorize: Callable[[Aws, Document], Sequence[Any]],
    revoke: Callable[[Aws, Document], object],
) -> AwsType:
    """Return the type of rules of one way through a group. `other_end` is how CloudFormation's names of that begin."""
    prefix_list, group = f"{other_end}PrefixListId", f"{other_end}SecurityGroupId"

    def permission(document: Document) -> Document:
        found: Document = {name: document[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in document}
        text = {"Description": document["Description"]} if "Description" in document else {}
        for name, list_name, member in (
            ("CidrIp", "IpRanges", "CidrIp"),
            ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
            (prefix_list, "PrefixListIds", "PrefixListId"),
            (group, "UserIdGroupPairs", "GroupId"),
        ):
            if name in document:
                found[list_name] = [{member: document[name], **text}]
        return found

    def create(aws: Aws, wanted: Wanted) -> str:
        asked: Document = {
            "GroupId": wanted.document["GroupId"],
            "IpPermissions": [permission(wanted.document)],
            "TagSpecifications": tagged("security-group-rule", wanted),
        }
        return str(authorize(aws, asked)[0].get("SecurityGroupRuleId", ""))

    @gone_as_none(*_GONE_RULE)
    def find(aws: Aws, wanted: Wanted) -> Found | None:
        rules = aws.ec2.describe_security_group_rules(SecurityGroupRuleIds=[wanted.id])["SecurityGroupRules"]
        if not rules:
            return None
        rule = cast("Document", rules[0])
        document = {
            "GroupId": rule["GroupId"],
            "IpProtocol": rule["IpProtocol"],
            "FromPort": rule.get("FromPort"),
            "ToPort": rule.get("ToPort"),
            "CidrIp": rule.get("CidrIpv4"),
            "CidrIpv6": rule.get("CidrIpv6"),
            prefix_list: rule.get("PrefixListId"),
            group: rule.get("ReferencedGroupInfo", {}).get("GroupId"),
            "Description": rule.get("Description"),
        }
        outputs = {"arn": aws.arn("ec2", f"security-group-rule/{wanted.id}"), "securityGroupRuleId": wanted.id}
        return Found(document=document, outputs=outputs, tags=tags_of(rule.get("Tags", [])))

    def update(aws: Aws, wanted: Wanted) -> None:
        document = wanted.document
        names = {"CidrIp": "CidrIpv4", prefix_list: "PrefixListId", group: "ReferencedGroupId"}
        rule: Any = {names.get(name, name): value for name, value in document.items() if name != "GroupId"}
        rules: Any = [{"SecurityGroupRuleId": wanted.id, "SecurityGroupRule": rule}]
        before = wanted.old.document if wanted.old is not None else {}
        if before != document:
            aws.ec2.modify_security_group_rules(GroupId=document["GroupId"], SecurityGroupRules=rules)

    @gone_is_fine(*_GONE_RULE)
    def delete(aws: Aws, wanted: Wanted) -> None:
        revoke(aws, {"GroupId": wanted.document["GroupId"], "SecurityGroupRuleIds": [wanted.id]})

    return AwsType(
        token=token,
        cloudformation=cloudformation,
        fields=properties(
            "cidrIpv6",
            "description",
            "fromPort",
            "ipProtocol",
            "toPort",
            cidrIpv4="CidrIp",
            prefixListId=prefix_list,
            referencedSecurityGroupId=group,
            securityGroupId="GroupId",
            tags=without_twin("CloudFormation can't tag rules", TEXTS_BY_NAME),
        ),
        computed=("arn", "securityGroupRuleId"),
        updates=dict.fromkeys(
            ("cidrIpv4", "cidrIpv6", "fromPort", "ipProtocol", "prefixListId", "referencedSecurityGroupId", "toPort"),
            _IN_PLACE,
        ),
        create=create,
        find=find,
        update=update,
        delete=delete,
        tag=tag,
    )


_IN_PLACE = "EC2 can modify a rule, which pulumi-aws makes use of and CloudFormation does not"
SECURITY_GROUP_EGRESS_RULE = _rule(
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "AWS::EC2::SecurityGroupEgress",
    "Destination",
    authorize=lambda aws, asked: aws.ec2.authorize_security_group_egress(**asked)["SecurityGroupRules"],
    revoke=lambda aws, asked: aws.ec2.revoke_security_group_egress(**asked),
)
SECURITY_GROUP_INGRESS_RULE = _rule(
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "AWS::EC2::SecurityGroupIngress",
    "Source",
    authorize=lambda aws, asked: aws.ec2.authorize_security_group_ingress(**asked)["SecurityGroupRules"],
    revoke=lambda aws, asked: aws.ec2.revoke_security_group_ingress(**asked),
)


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

TYPES = (SECURITY_GROUP, SECURITY_GROUP_EGRESS_RULE, SECURITY_GROUP_INGRESS_RULE, INSTANCE)
