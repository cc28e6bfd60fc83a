"""The peers: their environment (bench/.venv), grpc.aio's stubs, their command lines."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import attrs

BENCH = Path(__file__).parent
PEERS = BENCH / "peers"
PYTHON = BENCH / ".venv" / "bin" / "python"
PROTO = BENCH.parent / "protos" / "gateway.proto"


@attrs.frozen
class Peer:
    """A client that is measured: its name and the command that runs it.

    `share` of a drain's jobs is what it gets: one that sleeps when it is full would take all day.
    """

    name: str
    command: tuple[str, ...]
    options: tuple[str, ...] = ()
    measures: tuple[str, ...] = ("drain", "latency", "idle")
    share: float = 1.0


@contextmanager
def peers(*, token: int) -> Generator[list[Peer]]:
    """Make what the peers need and give them, zbtrio first."""
    made = BENCH / ".venv" / ".made"
    requirements = BENCH / "requirements.txt"
    if not made.exists() or made.stat().st_mtime < requirements.stat().st_mtime:
        subprocess.run([sys.executable, "-m", "venv", BENCH / ".venv"], check=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        made.touch()
    with tempfile.TemporaryDirectory(prefix="zbtrio-bench-") as stubs:
        _generate(stubs)
        bearer = ("--token", str(token)) if token else ()
        yield [
            Peer("zbtrio", (sys.executable, str(PEERS / "zbtrio_worker.py")), bearer),
            Peer("grpc.aio loop", (str(PYTHON), str(PEERS / "grpc_aio_loop.py"), stubs), bearer),
            Peer("pyzeebe, tuned", (str(PYTHON), str(PEERS / "pyzeebe_worker.py")), ("--tuned",)),
            Peer(
                "pyzeebe",
                (str(PYTHON), str(PEERS / "pyzeebe_worker.py")),
                measures=("drain",),
                share=0.1,
            ),
        ]


def _generate(folder: str) -> None:
    options = [f"-I{PROTO.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    subprocess.run([PYTHON, "-m", "grpc_tools.protoc", *options, PROTO.name], check=True)
