"""User data of the bastion: cloud-init's configuration, with the scripts of `bastion_scripts`.

The agent of Systems Manager starts with the operating system, before user data has installed anything. So its unit gets
the condition that the instance is usable: before the agent's first start, since `bootcmd` runs before the network is
said to be online, and the agent's unit waits for that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "bastion_scripts"
SETUP = "/usr/local/libexec/orion/setup"
CREDENTIAL = "/usr/local/libexec/orion/credential"
ENVIRONMENT = "/etc/orion/bastion.env"
KUBECONFIG = "/etc/orion/kubeconfig"
HOME = "/var/lib/orion/home"
"""Where kubectl and the AWS CLI keep their caches: systemd and the agent give their programs no HOME."""
USABLE = "/var/lib/orion/usable"
AGENT_DROP_IN = "/etc/systemd/system/amazon-ssm-agent.service.d/orion.conf"
LEAST_AGENT = "3.3.2746.0"
"""The first agent that gives scripts the values of parameters as environment variables (`interpolationType`)."""
COMMANDS_AT_ONCE = 10
COMMANDS_WAITING = 2000
"""What the agent runs at once, and keeps waiting; the rest it refuses (`BufferFull`). Its own limits are 5 and 5.

The function sends at once what 2 batches of 10 messages ask for, each message of 100 alerts at most.
"""
RETRY_SECONDS = 15
MOST_BYTES = 16 * 1024
"""The most that EC2 takes as user data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAddress:
    """The cluster's endpoint as EKS describes it. `version` is that of Kubernetes, such as 1.36."""

    name: str
    region: str
    endpoint: str
    authority: str
    version: str


def user_data(cluster: ClusterAddress) -> str:
    """Return what cloud-init does at the instance's first start.

    Raises `ValueError` if it is larger than EC2 takes.
    """
    configuration = {
        "bootcmd": [["bash", "-c", _agent_waits()]],
        "write_files": [
            _file(ENVIRONMENT, _environment(cluster)),
            _file(KUBECONFIG, json.dumps(kubeconfig(cluster))),
            _file("/etc/yum.repos.d/kubernetes.repo", _repository(cluster.version)),
            _file("/etc/amazon/ssm/amazon-ssm-agent.json", _agent_configuration()),
            _file("/etc/systemd/system/orion-bastion.service", _setup_unit()),
            _file(SETUP, (SCRIPTS / "setup.sh").read_text(encoding="utf-8"), "0755"),
            _file(CREDENTIAL, (SCRIPTS / "credential.sh").read_text(encoding="utf-8"), "0755"),
        ],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "--no-block", "orion-bastion.service"],
        ],
    }
    text = f"#cloud-config\n{json.dumps(configuration, indent=1)}\n"
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"user data: found {len(text.encode())} bytes; allowed: {MOST_BYTES}. Shorten the scripts")
    return text


def _file(path: str, content: str, permissions: str = "0644") -> dict[str, str]:
    return {"path": path, "content": content, "permissions": permissions, "owner": "root:root"}


def _agent_waits() -> str:
    """Return the script that keeps the agent from starting until the instance is usable. It runs at every boot."""
    unit = f"[Unit]\\nConditionPathExists={USABLE}\\n[Service]\\nEnvironment=HOME={HOME} KUBECONFIG={KUBECONFIG}\\n"
    return (
        f"mkdir -p {Path(AGENT_DROP_IN).parent} && printf '{unit}' > {AGENT_DROP_IN} && systemctl daemon-reload && "
        f"{{ [ -e {USABLE} ] || systemctl stop --no-block amazon-ssm-agent; }}"
    )


def _environment(cluster: ClusterAddress) -> str:
    values = {
        "REGION": cluster.region,
        "CLUSTER": cluster.name,
        "KUBERNETES_MINOR": cluster.version,
        "LEAST_AGENT": LEAST_AGENT,
    }
    return "".join(f"{name}='{value}'\n" for name, value in values.items())


def kubeconfig(cluster: ClusterAddress) -> Mapping[str, Any]:
    """Return the way to the cluster, with credentials that all commands share."""
    execute = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": CREDENTIAL,
        "interactiveMode": "Never",
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "cluster",
                "cluster": {"server": cluster.endpoint, "certificate-authority-data": cluster.authority},
            }
        ],
        "users": [{"name": "bastion", "user": {"exec": execute}}],
        "contexts": [{"name": "bastion", "context": {"cluster": "cluster", "user": "bastion"}}],
        "current-context": "bastion",
    }


def _repository(kubernetes_minor: str) -> str:
    packages = f"https://pkgs.k8s.io/core:/stable:/v{kubernetes_minor}/rpm/"
    return (
        f"[kubernetes]\nname=Kubernetes\nbaseurl={packages}\nenabled=1\ngpgcheck=1\n"
        f"gpgkey={packages}repodata/repomd.xml.key\n"
    )


def _agent_configuration() -> str:
    """Return the agent's limits. What its file leaves out has its own default."""
    return json.dumps({"Mds": {"CommandWorkersLimit": COMMANDS_AT_ONCE, "CommandWorkerBufferLimit": COMMANDS_WAITING}})


def _setup_unit() -> str:
    """Return the unit that repeats the setup until it succeeds, after a restart of the instance too."""
    return f"""[Unit]
Description=Makes this instance usable for repairs, then starts the agent of Systems Manager
Wants=network-online.target
After=network-online.target
ConditionPathExists=!{USABLE}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={SETUP}
Environment=HOME={HOME} KUBECONFIG={KUBECONFIG}
StandardOutput=journal+console
StandardError=journal+console
TimeoutStartSec=600
Restart=on-failure
RestartSec={RETRY_SECONDS}

[Install]
WantedBy=multi-user.target
"""
