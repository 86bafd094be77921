"""apply_10000 at a small scale: the real API server and the real operator take every object of twenty services."""

from __future__ import annotations

import pytest

from tests.bench.apply import ACCEPTED, APPLY, TAKEN, applied

pytestmark = pytest.mark.integration


def test_every_object_is_accepted_and_every_file_of_rules_is_taken() -> None:
    figures = {figure.name: figure for figure in applied(lambda _: True, print, services=20)}

    assert figures[ACCEPTED].ratio == figures[TAKEN].ratio == 1.0
    assert figures[APPLY].value > 0
