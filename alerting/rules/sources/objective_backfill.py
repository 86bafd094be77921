"""Rules that count a new objective's events over a history, as its own rules would have recorded them.

A backfill evaluates rules over what a Prometheus has, and does not see what they record: so the stages of five minutes
are summed from the counters themselves, over the same ticks. Windows of six hours and less fill by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from alerting.catalog import Catalog
from alerting.errors import AlertingError
from alerting.rules.burn_rates import STAGE, TICK, TICKS_OF_A_STAGE
from alerting.rules.model import Rule
from alerting.rules.objectives import MONTH_PERIOD, OWN_OBJECTIVE, Sli, burn_windows
from alerting.rules.series import OBJECTIVE, OBJECTIVE_TOTAL, SERVICE
from alerting.rules.sources.objective_events import event_rules, service_matchers
from alerting.rules.sources.objective_windows import all_events
from alerting.source.problems import listed


class NoBackfill(AlertingError):
    """An objective that is not there, or that cannot be counted over a history. The message says why."""


def backfill_rules(catalog: Catalog, service: str, objective: str) -> Iterator[Rule]:
    """Yield the recordings of an objective's stages, from its counters alone.

    Raises `NoBackfill` for an objective that is not there, counts time slices, or has a calendar month as its period.
    """
    sli, by, period = _found(catalog, service, objective)
    if sli.slices is not None or period == MONTH_PERIOD:
        what = "time slices" if sli.slices is not None else "a calendar month"
        raise NoBackfill(f"{service} {objective} has {what}; allowed: events, in a period of days. It begins anew")
    matchers = service_matchers(sli, service, catalog.series)
    labels = {SERVICE: service, OBJECTIVE: objective}
    for record, expression in event_rules(sli, (SERVICE, *by), matchers, labels, reads_recorded=False):
        last = f"({expression})[{STAGE}:{TICK}] offset {TICK}"
        events, _, _ = record.partition(":increase")
        yield Rule(record=f"{events}:stage{STAGE}", expr=f"sum_over_time({last})", labels=labels)
        if events == OBJECTIVE_TOTAL:
            share = f"count_over_time({last}) / {TICKS_OF_A_STAGE}"
            yield Rule(record=all_events(f"covered{STAGE}"), expr=share, labels=labels)


def _found(catalog: Catalog, service: str, objective: str) -> tuple[Sli, tuple[str, ...], str]:
    """Return what an objective counts, the labels that it is grouped by, and its period."""
    if catalog.objectives is None or service not in catalog.services:
        raise NoBackfill(f'--service: found "{service}"; allowed: {listed(sorted(catalog.services))}')
    tiers = catalog.objectives.tiers
    if objective == OWN_OBJECTIVE:
        tier = catalog.services[service].tier
        return tiers.default(tier).sli, (), burn_windows(tiers.tiers[tier]).period
    own = {name: one for _, name, one in catalog.objectives.named() if one.service == service}
    if objective not in own:
        raise NoBackfill(f'--objective: found "{objective}"; allowed: {listed((OWN_OBJECTIVE, *sorted(own)))}')
    one = own[objective]
    if one.sli is None:
        raise NoBackfill(
            f"{service} {objective} is a composite; allowed: an objective that counts. Backfill its members"
        )
    return one.sli, one.group_by, burn_windows(tiers.tiers[one.tier], one).period
