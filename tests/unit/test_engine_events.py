"""A failed run is reported with its reasons, never only with the program's exit."""

from __future__ import annotations

import pytest
from pulumi import automation

from sandbox.engine_events import Watch


def told(*messages: str) -> Watch:
    watch = Watch(lambda _: None)
    for message in messages:
        diagnostic = automation.DiagnosticEvent(message=message, color="never", severity="error")
        watch.take(automation.EngineEvent(sequence=0, timestamp=0, diagnostic_event=diagnostic))
    return watch


@pytest.mark.parametrize("consequence", ["Resource monitor has terminated, shutting down", "update failed"])
def test_what_only_follows_from_a_failure_does_not_hide_what_the_engine_said(consequence: str) -> None:
    assert told(consequence).explain("the engine's last words\n") == "the engine's last words"
    assert told(consequence, "bucket: no").explain("the engine's last words") == "bucket: no"
