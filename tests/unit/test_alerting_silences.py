"""Maintenance windows: each mistake is one error in its place, and chat's function gets those of its cluster."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from alerting.build import build_platform, load_catalog
from alerting.catalog import Catalog
from alerting.routing.checks.silences import ended_silences, matched_alerts, silence_lines, silence_notices
from alerting.routing.silences import LONGEST
from alerting.settings import ChatMode
from cli.check import silences_hold
from tests.alerting_data import changed, copied_root, fixture_catalog, line_of, problems, settings

FILE = "catalog/silences.yaml"
ENDS_AT = datetime(2099, 12, 5, 3, tzinfo=UTC)
MATCH = "match: {alertname: [RedisDown, RedisHighMemory], cluster: [orion]}"
UNTIL = 'until: "2099-12-05T03:00:00+00:00"'
ENTRY = "silences.redis-migration"
TEAMS = "trading, platform, database"


def with_match(folder: Path, match: str) -> Path:
    return changed(folder, FILE, MATCH, f"match: {match}")


def one_problem(root: Path) -> str:
    (problem,) = problems(root)
    return problem


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        pytest.param(
            f"    {UNTIL}\n",
            "",
            "redis-migration:",
            "until: found nothing; allowed: a time with its offset, such as 2026-12-05T01:00:00+00:00, after `since` "
            "and at most 7 days later. Add `until:`",
            id="no end",
        ),
        pytest.param(
            "    owner: database\n",
            "",
            "redis-migration:",
            "owner: found nothing; allowed: a team of catalog/teams.yaml. Add `owner:`",
            id="no owner",
        ),
        pytest.param(
            "owner: database",
            "owner: databse",
            "owner:",
            f'owner: found "databse"; allowed: {TEAMS}. Name a team of catalog/teams.yaml',
            id="an unknown owner",
        ),
        pytest.param(
            "reason: Redis moves to larger nodes.",
            'reason: ""',
            "reason:",
            'reason: found ""; a text on one line is allowed. Change it',
            id="no reason",
        ),
        pytest.param(
            UNTIL,
            'until: "2099-12-12T01:00:01+00:00"',
            "until:",
            'until: found "2099-12-12T01:00:01+00:00"; allowed: 2099-12-12T01:00:00+00:00 at the latest, 7 days after '
            "`since`. Shorten it, or change the alert",
            id="over the ceiling",
        ),
        pytest.param(
            UNTIL,
            'until: "2099-12-05T01:00:00+00:00"',
            "until:",
            'until: found "2099-12-05T01:00:00+00:00"; allowed: a time after `since`, which is '
            "2099-12-05T01:00:00+00:00. Change one of them",
            id="an end that is not after the start",
        ),
        pytest.param(
            UNTIL,
            'until: "2099-12-05T03:00:00"',
            "until:",
            'until: found "2099-12-05T03:00:00"; allowed: a time with its offset, such as',
            id="an end without an offset",
        ),
        pytest.param(
            MATCH,
            "match: {}",
            "match:",
            "match: found {}; allowed: labels with values, such as {alertname: [HighCPUUsage]}; a silence without any "
            "matches everything. Change it",
            id="no matcher",
        ),
        pytest.param(
            MATCH,
            "match: {alertname: RedisDown}",
            "match:",
            'match.alertname: found "RedisDown"; allowed: a list, such as [A, B]. Change it',
            id="a value that is no list",
        ),
        pytest.param(
            MATCH,
            "match: {alertname: []}",
            "match:",
            "match.alertname: found 0 entries; allowed: 1 or more. Add one",
            id="a label without a value",
        ),
        pytest.param(
            MATCH,
            "match: {alertname: [RedisDwn]}",
            "match:",
            'match.alertname.0: found "RedisDwn"; allowed: ',
            id="an unknown alert",
        ),
        pytest.param(
            MATCH,
            "match: {service: [ordrs]}",
            "match:",
            'match.service.0: found "ordrs"; allowed: ',
            id="an unknown service",
        ),
        pytest.param(
            MATCH,
            "match: {alertname: [RedisDown], colour: [red]}",
            "match:",
            'match.colour: found "colour"; allowed: ',
            id="a label that no alert carries",
        ),
        pytest.param(
            MATCH,
            "match: {severity: [warning], team: [database]}",
            "match:",
            "match: found severity, team alone; allowed: alertname or service, and any more labels. "
            "Name the alerts or the services that are worked on",
            id="neither alerts nor services",
        ),
        pytest.param(
            MATCH,
            "match: {alertname: [RedisDown], service: [orders], team: [database]}",
            "match:",
            "match: found labels that no alert carries together; allowed: those of an alert. Change or remove one",
            id="a service of another team",
        ),
        pytest.param(
            MATCH,
            "match: {alertname: [RedisDown], severity: [info]}",
            "match:",
            "match: found labels that no alert carries together; allowed: those of an alert. Change or remove one",
            id="an alert of another severity",
        ),
        pytest.param(
            MATCH,
            "match: {alertname: [Watchdog, RedisDown]}",
            "match:",
            "match: silences Watchdog, whose silence pages: the dead man's switch takes it for the end of all "
            "alerting; allowed: any other alert. Name the alerts: `alertname: [RedisDown]`, or some of them",
            id="the dead man's switch by name",
        ),
        pytest.param(
            MATCH,
            "match: {service: [platform]}",
            "match:",
            "match: silences Watchdog, whose silence pages",
            id="the dead man's switch by its service",
        ),
    ],
)
def test_each_mistake_is_one_error_where_it_was_made(
    tmp_path: Path, old: str, new: str, where: str, message: str
) -> None:
    root = changed(tmp_path / "root", FILE, old, new)

    problem = one_problem(root)

    assert problem.startswith(f"{FILE}:{line_of(root, FILE, where)}: {ENTRY}.{message}")


def test_a_silence_of_every_alert_is_refused(tmp_path: Path) -> None:
    everything = ", ".join(fixture_catalog().rules.alerts)

    problem = one_problem(with_match(tmp_path / "root", f"{{alertname: [{everything}]}}"))

    assert problem.endswith(
        "match: found labels that every alert may have; allowed: some alerts. Name fewer alerts or services"
    )


def test_the_ceiling_itself_is_allowed_and_so_is_the_last_window_removed(tmp_path: Path) -> None:
    week = changed(tmp_path / "week", FILE, UNTIL, 'until: "2099-12-12T01:00:00+00:00"')
    none = changed(tmp_path / "none", FILE, "  redis-migration:", "  redis-migration:")
    (none / FILE).write_text("silences:\n")

    (entry,) = load_catalog(week).silences.values()
    assert entry.until - entry.since == LONGEST
    assert load_catalog(none).silences == {}


def test_a_catalog_of_a_release_without_windows_has_none(tmp_path: Path) -> None:
    root = copied_root(tmp_path / "root")
    (root / FILE).unlink()

    catalog = load_catalog(root)

    assert catalog.silences == {}
    assert list(ended_silences(catalog, ENDS_AT)) == []


def matched(folder: Path, match: str) -> set[str]:
    catalog = load_catalog(with_match(folder, match))
    return set(matched_alerts(catalog, catalog.silences["redis-migration"]))


def test_a_window_matches_the_alerts_that_may_have_its_labels(tmp_path: Path) -> None:
    named = matched(tmp_path / "a", "{alertname: [RedisDown, HighCPUUsage], severity: [critical]}")
    of_service = matched(tmp_path / "b", "{service: [orders]}")

    assert named == {"RedisDown"}
    assert "HighP99Latency" in of_service
    assert not {"RedisDown", "Watchdog"} & of_service


def test_a_window_is_shown_until_it_ends_and_is_reported_afterwards() -> None:
    catalog = fixture_catalog()

    assert list(silence_lines(catalog, ENDS_AT - timedelta(seconds=1))) == [
        "silence redis-migration of database: 2 alerts, 2099-12-05 01:00 to 2099-12-05 03:00 UTC"
    ]
    assert list(ended_silences(catalog, ENDS_AT - timedelta(seconds=1))) == []
    assert list(silence_lines(catalog, ENDS_AT)) == []
    (ended,) = ended_silences(catalog, ENDS_AT)
    assert not ended.stale
    assert str(ended.problem) == (
        f'{FILE}:9: {ENTRY}.until: found "2099-12-05T03:00:00+00:00", which is over, so that the silence does nothing; '
        "allowed: a time to come. Remove the silence, or change its end"
    )
    (left,) = ended_silences(catalog, ENDS_AT + LONGEST + timedelta(seconds=1))
    assert left.stale


def _notices(catalog: Catalog, chat: ChatMode, now: datetime) -> list[str]:
    return list(silence_notices(catalog, settings().model_copy(update={"chat": chat}), now))


def test_a_stack_without_chat_says_that_it_keeps_none_of_them() -> None:
    catalog = fixture_catalog()
    before, after = ENDS_AT - timedelta(seconds=1), ENDS_AT

    (notice,) = _notices(catalog, ChatMode.OFF, before)
    assert notice == (
        f"{FILE}: redis-migration: nothing silences these alerts here, because the setting `chat` is off. "
        "Turn it on, or silence them in Alertmanager by hand"
    )
    assert _notices(catalog, ChatMode.ON, before) == []
    assert _notices(catalog, ChatMode.OFF, after) == []


@pytest.mark.parametrize(
    ("now", "chat", "holds", "printed"),
    [
        (ENDS_AT - timedelta(days=1), ChatMode.ON, True, "✓ silence redis-migration of database: 2 alerts"),
        (ENDS_AT - timedelta(days=1), ChatMode.OFF, True, f"! prod: {FILE}: redis-migration: nothing silences"),
        (ENDS_AT + timedelta(days=1), ChatMode.ON, True, f"! {FILE}:9: {ENTRY}.until: found"),
        (ENDS_AT + timedelta(days=8), ChatMode.ON, False, f"✗ {FILE}:9: {ENTRY}.until: found"),
    ],
    ids=["to come", "chat is off", "over", "over for long"],
)
def test_the_check_shows_each_window_and_fails_for_one_that_is_long_over(
    *, now: datetime, chat: ChatMode, holds: bool, printed: str
) -> None:
    console = Console(file=io.StringIO(), width=200)
    platform = build_platform(fixture_catalog(), settings().model_copy(update={"chat": chat}))

    assert silences_hold(fixture_catalog(), {"prod": platform}, console, now) is holds
    assert isinstance(console.file, io.StringIO)
    assert printed in console.file.getvalue()


def test_chats_function_gets_the_windows_of_its_own_cluster() -> None:
    catalog = fixture_catalog()
    elsewhere = settings().model_copy(update={"cluster": settings().cluster.model_copy(update={"name": "other"})})

    assert build_platform(catalog, settings()).chat.as_function_data()["silences"] == {
        "redis-migration": {
            "owner": "database",
            "reason": "Redis moves to larger nodes.",
            "match": {"alertname": ["RedisDown", "RedisHighMemory"], "cluster": ["orion"]},
            "since": int(ENDS_AT.timestamp()) - 7200,
            "until": int(ENDS_AT.timestamp()),
        }
    }
    assert build_platform(catalog, elsewhere).chat.silences == ()
