"""Finds the addresses at which a run's processes listen, to check that none is reachable from outside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.service import recorded_processes, with_children

LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A process that accepts connections at an address."""

    program: str
    address: str
    port: int


def listeners_elsewhere(directory: Path) -> list[Listener]:
    """Return what of this process, its children and those recorded below `directory` listens beyond loopback."""
    return [listener for listener in listeners(directory) if listener.address not in LOOPBACK_ADDRESSES]


def listeners(directory: Path) -> list[Listener]:
    """Return what of this process, its children and those recorded below `directory` takes connections or datagrams."""
    return [listener for process in _processes(directory) for listener in _listeners(process)]


def _processes(directory: Path) -> Iterator[psutil.Process]:
    seen: set[int] = set()
    for root in [psutil.Process(), *(process for _, process in recorded_processes(directory))]:
        for process in with_children(root):
            if process.pid not in seen:
                seen.add(process.pid)
                yield process


def _listeners(process: psutil.Process) -> Iterator[Listener]:
    try:
        name, connections = process.name(), process.net_connections(kind="inet")
    except psutil.NoSuchProcess:
        return
    for connection in connections:
        is_listening = connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM
        if is_listening and connection.laddr and not connection.raddr:
            yield Listener(program=name, address=connection.laddr.ip, port=connection.laddr.port)
