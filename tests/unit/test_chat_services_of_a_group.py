"""A thread about a group of several services names them: Alertmanager groups what looks ahead by team."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chatops.inputs import notified
from orion_common.envelope import Alert, Notification

STARTED = "2026-11-24T10:40:00Z"


def _notification(*services: str) -> Notification:
    alerts = tuple(
        Alert(
            name="VolumeFillingUp",
            firing=True,
            labels={"service": service} if service else {},
            starts_at=STARTED,
            fingerprint=f"{number:016x}",
            annotations={"summary": f"The volume {number} will be full"},
        )
        for number, service in enumerate(services)
    )
    return Notification(
        id="1",
        sent_at=datetime(2026, 11, 24, 10, 41, tzinfo=UTC),
        route='{}/{severity="warning"}',
        receiver="slack-ahead",
        firing=True,
        reason="firing",
        total=len(alerts),
        group_labels={"team": "trading"},
        common_labels={"team": "trading"},
        alerts=alerts,
    )


@pytest.mark.parametrize(
    ("services", "summary"),
    [
        (("orders", "positions", "gateway", "positions"), "The volume 0 will be full (and gateway, positions)"),
        (("orders", "orders"), "The volume 0 will be full"),
        (("orders", ""), "The volume 0 will be full"),
        (("", "orders"), "The volume 0 will be full (and orders)"),
    ],
)
def test_the_other_services_are_named_behind_the_first_alert(services: tuple[str, ...], summary: str) -> None:
    details = notified(_notification(*services), ()).details

    assert details is not None
    assert (details.service, details.summary, details.more) == (services[0], summary, len(services) - 1)
