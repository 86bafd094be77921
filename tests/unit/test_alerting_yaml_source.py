"""Every reader of YAML gives the same values and the same lines, and no text ends the process."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alerting.source import yaml_source
from alerting.source.problems import CatalogError
from alerting.source.yaml_source import Document, parse_document, parse_documents
from tests.alerting_data import DATA

needs_libyaml = pytest.mark.skipif(not yaml.__with_libyaml__, reason="this PyYAML has only the reader in Python")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=20,
)


def read(text: str) -> Document | str:
    try:
        return parse_document("f.yaml", text)
    except CatalogError as error:
        return str(error)


def read_in_python(text: str) -> Document | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_source, "_fast_loader", lambda: None)
        return read(text)


@needs_libyaml
@pytest.mark.parametrize("path", sorted(DATA.glob("[cr]*/**/*.yaml")), ids=lambda path: path.name)
def test_the_repositorys_files_are_read_alike(path: Path) -> None:
    text = path.read_text()

    assert read(text) == read_in_python(text)


@needs_libyaml
@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a: [1, {b: x}]\nc: 'y'\n", True),
        ("a: &x 1\n", False),
        ("a: !t 1\n", False),
        ("a: 1\na: 2\n", False),
        ("? [a]\n: 1\n", False),
        ("a: 99999999999999999999\n", False),
        ("a: 1\n---\nb: 2\n", False),
        ("a: " + "[" * 60 + "]" * 60, False),
        ("- a\n", False),
        ("", False),
    ],
)
def test_what_is_not_plain_is_left_to_the_reader_that_knows_all_of_yaml(text: str, *, plain: bool) -> None:
    assert (yaml_source.plain_document("f.yaml", text) is not None) == plain
    assert read(text) == read_in_python(text)


@needs_libyaml
@given(
    data=st.dictionaries(st.text(max_size=6), VALUES, max_size=4),
    style=st.sampled_from([None, "'", '"', "|", ">"]),
    width=st.integers(min_value=10, max_value=80),
    flow=st.sampled_from([True, False, None]),
)
def test_arbitrary_values_are_read_alike(
    data: dict[str, object], style: str | None, width: int, *, flow: bool | None
) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, default_style=style, width=width, allow_unicode=True)

    assert read(text) == read_in_python(text)


@needs_libyaml
@given(st.text(alphabet="ab:-?#&*!|>'\"%@`{}[],\n\t \\0~<=.é\u2028\x00\ud800", max_size=30))
def test_arbitrary_text_that_is_read_in_python_is_read_alike(text: str) -> None:
    slow = read_in_python(text)

    # libyaml takes a little more of what YAML allows, such as a tab at the end of a line.
    if isinstance(slow, Document) or slow.startswith("f.yaml:1: found no mapping"):
        assert read(text) == slow


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "a: " + "[" * 50_000 + "]" * 50_000, "- " * 50_000 + "a", "{a: " * 9_000]
)
def test_a_text_nested_without_end_is_refused(text: str) -> None:
    with pytest.raises(CatalogError, match=r"f\.yaml:1: is (nested too deeply\. Flatten it|not YAML)"):
        parse_document("f.yaml", text)


@needs_libyaml
def test_each_document_of_a_file_and_each_entry_of_a_list_keeps_its_lines() -> None:
    first, second, third = parse_documents("f.yaml", "---\na: 1\n---\n# words\n- {b: [2, 3]}\n- c:\n    d: 4\n")

    assert [one.data for one in (first, second, third)] == [{"a": 1}, {"b": [2, 3]}, {"c": {"d": 4}}]
    assert (first.place(("a",)).line, second.place(("b", 1)).line, third.place(("c", "d")).line) == (2, 5, 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_source, "_fast_loader", lambda: None)
        assert [one.data for one in parse_documents("f.yaml", "a: 1\n---\nb: 2\n")] == [{"a": 1}, {"b": 2}]


def test_aliases_are_counted_over_all_entries_of_a_list() -> None:
    entries = "".join("- *many\n" for _ in range(1000))
    with pytest.raises(CatalogError, match="aliases stand for more than"):
        parse_documents("f.yaml", f"- &many {{a: [{', '.join(['x'] * 100)}]}}\n{entries}")
