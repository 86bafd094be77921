"""`orion report`: a team's week, counted from the audit record as chat's function writes it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from rich.console import Console

from alerting.names import SILENCES_ITEM, STATE_TABLE, audit_bucket
from alerting.oncall.audit_record import AuditedEpisode, AuditUnreadable, episodes_of, read_action
from alerting.oncall.stale_silences import SilencesUnreadable, read_stale_silences
from alerting.oncall.week_report import Week, WeekReport, WeekUnclear, read_week, team_of, week_report
from alerting.routing.routes import routes
from alerting.settings import ChatMode, Settings
from chatops.audit import content_of, key_of
from chatops.episode import EpisodeId
from chatops.record import SeenSilence, SeenSilences
from chatops.record_codec import encode
from chatops.timeline import Happening, Kind, TimelineEntry, extended
from cli import report as command_module
from cli.aws_account import Account
from cli.report import AuditBucket, NoAuditRecord, show
from tests.alerting_data import fixture_catalog, settings
from tests.chat_data import EPISODE
from tests.command_line import run
from tests.lambda_events import create_state_table
from tests.lambda_harness import SESSION

BUCKET = audit_bucket("123456789012")
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
OPENED: Happening = (Kind.OPENED, "Alertmanager", "it fires")
PAGED: Happening = (Kind.PAGED, "PagerDuty", "PINC001")
ACKNOWLEDGED: Happening = (Kind.ACKNOWLEDGED, "trading-primary@orion.example.com", "in PagerDuty")
RESOLVED: Happening = (Kind.RESOLVED, "Alertmanager", "nothing of it fires")
SILENCES = SeenSilences(
    silences=(
        SeenSilence(id="s1", matched=True, quiet_since=MONDAY.timestamp(), reported=True),
        SeenSilence(id="s2", quiet_since=MONDAY.timestamp() - 3600, reported=True),
        SeenSilence(id="s3", quiet_since=MONDAY.timestamp()),
    )
)
YES: Happening = (Kind.ANSWERED, "U1", "yes")
NO: Happening = (Kind.ANSWERED, "U1", "no")


def _objects(
    number: int,
    *happenings: Happening,
    after: timedelta = timedelta(hours=30),
    step: float = 60,
    alert: str = "HighP99Latency",
    service: str = "orders",
    receiver: str = "",
) -> list[tuple[str, str]]:
    """Return the objects that chat writes for an episode of so long after Monday's midnight, a minute an entry."""
    opened_at = (MONDAY + after).timestamp()
    group = replace(EPISODE.group, labels=(("alertname", alert),), receiver=receiver)
    episode = replace(
        EPISODE,
        id=EpisodeId("0" * 64, number),
        opened_at=opened_at,
        group=group,
        details=replace(EPISODE.details, service=service),
    )
    entries: tuple[TimelineEntry, ...] = ()
    for index, happening in enumerate(happenings):
        entries = (*entries, *extended((), [happening], index, opened_at + index * step))
    return [(key_of(episode.id, entry), content_of(episode, entry)) for entry in entries]


def _episodes(*objects: list[tuple[str, str]]) -> tuple[AuditedEpisode, ...]:
    return episodes_of(read_action(key, text) for known in objects for key, text in known)


def _report(*objects: list[tuple[str, str]], team: str = "trading") -> WeekReport:
    return week_report(fixture_catalog(), team, read_week("2026-W48"), _episodes(*objects))


def test_a_week_is_counted() -> None:
    report = _report(
        _objects(1, OPENED, PAGED, ACKNOWLEDGED, RESOLVED, NO, YES),
        _objects(2, OPENED, PAGED, RESOLVED, ACKNOWLEDGED, NO, alert="HighErrorRate"),
        _objects(3, OPENED, PAGED, RESOLVED),
        _objects(4, OPENED, RESOLVED),
        _objects(5, OPENED, PAGED, after=timedelta(days=7)),
    )

    assert (report.pages, report.needed_human, report.needed_no_human, report.not_answered) == (3, 1, 1, 1)
    assert report.needed_human_share == 0.5
    assert report.resolved_before_acknowledged == 2
    assert report.median_seconds_to_acknowledge == 150
    assert [(noisy.alert, noisy.pages) for noisy in report.noisiest] == [("HighP99Latency", 2), ("HighErrorRate", 1)]
    assert report.stale_silences is None


