"""Reads Sloth's objectives: `version: prometheus/v1`, and the custom resource PrometheusServiceLevel.

The two are alike, but that the resource writes names as errorQuery and not as error_query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from alerting.rules.formats.queries import counted_events, counted_ratio
from alerting.rules.formats.translation import NO_KUBERNETES_OBJECT, OWN_ALERTS, Fields, Translation, share
from alerting.source.fields import ClosedModel
from alerting.source.problems import Place
from alerting.source.validated import validated
from alerting.source.yaml_source import Document, FieldPath

VERSION = "prometheus/v1"
API_VERSION, KIND = "sloth.slok.dev/v1", "PrometheusServiceLevel"


def _as_go_reads_it(value: object) -> object:
    """Return a value of a label as text: Sloth's own reader makes a text of a number and of true."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, int | float) else value


Labels = Mapping[str, Annotated[str, BeforeValidator(_as_go_reads_it)]]
_OWN_TEXTS = "the alerts have their own texts and runbooks"
_PLUGIN = "is a plugin of Sloth, which is a program of Sloth's own; allowed: {instead}"


def _spelled(snake: str, camel: str) -> AliasChoices:
    return AliasChoices(snake, camel)


class _Events(ClosedModel):
    error_query: str = Field(validation_alias=_spelled("error_query", "errorQuery"))
    total_query: str = Field(validation_alias=_spelled("total_query", "totalQuery"))


class _Raw(ClosedModel):
    error_ratio_query: str = Field(validation_alias=_spelled("error_ratio_query", "errorRatioQuery"))


class _Sli(ClosedModel):
    events: _Events | None = None
    raw: _Raw | None = None
    plugin: object = None


class _Alert(ClosedModel):
    disable: bool = False
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)


class _Alerting(ClosedModel):
    name: str = ""
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)
    page_alert: _Alert = Field(default_factory=_Alert, validation_alias=_spelled("page_alert", "pageAlert"))
    ticket_alert: _Alert = Field(default_factory=_Alert, validation_alias=_spelled("ticket_alert", "ticketAlert"))


class _Slo(ClosedModel):
    name: str
    description: str = ""
    objective: float
    labels: Labels = Field(default_factory=dict)
    info_labels: Labels = Field(default_factory=dict, validation_alias=_spelled("info_labels", "infoLabels"))
    sli: _Sli
    alerting: _Alerting = Field(default_factory=_Alerting)
    interval: object = None
    plugins: object = None


class _Spec(ClosedModel):
    service: str
    labels: Labels = Field(default_factory=dict)
    slo_plugins: object = Field(default=None, validation_alias=_spelled("slo_plugins", "sloPlugins"))
    slos: Annotated[tuple[_Slo, ...], Field(min_length=1)]


class _File(_Spec):
    version: str


class _Resource(ClosedModel):
    apiVersion: str  # noqa: N815 - Kubernetes' name
    kind: str
    metadata: Mapping[str, object] = Field(default_factory=dict)
    spec: _Spec
    status: object = None


def is_sloth(header: Mapping[str, object]) -> bool:
    """Say whether a document is one of Sloth's."""
    return header.get("version") == VERSION or (header.get("apiVersion") == API_VERSION and header.get("kind") == KIND)


def translate(document: Document, translation: Translation) -> None:
    """Add the objectives of a document. Raises `CatalogError` with the fields that Sloth does not have."""
    if isinstance(document.data, dict) and "apiVersion" in document.data:
        resource, at = validated(document, _Resource), ("spec",)
        spec: _Spec = resource.spec
        for field in resource.metadata.keys() - {"name"}:
            translation.leave_out(document.place(("metadata", field)), NO_KUBERNETES_OBJECT)
    else:
        spec, at = validated(document, _File), ()
    reading = _Reading(document, translation, spec)
    if spec.slo_plugins is not None:
        place = reading.place(at, "slo_plugins", "sloPlugins")
        translation.refuse(place, _PLUGIN.format(instead="nothing. Remove it"))
    for position, slo in enumerate(spec.slos):
        reading.objective((*at, "slos", position), at, slo)


