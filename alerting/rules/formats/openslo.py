"""Reads OpenSLO's objectives, `apiVersion: openslo/v1`: documents that refer to one another within a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alerting.rules.formats.openslo_model import (
    API_VERSION,
    DataSource,
    Metric,
    Other,
    QuerySpec,
    RatioMetric,
    Sli,
    SliSpec,
    Slo,
    Target,
    TimeWindow,
)
from alerting.rules.formats.queries import counted_events, counted_ratio
from alerting.rules.formats.translation import Fields, TranslatedDocument, Translation, in_days, share
from alerting.rules.objectives import MONTH_PERIOD
from alerting.source.problems import Place, listed, shown
from alerting.source.validated import validated
from alerting.source.yaml_source import Document, FieldPath

FAMILY = "openslo"
_PROMETHEUS = "prometheus"
_ALERTS = "AlertPolicy", "AlertCondition", "AlertNotificationTarget"
_KINDS = ("SLO", "SLI", "DataSource", "Service", *_ALERTS)
_OWN_PROMETHEUS = "the stack's own Prometheus counts"
_MONTH = "1M"
_MONTH_START = re.compile(r"\d{4}-\d{2}-01[ T]00:00:00")
_CALENDAR_UNITS = ("M", "Q", "Y")


def is_openslo(header: Mapping[str, object]) -> bool:
    """Say whether a document is one of OpenSLO's, of whatever version."""
    return str(header.get("apiVersion", "")).startswith((f"{FAMILY}/", f"{FAMILY}.com/"))


