"""The functions of pulumi-aws that a program may call: they look something up and change nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, cast

from botocore.exceptions import ClientError

from sandbox.providers.aws.client import PARTITION, Aws
from sandbox.providers.aws.mapping import Document
from sandbox.providers.aws.resource import tags_of
from sandbox.providers.provider_table import Invoke, Property, ProviderFailed
from sandbox.providers.provider_values import Properties

DNS_SUFFIX = "amazonaws.com"


def _caller_identity(aws: Aws, _: Properties) -> Properties:
    identity = aws.sts.get_caller_identity()
    account = identity["Account"]
    return {"accountId": account, "arn": identity["Arn"], "id": account, "userId": identity["UserId"]}


def _region(aws: Aws, arguments: Properties) -> Properties:
    region = str(arguments.get("region") or arguments.get("name") or aws.region)
    if region != aws.region:
        raise ProviderFailed(f"region: found {region!r}; allowed: {aws.region}, the provider's own")
    endpoint = f"ec2.{region}.{DNS_SUFFIX}"
    return {"description": region, "endpoint": endpoint, "id": region, "name": region, "region": region}


def _parameter(aws: Aws, arguments: Properties) -> Properties:
    decrypt = bool(arguments.get("withDecryption", True))
    found = cast("Document", aws.ssm.get_parameter(Name=arguments["name"], WithDecryption=decrypt)["Parameter"])
    value, kind = found["Value"], found["Type"]
    return {
        "arn": found["ARN"],
        "id": found["Name"],
        "insecureValue": "" if kind == "SecureString" else value,
        "name": found["Name"],
        "region": aws.region,
        "type": kind,
        "value": value,
        "version": found["Version"],
        "withDecryption": decrypt,
    }


def _filters(arguments: Properties) -> list[Any]:
    filters = [{"Name": one["name"], "Values": one["values"]} for one in arguments.get("filters", [])]
    filters += [{"Name": f"tag:{name}", "Values": [value]} for name, value in arguments.get("tags", {}).items()]
    return filters


def _only(kind: str, found: list[Any]) -> Document:
    if len(found) != 1:
        raise ProviderFailed(f"found {len(found)} {kind} that fit; exactly one has to. Say which by id, filter or tag")
    return cast("Document", found[0])


def _image(aws: Aws, arguments: Properties) -> Properties:
    asked: Document = {"Filters": _filters(arguments)}
    if "owners" in arguments:
        asked["Owners"] = arguments["owners"]
    images = cast("list[Document]", aws.ec2.describe_images(**asked)["Images"])
    pattern = re.compile(str(arguments.get("nameRegex", "")))
    images = sorted(
        (one for one in images if pattern.search(str(one.get("Name", "")))), key=lambda one: str(one["CreationDate"])
    )
    image = images[-1] if images and arguments.get("mostRecent") else _only("images", images)
    return {
        **arguments,
        "architecture": image.get("Architecture"),
        "arn": f"arn:{PARTITION}:ec2:{aws.region}::image/{image['ImageId']}",
        "creationDate": image.get("CreationDate"),
        "description": image.get("Description", ""),
        "id": image["ImageId"],
        "imageId": image["ImageId"],
        "name": image.get("Name"),
        "ownerId": image.get("OwnerId"),
        "rootDeviceName": image.get("RootDeviceName"),
        "rootDeviceType": image.get("RootDeviceType"),
        "state": image.get("State"),
        "tags": tags_of(image.get("Tags", [])),
        "virtualizationType": image.get("VirtualizationType"),
    }


def _vpc(aws: Aws, arguments: Properties) -> Properties:
    asked: Document = {"Filters": _filters(arguments)}
    if "id" in arguments:
        asked["VpcIds"] = [arguments["id"]]
    if "default" in arguments:
        asked["Filters"].append({"Name": "isDefault", "Values": [str(arguments["default"]).lower()]})
    if "cidrBlock" in arguments:
        asked["Filters"].append({"Name": "cidr", "Values": [arguments["cidrBlock"]]})
    vpc = _only("VPCs", cast("list[Any]", aws.ec2.describe_vpcs(**asked)["Vpcs"]))
    return {
        "arn": aws.arn("ec2", f"vpc/{vpc['VpcId']}"),
        "cidrBlock": vpc["CidrBlock"],
        "default": vpc["IsDefault"],
        "id": vpc["VpcId"],
        "ownerId": vpc.get("OwnerId", aws.account_id),
        "region": aws.region,
        "state": vpc["State"],
        "tags": tags_of(vpc.get("Tags", [])),
    }


def _subnet(aws: Aws, arguments: Properties) -> Properties:
    asked: Document = {"Filters": _filters(arguments)}
    if "id" in arguments:
        asked["SubnetIds"] = [arguments["id"]]
    for name, there in (("vpcId", "vpc-id"), ("availabilityZone", "availability-zone"), ("cidrBlock", "cidr-block")):
        if name in arguments:
            asked["Filters"].append({"Name": there, "Values": [arguments[name]]})
    subnet = _only("subnets", cast("list[Any]", aws.ec2.describe_subnets(**asked)["Subnets"]))
    return {
        "arn": aws.arn("ec2", f"subnet/{subnet['SubnetId']}"),
        "availabilityZone": subnet["AvailabilityZone"],
        "availabilityZoneId": subnet.get("AvailabilityZoneId", ""),
        "availableIpAddressCount": subnet["AvailableIpAddressCount"],
        "cidrBlock": subnet["CidrBlock"],
        "defaultForAz": subnet["DefaultForAz"],
        "id": subnet["SubnetId"],
        "mapPublicIpOnLaunch": subnet["MapPublicIpOnLaunch"],
        "ownerId": subnet.get("OwnerId", aws.account_id),
        "region": aws.region,
        "state": subnet["State"],
        "tags": tags_of(subnet.get("Tags", [])),
        "vpcId": subnet["VpcId"],
    }


def _instances(aws: Aws, arguments: Properties) -> Properties:
    filters = _filters(arguments)
    filters.append({"Name": "instance-state-name", "Values": ["running"]})
    reservations = cast("list[Document]", aws.ec2.describe_instances(Filters=filters)["Reservations"])
    instances = [instance for one in reservations for instance in one.get("Instances", [])]
    return {
        **arguments,
        "id": aws.region,
        "ids": [one["InstanceId"] for one in instances],
        "privateIps": [one["PrivateIpAddress"] for one in instances if one.get("PrivateIpAddress")],
        "publicIps": [one["PublicIpAddress"] for one in instances if one.get("PublicIpAddress")],
        "ipv6Addresses": [],
        "region": aws.region,
    }


def _cluster(aws: Aws, arguments: Properties) -> Properties:
    found = cast("Document", aws.eks.describe_cluster(name=arguments["name"])["cluster"])
    access = found.get("accessConfig", {})
    network = found.get("resourcesVpcConfig", {})
    identity = found.get("identity", {}).get("oidc", {})
    created = found.get("createdAt")
    return {
        "accessConfigs": [
            {
                "authenticationMode": access.get("authenticationMode", ""),
                "bootstrapClusterCreatorAdminPermissions": access.get("bootstrapClusterCreatorAdminPermissions", False),
            }
        ],
        **_auto_mode(found),
        "arn": found["arn"],
        "certificateAuthorities": [{"data": found.get("certificateAuthority", {}).get("data", "")}],
        "createdAt": created.isoformat() if created is not None else "",
        "enabledClusterLogTypes": [],
        "endpoint": found.get("endpoint", ""),
        "id": found["name"],
        "identities": [{"oidcs": [{"issuer": identity.get("issuer", "")}]}],
        "name": found["name"],
        "platformVersion": found.get("platformVersion", ""),
        "region": aws.region,
        "roleArn": found.get("roleArn", ""),
        "status": found.get("status", ""),
        "tags": found.get("tags", {}),
        "version": found.get("version", ""),
        "vpcConfig": {
            "clusterSecurityGroupId": network.get("clusterSecurityGroupId", ""),
            "endpointPrivateAccess": network.get("endpointPrivateAccess", False),
            "endpointPublicAccess": network.get("endpointPublicAccess", True),
            "publicAccessCidrs": network.get("publicAccessCidrs", []),
            "securityGroupIds": network.get("securityGroupIds", []),
            "subnetIds": network.get("subnetIds", []),
            "vpcId": network.get("vpcId", ""),
        },
    }


def _auto_mode(found: Document) -> Properties:
    """Return what says whether EKS itself runs nodes and storage: an Auto Mode cluster needs none of the add-ons."""
    storage = found.get("storageConfig", {}).get("blockStorage", {})
    return {
        "computeConfigs": [{"enabled": found.get("computeConfig", {}).get("enabled", False), "nodePools": []}],
        "storageConfigs": [{"blockStorages": [{"enabled": storage.get("enabled", False)}]}],
    }


def _add_on(aws: Aws, arguments: Properties) -> Properties:
    name, cluster = arguments["addonName"], arguments["clusterName"]
    try:
        found = cast("Document", aws.eks.describe_addon(clusterName=cluster, addonName=name)["addon"])
    except ClientError as error:
        raise ProviderFailed(f"reading EKS Add-On ({cluster}:{name}): {error}") from error
    return {
        **arguments,
        "addonVersion": found.get("addonVersion", ""),
        "arn": found.get("addonArn", ""),
        "configurationValues": found.get("configurationValues", ""),
        "id": f"{cluster}:{name}",
        "podIdentityAssociations": [],
        "region": aws.region,
        "serviceAccountRoleArn": found.get("serviceAccountRoleArn", ""),
        "tags": found.get("tags", {}),
    }


def _identity_provider(aws: Aws, arguments: Properties) -> Properties:
    """Find an OIDC provider by its ARN or its address, with the scheme or without."""
    arn = arguments.get("arn")
    if arn is None:
        host = str(arguments.get("url", "")).removeprefix("https://")
        arns = [one.get("Arn", "") for one in aws.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
        arn = next((one for one in arns if one.partition("oidc-provider/")[2] == host), None)
    if arn is None:
        raise ProviderFailed(f"finding IAM OIDC Provider by url ({arguments.get('url')}): not found")
    found = cast("Document", aws.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn))
    return {
        "arn": arn,
        "clientIdLists": found["ClientIDList"],
        "id": arn,
        "tags": tags_of(found.get("Tags", [])),
        "thumbprintLists": found.get("ThumbprintList", []),
        "url": found["Url"],
    }


def _route_tables(aws: Aws, arguments: Properties) -> Properties:
    filters = _filters(arguments)
    if "vpcId" in arguments:
        filters.append({"Name": "vpc-id", "Values": [arguments["vpcId"]]})
    tables = aws.ec2.describe_route_tables(Filters=filters)["RouteTables"]
    ids = sorted(one.get("RouteTableId", "") for one in tables)
    return {**arguments, "id": aws.region, "ids": ids, "region": aws.region}


def _route(route: Document) -> Properties:
    """Return one route as pulumi-aws tells it: an empty text for each way that it does not take."""
    gateway = str(route.get("GatewayId", ""))
    return {
        "cidrBlock": route.get("DestinationCidrBlock", ""),
        "ipv6CidrBlock": route.get("DestinationIpv6CidrBlock", ""),
        "destinationPrefixListId": route.get("DestinationPrefixListId", ""),
        "gatewayId": gateway,
        "natGatewayId": route.get("NatGatewayId", ""),
        "transitGatewayId": route.get("TransitGatewayId", ""),
        "networkInterfaceId": route.get("NetworkInterfaceId", ""),
        "instanceId": route.get("InstanceId", ""),
        "egressOnlyGatewayId": route.get("EgressOnlyInternetGatewayId", ""),
        "vpcPeeringConnectionId": route.get("VpcPeeringConnectionId", ""),
        "carrierGatewayId": route.get("CarrierGatewayId", ""),
        "coreNetworkArn": route.get("CoreNetworkArn", ""),
        "localGatewayId": route.get("LocalGatewayId", ""),
        "vpcEndpointId": "",
        "odbNetworkArn": "",
    }


def _route_table(aws: Aws, arguments: Properties) -> Properties:
    asked: Document = {"Filters": _filters(arguments)}
    if "routeTableId" in arguments:
        asked["RouteTableIds"] = [arguments["routeTableId"]]
    table = _only("route tables", cast("list[Any]", aws.ec2.describe_route_tables(**asked)["RouteTables"]))
    routes = [one for one in table["Routes"] if one.get("GatewayId") != "local"]
    return {
        **arguments,
        "arn": aws.arn("ec2", f"route-table/{table['RouteTableId']}"),
        "associations": [],
        "gatewayId": "",
        "id": table["RouteTableId"],
        "ownerId": table.get("OwnerId", aws.account_id),
        "region": aws.region,
        "routeTableId": table["RouteTableId"],
        "routes": [_route(one) for one in routes],
        "subnetId": "",
        "tags": tags_of(table.get("Tags", [])),
        "vpcId": table["VpcId"],
    }


def _table(aws: Aws, arguments: Properties) -> Properties:
    table = cast("Document", aws.dynamodb.describe_table(TableName=arguments["name"])["Table"])
    return {
        "arn": table["TableArn"],
        "attributes": [
            {"name": one["AttributeName"], "type": one["AttributeType"]} for one in table["AttributeDefinitions"]
        ],
        "billingMode": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        "id": table["TableName"],
        "name": table["TableName"],
        "region": aws.region,
    }


def _bucket(aws: Aws, arguments: Properties) -> Properties:
    name = arguments["bucket"]
    aws.s3.head_bucket(Bucket=name)
    return {
        "arn": f"arn:{PARTITION}:s3:::{name}",
        "bucket": name,
        "bucketRegion": aws.region,
        "id": name,
        "region": aws.region,
    }


def _tagged(aws: Aws, arguments: Properties) -> Properties:
    asked: Document = {}
    if "resourceTypeFilters" in arguments:
        asked["ResourceTypeFilters"] = arguments["resourceTypeFilters"]
    if "tagFilters" in arguments:
        filters = arguments["tagFilters"]
        asked["TagFilters"] = [{"Key": one["key"], "Values": one.get("values", [])} for one in filters]
    found = cast("list[Document]", aws.tagging.get_resources(**asked)["ResourceTagMappingList"])
    listed = [
        {"resourceArn": one["ResourceARN"], "tags": tags_of(one.get("Tags", [])), "complianceDetails": []}
        for one in found
    ]
    return {**arguments, "id": aws.region, "region": aws.region, "resourceTagMappingLists": listed}


def _arguments(names: Iterable[str], *required: str) -> dict[str, Property]:
    return {name: Property(required=name in required) for name in (*names, *required)}


def invokes(aws: Aws) -> list[Invoke]:
    """Return the functions, for an account."""

    def of(
        token: str, arguments: dict[str, Property], call: Callable[[Aws, Properties], Properties], *secrets: str
    ) -> Invoke:
        return Invoke(token=token, arguments=arguments, call=lambda given: call(aws, given), secret_outputs=secrets)

    return [
        of("aws:index/getCallerIdentity:getCallerIdentity", _arguments(["id"]), _caller_identity),
        of("aws:index/getRegion:getRegion", _arguments(["id", "name", "region"]), _region),
        of("aws:ssm/getParameter:getParameter", _arguments(["withDecryption"], "name"), _parameter, "value"),
        of(
            "aws:ec2/getAmi:getAmi",
            _arguments(["filters", "includeDeprecated", "mostRecent", "nameRegex", "owners"]),
            _image,
        ),
        of("aws:ec2/getVpc:getVpc", _arguments(["cidrBlock", "default", "filters", "id", "tags"]), _vpc),
        of(
            "aws:ec2/getSubnet:getSubnet",
            _arguments(["availabilityZone", "cidrBlock", "filters", "id", "tags", "vpcId"]),
            _subnet,
        ),
        of("aws:ec2/getInstances:getInstances", _arguments(["filters"]), _instances),
        of("aws:eks/getCluster:getCluster", _arguments([], "name"), _cluster),
        of("aws:eks/getAddon:getAddon", _arguments([], "addonName", "clusterName"), _add_on),
        of(
            "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider",
            _arguments(["arn", "tags", "url"]),
            _identity_provider,
        ),
        of("aws:dynamodb/getTable:getTable", _arguments([], "name"), _table),
        of("aws:s3/getBucket:getBucket", _arguments([], "bucket"), _bucket),
        of("aws:ec2/getRouteTables:getRouteTables", _arguments(["filters", "tags", "vpcId"]), _route_tables),
        of("aws:ec2/getRouteTable:getRouteTable", _arguments(["filters", "routeTableId", "tags"]), _route_table),
        of(
            "aws:resourcegroupstaggingapi/getResources:getResources",
            _arguments(["resourceTypeFilters", "tagFilters"]),
            _tagged,
        ),
    ]
