"""Free ports."""

import socket
from pathlib import Path

import attrs
import pytest

from zbtrio.broker import ports
from zbtrio.broker.ports import Ports


def test_they_differ_and_no_outgoing_connection_gets_them() -> None:
    found = attrs.astuple(Ports.free())
    assert len(set(found)) == 5
    file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(file.read_text().split()[0]) if file.exists() else 49152
    assert max(found) < lowest


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_one_in_use_is_not_taken(kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, kind) as used:
        used.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            used.listen()
        port = used.getsockname()[1]
        assert not ports._is_free(port)
        monkeypatch.setattr(ports, "RANGE", range(port, port + 1))
        with pytest.raises(ports.BrokerError, match="No free ports"):
            Ports.free()
    assert ports._is_free(port)
