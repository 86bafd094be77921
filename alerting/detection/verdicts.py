"""Judges the notifications of each run of the detection matrix, and counts precision, recall and time to detect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from statistics import median

from alerting.catalog import Catalog
from alerting.detection.notifications import Notification
from alerting.detection.scenarios import OWNER, Expectation, Run, Urgency
from alerting.oncall.current import paged_first
from alerting.source.durations import milliseconds


class Outcome(StrEnum):
    """The judgement of a run."""

    DETECTED = "detected"
    QUIET = "quiet"
    MISSED = "missed"
    LATE = "late"
    WRONG_PERSON = "wrong person"
    TOO_MANY = "too many"
    FALSE_ALARM = "false alarm"


RIGHT = frozenset({Outcome.DETECTED, Outcome.QUIET})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judgement of a run. `expected` is the right notification, `excess` are those that should not be.

    `known` are further ones that the scenario accepts. `reason` says why the outcome is not the right one.
    """

    run: Run
    outcome: Outcome
    expected: Notification | None
    excess: tuple[Notification, ...]
    known: tuple[Notification, ...]
    seconds: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The figures of a matrix.

    `precision` is the share of notifications that were expected or known, `recall` the share of faults that were
    notified in time and to the right person. Seconds are those of the expected notifications.
    """

    faults: int
    benign: int
    right: int
    precision: float
    recall: float
    median_seconds: float
    longest_seconds: float


def judge(run: Run, told: Sequence[Notification], states: Mapping[str, str], catalog: Catalog) -> Verdict:
    """Return the verdict on a run. `states` says of alerts how far they came: pending, firing or inhibited."""
    scenario = run.scenario
    expect = scenario.expect
    known = tuple(one for one in told if one.alert in scenario.known)
    others = [one for one in told if one.alert not in scenario.known]
    if expect is None:
        outcome = Outcome.FALSE_ALARM if others else Outcome.QUIET
        reason = _listed(others)
        return Verdict(
            run=run, outcome=outcome, expected=None, excess=tuple(others), known=known, seconds=None, reason=reason
        )
    begins = scenario.begins.timestamp()
    expected = next((one for one in others if _is_expected(one, run, expect, begins)), None)
    excess = tuple(one for one in others if one is not expected)
    outcome, reason = _outcome(run, expect, expected, excess, states, catalog)
    seconds = None if expected is None else expected.at - begins
    return Verdict(
        run=run, outcome=outcome, expected=expected, excess=excess, known=known, seconds=seconds, reason=reason
    )


def totals(verdicts: Sequence[Verdict]) -> Totals:
    """Return the figures of all verdicts."""
    faults = [one for one in verdicts if one.run.scenario.expect is not None]
    sent = sum((one.expected is not None) + len(one.excess) + len(one.known) for one in verdicts)
    in_excess = sum(len(one.excess) for one in verdicts)
    found = [one for one in faults if one.outcome in (Outcome.DETECTED, Outcome.TOO_MANY)]
    seconds = [one.seconds for one in found if one.seconds is not None]
    return Totals(
        faults=len(faults),
        benign=len(verdicts) - len(faults),
        right=sum(one.outcome in RIGHT for one in verdicts),
        precision=1 - in_excess / sent if sent else 1.0,
        recall=len(found) / len(faults) if faults else 1.0,
        median_seconds=median(seconds) if seconds else 0.0,
        longest_seconds=max(seconds, default=0.0),
    )


def _is_expected(one: Notification, run: Run, expect: Expectation, begins: float) -> bool:
    about_it = run.service is None or expect.team != OWNER or one.service == run.service
    return one.alert == expect.alert and one.urgency is expect.urgency and one.at >= begins and about_it


def _outcome(
    run: Run,
    expect: Expectation,
    expected: Notification | None,
    excess: Sequence[Notification],
    states: Mapping[str, str],
    catalog: Catalog,
) -> tuple[Outcome, str]:
    if expected is None:
        state = states.get(expect.alert, "never pending")
        return Outcome.MISSED, f"{expect.alert} should have notified and did not: {state}"
    late = expected.at - run.scenario.begins.timestamp() - milliseconds(expect.within) / 1000
    if late > 0:
        return Outcome.LATE, f"{expect.alert} notified {late:.0f} s after {expect.within}"
    team = run.team(catalog)
    if expected.team != team or (
        expected.urgency is Urgency.PAGE and expected.people != _on_call(team, expected, catalog)
    ):
        to = ", ".join(expected.people) or expected.team
        return Outcome.WRONG_PERSON, f"{expect.alert} notified {to}; it is about {team}"
    if excess:
        return Outcome.TOO_MANY, _listed(excess)
    return Outcome.DETECTED, ""


def _on_call(team: str | None, notification: Notification, catalog: Catalog) -> tuple[str, ...]:
    return paged_first(team or "", catalog.teams, datetime.fromtimestamp(notification.at, UTC))


def _listed(notifications: Iterable[Notification]) -> str:
    return ", ".join(dict.fromkeys(str(one) for one in notifications))
