"""The embedded provider `pagerduty` under the real engine, with the real SDK, on the stand-in."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from alerting.loader import read_catalog
from alerting.oncall import shifts
from alerting.oncall.event_orchestration import ANY_TEAM, KEY_NAMES, PAGED_TEAM
from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.engine import DeploymentFailed, Engine
from sandbox.journal import Journal, Kind
from sandbox.providers.plugins import embedded
from sandbox.service import HttpService, wait_until_ready
from tests.alerting_data import ROOT, copied_root

pytestmark = pytest.mark.integration

TOKEN = "correct-horse-battery"
PROGRAM = """
import pulumi
import pulumi_pagerduty as pagerduty

config = pulumi.Config()
provider = pagerduty.Provider("pagerduty", token=config.require_secret("pagerdutyToken"))
opts = pulumi.ResourceOptions(provider=provider)
invoke = pulumi.InvokeOptions(provider=provider)
person = lambda name: pagerduty.get_user_output(email=f"{name}@example.com", opts=invoke).id

def event(name, people, since="2026-01-05T09:00:00-05:00", **changes):
    return {
        "name": name,
        "start_time": "2026-01-05T09:00:00-05:00",
        "end_time": "2026-01-12T09:00:00-05:00",
        "effective_since": since,
        "recurrences": ["RRULE:FREQ=WEEKLY;INTERVAL=1"],
        "assignment_strategies": [{
            "type": "rotating_member_assignment_strategy",
            "shifts_per_member": 1,
            "members": [{"type": "user_member", "user_id": person(each)} for each in people],
        }],
        **changes,
    }

"""
WHOLE = """
schedule = pagerduty.Schedulev2(
    "primary", name="primary", time_zone="America/New_York",
    rotations=[{"events": [event("weekly", ["ann", "bob"])]}, {"events": [event("second", SECOND)]}], opts=opts,
)
policy = pagerduty.EscalationPolicy(
    "trading", name="trading", num_loops=2, opts=opts,
    rules=[
        {"escalation_delay_in_minutes": MINUTES, "targets": [{"type": "schedule_reference", "id": schedule.id}]},
        {"escalation_delay_in_minutes": 15, "targets": [{"type": "user_reference", "id": person("ann")}]},
    ],
)
service = pagerduty.Service(
    "orders", name="orders", escalation_policy=policy.id, auto_resolve_timeout="null", acknowledgement_timeout="1800",
    alert_creation="create_alerts_and_incidents", opts=opts,
    incident_urgency_rule={"type": "constant", "urgency": "severity_based"},
)
integration = pagerduty.ServiceIntegration(
    "orders", name="Alertmanager", type="events_api_v2_inbound_integration", service=service.id,
    opts=pulumi.ResourceOptions(provider=provider, additional_secret_outputs=["integration_key"]),
)
pulumi.export("key", integration.integration_key)
pulumi.export("rotations", schedule.rotations)
pulumi.export("type", service.type)
"""
CATALOG = """
import sys
from pathlib import Path

sys.path.insert(0, "ROOT")
from alerting.loader import read_catalog
from alerting.oncall.event_orchestration import key_name
from alerting.oncall.pagerduty import on_call
from components.pagerduty import PagerDutyOnCall, PagerDutyOnCallArgs

