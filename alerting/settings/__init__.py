"""One stack's settings, as one closed model, made from plain data (Pulumi's configuration, a file).

`parts` says what there is, `contradictions` what does not go together, and `checked` holds the one to the other.
`alerting.settings.load` reads them and says all that is wrong.
"""

from alerting.settings.checked import Settings
from alerting.settings.parts import (
    LOAD_BALANCER,
    RUNBOOK_SECTION,
    AddOn,
    Addresses,
    AwsSettings,
    BastionSettings,
    ChartFromFile,
    ChartFromRepository,
    ChatMode,
    ClusterSettings,
    CustomResourcesOnly,
    Endpoints,
    Environment,
    Imports,
    MonitoringSettings,
    NetworkSettings,
    OtherStack,
    RepairMode,
    RetainedResource,
    RoleSource,
    ScrapeTarget,
    Spread,
)

__all__ = [
    "LOAD_BALANCER",
    "RUNBOOK_SECTION",
    "AddOn",
    "Addresses",
    "AwsSettings",
    "BastionSettings",
    "ChartFromFile",
    "ChartFromRepository",
    "ChatMode",
    "ClusterSettings",
    "CustomResourcesOnly",
    "Endpoints",
    "Environment",
    "Imports",
    "MonitoringSettings",
    "NetworkSettings",
    "OtherStack",
    "RepairMode",
    "RetainedResource",
    "RoleSource",
    "ScrapeTarget",
    "Settings",
    "Spread",
]
