"""Hand-made values that components are built from in tests: settings, files, repairs and people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from alerting.platform import (
    AlertmanagerFiles,
    EscalationLevel,
    EscalationPolicy,
    EventOrchestration,
    OnCall,
    PagedService,
    PagedTeam,
    Rotation,
    RouterRule,
    RuleFile,
    Schedule,
    SecretFile,
    SecretSource,
)
from alerting.platform_repairs import (
    ClusterRight,
    ParameterSource,
    Repair,
    RepairAction,
    RepairParameter,
    Repairs,
    RepairTeam,
)
from alerting.settings import Environment, MonitoringSettings, Settings
from components.function_package import FunctionPackage
from components.providers import Providers, ProvidersArgs
from tests.alerting_data import settings as plain_settings

DOCUMENT = {"schemaVersion": "2.2", "parameters": {"pod": {"type": "String", "interpolationType": "ENV_VAR"}}}


def settings(environment: Environment = Environment.PROD, **monitoring: Any) -> Settings:
    """Return a stack's settings with these of the monitoring stack."""
    return plain_settings(environment).model_copy(update={"monitoring": MonitoringSettings(**monitoring)})


def repairs() -> Repairs:
    """Return one repair."""
    action = RepairAction(
        name="restart_pod",
        document_name="orion-restart-pod",
        content=DOCUMENT,
        digest="0" * 64,
        parameters=(RepairParameter(name="pod", source=ParameterSource.LABEL, key="pod", pattern="^[a-z]+$"),),
        timeout_seconds=60,
        per_service_hour=3,
        per_platform_hour=10,
    )
    return Repairs(
        actions=(action,),
        hand_overs=(),
        repairs=(Repair(alert="HighMemoryUsage", action="restart_pod", team="trading"),),
        teams=(
            RepairTeam(name="trading", mail=("trading@orion.example.com", "desk@orion.example.com")),
            RepairTeam(name="platform", mail=("platform@orion.example.com",)),
        ),
        namespaces=("orion",),
        rights=(ClusterRight(group="", resource="pods", verbs=("delete", "get")),),
        cluster_rights=(ClusterRight(group="", resource="nodes", verbs=("get",)),),
        approval_seconds=900,
    )


def alertmanager_files() -> AlertmanagerFiles:
    """Return a configuration that reads two secrets."""
    return AlertmanagerFiles(
        configuration={"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]},
        templates={"slack.tmpl": '{{ define "slack.title" }}x{{ end }}'},
        template_config_map="alertmanager-templates",
        secret_files=(
            SecretFile(
                secret="alertmanager-pagerduty",
                key="orders",
                source=SecretSource.PAGERDUTY_INTEGRATION,
                reference="orders",
            ),
            SecretFile(
                secret="alertmanager-slack",
                key="orion-alerts",
                source=SecretSource.SLACK_WEBHOOK,
                reference="#orion-alerts",
            ),
        ),
    )


def rule_files() -> tuple[RuleFile, ...]:
    """Return one alert."""
    rule = {
        "alert": "ServiceDown",
        "expr": "up == 0",
        "labels": {"severity": "critical", "pod_name": "{{ $labels.pod }}"},
        "annotations": {"runbook_url": "https://runbooks.orion.example.com/ServiceDown"},
    }
    return (RuleFile(name="orion-services", groups=({"name": "orion.services", "rules": [rule]},)),)


def on_call(*, integration_keys: tuple[int, ...] = (1,)) -> OnCall:
    """Return a service that three people look after: two by turns, the second of them with an exception."""
    turns = [
        Rotation(
            name=f"weekly {position}/2",
            person=person,
            start=f"2027-01-{4 + 7 * (position - 1):02}T09:00:00Z",
            end=f"2027-01-{11 + 7 * (position - 1):02}T09:00:00Z",
            effective_since="2027-01-04T09:00:00Z",
            recurrences=("RRULE:FREQ=WEEKLY;INTERVAL=2", *exceptions),
        )
        for position, person, exceptions in (
            (1, "ada@orion.example.com", ()),
            (2, "bob@orion.example.com", ("EXDATE:20270125T090000Z",)),
        )
    ]
    levels = (
        EscalationLevel(schedules=("trading-primary",), people=(), timeout_minutes=5),
        EscalationLevel(schedules=(), people=("cyd@orion.example.com",), timeout_minutes=10),
    )
    return OnCall(
        operating_team="trading",
        people=("ada@orion.example.com", "bob@orion.example.com", "cyd@orion.example.com"),
        teams=(PagedTeam(name="trading", description="Owns orders"),),
        schedules=(
            Schedule(name="trading-primary", team="trading", time_zone="Europe/London", rotations=tuple(turns)),
        ),
        escalation_policies=(EscalationPolicy(name="trading", team="trading", levels=levels, repeats=2),),
        services=(
            PagedService(
                name="orders",
                description="Takes orders",
                escalation_policy="trading",
                acknowledgement_timeout_seconds=1800,
            ),
        ),
        orchestration=EventOrchestration(
            name="Orion",
            team="trading",
            keys=("key-1", "key-2"),
            key_numbers=integration_keys,
            rules=(RouterRule(service="orders", conditions=("event.component matches 'orders'",)),),
            catch_all="orders",
        ),
    )


def package(folder: Path) -> FunctionPackage:
    """Return a file that stands for a built zip."""
    path = folder / "function.zip"
    path.write_bytes(b"zip")
    return FunctionPackage(path=path, sha256="ab" * 32)


def providers(stack: Settings) -> pulumi.ResourceOptions:
    """Make the program's own providers and return the options that use them."""
    args = ProvidersArgs(settings=stack, pagerduty_token=pulumi.Output.secret("TOKEN"))
    return Providers("providers", args).options()