args = PagerDutyOnCallArgs(on_call=on_call(read_catalog(Path("FOLDER"))), paging=True)
made = PagerDutyOnCall("on-call", args, opts=pulumi.ResourceOptions(providers=[provider]))
pulumi.export("key", made.integration_keys[key_name("orders")])
"""


class Account:
    """The stand-in, a project, and engines on it."""

    def __init__(self, folder: Path, service: HttpService) -> None:
        self.folder = folder
        self.address = service.address
        self.journal = Journal(folder / "journal.jsonl")
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
        (self.project / "Pulumi.sandbox.yaml").write_text("config: {}\n")
        self.client = httpx.Client(base_url=service.address, headers={"Authorization": f"Token token={TOKEN}"})
        for name in ("ann", "bob", "cid"):
            body = {"user": {"type": "user", "name": name, "email": f"{name}@example.com"}}
            self.client.post("/users", json=body).raise_for_status()

    def engine(self, text: str = WHOLE, *, minutes: int = 5, second: str = '["bob"]') -> Engine:
        program = PROGRAM + textwrap.dedent(text).replace("MINUTES", str(minutes)).replace("SECOND", second)
        (self.project / "__main__.py").write_text(program)
        engine = Engine(
            self.folder / "engine",
            {"ORION_PAGERDUTY_API_URL": self.address},
            project=self.project,
            providers=[plugin for plugin in embedded() if plugin.name == "pagerduty"],
        )
        engine.configure({}, secret={"pagerdutyToken": TOKEN})
        return engine

    def get(self, path: str) -> dict[str, Any]:
        return self.client.get(path).raise_for_status().json()

    def schedule(self) -> dict[str, Any]:
        (reference,) = self.get("/v3/schedules")["schedules"]
        return self.get(f"/v3/schedules/{reference['id']}")["schedule"]

    def counts(self) -> dict[str, int]:
        lists = {"/services": "services", "/escalation_policies": "escalation_policies", "/v3/schedules": "schedules"}
        return {name: len(self.get(path)[name]) for path, name in lists.items()}


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    service = HttpService("pagerduty", create_application(Journal(tmp_path / "journal.jsonl"), Clock(1), token=TOKEN))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    yield Account(tmp_path, service)
    service.stop()


def test_the_whole_life_of_an_on_call_set_up(account: Account) -> None:
    nothing = account.counts()
    preview = account.engine().preview()
    after_preview = account.counts()
    engine = account.engine()
    made = engine.up()
    again = engine.up()
    refreshed = engine.refresh()
    service = account.get("/services")["services"][0]
    before = account.schedule()
    event = {
        "routing_key": made.outputs["key"],
        "event_action": "trigger",
        "payload": {"summary": "x", "source": "y", "severity": "critical"},
    }
    paged = account.client.post("/v2/enqueue", json=event)
    (person,) = account.journal.find(Kind.PERSON_NOTIFIED, service="orders", person="ann@example.com")

    assert after_preview == nothing == {"services": 0, "escalation_policies": 0, "schedules": 0}
    assert preview.changes["create"] == made.changes["create"] == 6
    assert not again.changed
    assert not refreshed.changed
    assert (service["auto_resolve_timeout"], service["acknowledgement_timeout"]) == (None, 1800)
    assert service["description"] == "Managed by Pulumi"
    assert [each["id"] for each in made.outputs["rotations"]] == [each["id"] for each in before["rotations"]]
    assert made.outputs["type"] == "service"
    assert paged.status_code == 202
    assert person.ids["level"] == "1"
    (kept,) = (account.folder / "engine" / "state").rglob("sandbox.json")
    state = kept.read_text()
    assert made.outputs["key"] not in state
    assert TOKEN not in state

    changed = account.engine(minutes=7, second='["cid"]').up()
    after = account.schedule()
    policy = account.get("/escalation_policies")["escalation_policies"][0]
    settled = account.engine(minutes=7, second='["cid"]').up()

    # The rotation that stayed as it was is left alone: who is on call there does not shift.
    assert changed.changes == {"same": 4, "update": 2}
    assert after["rotations"][0] == before["rotations"][0]
    assert after["rotations"][1]["id"] != before["rotations"][1]["id"]
    assert len(after["rotations"]) == 2
    assert [rule["escalation_delay_in_minutes"] for rule in policy["escalation_rules"]] == [7, 15]
    assert not settled.changed

    incident = account.get("/incidents")["incidents"][0]["id"]
    account.engine(minutes=7, second='["cid"]').destroy()

    assert account.counts() == nothing
    assert account.get(f"/incidents/{incident}")["incident"]["status"] == "resolved"


def test_what_somebody_changed_by_hand_is_seen_and_put_right(account: Account) -> None:
    engine = account.engine()
    engine.up()
    service = account.get("/services")["services"][0]["id"]
    account.client.put(f"/services/{service}", json={"service": {"auto_resolve_timeout": 14400}}).raise_for_status()
    schedule = account.schedule()
    rotation = schedule["rotations"][1]["id"]
    account.client.delete(f"/v3/schedules/{schedule['id']}/rotations/{rotation}").raise_for_status()
    seen = engine.refresh()
    engine.up()

    assert seen.changes["update"] == 2
    assert account.get(f"/services/{service}")["service"]["auto_resolve_timeout"] is None
    assert len(account.schedule()["rotations"]) == 2


def test_a_router_changed_by_hand_is_seen_and_put_right(account: Account) -> None:
    _, program = catalog_program(account)
    engine = account.engine(program)
    engine.up()
    (made,) = account.get("/event_orchestrations")["orchestrations"]
    path = f"/event_orchestrations/{made['id']}/router"
    before = account.get(path)["orchestration_path"]
    emptied = {"orchestration_path": {"sets": [{"id": "start", "rules": []}]}}
    account.client.put(path, json=emptied).raise_for_status()
    seen = engine.refresh()
    engine.up()
    after = account.get(path)["orchestration_path"]
    account.engine(program).destroy()

    assert seen.changes["update"] == 1
    assert [rule["conditions"] for rule in after["sets"][0]["rules"]] == [
        rule["conditions"] for rule in before["sets"][0]["rules"]
    ]
    assert after["catch_all"] == before["catch_all"]
    assert account.get("/event_orchestrations")["orchestrations"] == []


def test_what_cannot_be_is_an_error_that_names_it(account: Account) -> None:
    with pytest.raises(DeploymentFailed, match="no resource type pagerduty:index/maintenanceWindow"):
        account.engine(
            'pagerduty.MaintenanceWindow("x", services=["P"], start_time="a", end_time="b", opts=opts)'
        ).preview()
    with pytest.raises(DeploymentFailed, match="Escalation policy not found"):
        account.engine('pagerduty.Service("x", escalation_policy="PNONE", opts=opts)').up()


def test_teams_own_what_the_catalog_says_and_their_members_are_left_alone(account: Account) -> None:
    root, program = catalog_program(account)
    account.engine(program).up()
    again = account.engine(program).up()
    refreshed = account.engine(program).refresh()
    teams = {team["id"]: team["name"] for team in account.get("/teams")["teams"]}
    policies = account.get("/escalation_policies")["escalation_policies"]
    schedules = [
        account.get(f"/v3/schedules/{each['id']}")["schedule"] for each in account.get("/v3/schedules")["schedules"]
    ]
    path = root / "catalog" / "teams.yaml"
    path.write_text(path.read_text().replace("Owns Aurora, Postgres and Redis.", "Owns what keeps data."))
    changed = account.engine(program).up()
    descriptions = {team["name"]: team["description"] for team in account.get("/teams")["teams"]}
    account.engine(program).destroy()

    assert not again.changed
    assert not refreshed.changed
    assert sorted(teams.values()) == ["database", "platform", "trading"]
    assert {policy["name"]: [team["summary"] for team in policy["teams"]] for policy in policies} == {
        name: [name] for name in teams.values()
    }
    assert {schedule["name"]: [teams[team["id"]] for team in schedule["teams"]] for schedule in schedules} == {
        "trading-primary": ["trading"],
        "trading-secondary": ["trading"],
        "platform-primary": ["platform"],
        "database-primary": ["database"],
    }
    # The team, and its PagerDuty service, which is described by the same words.
    assert {kind: count for kind, count in changed.changes.items() if kind != "same"} == {"update": 2}
    assert descriptions["database"] == "Owns what keeps data."
    assert account.get("/teams")["teams"] == []


def final_schedule(account: Account, name: str, since: datetime, until: datetime) -> list[tuple[str, str, str]]:
    """Return who is on call and when, in a time, as PagerDuty reckons it."""
    people = {user["id"]: user["email"] for user in account.get("/users?limit=100")["users"]}
    (found,) = [each for each in account.get("/v3/schedules")["schedules"] if each["summary"] == name]
    query = urlencode({"include[]": "final_schedule", "since": since.isoformat(), "until": until.isoformat()})
    final = account.get(f"/v3/schedules/{found['id']}?{query}")["schedule"]["final_schedule"]
    return sorted(
        (each["start_time"], each["end_time"], people[each["member"]["user_id"]])
        for each in final["computed_shift_assignments"]
    )


def catalog_program(account: Account) -> tuple[Path, str]:
    """Return a copy of the repository's data, and a program that deploys its on-call. Its people exist."""
    root = copied_root(account.folder / "root")
    for email in sorted({person for team in read_catalog(root).teams.values() for person in team.people}):
        body = {"user": {"type": "user", "name": email.split("@", maxsplit=1)[0], "email": email}}
        account.client.post("/users", json=body).raise_for_status()
    return root, CATALOG.replace("ROOT", str(ROOT)).replace("FOLDER", str(root))


