"""Ports for programs that have to be told theirs: free, each another one, and none that a connection may take."""

from __future__ import annotations

import socket

import pytest

from sandbox import ports
from sandbox.ports import LOOPBACK, free_port, free_ports


def test_no_connection_takes_the_port_of_a_program_that_starts() -> None:
    with socket.create_server((LOOPBACK, 0)) as server, socket.create_connection(server.getsockname()) as connection:
        first_of_connections = 32_768
        assert connection.getsockname()[1] >= first_of_connections

    assert all(port < first_of_connections for port in free_ports(20))


def test_several_ports_are_each_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    few = free_ports(3)
    monkeypatch.setattr(ports, "DRAWN_PORTS", few)
    monkeypatch.setattr(ports, "DRAWS", 3)

    assert [sorted(free_ports(3)) for _ in range(10)] == [sorted(few)] * 10


def test_a_port_that_somebody_listens_on_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = free_ports(2)
    monkeypatch.setattr(ports, "DRAWN_PORTS", (taken, free))
    monkeypatch.setattr(ports, "DRAWS", 2)

    with socket.create_server((LOOPBACK, taken)):
        assert {free_port() for _ in range(10)} == {free}
