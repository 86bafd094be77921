"""The fault matrix of docs/reliability.md is whole: each service, with each fault, names the test that holds it."""

from __future__ import annotations

import re
from itertools import product

from tests.alerting_data import ROOT

SERVICES = {"Slack", "PagerDuty", "SNS", "SQS", "DynamoDB", "SSM", "Alertmanager", "S3"}
FAULTS = {"time-out", "429 or throttling", "5xx for ten minutes", "wrong answer", "answer lost after success"}
CELL = re.compile(r"^\| ([^|]+) \| ([^|]+) \| (?:`tests/[\w/]+\.py::test_\w+`(?:, )?)+ \|$", re.MULTILINE)


def test_each_service_has_each_fault_with_its_test() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    matrix = text[text.index("## Fault matrix") : text.index("A wrong answer of AWS")]

    assert set(CELL.findall(matrix)) == set(product(SERVICES, FAULTS))