def test_the_catalog_s_rotations_are_reckoned_as_it_says_before_and_after_an_override(account: Account) -> None:
    root, program = catalog_program(account)
    since = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=1)
    until = since + timedelta(days=300)  # over a clock change at least

    def expected(name: str) -> list[tuple[str, str, str]]:
        schedules = {
            each: entry for team in read_catalog(root).teams.values() for each, entry in team.schedules.items()
        }
        return sorted(
            (
                f"{max(shift.start, since):%Y-%m-%dT%H:%M:%SZ}",
                f"{min(shift.end, until):%Y-%m-%dT%H:%M:%SZ}",
                shift.person,
            )
            for shift in shifts.shifts(schedules[name], since, until)
        )

    account.engine(program).up()
    again = account.engine(program).up()
    before = final_schedule(account, "database-primary", since, until)

    assert not again.changed
    for name in ("trading-primary", "trading-secondary", "platform-primary", "database-primary"):
        assert final_schedule(account, name, since, until) == expected(name)

    path = root / "catalog" / "teams.yaml"
    day = since.date() + timedelta(days=10)
    entry = (
        f'{{person: database-lead@orion.example.com, since: "{day}T12:00:00Z", until: "{day}T18:30:00Z", reason: ill}}'
    )
    added = f"      database-primary:\n        overrides: [{entry}]\n"
    path.write_text(path.read_text().replace("      database-primary:\n", added))
    overridden = account.engine(program).up()

    assert overridden.changes["update"] == 1
    after = final_schedule(account, "database-primary", since, until)
    assert after == expected("database-primary")
    lead = (f"{day}T12:00:00Z", f"{day}T18:30:00Z", "database-lead@orion.example.com")
    assert lead in after
    # One shift has become three pieces; nothing else has moved.
    assert len(set(before) - set(after)) == 1
    assert len(set(after) - set(before)) == 3


