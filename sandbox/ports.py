"""One place for ports: free ones on the loopback address."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

import psutil

LOOPBACK = "127.0.0.1"

# Our servers keep an idle connection longer than any client does (httpx 5 s, Alertmanager's 300 s): whichever side
# closes first may meet a request that is already on its way, and only the client knows that it sends none.
IDLE_CONNECTION_SECONDS = 600
DRAWN_PORTS = range(20_000, 32_768)
"""Ports below the first that Linux gives to a connection (`net.ipv4.ip_local_port_range`)."""
DRAWS = 50


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

    It is one that the kernel gives to no connection by itself: until the program listens, a client's connection, or
    what is kept of one for a minute, would take its port. It is drawn, so that two sandboxes hardly ever meet.
    """
    with _drawn() as listener:
        return int(listener.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """Return several ports as `free_port` does, each another one: all are held until the last is known."""
    with ExitStack() as held:
        return [int(held.enter_context(_drawn()).getsockname()[1]) for _ in range(count)]


def _drawn() -> socket.socket:
    """Return a socket that listens on a port below those of connections, or on any where none of these is free."""
    for port in random.SystemRandom().sample(DRAWN_PORTS, DRAWS):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen(1)
        except OSError:  # somebody listens there
            listener.close()
        else:
            return listener
    return listening_socket()


def listens(pid: int, port: int) -> bool:
    """Say whether a process itself listens on a loopback port. Until it does, another program may, for a while."""
    try:
        connections = psutil.Process(pid).net_connections("tcp4")
    except psutil.NoSuchProcess:
        return False
    return any(found.status == psutil.CONN_LISTEN and found.laddr == (LOOPBACK, port) for found in connections)