@dataclass(frozen=True, slots=True)
class _Documents:
    """The documents of a file that others refer to, by name."""

    indicators: dict[str, tuple[Document, SliSpec]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


def translate(documents: Sequence[Document], translation: Translation) -> None:
    """Add the objectives of the documents of a file.

    Raises `CatalogError` with the fields that OpenSLO does not have.
    """
    known, objectives = _Documents(), list[tuple[Document, Slo]]()
    for document in documents:
        header = document.data if isinstance(document.data, dict) else {}
        version, kind = header.get("apiVersion"), header.get("kind")
        if version != API_VERSION:
            _refuse_header(document, translation, "apiVersion", version, API_VERSION)
        elif kind not in _KINDS:
            _refuse_header(document, translation, "kind", kind, listed(_KINDS))
        elif kind == "SLO":
            objectives.append((document, validated(document, Slo)))
        elif kind == "SLI":
            read = validated(document, Sli)
            known.indicators[read.metadata.name] = (document, read.spec)
            _leave_out_metadata(document, translation, ())
        elif kind == "DataSource":
            _read_source(document, translation, known)
        else:
            _leave_out_other(document, translation, str(kind))
    for document, slo in objectives:
        _Reading(document, translation, known, slo).objectives()


def _refuse_header(document: Document, translation: Translation, field: str, found: object, allowed: str) -> None:
    message = f"found {shown(found)}; allowed: {allowed}. Convert or remove it"
    translation.refuse(document.place((field,)), message)


def _read_source(document: Document, translation: Translation, known: _Documents) -> None:
    source = validated(document, DataSource)
    known.sources[source.metadata.name] = source.spec.type
    if source.spec.connection_details is not None:
        place = document.place(("spec", "connectionDetails"))
        translation.leave_out(place, _OWN_PROMETHEUS)


def _leave_out_other(document: Document, translation: Translation, kind: str) -> None:
    validated(document, Other)
    if kind == "Service":
        why = "services are those of catalog/services.yaml"
    else:
        why = "alerts, windows and receivers are those of this project (catalog/routing.yaml, `windows:` of a tier)"
    translation.leave_out(document.place(("kind",)), why)


def _leave_out_metadata(document: Document, translation: Translation, path: FieldPath) -> None:
    data: object = document.data
    for key in path:
        data = data[key] if isinstance(data, dict) else None
    metadata = data.get("metadata") if isinstance(data, dict) else None
    for name in metadata if isinstance(metadata, dict) else ():
        if name != "name":
            why = "an objective has a name and a description. Write `labels:` of its alerts in the project's own format"
            translation.leave_out(document.place((*path, "metadata", name)), why)


class _Reading:
    """Translates one SLO."""

    def __init__(self, document: Document, translation: Translation, known: _Documents, slo: Slo) -> None:
        self.document = document
        self.translation = translation
        self.known = known
        self.name = slo.metadata.name
        self.spec = slo.spec

    def place(self, *path: str | int) -> Place:
        return self.document.place(path)

    def objectives(self) -> None:
        """Add an objective for each target. The second and later ones have their number in their name."""
        _leave_out_metadata(self.document, self.translation, ())
        if self.spec.alert_policies:
            why = "alerts and windows are those of the objective's tier"
            self.translation.leave_out(self.place("spec", "alertPolicies"), why)
        if self.spec.budgeting_method == "RatioTimeslices":
            message = "found RatioTimeslices; allowed: Occurrences, Timeslices. Change it"
            self.translation.refuse(self.place("spec", "budgetingMethod"), message)
            return
        indicator = self._indicator()
        if indicator is None:
            return
        for number, target in enumerate(self.spec.objectives):
            self._objective(number, target, *indicator)

    def _indicator(self) -> tuple[Document, FieldPath, SliSpec] | None:
        """Return the indicator, and where it stands: within the SLO, or in a document of its own."""
        reference, inner = self.spec.indicator_ref, self.spec.indicator
        if (reference is None) == (inner is None):
            message = "one of `indicator:` and `indicatorRef:` is allowed. Write one"
            self.translation.refuse(self.place("spec"), message)
            return None
        if inner is not None:
            _leave_out_metadata(self.document, self.translation, ("spec", "indicator"))
            return self.document, ("spec", "indicator", "spec"), inner.spec
        if reference not in self.known.indicators:
            message = (
                f"found {shown(reference)}; allowed: {listed(self.known.indicators)}, the SLIs of this file. "
                "Write the SLI into this file"
            )
            self.translation.refuse(self.place("spec", "indicatorRef"), message)
            return None
        document, spec = self.known.indicators[reference]
        return document, ("spec",), spec

    def _objective(self, number: int, target: Target, document: Document, at: FieldPath, sli: SliSpec) -> None:
        name = self.name if number == 0 else f"{self.name}-{number + 1}"
        path: FieldPath = ("spec", "objectives", number)
        fields: Fields = {
            ("description",): (self.spec.description or self.name, self.place("spec", "description")),
            ("service",): (self.spec.service, self.place("spec", "service")),
        }
        self._target(fields, path, target)
        self._period(fields)
        if (sli.ratio is None) == (sli.threshold is None):
            message = "one of `ratioMetric:` and `thresholdMetric:` is allowed. Write one"
            self.translation.refuse(document.place(at), message)
        elif sli.ratio is not None:
            self._ratio(fields, document, (*at, "ratioMetric"), sli.ratio)
        elif sli.threshold is not None:
            self._threshold(fields, path, target, document, (*at, "thresholdMetric"), sli.threshold)
        if self.spec.budgeting_method == "Timeslices":
            fields = self._in_slices(fields, path, target)
        if number == 0 and sli.description:
            self.translation.leave_out(document.place((*at, "description")), "the objective has a description")
        self.translation.add(name, self.place("metadata", "name"), fields)

    def _target(self, fields: Fields, path: FieldPath, target: Target) -> None:
        if (target.target is None) == (target.target_percent is None):
            message = "one of `target:` and `targetPercent:` is allowed. Write one"
            self.translation.refuse(self.document.place(path), message)
        elif target.target is not None:
            fields["objective",] = (target.target, self.document.place((*path, "target")))
        elif target.target_percent is not None:
            fields["objective",] = (share(target.target_percent), self.document.place((*path, "targetPercent")))
        if target.display_name:
            self.translation.leave_out(self.document.place((*path, "displayName")), "an objective has a description")

    def _in_slices(self, fields: Fields, path: FieldPath, target: Target) -> Fields:
        """Return the fields with the indicator held to in each time slice."""
        if target.time_slice_target is None or target.time_slice_window is None:
            message = "`timeSliceTarget:` and `timeSliceWindow:` are allowed beside Timeslices. Write them"
            self.translation.refuse(self.document.place(path), message)
            return fields
        window = target.time_slice_window
        length = window if isinstance(window, str) else f"{window:g}m"  # a number is one of minutes
        sliced = {("sli", "slices", *key[1:]) if key[0] == "sli" else key: value for key, value in fields.items()}
        sliced["sli", "slices", "length"] = (length, self.document.place((*path, "timeSliceWindow")))
        sliced["sli", "slices", "target"] = (target.time_slice_target, self.document.place((*path, "timeSliceTarget")))
        return sliced

    def _month(self, fields: Fields, window: TimeWindow) -> bool:
        """Add the period of a calendar month. Return False for any other calendar's period."""
        calendar = window.calendar
        if calendar is None or window.duration != _MONTH or not _MONTH_START.fullmatch(calendar.start_time):
            return False
        path = ("spec", "timeWindow", 0)
        fields["period",] = (MONTH_PERIOD, self.place(*path, "duration"))
        fields["time_zone",] = (calendar.time_zone, self.place(*path, "calendar", "timeZone"))
        return True

    def _period(self, fields: Fields) -> None:
        if not self.spec.time_window:
            return
        window: TimeWindow = self.spec.time_window[0]
        path = ("spec", "timeWindow", 0)
        if self._month(fields, window):
            return
        if window.calendar is not None or not window.is_rolling or window.duration.endswith(_CALENDAR_UNITS):
            message = (
                "is a calendar's period; allowed: a rolling one of days, with `isRolling: true`, or 1M with a "
                "startTime at 00:00:00 of a first day. Change it"
            )
            self.translation.refuse(self.place(*path), message)
            return
        place = self.place(*path, "duration")
        try:
            fields["period",] = (in_days(window.duration), place)
        except ValueError as error:
            self.translation.refuse(place, f"found {shown(window.duration)}; {error}. Change it")

    def _ratio(self, fields: Fields, document: Document, at: FieldPath, ratio: RatioMetric) -> None:
        if ratio.raw is not None and ratio.raw_type is not None and not (ratio.good or ratio.bad or ratio.total):
            query = self._query(document, (*at, "raw"), ratio.raw)
            if query is not None:
                is_good = ratio.raw_type == "success"
                fields |= counted_ratio(self.translation, query, is_good=is_good, service=self.spec.service)
            return
        part = ratio.good or ratio.bad
        if ratio.raw or ratio.total is None or part is None or (ratio.good and ratio.bad):
            message = "`total:` with one of `good:` and `bad:`, or `raw:` with `rawType:`, is allowed. Write these"
            self.translation.refuse(document.place(at), message)
            return
        total = self._query(document, (*at, "total"), ratio.total)
        some = self._query(document, (*at, "good" if ratio.good else "bad"), part)
        if total is not None and some is not None:
            fields |= counted_events(
                self.translation,
                total,
                some,
                is_good=ratio.good is not None,
                service=self.spec.service,
                counter=ratio.counter,
            )

    def _threshold(
        self,
        fields: Fields,
        path: FieldPath,
        target: Target,
        document: Document,
        at: FieldPath,
        metric: Metric,
    ) -> None:
        query = self._query(document, at, metric)
        limits = {"lte": "above", "gte": "below"}
        if target.op not in limits or target.value is None:
            message = f"`op:` {' or '.join(limits)} with `value:` is allowed beside a thresholdMetric. Write these"
            self.translation.refuse(self.document.place(path), message)
        elif query is not None:
            fields["sli", "threshold", "gauge"] = query
            fields["sli", "threshold", limits[target.op]] = (target.value, self.document.place((*path, "value")))

    def _query(self, document: Document, at: FieldPath, metric: Metric) -> tuple[str, Place] | None:
        """Return the query of a metric, or keep why it has none that this Prometheus answers."""
        source, path = metric.metric_source, (*at, "metricSource")
        kind = source.type or self.known.sources.get(source.metric_source_ref, "")
        if kind.lower() != _PROMETHEUS:
            message = f"found {shown(kind)} as the type of its source; allowed: Prometheus. Write `type: Prometheus`"
            self.translation.refuse(document.place((*path, "type")), message)
            return None
        if source.metric_source_ref and source.metric_source_ref not in self.known.sources:
            self.translation.leave_out(document.place((*path, "metricSourceRef")), _OWN_PROMETHEUS)
        here = (*path, "spec")
        origins = {key[len(here) :]: document.place(key) for key in document.lines if key[: len(here)] == here}
        inner = TranslatedDocument(file=document.file, data=source.spec, lines={}, origins=origins)
        spec = validated(inner, QuerySpec)
        return spec.query, document.place((*path, "spec", "query"))
