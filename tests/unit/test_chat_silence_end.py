"""People are told before a silence ends while its alert still fires; one until resolved goes on instead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatops.silences import CHUNK_SECONDS, EXTEND_BEFORE_SECONDS, WARN_BEFORE_SECONDS
from tests.chat_harness import ChatWorld, chat_world

WARNING = "The silence ends soon, and its alert still fires"
HOUR = 3600.0


@pytest.fixture
def paged(tmp_path: Path) -> Iterator[ChatWorld]:
    with chat_world(tmp_path) as world:
        world.page()
        yield world


def warnings(world: ChatWorld) -> int:
    return world.slack.replies().count(WARNING)


def swept_after(world: ChatWorld, *seconds: float) -> None:
    """Let time go by, with a sweep after each step."""
    for step in seconds:
        world.time += step
        world.sweep()


def test_people_are_told_once_before_a_silence_ends(paged: ChatWorld) -> None:
    paged.click("silence-1h")
    swept_after(paged, HOUR - WARN_BEFORE_SECONDS - 60)
    assert warnings(paged) == 0

    swept_after(paged, 120, 60)
    assert warnings(paged) == 1

    swept_after(paged, WARN_BEFORE_SECONDS)
    assert warnings(paged) == 1


def test_nobody_is_told_of_the_end_of_a_silence_that_was_lifted(paged: ChatWorld) -> None:
    paged.click("silence-1h")
    paged.time += 1
    paged.click("lift-silence")
    swept_after(paged, HOUR - WARN_BEFORE_SECONDS + 60, 60)

    assert warnings(paged) == 0


def test_a_silence_until_resolved_is_extended_and_nobody_is_told(paged: ChatWorld) -> None:
    paged.click("silence-until-resolved")
    (episode,) = paged.episodes()
    assert episode.silence is not None
    first_end = episode.silence.ends_at
    swept_after(paged, CHUNK_SECONDS - EXTEND_BEFORE_SECONDS + 1, 60)

    (episode,) = paged.episodes()
    assert episode.silence is not None
    assert episode.silence.ends_at > first_end
    assert warnings(paged) == 0