def test_a_week_without_pages_has_no_share_and_no_median() -> None:
    report = _report()

    assert (report.pages, report.needed_human_share, report.median_seconds_to_acknowledge) == (0, None, None)


def test_a_page_is_counted_in_the_shift_that_it_came_in() -> None:
    handoff = timedelta(hours=14)  # nine o'clock in New York
    report = _report(
        _objects(1, PAGED, after=handoff - timedelta(minutes=1)), _objects(2, PAGED, after=handoff), _objects(3, PAGED)
    )

    assert [(turn.person.partition("@")[0], turn.pages) for turn in report.shifts] == [
        ("trading-secondary", 1),
        ("trading-primary", 2),
    ]
    assert report.outside_shifts == 0


def test_hours_of_several_days_are_one_turn_between_which_others_are_paged() -> None:
    europe, asia = timedelta(days=2, hours=9), timedelta(days=3, hours=1)
    report = _report(
        _objects(1, PAGED, after=europe, service="gateway"),
        _objects(2, PAGED, after=asia, service="gateway"),
        team="platform",
    )

    paged = {turn.person.partition("@")[0]: turn.pages for turn in report.shifts if turn.pages}
    assert {name.rpartition("-")[0] for name in paged} == {"platform-europe", "platform-asia"}
    assert list(paged.values()) == [1, 1]


def test_an_episode_is_the_teams_whom_pagerduty_pages() -> None:
    catalog = fixture_catalog()
    of_trading = next(route for route in routes(catalog) if route.paged_team == "trading")

    def team(**changes: Any) -> str:
        (episode,) = _episodes(_objects(1, PAGED, **changes))
        return team_of(catalog, episode)

    assert team(service="orders") == "trading"
    assert team(service="database") == "database"
    assert team(service="") == catalog.routing.fallback_team
    assert team(service="gateway", receiver=of_trading.receiver_name) == "trading"
    assert team(service="no service any more", receiver="no receiver any more") == catalog.routing.fallback_team


@pytest.mark.parametrize(
    "text", ["", "2026-48", "2026-W54", "2026-W00", "W48", "2026-W48 ", "last", "2026-W4\N{FULLWIDTH DIGIT EIGHT}"]
)
def test_a_week_that_is_none_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(WeekUnclear, match=r"--week: found .*allowed: a year and its ISO week, such as 2026-W48"):
        read_week(text)


def test_a_week_begins_on_monday() -> None:
    week = read_week("2026-W48")

    assert (week.start, week.end) == (MONDAY, MONDAY + timedelta(days=7))
    assert (week.days()[0], week.days()[-1]) == ("2026-11-23", "2026-12-01")
    assert read_week("2020-W53").start == datetime(2020, 12, 28, tzinfo=UTC)


def test_an_object_of_another_form_is_named() -> None:
    ((key, text),) = _objects(1, OPENED)
    content = json.loads(text)

    with pytest.raises(AuditUnreadable, match=rf"{key}: form: .*found '2'"):
        read_action(key, json.dumps(content | {"form": 2}))
    with pytest.raises(AuditUnreadable, match=f"{key}: the object: "):
        read_action(key, "{")
    assert read_action(key, json.dumps(content | {"said by a newer release": 1})).kind == "opened"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        yield SESSION.client("s3")


