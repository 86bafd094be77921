"""Makes the indicator of an objective of the queries of another generator."""

from __future__ import annotations

from alerting.rules.formats.translation import Fields, Translation, not_a_query
from alerting.rules.promql.event_query import Count, Part, indicator_of, read_count, read_part, read_ratio
from alerting.rules.promql.selector import Selector
from alerting.rules.series import SERVICE
from alerting.source.problems import Place, shown


def counted_events(
    translation: Translation,
    total: tuple[str, Place],
    part: tuple[str, Place],
    *,
    is_good: bool,
    service: str,
    counter: bool = False,
) -> Fields:
    """Return the indicator of two queries, or keep why there is none."""
    try:
        everything = read_count(total[0], counter=counter)
    except ValueError as error:
        translation.refuse(total[1], not_a_query(total[0], error))
        return {}
    try:
        some = read_part(part[0], everything, is_good=is_good, counter=counter)
        return indicator_fields(everything, some, total[1], part[1], service)
    except ValueError as error:
        translation.refuse(part[1], not_a_query(part[0], error))
        return {}


def counted_ratio(translation: Translation, ratio: tuple[str, Place], *, is_good: bool, service: str) -> Fields:
    """Return the indicator of a query that divides, or keep why there is none."""
    try:
        everything, some = read_ratio(ratio[0], is_good=is_good)
        return indicator_fields(everything, some, ratio[1], ratio[1], service)
    except ValueError as error:
        translation.refuse(ratio[1], not_a_query(ratio[0], error))
        return {}


def indicator_fields(total: Count, part: Part, total_place: Place, part_place: Place, service: str | None) -> Fields:
    """Return the fields `sli` and `group_by` of an objective of a service, or of one that is not known.

    Raises `ValueError` with what is allowed.
    """
    for each in (total, part.count):
        _require_service(each.selector, service)
    fields: Fields = {}
    for kind, values in indicator_of(total, part).items():
        for field, value in values.items():
            place = total_place if field == "total" else part_place
            fields[("sli", kind, field)] = (value, place)
    if total.by:
        fields[("group_by",)] = (list(total.by), total_place)
    return fields


def _require_service(selector: Selector, service: str | None) -> None:
    """Do nothing unless a selector is about another service. Raises `ValueError` then."""
    named = selector.value_of(SERVICE)
    if None not in (named, service) and named != service:
        raise ValueError(f"events of service {shown(service)}, whose objective this is, are allowed")
