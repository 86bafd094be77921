"""Sizes of what 10,000 services of 1,000 teams deploy, beside the limit that Kubernetes sets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from alerting.build import load_platform
from alerting.platform import Platform
from alerting.stored_objects import OBJECT_BYTES, configuration_text, object_sizes
from cli.stack_config import read_settings
from tests.bench.catalog import ROOT, write_catalog
from tests.bench.figures import Figure

SERVICES = 10_000
ALERTS = 1_000
CONFIGURATION = f"alertmanager_config_bytes_{SERVICES}"
LARGEST = f"largest_object_bytes_{SERVICES}"
SIZE_FIGURES = (CONFIGURATION, LARGEST)
PEER = "data of a Secret"


def sizes(wanted: Callable[[str], bool]) -> Iterator[Figure]:
    """Yield the bytes of Alertmanager's configuration, and of the largest object of all."""
    if not any(map(wanted, SIZE_FIGURES)):
        return
    platform = platform_of(SERVICES)
    values = {
        CONFIGURATION: len(configuration_text(platform).encode()),
        LARGEST: max(size for _, _, size, _ in object_sizes(platform)),
    }
    for name, value in values.items():
        if wanted(name):
            yield Figure(name=name, value=value, unit="bytes", peer=PEER, peer_value=OBJECT_BYTES)


def platform_of(services: int) -> Platform:
    """Return what so many services deploy, a tenth as many teams, and a thousand alerts."""
    with tempfile.TemporaryDirectory(prefix="orion-bench-") as directory:
        write_catalog(Path(directory), ALERTS, services=services)
        return load_platform(Path(directory), read_settings(ROOT, "prod"))
