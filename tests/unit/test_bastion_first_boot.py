"""The bastion's user data, carried out on a folder as cloud-init and systemd would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.bastion_user_data import (
    AGENT_DROP_IN,
    CREDENTIAL,
    HOME,
    KUBECONFIG,
    LEAST_AGENT,
    MOST_BYTES,
    SETUP,
    USABLE,
    ClusterAddress,
    user_data,
)
from components.function import BATCH_SIZE, LEAST_CONCURRENCY
from sandbox.clouds.aws.ssm_agent import COMMANDS_AT_ONCE

ALERTS_OF_A_MESSAGE = 100
"""At most, by the template of SNS messages (`alerting/routing/alertmanager.py`)."""
CLUSTER = ClusterAddress(
    name="orion",
    region="us-east-1",
    endpoint="https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com",
    authority="Q0VSVElGSUNBVEU=" * 90,
    version="1.36",
)
START = "systemctl restart amazon-ssm-agent"
STEPS = (
    "dnf install --assumeyes kubectl",
    "kubectl version --client",
    "kubectl version --request-timeout=20s",
    START,
)
SKEW = "WARNING: version difference between client (1.36) and server (1.34) exceeds the supported minor version skew"

PROGRAM = """#!/bin/bash
called="${0##*/} $*"
echo "$called" >> ROOT/called
fails="ROOT/fails/$called"
if [ -e "$fails" ]; then
  [ "$(cat "$fails")" = always ] || rm "$fails"
  exit 1
fi
case $called in
  "rpm "*) cat ROOT/agent ;;
  "dnf upgrade "*) cp ROOT/newest_agent ROOT/agent ;;
  "kubectl version --request-timeout"*) cat ROOT/versions ;;
  "aws eks get-token "*) echo '{"kind": "ExecCredential", "status": {"token": "'$$'"}}' ;;
