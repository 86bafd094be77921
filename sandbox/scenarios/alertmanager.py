"""Asks a real Alertmanager which alerts inhibit one another, and which route takes each."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from alerting.detection.notifications import Answer, Answers, Labels
from sandbox import loopback
from sandbox.ports import LOOPBACK, free_port
from sandbox.service import ProcessService, ServiceFailed, wait_until_ready
from tools.paths import tool

TOGETHER = "fires_together"
"""A label that all alerts have which fire at the same time. No other inhibits them."""
LAST_SOURCE, LAST_TARGET = "MatrixLastSource", "MatrixLastTarget"
READY_SECONDS = 30.0
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.05
AT_ONCE = 2000


def asked_configuration(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return Alertmanager's configuration for questions: it notifies nobody, and sets of alerts do not meet.

    An inhibition wants the label `TOGETHER` to be equal too. One more, of alerts of no rule, tells when Alertmanager
    has seen everything.
    """
    last = {
        "source_matchers": [f'alertname="{LAST_SOURCE}"'],
        "target_matchers": [f'alertname="{LAST_TARGET}"'],
        "equal": [TOGETHER],
    }
    rules = [{**rule, "equal": [*rule["equal"], TOGETHER]} for rule in configuration["inhibit_rules"]]
    return {
        "route": configuration["route"],
        "inhibit_rules": [*rules, last],
        "receivers": [{"name": receiver["name"]} for receiver in configuration["receivers"]],
    }


def answers(configuration: Mapping[str, Any], sets: Collection[frozenset[Labels]], folder: Path) -> Answers:
    """Return what an Alertmanager with a configuration answers about every alert of each set.

    Raises `ServiceFailed` if it does not start or does not take the alerts.
    """
    if not sets:
        return {}
    numbered = dict(enumerate(sets))
    with _running(configuration, folder) as address:
        alerts = [{**dict(alert), TOGETHER: str(number)} for number, alerts in numbered.items() for alert in alerts]
        _post(address, alerts)
        _post(address, [{"alertname": name, TOGETHER: "last"} for name in (LAST_SOURCE, LAST_TARGET)])
        _wait_for_last(address)
        found: dict[tuple[frozenset[Labels], Labels], Answer] = {}
        for one in _read(address, f'{TOGETHER}!="last"'):
            labels = dict(one["labels"])
            together = numbered[int(labels.pop(TOGETHER))]
            receivers = [receiver["name"] for receiver in one["receivers"]]
            found[together, tuple(sorted(labels.items()))] = Answer(
                receiver=receivers[0], inhibited=bool(one["status"]["inhibitedBy"])
            )
        return found


@contextmanager
def _running(configuration: Mapping[str, Any], folder: Path) -> Generator[str]:
    path = folder / "alertmanager.yml"
    path.write_text(json.dumps(asked_configuration(configuration)), encoding="utf-8")
    address = f"http://{LOOPBACK}:{free_port()}"
    service = ProcessService(
        "alertmanager",
        [
            tool("alertmanager"),
            f"--config.file={path}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={address.removeprefix('http://')}",
            "--cluster.listen-address=",
        ],
        directory=folder,
        is_ready=lambda: _is_ready(address),
        address=address,
    )
    service.start()
    try:
        wait_until_ready(service, timeout_seconds=READY_SECONDS)
        yield address
    finally:
        service.stop()


def _is_ready(address: str) -> bool:
    try:
        return loopback.get(f"{address}/-/ready", timeout=1).status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False


def _wait_for_last(address: str) -> None:
    """Return when the last alert is inhibited: Alertmanager has seen those before it then."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while not any(one["status"]["inhibitedBy"] for one in _read(address, f'alertname="{LAST_TARGET}"')):
        if time.monotonic() > deadline:
            raise ServiceFailed(f"alertmanager: has not seen the alerts after {ANSWER_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _post(address: str, alerts: Sequence[Mapping[str, str]]) -> None:
    now = datetime.now(UTC)
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    for start in range(0, len(alerts), AT_ONCE):
        body = [{"labels": labels, **times} for labels in alerts[start : start + AT_ONCE]]
        loopback.post(f"{address}/api/v2/alerts", json=body, timeout=ANSWER_SECONDS).raise_for_status()


def _read(address: str, matcher: str) -> list[dict[str, Any]]:
    answer = loopback.get(f"{address}/api/v2/alerts", params={"filter": matcher}, timeout=ANSWER_SECONDS)
    answer.raise_for_status()
    return answer.json()
