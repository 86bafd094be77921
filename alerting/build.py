"""From a folder of YAML to the one immutable value that is deployed.

catalog = load_catalog(Path("."))            # raises CatalogError with every problem
platform = build_platform(catalog, settings)
platform = load_platform(Path("."), settings)  # both
"""

from __future__ import annotations

from pathlib import Path

from alerting import checks
from alerting.catalog import Catalog
from alerting.loader import read_catalog
from alerting.oncall.pagerduty import on_call
from alerting.platform import Platform
from alerting.repairs.compile import repairs
from alerting.repairs.modes import require_approvable
from alerting.routing.alertmanager import alertmanager_files
from alerting.routing.chat import chat
from alerting.routing.checks.accepted_configuration import require_accepted, require_templates_defined
from alerting.routing.checks.slack_groups import require_channels_keep_up
from alerting.rules.checks.objectives import require_measurable
from alerting.rules.checks.retention import require_kept
from alerting.rules.dashboards import dashboards
from alerting.rules.overviews import overviews
from alerting.rules.pod_monitors import pod_monitors
from alerting.rules.render import rule_files
from alerting.settings import Environment, Settings
from alerting.settings.load import require_known_channels
from alerting.source.problems import CatalogError
from alerting.stored_objects import require_stored


def load_catalog(root: Path) -> Catalog:
    """Read and check everything that teams wrote below `root`, the repository.

    Raises `CatalogError` with all the problems found: those of single files, or else those between them.
    """
    catalog = read_catalog(root)
    found = checks.problems(catalog)
    if found:
        raise CatalogError(found)
    return catalog


def build_platform(catalog: Catalog, settings: Settings) -> Platform:
    """Turn a checked catalog into what one stack deploys.

    Raises `SettingsRefused` if the settings name a channel that the catalog does not have, and `CatalogError` if a rule
    looks back further than the stack keeps series, an objective has a window of too few scrapes, a channel may get more
    messages than Slack takes, nobody could approve a repair that needs it, or the cluster would refuse an object.
    """
    require_known_channels(settings, catalog.routing.channels)
    require_measurable(catalog, settings)
    require_kept(catalog, settings)
    require_channels_keep_up(catalog, settings)
    require_approvable(catalog, settings)
    alertmanager = alertmanager_files(catalog, settings)
    require_accepted(alertmanager.configuration, oldest=settings.environment is Environment.SANDBOX)
    require_templates_defined(alertmanager.configuration, alertmanager.templates)
    rules = rule_files(catalog, settings)
    platform = Platform(
        settings=settings,
        rules=rules,
        dashboards=(*dashboards(catalog, rules), *overviews(catalog)),
        pod_monitors=pod_monitors(catalog),
        alertmanager=alertmanager,
        on_call=on_call(catalog),
        repairs=repairs(catalog, settings.time_scale, settings.environment),
        chat=chat(catalog, settings),
    )
    require_stored(catalog, platform)
    return platform


def load_platform(root: Path, settings: Settings) -> Platform:
    """Read, check and build.

    Raises what `load_catalog` and `build_platform` do.
    """
    return build_platform(load_catalog(root), settings)
