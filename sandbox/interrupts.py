"""One way out for whatever asks this process to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

INTERRUPTED = 130
"""The exit code of a program that was interrupted: 128 and the number of SIGINT, as of shells."""


@contextmanager
def ended_as_interrupted() -> Generator[None]:
    """Have SIGTERM, and SIGHUP of a terminal that is closed, take the same way out as Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts_held() -> Generator[None]:
    """Have an interrupt wait for the end of the block, in which a process is started and who will end it is told.

    Python runs handlers in the main thread only: elsewhere nothing is held.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if held:
        signal.raise_signal(held[0])
