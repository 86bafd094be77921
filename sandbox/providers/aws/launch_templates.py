"""EC2: launch templates. Each change is a new version."""

from __future__ import annotations

from typing import Any, cast

from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.ec2 import METADATA_OPTIONS, tag, tagged
from sandbox.providers.aws.mapping import (
    TEXTS_BY_NAME,
    WHETHER,
    Document,
    nested,
    pairs,
    properties,
    without_twin,
)
from sandbox.providers.aws.resource import AwsType, Found, Wanted, gone_as_none, gone_is_fine, tags_of

_GONE = (
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.NotFoundException",
    "InvalidLaunchTemplateName.NotFoundException",  # moto's answer to an id, too
)


def _create(aws: Aws, wanted: Wanted) -> str:
    data: Any = wanted.document.get("LaunchTemplateData", {})
    made = aws.ec2.create_launch_template(
        LaunchTemplateName=wanted.document["LaunchTemplateName"],
        LaunchTemplateData=data,
        VersionDescription=wanted.inputs.get("description", ""),
        TagSpecifications=tagged("launch-template", wanted),
    )
    return made["LaunchTemplate"].get("LaunchTemplateId", "")


@gone_as_none(*_GONE)
def _find(aws: Aws, wanted: Wanted) -> Found | None:
    templates = aws.ec2.describe_launch_templates(LaunchTemplateIds=[wanted.id])["LaunchTemplates"]
    if not templates:
        return None
    template = cast("Document", templates[0])
    versions = aws.ec2.describe_launch_template_versions(LaunchTemplateId=wanted.id, Versions=["$Latest"])
    latest = cast("Document", versions["LaunchTemplateVersions"][0])
    data = cast("Document", latest["LaunchTemplateData"])
    outputs = {
        "arn": aws.arn("ec2", f"launch-template/{wanted.id}"),
        "latestVersion": template["LatestVersionNumber"],
        "defaultVersion": template["DefaultVersionNumber"],
    }
    return Found(
        document={"LaunchTemplateName": template["LaunchTemplateName"], "LaunchTemplateData": data},
        outputs=outputs,
        tags=tags_of(template.get("Tags", [])),
    )


def _update(aws: Aws, wanted: Wanted) -> None:
    before = wanted.old.document if wanted.old is not None else {}
    if before != wanted.document:
        data: Any = wanted.document.get("LaunchTemplateData", {})
        description = wanted.inputs.get("description", "")
        aws.ec2.create_launch_template_version(
            LaunchTemplateId=wanted.id, LaunchTemplateData=data, VersionDescription=description
        )
    if wanted.inputs.get("updateDefaultVersion"):
        found = aws.ec2.describe_launch_templates(LaunchTemplateIds=[wanted.id])["LaunchTemplates"][0]
        version = str(found.get("LatestVersionNumber", 1))
        aws.ec2.modify_launch_template(LaunchTemplateId=wanted.id, DefaultVersion=version)


@gone_is_fine(*_GONE)
def _delete(aws: Aws, wanted: Wanted) -> None:
    aws.ec2.delete_launch_template(LaunchTemplateId=wanted.id)


_EBS = properties("deleteOnTermination", "iops", "kmsKeyId", "throughput", "volumeSize", "volumeType")
_PLACE = "LaunchTemplateData"
LAUNCH_TEMPLATE = AwsType(
    token="aws:ec2/launchTemplate:LaunchTemplate",  # noqa: S106 - a type's token
    cloudformation="AWS::EC2::LaunchTemplate",
    is_part=True,  # CloudFormation asks for its data, which here may be nothing
    fields=properties(
        name="LaunchTemplateName",
        description="VersionDescription",
        imageId=f"{_PLACE}/ImageId",
        instanceType=f"{_PLACE}/InstanceType",
        keyName=f"{_PLACE}/KeyName",
        userData=f"{_PLACE}/UserData",
        vpcSecurityGroupIds=f"{_PLACE}/SecurityGroupIds",
        iamInstanceProfile=nested(f"{_PLACE}/IamInstanceProfile", properties("arn", "name")),
        metadataOptions=nested(f"{_PLACE}/MetadataOptions", METADATA_OPTIONS),
        blockDeviceMappings=nested(f"{_PLACE}/BlockDeviceMappings", properties("deviceName", ebs=nested("Ebs", _EBS))),
        tagSpecifications=nested(f"{_PLACE}/TagSpecifications", properties("resourceType", tags=pairs("Tags"))),
        updateDefaultVersion=without_twin("whether pulumi-aws makes the new version the default one", WHETHER),
        tags=without_twin("CloudFormation tells the tags of a template by a list of its own", TEXTS_BY_NAME),
    ),
    name="name",
    computed=("arn", "latestVersion", "defaultVersion"),
    create=_create,
    find=_find,
    update=_update,
    delete=_delete,
    tag=tag,
)

TYPES = (LAUNCH_TEMPLATE,)
