"""One Alertmanager for all tests of what it sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.alertmanager_sink import Sink, running_alertmanager, served_sink


@pytest.fixture(scope="session")
def sink() -> Iterator[Sink]:
    with served_sink() as result:
        yield result


@pytest.fixture(scope="session")
def alertmanager(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_alertmanager(sink, tmp_path_factory.mktemp("alertmanager")) as address:
        yield address
