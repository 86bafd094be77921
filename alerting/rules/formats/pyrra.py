"""Reads Pyrra's objectives: the custom resource ServiceLevelObjective, `apiVersion: pyrra.dev/v1alpha1`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from alerting.rules.formats.queries import indicator_fields
from alerting.rules.formats.translation import (
    NO_KUBERNETES_OBJECT,
    OWN_ALERTS,
    Fields,
    Translation,
    in_days,
    not_a_query,
    share,
)
from alerting.rules.promql.event_query import Count, Part
from alerting.rules.promql.selector import read_selector
from alerting.rules.series import JOB, SERVICE
from alerting.source.durations import DurationOverZero, milliseconds
from alerting.source.fields import ClosedModel
from alerting.source.problems import Place
from alerting.source.validated import validated
from alerting.source.yaml_source import Document

API_VERSION, KIND = "pyrra.dev/v1alpha1", "ServiceLevelObjective"
PROPAGATED = "pyrra.dev/"
"""What the labels of an object begin with that Pyrra puts on its alerts."""
_STATIC = "static"


class _Query(ClosedModel):
    metric: str


class _Ratio(ClosedModel):
    errors: _Query
    total: _Query
    grouping: tuple[str, ...] | None = None


class _Latency(ClosedModel):
    success: _Query
    total: _Query
    grouping: tuple[str, ...] | None = None


class _NativeLatency(ClosedModel):
    total: _Query
    latency: DurationOverZero
    grouping: tuple[str, ...] | None = None


class _BoolGauge(ClosedModel):
    metric: str
    grouping: tuple[str, ...] | None = None


class _Indicator(ClosedModel):
    ratio: _Ratio | None = None
    latency: _Latency | None = None
    native: _NativeLatency | None = Field(default=None, alias="latencyNative")
    gauge: _BoolGauge | None = Field(default=None, alias="bool_gauge")


class _Alerting(ClosedModel):
    disabled: bool | None = None
    burnrates: bool | None = None
    absent: bool | None = None
    name: str = ""
    absent_name: str = Field(default="", alias="absentName")
    burn_rate_type: str = Field(default=_STATIC, alias="burnRateType")


class _Spec(ClosedModel):
    description: str = ""
    target: float
    window: DurationOverZero
    indicator: _Indicator
    alerting: _Alerting = Field(default_factory=_Alerting)
    partial_response_strategy: str = ""
    performance_over_accuracy: bool | None = Field(default=None, alias="performanceOverAccuracy")


class _Metadata(ClosedModel):
    name: str
    namespace: str = ""
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


class _Resource(ClosedModel):
    apiVersion: str  # noqa: N815 - Kubernetes' name
    kind: str
    metadata: _Metadata
    spec: _Spec
    status: object = None


def is_pyrra(header: Mapping[str, object]) -> bool:
    """Say whether a document is one of Pyrra's."""
    return header.get("apiVersion") == API_VERSION and header.get("kind") == KIND


def translate(document: Document, translation: Translation) -> None:
    """Add the objective of a document. Raises `CatalogError` with the fields that Pyrra does not have."""
    _Reading(document, translation, validated(document, _Resource)).objective()