def send(account: Account, key: str, action: str, name: str, **changes: Any) -> int:
    """Send an event as Alertmanager does with this key, and return the answer's status."""
    payload = {
        "summary": name,
        "source": "alertmanager",
        "severity": "critical",
        "component": "orders",
        "custom_details": {PAGED_TEAM: "trading"},
        **changes,
    }
    event = {"routing_key": key, "event_action": action, "dedup_key": name, "payload": payload}
    return account.client.post("/v2/enqueue", json=event).status_code


def incidents(account: Account) -> dict[str, str]:
    """Return the ids of the open incidents, by dedup key."""
    query = urlencode({"statuses[]": ["triggered", "acknowledged"]}, doseq=True)
    return {each["incident_key"]: each["id"] for each in account.get(f"/incidents?{query}")["incidents"]}


def test_another_service_is_routed_to_at_once_and_changes_no_key(account: Account) -> None:
    root, program = catalog_program(account)
    before = account.engine(program).up()
    unknown = {"component": "settlement", "custom_details": {PAGED_TEAM: ANY_TEAM}}
    assert send(account, before.outputs["key"], "trigger", "before", **unknown) == 202
    services = root / "catalog" / "services.yaml"
    entry = "{description: x, team: database, namespace: orion, objective: 0.999}"
    services.write_text(services.read_text().replace("services:\n", f"services:\n  settlement: {entry}\n"))
    after = account.engine(program).up()
    assert send(account, after.outputs["key"], "trigger", "after", **unknown) == 202
    opened = {each["incident_key"]: each["service"]["summary"] for each in account.get("/incidents")["incidents"]}

    assert {kind: count for kind, count in after.changes.items() if kind != "same"} == {"create": 1, "update": 1}
    assert after.outputs["key"] == before.outputs["key"]
    assert opened == {"before": "platform", "after": "settlement"}


def test_a_key_is_exchanged_in_two_steps_and_no_page_is_lost(account: Account) -> None:
    root, program = catalog_program(account)
    routing = root / "catalog" / "routing.yaml"
    written = routing.read_text()

    def deploy(numbers: str) -> tuple[dict[str, int], str]:
        routing.write_text(f"integration_keys: {numbers}\n{written}")
        done = account.engine(program).up()
        return dict(done.changes), done.outputs["key"]

    _, old = deploy("[1]")
    assert [send(account, old, "trigger", name) for name in ("before", "across", "forgotten")] == [202] * 3

    changes, new = deploy("[1, 2]")
    assert {kind: count for kind, count in changes.items() if kind != "same"} == {"create": len(KEY_NAMES)}
    assert new != old
    # An Alertmanager that has not read the new key yet pages and resolves as before; one that has pages with the new.
    assert [send(account, old, "trigger", "late"), send(account, old, "resolve", "before")] == [202, 202]
    assert send(account, new, "trigger", "after") == 202
    assert set(incidents(account)) == {"across", "forgotten", "late", "after"}
    # What was opened with the old key hears nothing of the new one: it stays open, and whoever has it ends it by hand,
    # or whoever has the old key with that.
    assert send(account, new, "resolve", "across") == 202
    dropped = account.journal.find(Kind.REQUEST_REFUSED, dedup_key="across")
    assert [each.details["reason"] for each in dropped] == ["no open alert with this key came from this integration"]
    assert "across" in incidents(account)
    assert send(account, old, "resolve", "across") == 202
    assert send(account, old, "resolve", "late") == 202
    assert set(incidents(account)) == {"forgotten", "after"}

    changes, kept = deploy("[2]")
    assert {kind: count for kind, count in changes.items() if kind != "same"} == {"delete": len(KEY_NAMES)}
    assert kept == new
    assert send(account, old, "trigger", "too late") == 400
    assert set(incidents(account)) == {"forgotten", "after"}
    assert send(account, new, "resolve", "after") == 202
    by_hand = {"incident": {"type": "incident_reference", "status": "resolved"}}
    path = f"/incidents/{incidents(account)['forgotten']}"
    account.client.put(path, json=by_hand, headers={"From": "trading-lead@orion.example.com"}).raise_for_status()
    assert incidents(account) == {}
