"""Serves a stand-in as a process: a loopback port, the journal and the time scale from the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from sandbox.clock import Clock
from sandbox.garbage import search_rarely
from sandbox.guard import AsgiGuard
from sandbox.journal import Journal
from sandbox.ports import IDLE_CONNECTION_SECONDS, LOOPBACK

SCALE_VARIABLE = "ORION_SANDBOX_SCALE"


def clock_from_environment() -> Clock:
    """Return the clock of the sandbox that started this process; the story's own timings where none is named.

    Raises `ValueError` if the variable holds no factor of 1 or more.
    """
    return Clock(float(os.environ.get(SCALE_VARIABLE, "1")))


def main(name: str, create: Callable[[Journal, Clock], Starlette]) -> None:
    """Serve a stand-in until it is asked to end."""
    parser = argparse.ArgumentParser(description=f"A stand-in for {name}.")
    parser.add_argument("--port", type=int, required=True, help="the port on 127.0.0.1 to listen on")
    port: int = parser.parse_args().port
    search_rarely()
    uvicorn.run(
        AsgiGuard(create(Journal.from_environment(), clock_from_environment())),
        host=LOOPBACK,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=1,
    )