class _Reading:
    """Translates one document."""

    def __init__(self, document: Document, translation: Translation, resource: _Resource) -> None:
        self.document = document
        self.translation = translation
        self.metadata = resource.metadata
        self.spec = resource.spec

    def place(self, *path: str) -> Place:
        return self.document.place(path)

    def objective(self) -> None:
        name, spec = self.metadata.name, self.spec
        fields: Fields = {
            ("description",): (spec.description or name, self.place("spec", "description")),
            ("objective",): (share(spec.target), self.place("spec", "target")),
            ("period",): (in_days(spec.window), self.place("spec", "window")),
            ("labels",): ({}, self.place("metadata", "labels")),
        }
        for label, value in self._propagated().items():
            fields["labels", label] = (value, self.place("metadata", "labels", f"{PROPAGATED}{label}"))
        self._indicator(fields)
        self.translation.add(name, self.place("metadata", "name"), fields)
        self._alerting(name)
        self._metadata()

    def _propagated(self) -> Mapping[str, str]:
        """Return the labels that Pyrra puts on its alerts. One that names the service is no label of ours."""
        labels = self.metadata.labels.items()
        own = {label.removeprefix(PROPAGATED): value for label, value in labels if label.startswith(PROPAGATED)}
        return {label: value for label, value in own.items() if label != SERVICE}

    def _metadata(self) -> None:
        if self.metadata.namespace:
            self.translation.leave_out(self.place("metadata", "namespace"), NO_KUBERNETES_OBJECT)
        if self.metadata.annotations:
            self.translation.leave_out(self.place("metadata", "annotations"), NO_KUBERNETES_OBJECT)
        for label in self.metadata.labels:
            if not label.startswith(PROPAGATED):
                why = f"labels that begin with {PROPAGATED} are put on alerts"
                self.translation.leave_out(self.place("metadata", "labels", label), why)
        for written, field in (
            (self.spec.partial_response_strategy, "partial_response_strategy"),
            (self.spec.performance_over_accuracy, "performanceOverAccuracy"),
        ):
            if written:
                self.translation.leave_out(self.place("spec", field), "events are counted exactly, by Prometheus")

    def _alerting(self, name: str) -> None:
        alerting = self.spec.alerting
        at = ("spec", "alerting")
        if alerting.disabled or alerting.burnrates is False:
            field = "disabled" if alerting.disabled else "burnrates"
            message = "turns alerts off; allowed: alerts. Remove it, and route or silence them"
            self.translation.refuse(self.place(*at, field), message)
        if alerting.burn_rate_type != _STATIC:
            why = "windows and factors do not follow traffic: shares are weighed by it, and few events are no incident"
            self.translation.leave_out(self.place(*at, "burnRateType"), why)
        if alerting.absent is False:
            why = "ObjectiveSeriesMissing fires for each objective. Silence it by the label `objective`"
            self.translation.leave_out(self.place(*at, "absent"), why)
        for value, field in ((alerting.name, "name"), (alerting.absent_name, "absentName")):
            if value:
                self.translation.leave_out(self.place(*at, field), OWN_ALERTS.format(name=name))

    def _indicator(self, fields: Fields) -> None:
        indicator, at = self.spec.indicator, ("spec", "indicator")
        kinds = (indicator.ratio, indicator.latency, indicator.native, indicator.gauge)
        if sum(each is not None for each in kinds) != 1:
            message = "one of `ratio:`, `latency:`, `latencyNative:` and `bool_gauge:` is allowed. Write one"
            self.translation.refuse(self.place(*at), message)
        elif indicator.ratio is not None:
            total = (indicator.ratio.total.metric, (*at, "ratio", "total", "metric"))
            errors = (indicator.ratio.errors.metric, (*at, "ratio", "errors", "metric"))
            self._events(fields, total, errors, is_good=False)
            self._grouping(fields, "ratio", indicator.ratio.grouping)
        elif indicator.latency is not None:
            total = (indicator.latency.total.metric, (*at, "latency", "total", "metric"))
            success = (indicator.latency.success.metric, (*at, "latency", "success", "metric"))
            self._events(fields, total, success, is_good=True)
            self._grouping(fields, "latency", indicator.latency.grouping)
        elif indicator.native is not None:
            path = (*at, "latencyNative")
            place = self.place(*path, "total", "metric")
            self._service(fields, indicator.native.total.metric, place)
            seconds = milliseconds(indicator.native.latency) / 1000
            fields["sli", "latency", "histogram"] = (indicator.native.total.metric, place)
            fields["sli", "latency", "seconds"] = (seconds, self.place(*path, "latency"))
            fields["sli", "latency", "native"] = (True, self.place(*path))
            self._grouping(fields, "latencyNative", indicator.native.grouping)
        elif indicator.gauge is not None:
            place = self.place(*at, "bool_gauge", "metric")
            self._service(fields, indicator.gauge.metric, place)
            fields["sli", "threshold", "gauge"] = (indicator.gauge.metric, place)
            fields["sli", "threshold", "below"] = (1, place)
            self._grouping(fields, "bool_gauge", indicator.gauge.grouping)

    def _events(
        self,
        fields: Fields,
        total: tuple[str, tuple[str, ...]],
        part: tuple[str, tuple[str, ...]],
        *,
        is_good: bool,
    ) -> None:
        counts: list[Count] = []
        for text, path in (total, part):
            try:
                counts.append(Count(selector=read_selector(text)))
            except ValueError as error:
                self.translation.refuse(self.place(*path), not_a_query(text, error))
                return
        total_place, part_place = self.place(*total[1]), self.place(*part[1])
        service = self._service(fields, total[0], total_place)
        try:
            some = Part(count=counts[1], is_good=is_good)
            fields |= indicator_fields(counts[0], some, total_place, part_place, service)
        except ValueError as error:
            self.translation.refuse(part_place, not_a_query(part[0], error))

    def _grouping(self, fields: Fields, kind: str, grouping: tuple[str, ...] | None) -> None:
        if grouping:
            fields["group_by",] = (list(grouping), self.place("spec", "indicator", kind, "grouping"))

    def _service(self, fields: Fields, selector: str, place: Place) -> str | None:
        """Add the service and return it: the one of a label, else of the selector, by its service or its job."""
        label = f"{PROPAGATED}{SERVICE}"
        if label in self.metadata.labels:
            fields["service",] = (self.metadata.labels[label], self.place("metadata", "labels", label))
            return self.metadata.labels[label]
        try:
            read = read_selector(selector)
        except ValueError as error:
            self.translation.refuse(place, not_a_query(selector, error))
            return None
        service = read.value_of(SERVICE) or read.value_of(JOB)
        if service is None:
            message = f"names no service of the catalog. Add the label `{label}: SERVICE` to `metadata.labels:`"
            self.translation.refuse(self.place("metadata", "labels"), message)
        else:
            fields["service",] = (service, place)
        return service
