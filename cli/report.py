"""`orion report`: a team's week of being on call, counted from the audit record in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from alerting.build import load_catalog
from alerting.errors import AlertingError
from alerting.names import AUDIT_PREFIX, SILENCES_ITEM, STATE_TABLE, audit_bucket
from alerting.oncall.audit_record import Action, AuditedEpisode, episodes_of, read_action
from alerting.oncall.stale_silences import StaleSilence, read_stale_silences
from alerting.oncall.week_report import Week, WeekReport, read_week, week_report
from alerting.settings import ChatMode
from cli.aws_account import account_of
from cli.known_names import require_known
from cli.stack_config import read_settings

READERS = 16
"""How many objects are read at once."""
NOT_KNOWN = "not known"
DENIED = frozenset({"AccessDenied", "403", "KMS.DisabledException"})


class NoAuditRecord(AlertingError):
    """There is no audit record, or it may not be read. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditBucket:
    """The bucket of the audit record. `s3` is boto3's."""

    s3: Any
    name: str

    def episodes(self, week: Week) -> tuple[AuditedEpisode, ...]:
        """Return what the record has of a week. Raises `NoAuditRecord` or `AuditUnreadable`."""
        try:
            keys = [key for day in week.days() for key in self._keys(f"{AUDIT_PREFIX}{day}/")]
            with ThreadPoolExecutor(READERS) as pool:
                return episodes_of(pool.map(self._action, keys))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "NoSuchBucket":
                raise NoAuditRecord(
                    f"there is no bucket {self.name}: `pulumi up` makes it where the setting `chat` is on"
                ) from error
            if code in DENIED:
                raise NoAuditRecord(
                    f"the bucket {self.name} may not be read with these credentials ({code}). Needed: s3:ListBucket on "
                    f"it, s3:GetObject below {AUDIT_PREFIX}, and kms:Decrypt on the stack's key (docs/security.md)"
                ) from error
            raise

    def _keys(self, prefix: str) -> Iterator[str]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            yield from (item["Key"] for item in page.get("Contents", []))

    def _action(self, key: str) -> Action:
        return read_action(key, self.s3.get_object(Bucket=self.name, Key=key)["Body"].read().decode())


def print_report(root: Path, console: Console, stack: str, *, team: str, week: str, as_json: bool) -> None:
    """Print the report of a team's week.

    Raises `QuestionUnclear` for an unknown team, `WeekUnclear`, and `NoAuditRecord`.
    """
    asked = read_week(week)
    catalog = load_catalog(root)
    require_known("--team", [team], catalog.teams)
    if read_settings(root, stack).chat is not ChatMode.ON:
        raise NoAuditRecord(f"stack {stack} keeps no audit record: chat is off there (orion-alerting:chat)")
    account = account_of(root, stack)
    name = audit_bucket(account.caller.split(":")[4])
    episodes = AuditBucket(s3=account.client("s3"), name=name).episodes(asked)
    stale = stale_silences(account.table(STATE_TABLE))
    report = replace(week_report(catalog, team, asked, episodes), stale_silences=stale)
    if as_json:
        print(json.dumps(asdict(report), default=str, indent=2))
    else:
        show(console, report)


def stale_silences(table: Any) -> tuple[StaleSilence, ...] | None:
    """Return the silences that match nothing, or None where chat has written none or the table may not be read.

    Raises `SilencesUnreadable`.
    """
    try:
        item = table.get_item(Key={"id": SILENCES_ITEM}).get("Item")
    except ClientError:
        return None
    return None if item is None else read_stale_silences(str(item["value"]))


def show(console: Console, report: WeekReport) -> None:
    """Print a report as tables."""
    table = Table(title=f"{report.team}, {report.week}", show_header=False, title_justify="left")
    for name, value in _facts(report):
        table.add_row(name, value)
    console.print(table)
    turns = Table(title="Pages of each shift", title_justify="left")
    for heading in ("schedule", "person", "from", "until"):
        turns.add_column(heading, overflow="fold")
    turns.add_column("pages", justify="right")
    for turn in report.shifts:
        turns.add_row(turn.schedule, turn.person, f"{turn.start:%a %H:%M}", f"{turn.end:%a %H:%M}", str(turn.pages))
    console.print(turns)
    noisy = Table(title="Noisiest alerts", title_justify="left")
    noisy.add_column("alert", overflow="fold")
    noisy.add_column("pages", justify="right")
    for alert in report.noisiest:
        noisy.add_row(alert.alert, str(alert.pages))
    console.print(noisy)
    if report.stale_silences:
        _show_silences(console, report.stale_silences)


def _show_silences(console: Console, silences: Sequence[StaleSilence]) -> None:
    table = Table(title="Silences that match nothing", title_justify="left")
    for heading in ("silence", "since", ""):
        table.add_column(heading, overflow="fold")
    for silence in silences:
        why = "outlived its alerts" if silence.outlived else "has matched no alert"
        table.add_row(silence.id, f"{silence.since:%Y-%m-%d %H:%M}", why)
    console.print(table)


def _facts(report: WeekReport) -> Iterator[tuple[str, str]]:
    share, wait, stale = report.needed_human_share, report.median_seconds_to_acknowledge, report.stale_silences
    answered = report.needed_human + report.needed_no_human
    yield "pages", str(report.pages)
    if report.outside_shifts:
        yield "while nobody had a shift", str(report.outside_shifts)
    told = NOT_KNOWN if share is None else f"{share:.0%} of {answered} that were answered for"
    yield "needed a human", f"{told}; {report.not_answered} not answered"
    yield "resolved before anyone acknowledged", str(report.resolved_before_acknowledged)
    yield "median time to acknowledge", "nobody acknowledged" if wait is None else f"{wait / 60:.1f} min"
    yield "stale silences now", NOT_KNOWN if stale is None else str(len(stale))
