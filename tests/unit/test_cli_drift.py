"""The text of the drift issue: it names what drifted and shows no value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.drift import MOST_RESOURCES, Drift, NotARefresh, drift_text, read_drift

URN = "urn:pulumi:prod::orion::orion:index:Secrets$kubernetes:core/v1:Secret::"


def step(operation: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"op": operation, "urn": URN + name, **rest}


def read(folder: Path, *steps: dict[str, Any]) -> tuple[Drift, ...]:
    path = folder / "refresh.json"
    path.write_text(json.dumps({"config": {}, "steps": steps, "changeSummary": {}}))
    return read_drift(path)


def test_what_was_changed_or_removed_is_named_with_the_most_exact_path(tmp_path: Path) -> None:
    detailed = {"data.key": {"kind": "update"}, "metadata.labels[0]": {"kind": "add"}}

    drifts = read(
        tmp_path,
        step("refresh", "as-it-was", detailedDiff=None),
        step("update", "changed", detailedDiff=detailed, diffReasons=["data", "metadata", "type"]),
        step("delete", "gone", detailedDiff=None),
    )

    kind = "kubernetes:core/v1:Secret"
    assert drifts == (
        Drift(type=kind, name="changed", removed=False, properties=("data.key", "metadata.labels[0]", "type")),
        Drift(type=kind, name="gone", removed=True),
    )


def test_a_resource_of_which_only_outputs_differ_has_not_drifted(tmp_path: Path) -> None:
    states = {"oldState": {"outputs": {"replicas": 1}}, "newState": {"outputs": {"replicas": 2}}}

    assert read(tmp_path, step("update", "scaled", **states, detailedDiff=None)) == ()


def test_no_value_is_told(tmp_path: Path) -> None:
    states = {"oldState": {"inputs": {"text": "BEFORE"}}, "newState": {"inputs": {"text": "AFTER"}}}

    text = drift_text("dev", read(tmp_path, step("update", "a", **states, diffReasons=["text"])))

    assert "| `a` | `kubernetes:core/v1:Secret` | `text` |" in text
    assert "BEFORE" not in text
    assert "AFTER" not in text


def test_nothing_is_told_where_nothing_has_drifted() -> None:
    assert drift_text("dev", ()) == ""


def test_a_name_that_somebody_chose_stays_in_its_cell() -> None:
    hostile = "labels.`|\n@orion-example/everybody | <b>"

    text = drift_text("dev", (Drift(type="t", name="n", removed=False, properties=(hostile,)),))

    assert text.splitlines()[4:] == ["| `n` | `t` | `labels.???@orion-example/everybody ? <b>` |", ""]


def test_two_stacks_that_have_drifted_altogether_are_an_issue_that_github_takes() -> None:
    paths = tuple(f"metadata.annotations.{number:0200}" for number in range(50))
    drifts = tuple(Drift(type="t" * 200, name="n" * 200, removed=False, properties=paths) for _ in range(5000))

    text = drift_text("prod", drifts)

    assert f"{5000 - MOST_RESOURCES} more are not listed." in text
    assert "and 45 more" in text
    assert 2 * len(text) < 65_536


@pytest.mark.parametrize("text", ["Previewing refresh (dev):", "[]", "{}"])
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "refresh.json").write_text(text)

    with pytest.raises(NotARefresh, match=r"refresh\.json: found no JSON with `steps`; allowed: the output of"):
        read_drift(tmp_path / "refresh.json")
    with pytest.raises(NotARefresh, match=r"none\.json: No such file"):
        read_drift(tmp_path / "none.json")