class _Reading:
    """Translates the objectives of one document."""

    def __init__(self, document: Document, translation: Translation, spec: _Spec) -> None:
        self.document = document
        self.translation = translation
        self.spec = spec

    def place(self, path: FieldPath, *spellings: str) -> Place:
        """Return where a field stands, by the spelling that is there."""
        written = next((each for each in spellings if (*path, each) in self.document.lines), spellings[0])
        return self.document.place((*path, written))

    def objective(self, path: FieldPath, above: FieldPath, slo: _Slo) -> None:
        service, name = self.spec.service, f"{self.spec.service}-{slo.name}"
        described = slo.description or f"{slo.name} of {service}"
        fields: Fields = {
            ("description",): (described, self.place(path, "description")),
            ("service",): (service, self.place(above, "service")),
            ("objective",): (share(slo.objective), self.place(path, "objective")),
            ("labels",): ({}, self.place(path, "labels")),
        }
        for origin, labels in self._labels(path, above, slo):
            for label, value in labels.items():
                fields["labels", label] = (value, self.place(origin, label))
        fields |= self._indicator((*path, "sli"), slo.sli)
        self.translation.add(name, self.place(path, "name"), fields)
        self._alerting((*path, "alerting"), name, slo.alerting)
        if slo.plugins is not None:
            self.translation.refuse(self.place(path, "plugins"), _PLUGIN.format(instead="nothing. Remove it"))
        if slo.interval is not None:
            self.translation.leave_out(self.place(path, "interval"), "events are counted each 30 seconds")
        if slo.info_labels:
            place = self.place(path, "info_labels", "infoLabels")
            self.translation.leave_out(place, "no series has them. Write them as `labels:` to have them on its alerts")

    def _labels(self, path: FieldPath, above: FieldPath, slo: _Slo) -> Iterator[tuple[FieldPath, Labels]]:
        """Yield the labels of all levels, and where each stands. The later replace the earlier, as in Sloth."""
        yield (*above, "labels"), self.spec.labels
        yield (*path, "labels"), slo.labels
        yield (*path, "alerting", "labels"), slo.alerting.labels

    def _indicator(self, path: FieldPath, sli: _Sli) -> Fields:
        if sli.plugin is not None:
            instead = "`events:`. Write the queries that it makes"
            self.translation.refuse(self.place(path, "plugin"), _PLUGIN.format(instead=instead))
        elif (sli.events is None) == (sli.raw is None):
            self.translation.refuse(self.document.place(path), "one of `events:` and `raw:` is allowed. Write one")
        elif sli.events is not None:
            inner: FieldPath = (*path, "events")
            return counted_events(
                self.translation,
                (sli.events.total_query, self.place(inner, "total_query", "totalQuery")),
                (sli.events.error_query, self.place(inner, "error_query", "errorQuery")),
                is_good=False,
                service=self.spec.service,
            )
        elif sli.raw is not None:
            ratio = (sli.raw.error_ratio_query, self.place((*path, "raw"), "error_ratio_query", "errorRatioQuery"))
            return counted_ratio(self.translation, ratio, is_good=False, service=self.spec.service)
        return {}

    def _alerting(self, path: FieldPath, name: str, alerting: _Alerting) -> None:
        if alerting.name:
            self.translation.leave_out(self.place(path, "name"), OWN_ALERTS.format(name=name))
        if alerting.annotations:
            self.translation.leave_out(self.place(path, "annotations"), _OWN_TEXTS)
        spellings = (
            ("page_alert", "pageAlert", alerting.page_alert),
            ("ticket_alert", "ticketAlert", alerting.ticket_alert),
        )
        for snake, camel, alert in spellings:
            inner: FieldPath = (*path, camel if (*path, camel) in self.document.lines else snake)
            if alert.disable:
                message = "turns an alert off; allowed: both alerts. Remove it, and route or silence that alert"
                self.translation.refuse(self.place(inner, "disable"), message)
            if alert.labels:
                why = "severity and routes are those of the alert. Write labels for both alerts in `alerting.labels`"
                self.translation.leave_out(self.place(inner, "labels"), why)
            if alert.annotations:
                self.translation.leave_out(self.place(inner, "annotations"), _OWN_TEXTS)
