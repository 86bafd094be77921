"""EC2: security groups, and the rules of what comes in and what goes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.ec2 import tag, tagged
from sandbox.providers.aws.mapping import TAGS, TEXTS_BY_NAME, WHETHER, Document, properties, without_twin
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of

_GONE_GROUP = ("InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidGroupId.Malformed")
_GONE_RULE = ("InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound", "InvalidPermission.NotFound")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One direction. `end` is what CloudFormation calls who is at the other end."""

    end: Literal["Source", "Destination"]
    authorize: Callable[[Aws], Callable[..., Any]]
    revoke: Callable[[Aws], Callable[..., Any]]

    def permission(self, wanted: Wanted) -> Document:
        """Return a rule as EC2 takes a new one."""
        document = wanted.document
        permission: Document = {
            name: document[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in document
        }
        text = {"Description": document["Description"]} if "Description" in document else {}
        for name, listed, inner in (
            ("CidrIp", "IpRanges", "CidrIp"),
            ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
            (f"{self.end}PrefixListId", "PrefixListIds", "PrefixListId"),
            (f"{self.end}SecurityGroupId", "UserIdGroupPairs", "GroupId"),
        ):
            if name in document:
                permission[listed] = [{inner: document[name], **text}]
        return permission

    def create(self, aws: Aws, wanted: Wanted) -> str:
        answer = self.authorize(aws)(
            GroupId=wanted.document["GroupId"],
            IpPermissions=[self.permission(wanted)],
            TagSpecifications=tagged("security-group-rule", wanted),
        )
        return answer["SecurityGroupRules"][0].get("SecurityGroupRuleId", "")

    def find(self, aws: Aws, wanted: Wanted) -> Found | None:
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
            f"{self.end}PrefixListId": rule.get("PrefixListId"),
            f"{self.end}SecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
            "Description": rule.get("Description"),
        }
        outputs = {"arn": aws.arn("ec2", f"security-group-rule/{wanted.id}"), "securityGroupRuleId": wanted.id}
        return Found(document=document, outputs=outputs, tags=tags_of(rule.get("Tags", [])))

    def update(self, aws: Aws, wanted: Wanted) -> None:
        document = wanted.document
        names = {
            "CidrIp": "CidrIpv4",
            f"{self.end}PrefixListId": "PrefixListId",
            f"{self.end}SecurityGroupId": "ReferencedGroupId",
        }
        rule: Any = {names.get(name, name): value for name, value in document.items() if name != "GroupId"}
        rules: Any = [{"SecurityGroupRuleId": wanted.id, "SecurityGroupRule": rule}]
        before = wanted.old.document if wanted.old is not None else {}
        if before != document:
            aws.ec2.modify_security_group_rules(GroupId=document["GroupId"], SecurityGroupRules=rules)

    def delete(self, aws: Aws, wanted: Wanted) -> None:
        self.revoke(aws)(GroupId=wanted.document["GroupId"], SecurityGroupRuleIds=[wanted.id])


def _rule(token: str, cloudformation: str, way: _Way) -> AwsType:
    in_place = "EC2 can modify a rule, which pulumi-aws makes use of and CloudFormation does not"
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
            prefixListId=f"{way.end}PrefixListId",
            referencedSecurityGroupId=f"{way.end}SecurityGroupId",
            securityGroupId="GroupId",
            tags=without_twin("CloudFormation can't tag rules", TEXTS_BY_NAME),
        ),
        computed=("arn", "securityGroupRuleId"),
        updates=dict.fromkeys(
            ("cidrIpv4", "cidrIpv6", "fromPort", "ipProtocol", "prefixListId", "referencedSecurityGroupId", "toPort"),
            in_place,
        ),
        create=way.create,
        find=gone_as_none(*_GONE_RULE)(way.find),
        update=way.update,
        delete=gone_is_fine(*_GONE_RULE)(way.delete),
        tag=tag,
    )


SECURITY_GROUP_INGRESS_RULE = _rule(
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "AWS::EC2::SecurityGroupIngress",
    _Way(
        end="Source",
        authorize=lambda aws: aws.ec2.authorize_security_group_ingress,
        revoke=lambda aws: aws.ec2.revoke_security_group_ingress,
    ),
)
SECURITY_GROUP_EGRESS_RULE = _rule(
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "AWS::EC2::SecurityGroupEgress",
    _Way(
        end="Destination",
        authorize=lambda aws: aws.ec2.authorize_security_group_egress,
        revoke=lambda aws: aws.ec2.revoke_security_group_egress,
    ),
)

TYPES = (SECURITY_GROUP, SECURITY_GROUP_INGRESS_RULE, SECURITY_GROUP_EGRESS_RULE)
