"""What one command leaves for the next, and which process is still the same."""

import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from zbtrio.broker import BrokerError, record
from zbtrio.broker.left_running import end
from zbtrio.broker.record import Record, birth


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "zbtrio" / "brokers"


def of(pid: int, folder: Path) -> Record:
    return Record(
        name="mine",
        pid=pid,
        birth=birth(pid) or "",
        address="127.0.0.1:1",
        metrics_address="http://127.0.0.1:2",
        version="8.6.0",
        data=str(folder),
        log=str(folder / "log"),
        temporary=False,
    )


def test_it_is_read_as_written(tmp_path: Path) -> None:
    assert record.read("mine") is None
    mine = of(os.getpid(), tmp_path)
    mine.write()
    assert record.read("mine") == mine
    mine.remove()
    mine.remove()
    assert record.read("mine") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "mine"}'])
def test_a_file_that_is_something_else_is_named(state: Path, text: str) -> None:
    state.mkdir(parents=True)
    (state / "mine.json").write_text(text)
    with pytest.raises(BrokerError, match=r"mine\.json can't be read"):
        record.read("mine")


def test_a_process_is_the_same_until_it_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        born = birth(process.pid)
        assert born is not None
        assert born == birth(process.pid) != birth(os.getpid())
        process.communicate(b"\n")
    assert birth(process.pid) is None


def test_one_that_waits_to_be_reaped_has_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert birth(process.pid) is None


async def test_another_process_with_its_id_is_left_alone(tmp_path: Path) -> None:
    """As after a reboot: ending that record must not end this test."""
    mine = attrs.evolve(of(os.getpid(), tmp_path), birth="another boot/1")
    mine.write()
    assert not mine.is_alive
    await end(mine)
    assert record.read("mine") is None
