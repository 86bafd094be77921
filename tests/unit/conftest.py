"""Fixtures of unit tests."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import certifi
import pytest
from botocore.loaders import JSONFileLoader, create_loader

from tests.alerting_data import ROOT

OWN = tuple(f"{ROOT / name}/" for name in ("catalog", "rules", "runbooks"))
allowed = True
"""Whether what runs may read the project's own catalog: every unit test may not, unless it is marked."""


def refuse_own_catalog(event: str, arguments: tuple[Any, ...]) -> None:
    """Keep tests from what teams edit: it changes day by day, and no such change may break a test."""
    if event == "open" and not allowed and isinstance(arguments[0], str) and arguments[0].startswith(OWN):
        raise AssertionError(f"{arguments[0]}: read tests/fixture instead, or mark the test `own_catalog`")


sys.addaudithook(refuse_own_catalog)

load_file = JSONFileLoader.load_file


@cache
def load_once(path: str) -> Any:
    """Return one of botocore's files. A service's takes up to a second to read, and each session reads it anew."""
    return load_file(JSONFileLoader(), path)


def load_file_once(_: JSONFileLoader, file_path: str) -> Any:
    """Take the place of the method that reads anew."""
    return load_once(file_path)


setattr(JSONFileLoader, "load_file", load_file_once)  # noqa: B010 - its own has another name for its first argument
# Each session looks for the services that there are, too.
setattr(botocore.session, "create_loader", cache(create_loader))  # noqa: B010 - as above

PUBLIC_AUTHORITIES = {certifi.where(), os.environ.get("SSL_CERT_FILE")}
"""The certificates that every HTTP client loads, which takes 20 ms."""
create_default_context = ssl.create_default_context


@cache
def trusting(file: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a file."""
    return create_default_context(cafile=file)


def create_context_once(*arguments: Any, **options: Any) -> ssl.SSLContext:
    """Take the place of the function that loads certificates anew."""
    if not arguments and set(options) == {"cafile"} and options["cafile"] in PUBLIC_AUTHORITIES:
        return trusting(options["cafile"])
    return create_default_context(*arguments, **options)


setattr(ssl, "create_default_context", create_context_once)  # noqa: B010 - its own has named arguments


@pytest.fixture(autouse=True, scope="module")
def no_own_catalog() -> Iterator[None]:
    """Refuse it to the fixtures of a module too."""
    global allowed  # noqa: PLW0603 - an audit hook cannot be removed, so it is switched
    allowed = False
    yield
    allowed = True


@pytest.fixture(autouse=True)
def own_catalog(request: pytest.FixtureRequest) -> Iterator[None]:
    global allowed  # noqa: PLW0603 - as above
    allowed = any(request.node.get_closest_marker(name) for name in ("own_catalog", "own_pages"))
    yield
    allowed = False


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the warnings that the program gives the engine, as they come."""
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    return said
