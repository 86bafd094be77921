"""The embedded provider `pagerduty` under the real engine, with the real SDK, on the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from alerting.loader import read_catalog
from alerting.oncall import shifts
from sandbox.engine import DeploymentFailed
from sandbox.journal import Kind
from tests.integration.pagerduty_harness import TOKEN, Account, catalog_program, running_account

pytestmark = pytest.mark.integration

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


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with running_account(tmp_path) as account:
        yield account


def test_the_whole_life_of_an_on_call_set_up(account: Account) -> None:
    nothing = account.counts()
    preview = account.engine(WHOLE).preview()
    after_preview = account.counts()
    engine = account.engine(WHOLE)
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

    changed = account.engine(WHOLE, minutes=7, second='["cid"]').up()
    after = account.schedule()
    policy = account.get("/escalation_policies")["escalation_policies"][0]
    settled = account.engine(WHOLE, minutes=7, second='["cid"]').up()

    # The rotation that stayed as it was is left alone: who is on call there does not shift.
    assert changed.changes == {"same": 4, "update": 2}
    assert after["rotations"][0] == before["rotations"][0]
    assert after["rotations"][1]["id"] != before["rotations"][1]["id"]
    assert len(after["rotations"]) == 2
    assert [rule["escalation_delay_in_minutes"] for rule in policy["escalation_rules"]] == [7, 15]
    assert not settled.changed

    incident = account.get("/incidents")["incidents"][0]["id"]
    account.engine(WHOLE, minutes=7, second='["cid"]').destroy()

    assert account.counts() == nothing
    assert account.get(f"/incidents/{incident}")["incident"]["status"] == "resolved"


def test_what_somebody_changed_by_hand_is_seen_and_put_right(account: Account) -> None:
    engine = account.engine(WHOLE)
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
