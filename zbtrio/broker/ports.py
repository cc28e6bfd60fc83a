"""Free ports for a broker.

They are taken from below the range that the system gives to outgoing connections: a port of that
range may be taken by any client between a broker's end and its next start, and a client that
retries to reach a dead broker there can even be connected to itself.
"""

import random
import socket

from attrs import fields, frozen

from zbtrio.broker.errors import BrokerError

HOST = "127.0.0.1"
RANGE = range(20000, 32000)


@frozen
class Ports:
    """The ports that one broker listens on."""

    gateway: int
    """gRPC, for clients."""
    management: int
    """Metrics, health, control."""
    rest: int
    command: int
    internal: int

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody listens on now. Another process may still take one."""
        return cls(*_free(len(fields(cls))))


def _free(count: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(RANGE, len(RANGE)):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise BrokerError(f"No free ports between {RANGE.start} and {RANGE.stop} on {HOST}.")


def _is_free(port: int) -> bool:
    """For TCP and UDP: the broker's cluster membership uses both on its internal port."""
    return _can_bind(socket.SOCK_STREAM, port) and _can_bind(socket.SOCK_DGRAM, port)


def _can_bind(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            # All interfaces: a listener on any of them would be in the broker's way.
            probe.bind(("0.0.0.0", port))  # noqa: S104
        except OSError:
            return False
    return True
