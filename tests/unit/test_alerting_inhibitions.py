"""An inhibition that would lose a page is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerting.build import load_catalog
from tests.alerting_data import changed, problems

ROUTING = "catalog/routing.yaml"
FIRST = "inhibitions:\n"


def inhibition(source: str, target: str) -> str:
    return f"  - source: {{alerts: [{source}]}}\n    target: {target}\n    equal: [cluster]\n"


def with_inhibitions(folder: Path, *written: str) -> Path:
    return changed(folder, ROUTING, FIRST, FIRST + "".join(written))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (
            "HighCPUUsage",
            "{alerts: [CriticalLatency, PodNotReady]}",
            "HighCPUUsage pages nobody and silences what pages, CriticalLatency;",
        ),
        (
            "Watchdog",
            "{severities: [critical, warning]}",
            "Watchdog pages nobody and silences what pages, severity critical;",
        ),
    ],
)
def test_what_pages_nobody_silences_nothing_that_pages(tmp_path: Path, source: str, target: str, expected: str) -> None:
    (problem,) = problems(with_inhibitions(tmp_path / "root", inhibition(source, target)))

    assert f"inhibitions.0.target: {expected} allowed: a source that pages. " in problem


@pytest.mark.parametrize(
    ("written", "circle"),
    [
        (
            [("CriticalLatency", "{alerts: [HighErrorRate]}")],
            "HighErrorRate silences CriticalLatency silences HighErrorRate",
        ),
        (
            [("CriticalLatency", "{alerts: [ServiceDown]}"), ("ServiceDown", "{severities: [high]}")],
            "HighErrorRate silences CriticalLatency silences ServiceDown silences HighErrorRate",
        ),
    ],
)
def test_alerts_that_silence_each_other_are_refused(
    tmp_path: Path, written: list[tuple[str, str]], circle: str
) -> None:
    """Alertmanager would send none of them: it was asked, and said of both that they are inhibited by the other."""
    (problem,) = problems(with_inhibitions(tmp_path / "root", *(inhibition(*one) for one in written)))

    assert f"closes a circle: {circle}. While all fire, none of them notifies; remove one" in problem


def test_alerts_on_both_sides_of_one_inhibition_are_no_circle(tmp_path: Path) -> None:
    """Alertmanager lets none of these silence another."""
    both = inhibition("ServiceDown, KafkaConsumerLagCritical", "{alerts: [ServiceDown, KafkaConsumerLagCritical]}")

    assert load_catalog(with_inhibitions(tmp_path / "root", both)).routing.inhibitions
