"""Figures that come of processes: measured at a small scale, they are figures and no failures."""

from __future__ import annotations

import pytest

from tests.bench.growth import GROWTH_FIGURES, growth
from tests.bench.reload import RELOAD, reloads

pytestmark = pytest.mark.integration


def wanted(_: str) -> bool:
    return True


def test_previews_are_measured_in_processes_of_their_own() -> None:
    figures = list(growth(wanted, alerts=100))

    assert tuple(figure.name for figure in figures) == GROWTH_FIGURES
    for figure in figures:
        assert figure.value > 0
        assert (figure.ratio or 0) > 0


def test_alertmanager_reads_the_configuration_anew() -> None:
    [figure] = reloads(wanted, services=20)

    assert figure.name == RELOAD
    assert (figure.ratio or 0) > 0
