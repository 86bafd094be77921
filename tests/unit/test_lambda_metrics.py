"""A function's reports become CloudWatch metrics with their units: counts, and seconds for percentiles."""

from __future__ import annotations

import json

import pytest

from chat_ingress.ingress import Count
from orion_common.names import METRICS_NAMESPACE
from orion_common.queue_handler import PowertoolsObserver


def test_counts_and_seconds_are_written_as_metrics_of_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    observer = PowertoolsObserver("chat_ingress")
    observer.metrics.clear_metrics()

    observer.count(Count.TAKEN, 2)
    observer.measure(Count.SECONDS_TO_ACKNOWLEDGE, 90.5)
    observer.metrics.flush_metrics()

    written = json.loads(capsys.readouterr().out)
    (directive,) = written["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == METRICS_NAMESPACE
    assert directive["Dimensions"] == [["service"]]
    assert {one["Name"]: one["Unit"] for one in directive["Metrics"]} == {
        "IngressTaken": "Count",
        "SecondsToAcknowledge": "Seconds",
    }
    assert (written["service"], written["IngressTaken"], written["SecondsToAcknowledge"]) == (
        "chat_ingress",
        [2.0],
        [90.5],
    )
