from __future__ import annotations

import pytest

from tests.simulation.mutation import applied
from tests.simulation.mutations import MUTATIONS
from tests.simulation.orders import History, explore, histories
from tests.simulation.world import Violation

HISTORIES = tuple(histories())


def name_of(history: History) -> str:
    return " ".join("".join(sorted(sent.firing)) or "-" for sent in history.notifications)


@pytest.mark.parametrize("history", HISTORIES, ids=name_of)
def test_every_order_of_six_events_ends_as_the_truth_is(history: History) -> None:
    assert explore(history) > len(history.events)


def test_an_order_that_ends_wrong_is_found() -> None:
    believed = next(mutation for mutation in MUTATIONS if mutation.name == "resolved is believed without asking")

    still_firing = next(history for history in HISTORIES if name_of(history) == "a - b")

    with applied(believed), pytest.raises(Violation, match="has ended while an alert fires"):
        explore(still_firing)
