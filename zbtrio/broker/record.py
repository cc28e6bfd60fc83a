"""Brokers that one command leaves running for the next: a small file for each name."""

import json
import os
import re
from pathlib import Path

import attrs

from zbtrio.broker.errors import BrokerError
from zbtrio.broker.folders import state_folder
from zbtrio.broker.process import Broker


@attrs.frozen
class Record:
    """What is known of a broker that was left running."""

    name: str
    pid: int
    birth: str
    """Tells its process from a later one with the same id."""
    address: str
    metrics_address: str
    version: str
    data: str
    log: str
    temporary: bool
    """Whether its data goes with it."""

    @classmethod
    def of(cls, name: str, broker: Broker) -> "Record":
        """The record of a broker that runs now."""
        return cls(
            name=name,
            pid=broker.pid,
            birth=birth(broker.pid) or "",
            address=broker.address,
            metrics_address=broker.metrics_address,
            version=broker.version,
            data=str(broker.data),
            log=str(broker.log),
            temporary=broker.temporary,
        )

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return birth(self.pid) == self.birth

    def write(self) -> None:
        """Keep it for other commands of this user."""
        path = _path(self.name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(attrs.asdict(self)))
        new.replace(path)

    def remove(self) -> None:
        """Forget it."""
        _path(self.name).unlink(missing_ok=True)


def read(name: str) -> Record | None:
    """The record of that name, if there is one.

    Raises:
        BrokerError: the name is none, or its file is not as this version writes it.
    """
    path = _path(name)
    try:
        return Record(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise BrokerError(
            f"{path} can't be read ({error}). If no broker of that name runs, remove the file."
        ) from error


def lock_path(name: str) -> Path:
    """The file whose lock a command holds while it starts or stops the broker of that name."""
    return _path(name).with_suffix(".lock")


def birth(pid: int) -> str | None:
    """What tells the process from a later one with the same id; None if it has ended.

    Linux: the machine's boot and the ticks since then. (A time of day, as elsewhere, would change
    with the machine's clock.)
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if after_name[0] in "ZX" else f"{boot}/{after_name[19]}"
    except ProcessLookupError:
        return None
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _birth_elsewhere(pid)


def _birth_elsewhere(pid: int) -> str | None:
    import psutil  # of the extra `broker`

    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended else str(process.create_time())
    except psutil.NoSuchProcess:
        return None


def _path(name: str) -> Path:
    if not re.fullmatch(r"[\w-]+", name):
        raise BrokerError(f"{name!r} is no name for a broker: use letters, digits, - and _.")
    return state_folder() / "brokers" / f"{name}.json"
