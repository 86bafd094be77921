"""The stand-in for PagerDuty with a project and engines on it, and the program that deploys the catalog's on-call."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx

from alerting.loader import read_catalog
from sandbox.clock import Clock
from sandbox.clouds.pagerduty import create_application
from sandbox.engine import Engine
from sandbox.journal import Journal
from sandbox.providers.plugins import installed
from sandbox.service import HttpService, wait_until_ready
from tests.alerting_data import ROOT, copied_root

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

    def engine(self, text: str, *, minutes: int = 5, second: str = '["bob"]') -> Engine:
        program = PROGRAM + textwrap.dedent(text).replace("MINUTES", str(minutes)).replace("SECOND", second)
        (self.project / "__main__.py").write_text(program)
        engine = Engine(
            self.folder / "engine",
            {"ORION_PAGERDUTY_API_URL": self.address},
            project=self.project,
            providers=[plugin for plugin in installed() if plugin.name == "pagerduty"],
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


@contextlib.contextmanager
def running_account(folder: Path) -> Generator[Account]:
    """Run the stand-in in this process until the end."""
    service = HttpService("pagerduty", create_application(Journal(folder / "journal.jsonl"), Clock(1), token=TOKEN))
    service.start()
    wait_until_ready(service, timeout_seconds=10)
    try:
        yield Account(folder, service)
    finally:
        service.stop()


def catalog_program(account: Account) -> tuple[Path, str]:
    """Return a copy of the repository's data, and a program that deploys its on-call. Its people exist."""
    root = copied_root(account.folder / "root")
    for email in sorted({person for team in read_catalog(root).teams.values() for person in team.people}):
        body = {"user": {"type": "user", "name": email.split("@", maxsplit=1)[0], "email": email}}
        account.client.post("/users", json=body).raise_for_status()
    return root, CATALOG.replace("ROOT", str(ROOT)).replace("FOLDER", str(root))
