"""The links of what a real Alertmanager sends: web addresses only, and a silence of the whole group and no other."""

from __future__ import annotations

import httpx
import pytest

from tests.alertmanager_sink import EXTERNAL_URL, Sink, add_silence, fire, matched, silenced

pytestmark = pytest.mark.integration

NO_ADDRESSES = (
    "see the wiki",
    "wiki.example.com/x",
    "/runbooks/X.md",
    "//evil.example.com/x",
    "javascript:alert(1)",
    "ftp://wiki.example.com/x",
    "https://",
    "https://wiki.example.com/a b c",
    "https://wiki.example.com/a\n",
    "https://wiki.example.com@evil.example.com/a",
    'https://wiki.example.com/<a>|b"c&d',
    "https://wiki.example.com/ünï😀",
    "https://wiki.example.com/" + "a" * 1000,
)


@pytest.mark.parametrize("index", range(len(NO_ADDRESSES)))
def test_what_is_no_web_address_is_not_linked_to(sink: Sink, alertmanager: str, index: int) -> None:
    """Slack would refuse the whole message for one such button."""
    name, text = f"Unlinked{index}", NO_ADDRESSES[index]
    labels = {"alertname": name, "service": "gateway", "team": "platform"}
    fire(
        alertmanager,
        {**labels, "severity": "warning"},
        {**labels, "severity": "critical"},
        summary="s",
        runbook_url=text,
        dashboard_url=text,
    )

    message = sink.wait("/slack/orion-alerts", lambda value: name in value["attachments"][0]["title"].split())
    event = sink.wait("/v2/enqueue", lambda value: value["payload"]["class"] == name)

    (attachment,) = message["attachments"]
    alerts = f"{EXTERNAL_URL}/#/alerts"
    assert [action["url"] for action in attachment["actions"]][:2] == [alerts, alerts]
    assert "Runbook" not in attachment["text"]
    assert "Dashboard" not in attachment["text"]
    assert [link["href"] for link in event["links"]][:2] == [alerts, alerts]
    assert event["client_url"] == alerts
    assert event["payload"]["custom_details"]["runbook"] == alerts


def test_the_silence_link_of_a_group_without_a_service_silences_no_service(sink: Sink, alertmanager: str) -> None:
    stray = {"alertname": "Stray", "cluster": "orion", "severity": "critical", "pod": "stray"}
    orders = {**stray, "service": "orders", "team": "trading", "pod": "orders-1"}
    fire(alertmanager, stray, summary="stray pod")
    event = sink.wait("/v2/enqueue", lambda value: value["payload"]["class"] == "Stray")
    # What Alertmanager's page makes of the link.
    add_silence(alertmanager, matched(silenced(event["links"][2]["href"])))
    fire(alertmanager, orders, summary="orders is down")

    sink.wait("/v2/enqueue", lambda value: value["payload"]["summary"] == "[TRADING] Stray: orders is down")
    found = httpx.get(f"{alertmanager}/api/v2/alerts", params={"filter": "alertname=Stray"}).json()

    assert {one["labels"]["pod"]: one["status"]["state"] for one in found} == {
        "stray": "suppressed",
        "orders-1": "active",
    }
