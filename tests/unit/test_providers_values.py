"""Pulumi's property values as plain data and back, their differences, and the paths of secrets."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from sandbox.providers.provider_diff import Kind, differences
from sandbox.providers.provider_values import UNKNOWN, Archive, Asset, Properties, decode, dotted, encode, secret_paths

SIGNATURE = "4dabf18193072939515e22adb298388d"
PASSWORD = "correct-horse-battery"

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


class TestValues:
    @given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=4))
    def test_values_come_back_as_they_went(self, values: Properties) -> None:
        there = struct_pb2.Struct.FromString(encode(values).SerializeToString())

        assert decode(there) == (values, frozenset())

    @given(st.dictionaries(st.text(max_size=5), PLAIN, min_size=1, max_size=4))
    def test_a_marked_value_comes_back_marked(self, values: Properties) -> None:
        first = (min(values),)

        assert decode(encode(values, [first])) == (values, frozenset({first}))

    @given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=4))
    def test_nothing_differs_from_itself(self, values: Properties) -> None:
        assert differences(values, values) == {}

    def test_a_boolean_is_not_a_number(self) -> None:
        assert differences({"a": True}, {"a": 1}) == {("a",): Kind.CHANGED}

    def test_an_asset_without_contents_is_compared_by_its_hash(self) -> None:
        bare = struct_pb2.Struct()
        bare.update({"source": {SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "hash": "1"}})
        asset = decode(bare)[0]["source"]

        assert asset == Asset(path="/some/file", hash="1")
        assert asset != Asset(path="/some/file", hash="2")
        with pytest.raises(ValueError, match="without its contents"):
            asset.read()

    def test_assets_and_archives_come_back_with_their_hash(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("a")
        values = {
            "file": Asset(path=str(tmp_path / "a.txt"), hash="1"),
            "empty": Asset(text="", hash="2"),
            "folder": Archive(path=str(tmp_path), hash="3"),
            "both": Archive(entries={"x": Asset(text="x"), "sub": Archive(path=str(tmp_path))}),
        }
        back, _ = decode(encode(values))

        assert back == values
        assert [back[name].hash for name in ("file", "empty", "folder")] == ["1", "2", "3"]
        assert (back["file"].read(), back["empty"].read()) == (b"a", b"")
        assert zipfile.ZipFile(BytesIO(back["folder"].zipped())).namelist() == ["a.txt"]
        assert zipfile.ZipFile(BytesIO(back["both"].zipped())).namelist() == ["sub/a.txt", "x"]

    def test_short_secrets_mark_only_where_they_stand(self) -> None:
        inputs = {"a": "yes", "b": {"c": PASSWORD}}
        outputs = {"a": "yes", "d": "yes", "e": f"postgres://{PASSWORD}@host"}

        assert secret_paths(outputs, inputs, [("a",), ("b",)]) == {("a",), ("e",)}

    @pytest.mark.parametrize(
        ("path", "text"),
        [(("a", "b", 0), "a.b[0]"), (("a", "b.c"), 'a["b.c"]'), (("a", 'q"'), 'a["q\\""]')],
    )
    def test_paths_are_written_as_pulumi_does(self, path: Any, text: str) -> None:
        assert dotted(path) == text
