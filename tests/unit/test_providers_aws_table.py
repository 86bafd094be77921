"""The table of AWS types against the two authorities that it stands between: pulumi-aws and AWS's own schemas."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi import _types as sdk_types  # pyright: ignore[reportPrivateUsage] - the only way to the names on the wire

from sandbox.providers.aws import schemas
from sandbox.providers.aws.client import Aws
from sandbox.providers.aws.invokes import invokes
from sandbox.providers.aws.mapping import Fields, Mapped, properties
from sandbox.providers.aws.resource import AwsType
from sandbox.providers.aws.table import TYPES, table
from sandbox.providers.provider_values import Path

_MODULES = {"lambda": "lambda_"}  # a word of Python

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own, when it is imported whole


def _sdk_class(token: str) -> type:
    module, name = token.split(":")[1].partition("/")[0], token.rpartition(":")[2]
    return getattr(importlib.import_module(f"pulumi_aws.{_MODULES.get(module, module)}"), name)


def _args_class(token: str) -> type:
    module = importlib.import_module(_sdk_class(token).__module__)
    name = token.rpartition(":")[2]
    # The SDK calls it InitArgs where an object inside of another type has the name already.
    return getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args")


def _names(args: type) -> dict[str, Any]:
    """Return an SDK class' property names on the wire, with their Python annotations."""
    hints = args.__init__.__annotations__
    return {wire: hints[python] for python, wire in sdk_types.input_type_py_to_pulumi_names(args).items()}


def _inner_args(args: type, annotation: Any) -> type | None:
    """Return the class of the objects that a property holds, if it holds such."""
    module = importlib.import_module(args.__module__)
    text = str(annotation)
    for name in dir(module):
        if name.endswith("Args") and f"'{name}'" in text:
            return getattr(module, name)
    return None


def _fields(one: AwsType) -> Iterator[tuple[Path, Mapped]]:
    def walk(fields: Fields, place: Path) -> Iterator[tuple[Path, Mapped]]:
        for mapped in fields.values():
            if mapped.target is None:
                continue
            here = (*place, *mapped.target)
            yield here, mapped
            if mapped.fields is not None:
                yield from walk(mapped.fields, (*here, *_into_list(one, here)))

    def _into_list(described: AwsType, here: Path) -> Path:
        assert described.cloudformation is not None
        return (0,) if schemas.subschema(described.cloudformation, here).get("type") == "array" else ()

    yield from walk(one.fields, ())


@pytest.mark.parametrize("one", TYPES, ids=lambda one: one.token)
class TestEachType:
    def test_token_is_the_sdk_s(self, one: AwsType) -> None:
        assert _sdk_class(one.token).pulumi_type == one.token

    def test_properties_are_the_sdk_s(self, one: AwsType) -> None:
        def walk(fields: Fields, args: type, place: str) -> Iterator[str]:
            known = _names(args)
            for name, mapped in fields.items():
                if name not in known:
                    yield f"{place}{name}"
                elif mapped.fields is not None:
                    inner = _inner_args(args, known[name])
                    assert inner is not None, f"{place}{name} holds no object"
                    yield from walk(mapped.fields, inner, f"{place}{name}.")

        assert list(walk(one.fields, _args_class(one.token), "")) == []

    def test_places_are_in_aws_own_schema_and_may_be_set(self, one: AwsType) -> None:
        if one.cloudformation is None:
            assert all(mapped.target is None for mapped in one.fields.values())
            return
        read_only = schemas.pointers(one.cloudformation, "readOnlyProperties")
        for place, _ in _fields(one):
            assert schemas.knows(one.cloudformation, place), place
            assert tuple(part for part in place if isinstance(part, str)) not in read_only, place

    def test_what_has_no_twin_says_why(self, one: AwsType) -> None:
        assert all(mapped.reason for mapped in one.fields.values() if mapped.target is None)

    def test_exceptions_are_about_properties_and_say_why(self, one: AwsType) -> None:
        for name, why in {**one.replaces, **one.updates}.items():
            assert name.partition(".")[0] in one.fields
            assert why

    def test_outputs_are_the_sdk_s(self, one: AwsType) -> None:
        known = set(sdk_types.resource_types(_sdk_class(one.token)))
        computed = set(table().resources[one.token].computed)

        assert computed - known - set(_names(_args_class(one.token))) == set()


def test_every_invoke_is_one_of_the_sdk() -> None:
    for one in invokes(Aws(region="us-east-1")):
        module, name = one.token.split(":")[1].split("/")
        package = "pulumi_aws" if module == "index" else f"pulumi_aws.{module}"
        python = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)

        assert hasattr(importlib.import_module(package), python), one.token


def test_names_that_are_alike_need_no_place() -> None:
    assert properties("kmsMasterKeyId")["kmsMasterKeyId"].target == ("KmsMasterKeyId",)
