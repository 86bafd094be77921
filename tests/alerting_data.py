"""What several tests of the model share: settings, a copy of the repository's data, and rendered files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml

from alerting.platform import AlertmanagerFiles, Platform
from alerting.rules import rules_text
from alerting.settings import (
    Addresses,
    AwsSettings,
    ClusterSettings,
    Endpoints,
    Environment,
    NetworkSettings,
    Settings,
)

ROOT = Path(__file__).parent.parent

ACTION = """
name: {name}
document_name: orion-{dashed}
timeout_seconds: 120
parameters_from_labels: {{namespace: namespace, pod: pod, uid: uid}}
document:
  schemaVersion: "2.2"
  description: Stands in for an action.
  parameters:
    namespace: {{type: String, allowedPattern: "^[a-z0-9-]{{1,63}}$", interpolationType: ENV_VAR}}
    pod: {{type: String, allowedPattern: "^[a-z0-9.-]{{1,253}}$", interpolationType: ENV_VAR}}
    uid: {{type: String, allowedPattern: "^[0-9a-f-]{{36}}$", interpolationType: ENV_VAR}}
  mainSteps:
    - {{action: "aws:runShellScript", name: run, inputs: {{runCommand: ["true"]}}}}
"""


def settings(environment: Environment = Environment.PROD, *, time_scale: float = 1, paging: bool = True) -> Settings:
    """Return settings as a stack has them."""
    in_sandbox = environment is Environment.SANDBOX
    return Settings(
        environment=environment,
        aws=AwsSettings(account_id="123456789012", region="us-east-1"),
        cluster=ClusterSettings(name="orion"),
        network=NetworkSettings(vpc_id="vpc-1", subnet_ids=("subnet-1",)),
        addresses=Addresses(
            alertmanager="https://alertmanager.orion.example.com", prometheus="https://prometheus.orion.example.com"
        ),
        endpoints=Endpoints(sns="http://127.0.0.1:1/sns", pagerduty_events="http://127.0.0.1:1/v2/enqueue")
        if in_sandbox
        else Endpoints(),
        time_scale=time_scale,
        paging=paging,
    )


def copied_root(folder: Path) -> Path:
    """Copy the repository's data to `folder`, with actions that stand in for the real ones."""
    for name in ("catalog", "rules", "runbooks"):
        shutil.copytree(ROOT / name, folder / name)
    for path in (folder / "runbooks" / "actions").glob("*.yaml"):
        path.unlink()
    (folder / "runbooks" / "actions").mkdir(exist_ok=True)
    for name in ("restart_pod", "collect_diagnostics"):
        text = ACTION.format(name=name, dashed=name.replace("_", "-"))
        (folder / "runbooks" / "actions" / f"{name}.yaml").write_text(text)
    return folder


def write_rules(platform: Platform, folder: Path) -> list[Path]:
    """Write rendered rules as Prometheus reads them: DOMAIN.yaml."""
    paths: list[Path] = []
    for file in platform.rules:
        path = folder / f"{file.name.removeprefix('orion-')}.yaml"
        path.write_text(rules_text(file))
        paths.append(path)
    return paths


def write_alertmanager(files: AlertmanagerFiles, folder: Path) -> Path:
    """Write a configuration, its templates and secrets below `folder` and return the configuration's path.

    The folder takes the place of /etc/alertmanager.
    """
    templates = folder / "configmaps" / files.template_config_map
    templates.mkdir(parents=True)
    for name, text in files.templates.items():
        (templates / name).write_text(text)
    for secret in files.secret_files:
        path = folder / "secrets" / secret.secret / secret.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0123456789abcdef0123456789abcdef")
    text = json.dumps(files.configuration, ensure_ascii=False).replace("/etc/alertmanager", str(folder))
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(json.loads(text), sort_keys=False))
    return path
