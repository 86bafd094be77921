"""The one value that is deployed: what is in it, and that everything in it fits together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.build import load_platform
from alerting.oncall.event_orchestration import KEY_NAMES
from alerting.platform import Platform, SecretSource
from alerting.routing.checks.accepted_configuration import (
    RefusedOption,
    require_accepted,
    require_templates_defined,
)
from alerting.routing.group_key import group_key, matcher, route_key
from alerting.routing.routes import key_matcher
from alerting.rules.promql import labels, parsed
from alerting.settings import Environment
from alerting.settings.load import SettingsRefused
from alerting.source.problems import shown
from tests.alerting_data import DATA, fixture_catalog, settings


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_platform(DATA, settings())


def alerts(platform: Platform) -> dict[str, dict[str, dict[str, str]]]:
    return {
        rule["alert"]: rule
        for file in platform.rules
        for group in file.groups
        for rule in group["rules"]
        if "alert" in rule
    }


def test_every_alert_links_to_its_page_and_dashboard(platform: Platform) -> None:
    for name, rule in alerts(platform).items():
        assert rule["annotations"]["runbook_url"] == f"https://runbooks.orion.example.com/{name}/#diagnosis"
        assert rule["annotations"]["dashboard_url"].startswith("https://grafana.orion.example.com/d/orion-")
        service = rule["labels"].get("service", "{{ $labels.service | urlquery }}")
        assert rule["annotations"]["dashboard_url"].endswith(f"?var-service={service}")
        assert rule["labels"]["severity"] in {"critical", "high", "warning", "info", "none"}


def test_every_service_has_an_owner_and_a_budget_in_the_rules(platform: Platform) -> None:
    (services,) = (file for file in platform.rules if file.name == "orion-services")
    rules = {(rule["record"], rule["labels"]["service"]): rule for rule in services.groups[0]["rules"]}

    assert len(rules) == 3 * 4
    assert rules["orion:service:error_budget", "orders"]["expr"] == "vector(0.001)"
    assert rules["orion:service:owner", "market-data"]["labels"] == {"service": "market-data", "team": "platform"}
    expected = {"namespace": "orion", "service": "market-data", "team": "platform"}
    assert rules["orion:service:expected", "market-data"]["labels"] == expected


def test_every_series_is_watched_or_says_why_not(platform: Platform) -> None:
    (missing,) = (file for file in platform.rules if file.name == "orion-series")
    rules = [rule for rule in missing.groups[0]["rules"] if rule["record"] == "orion:series:missing"]
    watched = {rule["labels"]["series"]: rule["expr"] for rule in rules}
    series = fixture_catalog().series.series

    assert {name for name in series if name not in watched} == {
        name for name, one in series.items() if one.not_watched is not None
    }
    assert watched["orders_submitted_total"] == 'absent(orders_submitted_total{service!=""})'
    assert watched["kube_pod_created"] == 'absent(kube_pod_created{pod!="", uid!="", namespace=~"orion"})'


def test_rules_and_waits_are_scaled_alike() -> None:
    scaled = load_platform(DATA, settings(Environment.SANDBOX, time_scale=10))
    route = scaled.alertmanager.configuration["route"]

    assert alerts(scaled)["HighMemoryUsage"]["for"] == "30s"
    assert "[30s]" in json.dumps([file.groups for file in scaled.rules])
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("3s", "30s", "24m")
    assert scaled.alertmanager.configuration["global"]["resolve_timeout"] == "30s"


def test_every_secret_that_is_read_is_listed_and_every_listed_one_is_read(platform: Platform) -> None:
    configuration = json.dumps(platform.alertmanager.configuration)
    pagerduty = {
        one.reference for one in platform.alertmanager.secret_files if one.source is SecretSource.PAGERDUTY_INTEGRATION
    }
    slack = {one.reference for one in platform.alertmanager.secret_files if one.source is SecretSource.SLACK_WEBHOOK}

    assert pagerduty == set(platform.on_call.orchestration.keys) == set(KEY_NAMES)
    assert slack == {"#orion-alerts", "#orion-alerts-info", "#orion-database-team"}
    assert all(one.path in configuration for one in platform.alertmanager.secret_files)


def test_a_channel_of_the_catalog_can_be_another_one_in_a_stack(platform: Platform) -> None:
    moved = dict.fromkeys(("#orion-alerts", "#orion-alerts-info"), "#orion-dev")
    files = load_platform(DATA, settings(Environment.DEV).model_copy(update={"channels": moved})).alertmanager
    slack = [file for file in files.secret_files if file.source is SecretSource.SLACK_WEBHOOK]
    posted = [entry for receiver in files.configuration["receivers"] for entry in receiver.get("slack_configs", [])]

    assert [file.reference for file in slack] == ["#orion-dev", "#orion-database-team"]
    assert {entry["channel"] for entry in posted} == {"#orion-dev", "#orion-database-team"}
    assert {entry["api_url_file"] for entry in posted} == {file.path for file in slack}
    assert len(posted) == sum(len(receiver.get("slack_configs", [])) for receiver in _receivers(platform))


def _receivers(platform: Platform) -> list[dict[str, Any]]:
    return platform.alertmanager.configuration["receivers"]


def test_a_setting_for_a_channel_that_no_route_posts_to_is_refused() -> None:
    stack = settings(Environment.DEV).model_copy(update={"channels": {"#orion-alert": "#orion-dev"}})

    with pytest.raises(
        SettingsRefused, match=r'channels\["#orion-alert"\]: no route posts to #orion-alert; allowed: #or'
    ):
        load_platform(DATA, stack)


def test_without_paging_the_routes_stay_and_nothing_pages(platform: Platform) -> None:
    quiet = load_platform(DATA, settings(Environment.DEV, paging=False)).alertmanager

    assert quiet.configuration["route"] == platform.alertmanager.configuration["route"]
    assert "pagerduty_configs" not in json.dumps(quiet.configuration)
    assert {one.source for one in quiet.secret_files} == {SecretSource.SLACK_WEBHOOK}


def test_without_paging_what_would_page_is_posted_once_to_the_default_channel(platform: Platform) -> None:
    quiet = load_platform(DATA, settings(Environment.DEV, paging=False)).alertmanager.configuration["receivers"]
    paging = {one["name"] for one in _receivers(platform) if "pagerduty_configs" in one}
    titles = {
        one["name"]: {slack["channel"]: slack["title"] for slack in one["slack_configs"]}
        for one in quiet
        if "slack_configs" in one
    }
    counts = {one["name"]: len(one["slack_configs"]) for one in quiet if one["name"] in paging}

    assert paging
    assert all("#orion-alerts" in titles[name] for name in paging)
    assert titles["pagerduty-trading-key-2"]["#orion-alerts"].startswith("[TRADING] ")
    assert counts["pagerduty-notifications-failing"] == 1
    assert set(titles["pagerduty-high-database"]) == {"#orion-alerts", "#orion-database-team"}


def test_nobody_continues_and_each_route_has_its_own_receiver(platform: Platform) -> None:
    configuration = platform.alertmanager.configuration
    names = [receiver["name"] for receiver in configuration["receivers"]]

    assert '"continue"' not in json.dumps(configuration)
    assert len(names) == len(set(names))
    assert sorted(names) == sorted(routed(configuration["route"]))


def routed(route: dict[str, list[dict[str, str]]]) -> list[str]:
    return [str(route["receiver"]), *(name for child in route.get("routes", []) for name in routed(child))]  # pyright: ignore[reportArgumentType] - a route is a tree


def test_each_message_carries_the_key_of_its_own_route(platform: Platform) -> None:
    receivers = {one["name"]: one for one in platform.alertmanager.configuration["receivers"]}

    def key(name: str) -> str:
        text = receivers[name]["sns_configs"][0]["message"].partition(',"total"')[0] + "}"
        return json.loads(text)["route"]

    assert key("default-receiver") == "{}"
    assert key("slack-warning-database") == '{}/{severity="warning",team="database"}'
    assert key("pagerduty-critical-key-2") == '{}/{severity="critical"}/{' + key_matcher("key-2") + "}"
    assert key("pagerduty-trading") == '{}/{severity=~"critical|high",team="trading"}'


def test_pages_go_to_the_owner(platform: Platform) -> None:
    receivers = {one["name"]: one for one in platform.alertmanager.configuration["receivers"]}

    def paged(name: str) -> tuple[str, str]:
        (page,) = receivers[name]["pagerduty_configs"]
        return page["routing_key_file"].rpartition("/")[2], page["details"]["paged_team"]

    assert paged("pagerduty-trading") == ("key-1", "trading")
    assert paged("pagerduty-trading-key-4") == ("key-4", "trading")
    assert paged("pagerduty-critical-database") == ("key-1", "database")
    assert paged("pagerduty-critical") == ("key-1", "any team")
    assert platform.on_call.orchestration.catch_all == "platform"
    assert {one.name: one.escalation_policy for one in platform.on_call.services} == {
        "orders": "trading",
        "positions": "trading",
        "market-data": "platform",
        "gateway": "platform",
        "trading": "trading",
        "platform": "platform",
        "database": "database",
    }


def test_repairs_read_labels_that_identify_what_was_seen(platform: Platform) -> None:
    data = platform.repairs.as_function_data()

    assert data["repairs"]["HighMemoryUsage"]["action"] == "restart_pod"
    assert data["actions"]["restart_pod"]["parameters"]["uid"]["label"] == "uid"
    assert data["namespaces"] == ["orion"]
    assert all(len(action.digest) == 64 for action in platform.repairs.actions)


def test_building_twice_gives_the_same(platform: Platform) -> None:
    assert load_platform(DATA, settings()) == platform


@pytest.mark.parametrize(
    ("path", "option", "reason"),
    [
        ("", "tracing", "the operators 0.85 and 0.93 refuse it"),
        ("global", "slack_app_token_file", "the operator 0.85 refuses it"),
        ("route", "labels", "the operators 0.85 and 0.93 refuse it"),
        ("route", "continue", "an alert would arrive twice"),
        ("slack_configs", "update_message", "Alertmanager 0.34 panics without api_url"),
        ("slack_configs", "api_url", "a secret would stand in the configuration"),
        ("pagerduty_configs", "service_key", "it belongs to the Events API v1"),
        ("sns_configs", "made_up", "it is not known to be accepted"),
    ],
)
def test_options_that_a_reader_refuses_are_refused(platform: Platform, path: str, option: str, reason: str) -> None:
    configuration = json.loads(json.dumps(platform.alertmanager.configuration))
    receiver = next(one for one in configuration["receivers"] if one["name"] == "pagerduty-critical-database")
    target = {"": configuration, "global": configuration["global"], "route": configuration["route"]["routes"][0]}.get(
        path
    )
    (target if target is not None else receiver[path][0])[option] = True

    require_accepted(platform.alertmanager.configuration, oldest=False)
    with pytest.raises(RefusedOption, match=reason):
        require_accepted(configuration, oldest=False)


def test_the_text_of_a_push_notification_is_left_out_where_the_operator_does_not_know_it(platform: Platform) -> None:
    sandbox = load_platform(DATA, settings(Environment.SANDBOX)).alertmanager.configuration
    posted = [one for receiver in sandbox["receivers"] for one in receiver.get("slack_configs", ())]

    assert posted
    assert all('template "slack.notification"' in one["fallback"] for one in posted)
    require_accepted(sandbox)
    with pytest.raises(RefusedOption, match=r"slack_configs\[0\].message_text: the operator 0.85 refuses it"):
        require_accepted(platform.alertmanager.configuration)


def test_an_empty_text_is_refused_since_the_operator_drops_it(platform: Platform) -> None:
    configuration = json.loads(json.dumps(platform.alertmanager.configuration))
    configuration["receivers"][0]["sns_configs"][0]["subject"] = ""

    with pytest.raises(RefusedOption, match=r"sns_configs\[0\].subject: found an empty text"):
        require_accepted(configuration, oldest=False)


SERIES = {"a": frozenset({"x", "y"}), "b": frozenset({"x", "z"})}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a", "xy"),
        ('a{w="1", v=~"2", u=""}', "wxy"),
        ("sum(a)", ""),
        ("sum by (x, z) (a)", "x"),
        ("sum without (x) (a)", "y"),
        ("topk by (x) (1, a)", "xy"),
        ("a or b", "x"),
        ("a and on (x) b", "xy"),
        ("a * on (x) b", "x"),
        ("a * ignoring (y, z) b", "x"),
        ("a * on (x) group_left (z) b", "xyz"),
        ("a * on (x) group_left (w) b", "xy"),
        ("a * on (x) group_right (y) b", "xyz"),
        ("2 * a > 1", "xy"),
        ("1 - a", "xy"),
        ("rate(a[5m:1m])", "xy"),
        ('label_replace(a, "d", "$1", "x", "(.+)")', "dxy"),
        ('absent(a{w="1"})', "w"),
        ("vector(1)", ""),
        ("unknown", ""),
    ],
)
def test_labels_that_a_result_is_sure_to_carry(expression: str, expected: str) -> None:
    assert "".join(sorted(labels(parsed(expression), SERIES))) == expected


def test_keys_are_written_as_alertmanager_writes_them() -> None:
    assert route_key([(), (matcher("b", "=", "2"), matcher("a", "=~", 'x"\\\n'))]) == '{}/{a=~"x\\"\\\\\\n",b="2"}'
    assert group_key("{}", {"b": "\x07\x7f\u200b\u00a0😀", "a": ""}) == '{}:{a="", b="\\a\\x7f\\u200b\\u00a0😀"}'


@given(st.text())
def test_whatever_was_found_is_shown_on_one_short_line(text: str) -> None:
    result = shown(text)

    assert "\n" not in result
    assert result.isprintable()
    assert len(result) < 200


@pytest.mark.parametrize("name", ["pagerduty.tmpl", "slack.tmpl", "sns.tmpl", "links.tmpl"])
def test_a_template_that_is_executed_and_not_defined_is_refused(platform: Platform, name: str) -> None:
    files = platform.alertmanager
    without = {file: text for file, text in files.templates.items() if file != name}

    require_templates_defined(files.configuration, files.templates)
    with pytest.raises(RefusedOption, match=rf"found .*\b{name.partition('.')[0][:4]}"):
        require_templates_defined(files.configuration, without)
