"""The program and its functions call the same things by the same names, each typed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import names as program_names
from alerting.repairs import compile as program_repairs
from alerting.routing import group_key as program_keys
from alerting.settings import RepairMode
from chatops import silence_report
from orion_common import group_key, names
from tests.alerting_data import ROOT

USERS = [*sorted((ROOT / "components").glob("*.py")), *sorted((ROOT / "lambda").rglob("*.py"))]
LABELS = st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4)
PLAIN_WORDS = {
    names.KEY,
    names.OPEN,
    names.COMMAND_ID,
    names.NAMESPACE,
    names.MESSAGE_VERSION,
    names.Mode.ON,
    names.Mode.OFF,
    names.Mode.APPROVE,
    names.STOP_ID,
}
"""Names that have other meanings too (in IAM, Kubernetes, Python or a published message)."""


def shared_names() -> set[str]:
    plain = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    return {
        *plain,
        *(variable.value for variable in names.Variable),
        *(mode.value for mode in names.Mode),
    } - PLAIN_WORDS


def texts_of(path: Path) -> Iterator[str]:
    """Yield the texts that a file writes out; those of an f-string or a docstring are longer than a name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", USERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_shared_name_is_written_out_in_one_module_alone(path: Path) -> None:
    if path.relative_to(ROOT) == Path("lambda/orion_common/names.py"):
        assert shared_names() <= set(texts_of(path))
        return

    assert not shared_names() & set(texts_of(path)), "import it from orion_common.names"


def test_what_alerting_writes_and_a_function_reads_has_one_name() -> None:
    """`alerting` knows no other room, so these are typed a second time there."""
    assert program_repairs.NOT_AFTER == names.NOT_AFTER
    assert program_repairs.NAMESPACE == names.NAMESPACE
    assert program_names.REPAIR_STOP == names.STOP_ID
    assert program_names.CHAT_FILE == names.CHAT_FILE
    assert (program_names.BY_COMMAND, program_names.COMMAND_ID) == (names.BY_COMMAND, names.COMMAND_ID)
    assert program_names.ACTION_STOP == names.ACTION_STOP
    assert program_names.SERVICE_STOP == names.SERVICE_STOP
    assert program_names.AUDIT_PREFIX == names.AUDIT_PREFIX
    assert program_names.SILENCES_ITEM == silence_report.KEY
    assert {mode.value for mode in RepairMode} == {mode.value for mode in names.Mode}


@given(route=st.text(max_size=20), labels=LABELS)
def test_program_and_functions_give_a_group_the_same_keys(route: str, labels: dict[str, str]) -> None:
    assert group_key.group_key(route, labels) == program_keys.group_key(route, labels)


def test_program_and_functions_give_an_incident_the_same_key() -> None:
    labels = {"alertname": "HighLatency", "service": 'a "quoted" one\n'}

    assert group_key.deduplication_key("{}", labels) == program_keys.deduplication_key("{}", labels)
