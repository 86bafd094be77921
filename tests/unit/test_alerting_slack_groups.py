"""Limits of messages to a channel, and the catalogs that are rejected or noted for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.build import build_platform, load_catalog
from alerting.routing.checks.slack_groups import BURST, ChannelLoad, burst_notices, channel_loads
from alerting.settings import Environment
from alerting.source.problems import CatalogError
from tests.alerting_data import DATA, changed, copied_root, fixture_catalog, problems, settings

ROUTING = "catalog/routing.yaml"
WARNING = "  - match: {severity: [warning]}\n    receiver: slack-warning\n"
DATABASE_WARNING = "    receiver: slack-warning-database\n"
GROUP_BY = "    group_by: [cluster, service, severity]\n"
BY_TEAM = "    group_by: [alertname, cluster, team, severity]\n"
SERVICE = """  more-{number}:
    description: One more.
    team: platform
    namespace: orion
    objective: 0.999
"""


def load(root: Path, channel: str = "#orion-alerts") -> ChannelLoad:
    (found,) = [one for one in channel_loads(load_catalog(root), settings()) if one.channel == channel]
    return found


def with_services(folder: Path, number: int) -> Path:
    root = copied_root(folder)
    path = root / "catalog" / "services.yaml"
    more = "".join(SERVICE.format(number=one) for one in range(number))
    path.write_text(path.read_text().replace("services:\n", f"services:\n{more}", 1))
    return root


def test_a_service_more_is_a_group_more_for_each_alert_of_every_service(tmp_path: Path) -> None:
    one, two = (load(with_services(tmp_path / str(number), number)).groups for number in (1, 2))

    assert two - one == one - load(DATA).groups > 0


def test_a_coarser_group_by_makes_fewer_groups_and_the_notice_goes(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", ROUTING, WARNING, WARNING + GROUP_BY)
    text = (root / ROUTING).read_text()
    coarser = text.replace(DATABASE_WARNING, DATABASE_WARNING + GROUP_BY, 1).replace(BY_TEAM, GROUP_BY)
    (root / ROUTING).write_text(coarser)
    before = list(burst_notices(fixture_catalog(), settings()))
    after = list(burst_notices(load_catalog(root), settings()))

    assert load(DATA).groups > BURST >= load(root).groups
    noted = {notice.partition(" ")[0]: notice for notice in before}
    assert f"up to {load(DATA).groups} messages at once" in noted["#orion-alerts"]
    assert after == []
    routes = build_platform(load_catalog(root), settings()).alertmanager.configuration["route"]["routes"]
    assert [route["group_by"] for route in routes if "group_by" in route] == [["cluster", "service", "severity"]] * 4


def test_a_channel_that_could_never_catch_up_is_refused(tmp_path: Path) -> None:
    catalog = load_catalog(with_services(tmp_path / "root", 60))

    with pytest.raises(CatalogError) as raised:
        build_platform(catalog, settings())

    (problem,) = map(str, raised.value.problems)
    assert problem.startswith(f"{ROUTING}:")
    assert "#orion-alerts of stack prod may get" in problem
    assert "allowed: 300, which Slack takes in the 300 s of a group_interval" in problem


def test_a_channel_takes_the_messages_of_thirty_services(tmp_path: Path) -> None:
    """Alerts that look ahead are one message of each team, however many services it has."""
    found = load(with_services(tmp_path / "root", 26))

    assert found.groups <= found.sustainable


def test_what_would_page_counts_where_nobody_is_paged() -> None:
    catalog = fixture_catalog()
    loads = [
        {one.channel: one.groups for one in channel_loads(catalog, settings(Environment.DEV, paging=paging))}
        for paging in (True, False)
    ]

    assert loads[1]["#orion-alerts"] > loads[0]["#orion-alerts"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "    receiver: pagerduty-critical\n",
            "    receiver: pagerduty-critical\n    group_by: [severity]\n",
            "group_by: receiver pagerduty-critical pages, and an incident is about one alert of one service. Remove it",
        ),
        (
            WARNING,
            WARNING + "    group_by: [severity, colour]\n",
            'group_by.1: found "colour"; allowed: ',
        ),
        (WARNING, WARNING + "    group_by: [service]\n", "severity and any more labels are allowed"),
    ],
)
def test_a_group_by_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    (problem,) = problems(changed(tmp_path / "root", ROUTING, old, new))

    assert message in problem