@pytest.fixture
def account(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the command find moto's account, and chat on."""

    def of_test(_root: Path, _stack: str) -> Account:
        return Account(session=SESSION, endpoint=None, caller="arn:aws:sts::123456789012:assumed-role/people/ann")

    monkeypatch.setattr(command_module, "account_of", of_test)
    with_chat = settings().model_copy(update={"chat": ChatMode.ON})

    def settings_of(_root: Path, _stack: str) -> Settings:
        return with_chat

    monkeypatch.setattr(command_module, "read_settings", settings_of)
    return s3


def _kept(s3: Any, *objects: list[tuple[str, str]]) -> None:
    s3.create_bucket(Bucket=BUCKET)
    for known in objects:
        for key, text in known:
            s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def test_the_command_reads_the_week_and_what_followed_soon_after(
    account: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late = timedelta(days=6, hours=23, minutes=59)
    table = SESSION.resource("dynamodb").Table(STATE_TABLE)
    create_state_table(table.meta.client)
    table.put_item(Item={"id": SILENCES_ITEM, "version": 1, "value": encode(SILENCES)})
    _kept(
        account,
        _objects(1, OPENED, PAGED, ACKNOWLEDGED),
        _objects(2, PAGED, RESOLVED, after=late, step=3600),
        _objects(3, PAGED, after=timedelta(days=-1)),
    )

    code, out, _ = run(monkeypatch, capsys, "report", "--team", "trading", "--week", "2026-W48", "--json")

    assert code == 0
    report = json.loads(out)
    assert (report["pages"], report["resolved_before_acknowledged"]) == (2, 1)
    assert sum(turn["pages"] for turn in report["shifts"]) == 2
    assert [(silence["id"], silence["outlived"]) for silence in report["stale_silences"]] == [
        ("s2", False),
        ("s1", True),
    ]


def test_silences_that_match_nothing_are_shown_and_the_others_are_not() -> None:
    memory = io.StringIO()
    stale = read_stale_silences(encode(SILENCES))

    show(Console(file=memory, width=100), replace(_report(), stale_silences=stale))

    told = " ".join(memory.getvalue().split())
    assert "stale silences now │ 2" in told
    assert "s2 │ 2026-11-22 23:00 │ has matched no alert │ │ s1 │ 2026-11-23 00:00 │ outlived its alerts" in told
    assert "s3" not in told


def test_an_item_of_silences_of_another_form_is_named() -> None:
    with pytest.raises(SilencesUnreadable, match=r"item of silences: form: "):
        read_stale_silences('{"form": 2, "value": {"silences": []}}')


def test_the_tables_say_what_is_not_known() -> None:
    memory = io.StringIO()

    show(Console(file=memory, width=100), _report(_objects(1, OPENED, PAGED)))

    told = " ".join(memory.getvalue().split())
    assert "needed a human │ not known; 1 not answered" in told
    assert "median time to acknowledge │ nobody acknowledged" in told
    assert "stale silences now │ not known" in told
    assert "HighP99Latency │ 1" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--team", "nobody", "--week", "2026-W48"), '--team: found "nobody"; allowed: trading, '),
        (("--team", "trading", "--week", "48"), '--week: found "48"; allowed: '),
        (("--team", "trading", "--week", "2026-W48"), f"there is no bucket {BUCKET}: `pulumi up` makes it"),
    ],
)
@pytest.mark.usefixtures("account")
def test_a_question_that_has_no_answer_is_a_plain_sentence(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(monkeypatch, capsys, "report", *arguments)

    assert code == 1
    assert said in error


def test_a_stack_without_chat_has_no_audit_record(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(monkeypatch, capsys, "report", "--team", "trading", "--week", "2026-W48")

    assert (code, "chat is off there" in error) == (1, True)


class _Denied:
    """S3 for who has no rights."""

    def get_paginator(self, operation: str) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, operation)


def test_who_may_not_read_is_told_the_rights() -> None:
    week = Week(name="2026-W48", start=MONDAY)

    with pytest.raises(NoAuditRecord, match=r"may not be read .*s3:ListBucket .*s3:GetObject .*kms:Decrypt"):
        AuditBucket(s3=_Denied(), name=BUCKET).episodes(week)