esac
"""


class Machine:
    """A new machine whose root is a folder, with the programs that the first boot calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("bin", "fails", "run"):
            (root / name).mkdir(parents=True)
        for name in ("dnf", "rpm", "systemctl", "kubectl", "aws"):
            path = root / "bin" / name
            path.write_text(PROGRAM.replace("ROOT", str(root)))
            path.chmod(0o755)
        self.agent = LEAST_AGENT
        self.newest_agent = LEAST_AGENT
        self.versions = "Client Version: v1.36.1\nServer Version: v1.36.0-eks-1"

    def path(self, absolute: str) -> Path:
        return Path(self._moved(absolute))

    def fails(self, call: str, how: str) -> None:
        (self.root / "fails" / call).write_text(how)

    def boot(self) -> None:
        """Do what cloud-init does before the network is online."""
        for name, text in (("agent", self.agent), ("newest_agent", self.newest_agent), ("versions", self.versions)):
            (self.root / name).write_text(f"{text}\n")
        configuration = cloud_config()
        (command,) = configuration["bootcmd"]
        assert self.run(*command).returncode == 0
        for file in configuration["write_files"]:
            path = self.path(file["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._moved(file["content"]))
            path.chmod(int(file["permissions"], 8))

    def set_up(self, *, times: int = 1) -> int:
        """Run the setup as its unit does, again after a failure, `times` at most. Return how often it ran."""
        for attempt in range(1, times + 1):
            if self.run(str(self.path(SETUP))).returncode == 0:
                return attempt
        return times

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the environment of the units, which is all that there is."""
        arguments = [self._moved(argument) if argument.startswith("mkdir") else argument for argument in command]
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin", "HOME": self._moved(HOME)}
        return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def called(self) -> list[str]:
        called = self.root / "called"
        return called.read_text().splitlines() if called.exists() else []

    def usable(self) -> bool:
        return self.path(USABLE).exists()

    def _moved(self, text: str) -> str:
        if text.startswith(str(self.root)):
            return text
        for prefix in ("/etc/", "/usr/local/", "/var/lib/", "/run/"):
            text = text.replace(prefix, f"{self.root}{prefix}")
        return text


def cloud_config() -> dict[str, Any]:
    text = user_data(CLUSTER)
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


def test_the_agent_waits_from_the_first_boot_on(machine: Machine) -> None:
    machine.boot()

    unit = machine.path(AGENT_DROP_IN).read_text()
    assert f"ConditionPathExists={machine.path(USABLE)}\n" in unit
    assert machine.called() == ["systemctl daemon-reload", "systemctl stop --no-block amazon-ssm-agent"]
    assert not machine.usable()


def test_the_agent_starts_last(machine: Machine) -> None:
    machine.boot()

    assert machine.set_up() == 1

    assert machine.usable()
    assert machine.called()[-1] == START
    assert [call for call in machine.called() if call in STEPS] == list(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_once_is_tried_again(machine: Machine, step: str) -> None:
    machine.boot()
    machine.fails(step, "once")

    assert machine.set_up(times=3) == 2

    assert machine.usable()
    assert machine.called()[-1] == START


@pytest.mark.parametrize("step", STEPS)
def test_while_a_step_fails_the_agent_does_not_start(machine: Machine, step: str) -> None:
    machine.boot()
    machine.fails(step, "always")

    machine.set_up(times=3)

    assert machine.called().count(step) == 3
    assert not machine.usable()
    assert step == START or START not in machine.called()


def test_an_agent_that_gives_no_variables_is_upgraded(machine: Machine) -> None:
    machine.agent, machine.newest_agent = "3.3.1611.0", "3.3.3000.0"
    machine.boot()

    assert machine.set_up() == 1

    assert "dnf upgrade --assumeyes --releasever=latest amazon-ssm-agent" in machine.called()
    assert machine.usable()


def test_an_agent_that_cannot_be_upgraded_does_not_start(machine: Machine) -> None:
    machine.agent = machine.newest_agent = "3.3.1611.0"
    machine.boot()

    machine.set_up(times=2)

    assert not machine.usable()
    assert START not in machine.called()


def test_a_kubectl_that_does_not_fit_the_cluster_is_refused(machine: Machine) -> None:
    machine.versions = SKEW
    machine.boot()

    machine.set_up()

    assert not machine.usable()


def test_a_later_boot_leaves_the_agent_alone(machine: Machine) -> None:
    machine.boot()
    machine.set_up()
    before = len(machine.called())

    machine.boot()

    assert machine.called()[before:] == ["systemctl daemon-reload"]


def test_a_failure_says_what_failed(machine: Machine) -> None:
    machine.boot()
    machine.fails("kubectl version --request-timeout=20s", "always")

    done = machine.run(str(machine.path(SETUP)))

    assert done.stderr.startswith("orion-bastion: the cluster cannot be used")


def test_the_setup_is_repeated_until_it_succeeds(machine: Machine) -> None:
    machine.boot()
    unit = machine.path("/etc/systemd/system/orion-bastion.service")

    text = unit.read_text()
    assert "Restart=on-failure\n" in text
    assert "StartLimitIntervalSec=0\n" in text
    assert f"ConditionPathExists=!{machine.path(USABLE)}\n" in text
    assert ["systemctl", "enable", "--now", "--no-block", "orion-bastion.service"] in cloud_config()["runcmd"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_reads_the_unit(machine: Machine) -> None:
    machine.boot()
    unit = machine.path("/etc/systemd/system/orion-bastion.service")

    done = subprocess.run(
        [shutil.which("systemd-analyze") or "", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, "orion-bastion.service" in done.stderr) == (0, False), done.stderr


def test_agent_and_setup_have_a_home_and_the_way_to_the_cluster(machine: Machine) -> None:
    """systemd gives a service no HOME, and the agent gives its scripts what it has."""
    machine.boot()
    environment = f"Environment=HOME={machine.path(HOME)} KUBECONFIG={machine.path(KUBECONFIG)}\n"

    assert environment in machine.path(AGENT_DROP_IN).read_text()
    assert environment in machine.path("/etc/systemd/system/orion-bastion.service").read_text()


def test_the_agent_takes_a_storm_of_repairs(machine: Machine) -> None:
    machine.boot()
    limits = json.loads(machine.path("/etc/amazon/ssm/amazon-ssm-agent.json").read_text())["Mds"]

    assert limits["CommandWorkersLimit"] == COMMANDS_AT_ONCE
    assert limits["CommandWorkerBufferLimit"] >= BATCH_SIZE * LEAST_CONCURRENCY * ALERTS_OF_A_MESSAGE


def test_ec2_takes_the_user_data_with_room_to_spare() -> None:
    assert len(user_data(CLUSTER).encode()) < MOST_BYTES - 2048


class TestCredential:
    def test_ten_commands_at_once_start_one_cli(self, machine: Machine) -> None:
        machine.boot()

        with ThreadPoolExecutor(10) as threads:
            running = [threads.submit(machine.run, str(machine.path(CREDENTIAL))) for _ in range(10)]
            printed = [one.result().stdout for one in running]

        assert len(set(printed)) == 1
        assert json.loads(printed[0])["kind"] == "ExecCredential"
        asked = "aws eks get-token --region us-east-1 --cluster-name orion --output json"
        assert machine.called().count(asked) == 1

    def test_nobody_else_can_read_it(self, machine: Machine) -> None:
        machine.boot()
        machine.run(str(machine.path(CREDENTIAL)))

        assert self.kept(machine).stat().st_mode & 0o777 == 0o600
        assert self.kept(machine).parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("age_seconds", [300, -300])
    def test_an_old_one_is_replaced_and_so_is_one_from_the_future(self, machine: Machine, age_seconds: int) -> None:
        """EC2 renews credentials five minutes before they end, and a token ends with them."""
        machine.boot()
        before = machine.run(str(machine.path(CREDENTIAL))).stdout
        moment = time.time() - age_seconds
        os.utime(self.kept(machine), (moment, moment))

        after = machine.run(str(machine.path(CREDENTIAL))).stdout

        assert json.loads(after)["status"]["token"] != json.loads(before)["status"]["token"]

    def test_a_failure_is_not_kept(self, machine: Machine) -> None:
        machine.boot()
        machine.fails("aws eks get-token --region us-east-1 --cluster-name orion --output json", "once")

        assert machine.run(str(machine.path(CREDENTIAL))).returncode != 0
        assert not self.kept(machine).exists()
        assert machine.run(str(machine.path(CREDENTIAL))).returncode == 0

    def test_the_kubeconfig_asks_for_it(self, machine: Machine) -> None:
        machine.boot()
        (user,) = json.loads(machine.path(KUBECONFIG).read_text())["users"]

        assert user["user"]["exec"]["command"] == str(machine.path(CREDENTIAL))

    @staticmethod
    def kept(machine: Machine) -> Path:
        return machine.path("/run/orion/credential.json")
