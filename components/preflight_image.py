"""Preflight of the bastion's image: that it is there, for the instance's processor, and not too old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pulumi
import pulumi_aws as aws

from alerting.settings import Settings
from components.lookups import Unreadable, read

ARCHITECTURE = "arm64"
OLD = timedelta(days=90)
"""Amazon deprecates an image of Amazon Linux 2023 after as long, and a bastion gets no patch but by its image."""


def image_warnings(settings: Settings, options: pulumi.InvokeOptions, now: datetime) -> Iterator[str]:
    """Yield what a person should know of the settings' image. Without one, each `up` takes the newest."""
    image = settings.bastion.image
    if image is None:
        return
    filters = [aws.ec2.GetAmiFilterArgs(name="image-id", values=[image])]
    try:
        found = read(lambda: aws.ec2.get_ami(filters=filters, owners=["amazon"], include_deprecated=True, opts=options))
    except Unreadable as error:
        yield (
            f"bastion.image: {image} cannot be read in {settings.aws.region} among Amazon's images: {error}. A new "
            "bastion could not be made of it. Name another (docs/deploying.md, 9), or allow ec2:DescribeImages"
        )
        return
    if found.architecture != ARCHITECTURE:
        yield f"bastion.image: {image} is for {found.architecture}; allowed: {ARCHITECTURE}. Name another"
    age = now - datetime.fromisoformat(found.creation_date)
    if age > OLD:
        yield (
            f"bastion.image: {image} is {age.days} days old, and the bastion has no patch that is newer. Name a newer "
            "one (docs/deploying.md, 9)"
        )


def warn_of_image(settings: Settings, options: pulumi.InvokeOptions) -> None:
    """Have the engine show each warning."""
    for warning in image_warnings(settings, options, datetime.now(UTC)):
        pulumi.log.warn(warning)
