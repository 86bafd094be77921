"""A storm of pages through a real Alertmanager: every group in its own service, none refused for its key's rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from alerting.build import load_catalog
from alerting.catalog import Service
from alerting.oncall.event_orchestration import KEY_NAMES, event_orchestration
from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.journal import Journal, Kind
from sandbox.service import HttpService, wait_until_ready
from tests.alerting_data import ROOT
from tests.alertmanager_sink import fire, running_alertmanager, served_sink
from tests.pagerduty_account import TOKEN

pytestmark = pytest.mark.integration

SERVICES = [f"tenant-{number}" for number in range(200)]


class Account:
    """A stand-in at the documented rates, with the catalog's services and 200 more, and the orchestration to them."""

    def __init__(self, address: str, journal: Journal) -> None:
        self.address = address
        self.journal = journal
        with httpx.Client(base_url=address, headers={"Authorization": f"Token token={TOKEN}"}) as client:
            self.keys = self._orchestrate(client)

    def _orchestrate(self, client: httpx.Client) -> dict[str, str]:
        def make(path: str, wrapper: str, **body: object) -> dict[str, dict[str, str]]:
            return client.post(path, json={wrapper: body}).raise_for_status().json()[wrapper]

        catalog = load_catalog(ROOT)
        more = {
            name: Service(description="x", team="platform", namespace="orion", objective=0.999) for name in SERVICES
        }
        orchestration = event_orchestration(dataclasses.replace(catalog, services={**catalog.services, **more}))
        ann = make("/users", "user", name="ann", email="ann@example.com")["id"]
        rule = {"escalation_delay_in_minutes": 5, "targets": [{"id": ann, "type": "user_reference"}]}
        policy = make("/escalation_policies", "escalation_policy", name="platform", escalation_rules=[rule])["id"]
        reference = {"id": policy, "type": "escalation_policy_reference"}
        ids = {
            each.service: make("/services", "service", name=each.service, escalation_policy=reference)["id"]
            for each in orchestration.rules
        }
        path = f"/event_orchestrations/{make('/event_orchestrations', 'orchestration', name=orchestration.name)['id']}"
        rules = [
            {
                "conditions": [{"expression": expression} for expression in each.conditions],
                "actions": {"route_to": ids[each.service]},
            }
            for each in orchestration.rules
        ]
        catch_all = {"actions": {"route_to": ids[orchestration.catch_all]}}
        router = {"sets": [{"id": "start", "rules": rules}], "catch_all": catch_all}
        client.put(f"{path}/router", json={"orchestration_path": router}).raise_for_status()
        return {
            key: make(f"{path}/integrations", "integration", label=key)["parameters"]["routing_key"]
            for key in KEY_NAMES
        }


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    journal = Journal(tmp_path / "journal.jsonl")
    service = HttpService("pagerduty", create_application(journal, Clock(1), token=TOKEN))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    yield Account(service.address, journal)
    service.stop()


def test_200_services_that_fail_at_once_page_at_once_and_alertmanager_knows_none_of_them(
    tmp_path: Path, account: Account
) -> None:
    labels = {"alertname": "ServiceDown", "severity": "critical", "team": "platform", "cluster": "blue"}
    alerts = [{**labels, "service": service} for service in (*SERVICES, "unknown")]

    ended = alerts[-3:]

    def counted(kind: Kind, count: int) -> None:
        """Wait for so many events of a kind."""
        account.journal.wait_for(lambda _: len(account.journal.find(kind)) >= count, timeout_seconds=60)

    with (
        served_sink() as sink,
        running_alertmanager(sink, tmp_path / "am", pagerduty=account.address, keys=account.keys) as alertmanager,
    ):
        fire(alertmanager, *alerts, summary="down")
        counted(Kind.INCIDENT_TRIGGERED, len(alerts))
        fire(alertmanager, *ended, ends=True, summary="down")
        counted(Kind.INCIDENT_RESOLVED, len(ended))

    opened = [event.ids["service"] for event in account.journal.find(Kind.INCIDENT_TRIGGERED)]
    resolved = [event.ids["service"] for event in account.journal.find(Kind.INCIDENT_RESOLVED)]
    assert sorted(opened) == sorted([*SERVICES, "platform"])
    assert sorted(resolved) == sorted([*SERVICES[-2:], "platform"])
    assert account.journal.find(Kind.REQUEST_REFUSED) == []
