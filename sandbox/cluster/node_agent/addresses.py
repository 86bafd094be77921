"""Maps pods' ports to loopback ports. A pod's name keeps its ports for as long as the agent runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from sandbox.ports import LOOPBACK, free_port


class Addresses:
    """Loopback ports by namespace, pod and container port; handed out when first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ports: dict[tuple[str, str, int], int] = {}

    def port(self, namespace: str, pod: str, container_port: int) -> int:
        """Return the loopback port that stands for a pod's port, whether that pod is there yet or not."""
        with self._lock:
            key = (namespace, pod, container_port)
            if key not in self._ports:
                taken = set(self._ports.values())
                port = free_port()
                while port in taken:
                    port = free_port()
                self._ports[key] = port
            return self._ports[key]

    def address(self, namespace: str, pod: str, container_port: int) -> str:
        """Return `127.0.0.1:PORT`."""
        return f"{LOOPBACK}:{self.port(namespace, pod, container_port)}"


@dataclass(frozen=True, slots=True)
class PodPorts:
    """The ports as one pod sees them."""

    addresses: Addresses
    namespace: str
    pod: str

    def own(self, container_port: int) -> int:
        """Return the loopback port of one of the pod's own ports."""
        return self.addresses.port(self.namespace, self.pod, container_port)

    def of_name(self, host: str, container_port: int) -> int:
        """Return the loopback port of another pod, by the DNS name that its headless Service gives it.

        The name is `POD.SERVICE`, with or without the namespace and what comes after it.
        """
        pod, _, rest = host.partition(".")
        labels = rest.split(".")
        namespace = labels[1] if len(labels) > 1 and labels[1] else self.namespace
        return self.addresses.port(namespace, pod, container_port)
