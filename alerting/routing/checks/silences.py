"""A maintenance window has an owner and an end, and matches alerts that are there, but for the dead man's switch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from alerting.catalog import Catalog
from alerting.routing.checks.references import EXTERNAL_LABELS, carried_labels, known_values
from alerting.routing.silences import LONGEST, SILENCES, SilenceEntry
from alerting.rules.series import ALERTNAME, SERVICE, TEAM
from alerting.settings import ChatMode, Settings
from alerting.source.problems import Place, Problem, listed, not_allowed, shown
from alerting.source.yaml_source import Document, FieldPath

NARROWING = (ALERTNAME, SERVICE)
"""A silence has one of these labels: all others also match alerts that nobody has in mind."""


def silence_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yield what is wrong with catalog/silences.yaml. An ended window is left to `ended_silences`."""
    for name, entry in catalog.silences.items():
        document = catalog.documents[SILENCES]
        path: FieldPath = ("silences", name)
        if entry.owner not in catalog.teams:
            place = document.place((*path, "owner"))
            yield not_allowed(place, entry.owner, catalog.teams, "Name a team of catalog/teams.yaml")
        yield from _length_problems(entry, document.place((*path, "until")))
        names = list(_name_problems(catalog, document, (*path, "match"), entry))
        yield from names or _matching_problems(catalog, document.place((*path, "match")), entry)


def _length_problems(entry: SilenceEntry, place: Place) -> Iterator[Problem]:
    if entry.until <= entry.since:
        message = (
            f"found {shown(entry.until.isoformat())}; allowed: a time after `since`, which is "
            f"{entry.since.isoformat()}. Change one of them"
        )
        yield Problem(place, message)
    elif entry.until - entry.since > LONGEST:
        latest = (entry.since + LONGEST).isoformat()
        message = (
            f"found {shown(entry.until.isoformat())}; allowed: {latest} at the latest, {LONGEST.days} days after "
            "`since`. Shorten it, or change the alert"
        )
        yield Problem(place, message)


def _name_problems(catalog: Catalog, document: Document, path: FieldPath, entry: SilenceEntry) -> Iterator[Problem]:
    known, carried = known_values(catalog), carried_labels(catalog)
    for label, values in entry.match.items():
        if label not in carried:
            place = document.place((*path, label))
            yield not_allowed(place, label, sorted(carried), "Name a label that an alert carries")
        for position, value in enumerate(values):
            if label in known and value not in known[label]:
                yield not_allowed(document.place((*path, label, position)), value, known[label], "Change it")
    if not entry.match.keys() & set(NARROWING):
        message = (
            f"found {listed(entry.match)} alone; allowed: {' or '.join(NARROWING)}, and any more labels. "
            "Name the alerts or the services that are worked on"
        )
        yield Problem(document.place(path), message)


def _matching_problems(catalog: Catalog, place: Place, entry: SilenceEntry) -> Iterator[Problem]:
    """Yield that a window matches no alert, every alert, or the alert that shows that alerting works."""
    matched = matched_alerts(catalog, entry)
    heartbeats = [alert for alert in _heartbeats(catalog) if alert in matched]
    if not matched:
        message = "found labels that no alert carries together; allowed: those of an alert. Change or remove one"
        yield Problem(place, message)
    elif set(matched) == set(catalog.rules.alerts):
        message = "found labels that every alert may have; allowed: some alerts. Name fewer alerts or services"
        yield Problem(place, message)
    elif heartbeats:
        others = [alert for alert in matched if alert not in heartbeats]
        message = (
            f"silences {listed(heartbeats)}, whose silence pages: the dead man's switch takes it for the end of all "
            f"alerting; allowed: any other alert. Name the alerts: `{ALERTNAME}: [{listed(others)}]`, or some of them"
        )
        yield Problem(place, message)


def matched_alerts(catalog: Catalog, entry: SilenceEntry) -> tuple[str, ...]:
    """Return the alerts that a window may silence."""
    if SERVICE in entry.match and TEAM in entry.match:
        owners = {catalog.owner(service) for service in entry.match[SERVICE]}
        if not owners & set(entry.match[TEAM]):
            return ()
    return tuple(alert for alert in catalog.rules.alerts if _may_match(catalog, alert, entry))


def _may_match(catalog: Catalog, alert: str, entry: SilenceEntry) -> bool:
    fixed = catalog.rules.alerts[alert].rule.labels
    labels = catalog.rules.alert_labels.get(alert)
    for label, values in entry.match.items():
        if label == ALERTNAME:
            matches = alert in values
        elif label in fixed and "{{" not in fixed[label]:
            matches = fixed[label] in values
        else:  # a series brings it, with any value
            matches = labels is None or label in labels or label in EXTERNAL_LABELS
        if not matches:
            return False
    return True


def _heartbeats(catalog: Catalog) -> Iterator[str]:
    """Yield the alerts that go to the dead man's switch."""
    for route in catalog.routing.routes:
        receiver = catalog.routing.receivers.get(route.receiver)
        if receiver is not None and receiver.heartbeat:
            yield from route.match.get(ALERTNAME, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSilence:
    """A window that is over. `stale` says that it ended longer ago than any window lasts."""

    problem: Problem
    stale: bool


def ended_silences(catalog: Catalog, now: datetime) -> Iterator[EndedSilence]:
    """Yield the windows that are over. A catalog is deployed with them: time alone makes no catalog wrong."""
    for name, entry in catalog.silences.items():
        if entry.until <= now:
            message = (
                f"found {shown(entry.until.isoformat())}, which is over, so that the silence does nothing; "
                "allowed: a time to come. Remove the silence, or change its end"
            )
            place = catalog.documents[SILENCES].place(("silences", name, "until"))
            problem = Problem(place, message)
            yield EndedSilence(problem=problem, stale=now - entry.until > LONGEST)


def silence_notices(catalog: Catalog, settings: Settings, now: datetime) -> Iterator[str]:
    """Yield that a stack keeps none of the windows to come, since chat, which keeps them, is off."""
    waiting = [name for name, entry in catalog.silences.items() if entry.until > now]
    if waiting and settings.chat is not ChatMode.ON:
        yield (
            f"{SILENCES}: {listed(waiting)}: nothing silences these alerts here, because the setting `chat` is off. "
            "Turn it on, or silence them in Alertmanager by hand"
        )


def silence_lines(catalog: Catalog, now: datetime) -> Iterator[str]:
    """Yield a line for each window to come: its owner, its time, and how many alerts it may silence."""
    for name, entry in catalog.silences.items():
        if entry.until > now:
            since, until = (moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") for moment in (entry.since, entry.until))
            count = len(matched_alerts(catalog, entry))
            alerts = f"{count} alert" if count == 1 else f"{count} alerts"
            yield f"silence {name} of {entry.owner}: {alerts}, {since} to {until} UTC"
