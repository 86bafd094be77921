"""One place for ports: free ones on the loopback address."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import psutil

LOOPBACK = "127.0.0.1"

# Our servers keep an idle connection longer than any client does (httpx 5 s, Alertmanager's 300 s): whichever side
# closes first may meet a request that is already on its way, and only the client knows that it sends none.
IDLE_CONNECTION_SECONDS = 600


def listening_socket() -> socket.socket:
    """Return a socket that already listens on a free loopback port, so that nobody else can take it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, 0))
    listener.listen(128)
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the base address of an HTTP server that listens on a socket, without a slash at its end."""
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}"


def free_port() -> int:
    """Return a loopback port that was free a moment ago, for a program that has to be told its port.

    The kernel hands such ports out in a random order, so that two sandboxes hardly ever meet; whoever starts the
    program still has to start it again on another port if it does not come up.
    """
    with listening_socket() as listener:
        return int(listener.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """Return several ports as `free_port` does, each another one: all are held until the last is known."""
    with ExitStack() as held:
        return [int(held.enter_context(listening_socket()).getsockname()[1]) for _ in range(count)]


def listens(pid: int, port: int) -> bool:
    """Say whether a process itself listens on a loopback port. Until it does, another program may, for a while."""
    try:
        connections = psutil.Process(pid).net_connections("tcp4")
    except psutil.NoSuchProcess:
        return False
    return any(found.status == psutil.CONN_LISTEN and found.laddr == (LOOPBACK, port) for found in connections)
