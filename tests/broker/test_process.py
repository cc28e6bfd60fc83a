"""Starting and ending a broker's process, whatever it does (a script stands in for Zeebe)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import trio

from tests.broker import fake
from zbtrio.broker import BrokerError
from zbtrio.broker.running import dispose


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_starts_and_stops_whole(tmp_path: Path) -> None:
    broker = fake.broker(tmp_path)
    await broker.start()
    pid = broker.pid
    assert broker.is_alive
    assert os.getpgid(pid) == pid
    assert f"fake broker {pid}" in broker.logs()
    await broker.stop()
    assert not broker.is_alive
    assert not lives(pid)
    await broker.stop()
    with pytest.raises(BrokerError, match="not started"):
        _ = broker.pid


async def test_one_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    broker = fake.broker(tmp_path, "boom")
    with pytest.raises(BrokerError, match=r"(?s)ended with code 3 .*\(Java \d+\).*something broke"):
        await broker.start()


@pytest.mark.parametrize("words", ["mute", "follow"])
async def test_one_that_never_leads_is_killed_in_time(tmp_path: Path, words: str) -> None:
    broker = fake.broker(tmp_path, words, start_timeout=1.0)
    with pytest.raises(BrokerError, match=r"(?s)within 1 s.*START_TIMEOUT.*fake broker (\d+)"):
        await broker.start()
    assert not lives(int(broker.logs().split()[-1]))


async def test_a_port_taken_meanwhile_is_changed(tmp_path: Path) -> None:
    broker = fake.broker(tmp_path, "collide")
    before = broker.address
    await broker.start()
    assert broker.address != before
    await broker.kill()


async def test_a_restart_keeps_ports_and_data(tmp_path: Path) -> None:
    broker = fake.broker(tmp_path)
    await broker.start()
    before = broker.address, broker.metrics_address, broker.pid
    await broker.kill()
    assert not lives(before[2])
    await broker.restart()
    assert (broker.address, broker.metrics_address) == before[:2]
    assert broker.pid != before[2]
    assert broker.logs().count("fake broker") == 2
    await broker.restart()
    assert broker.logs(1).startswith(f"fake broker {broker.pid}")
    await broker.stop()


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    broker = fake.broker(tmp_path, "deaf", stop_timeout=0.5)
    await broker.start()
    pid = broker.pid
    await broker.stop()
    assert not lives(pid)


async def test_one_that_is_suspended_is_stopped(tmp_path: Path) -> None:
    broker = fake.broker(tmp_path)
    await broker.start()
    os.kill(broker.pid, signal.SIGSTOP)
    with trio.fail_after(10):
        await broker.stop()


async def test_a_cancelled_start_leaves_nothing(tmp_path: Path) -> None:
    broker = fake.broker(tmp_path, "mute")
    with trio.move_on_after(1) as scope:
        await broker.start()
    assert scope.cancelled_caught
    assert not broker.is_alive
    assert not lives(int(broker.logs().split()[-1]))


async def test_data_is_used_by_one_broker_at_a_time(tmp_path: Path) -> None:
    first, second = fake.broker(tmp_path), fake.broker(tmp_path)
    await first.start()
    with pytest.raises(BrokerError, match="Another broker uses the data"):
        await second.start()
    assert first.is_alive
    await first.kill()
    await second.start()
    await second.kill()


async def test_data_that_is_temporary_goes_with_it(tmp_path: Path) -> None:
    broker = fake.broker(tmp_path, temporary=True)
    await broker.start()
    await dispose(broker)
    assert not broker.data.exists()


async def test_its_environment_has_what_it_needs_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMUNDA_CLIENT_SECRET", "hunter2")
    monkeypatch.setenv("ZEEBE_BROKER_NETWORK_HOST", "0.0.0.0")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dwhatever")
    broker = fake.broker(tmp_path, data="with a blank")
    await broker.start()
    given = json.loads((broker.data / "environment.json").read_text())
    await broker.kill()
    assert "hunter2" not in given.values()
    assert "JAVA_TOOL_OPTIONS" not in given
    assert given["ZEEBE_BROKER_NETWORK_HOST"] == "127.0.0.1"
    assert given["JAVACMD"] == str(broker.java.command)
    assert given["JDK_JAVA_OPTIONS"] == f'"-Djava.io.tmpdir={tmp_path}/with a blank/tmp"'
    assert given["ZEEBE_BROKER_CLUSTER_CLUSTERID"].startswith("zbtrio-")
    assert f"127.0.0.1:{given['ZEEBE_BROKER_GATEWAY_NETWORK_PORT']}" == broker.address


_HOLDER = """\
import sys
from pathlib import Path
import trio
from tests.broker import fake

async def main():
    broker = fake.broker(Path(sys.argv[1]), sys.argv[2], temporary=sys.argv[3] == "temporary")
    await broker.start()
    print("ready", flush=True)
    await trio.sleep_forever()

trio.run(main)
"""


@pytest.mark.parametrize("words", ["mute", ""], ids=["while it starts", "while it runs"])
@pytest.mark.parametrize("data", ["temporary", "kept"])
def test_it_does_not_outlive_a_killed_command(tmp_path: Path, words: str, data: str) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path), words, data]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        log = tmp_path / "data" / "broker.log"
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        if not words:
            assert holder.stdout
            assert holder.stdout.readline() == b"ready\n"
        pid = int(log.read_text().split()[-1])
        assert lives(pid)
        until(lambda: bool(guards(pid)))
        holder.kill()
    until(lambda: not lives(pid))
    until(lambda: log.exists() == (data == "kept"))
    until(lambda: not guards(pid))


def guards(pid: int) -> list[psutil.Process]:
    """The shells that watch over that process."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if line[:2] == ["/bin/sh", "-c"] and line[3:4] == [str(pid)]:
            found.append(process)
    return found


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
