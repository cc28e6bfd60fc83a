"""`zbtrio broker` as a person uses it (a script stands in for Zeebe)."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.broker import fake
from tests.broker.test_java import install
from tests.broker.test_process import guards, lives, until
from zbtrio.cli.main import main

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A user who has Zeebe 8.6.0 in the cache, and folders of their own."""
    store = tmp_path / "cache" / "zbtrio" / "camunda-zeebe"
    store.mkdir(parents=True)
    fake.distribution(tmp_path).rename(store / "8.6.0")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("ZBTRIO_JAVA", str(install(tmp_path / "java", "21")))
    return dict(os.environ)


@pytest.fixture
def zbtrio(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`zbtrio broker WORDS`: start in a process of its own, which must be able to end."""

    def start(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "zbtrio", "broker", *words],
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        if words[0] == "start":
            return start(*words, **variables)
        capsys.readouterr()
        code = main(["broker", *words])
        captured = capsys.readouterr()
        return subprocess.CompletedProcess(words, code, captured.out, captured.err)

    yield run
    run("stop")


def test_start_status_logs_stop(zbtrio: Run, tmp_path: Path) -> None:
    started = zbtrio("start", "--json", "--partitions", "3")
    assert started.returncode == 0, started.stderr
    told = json.loads(started.stdout)
    assert (told["name"], told["version"], told["running"]) == ("default", "8.6.0", True)
    assert told["address"].startswith("127.0.0.1:")
    assert told["metrics_address"].startswith("http://127.0.0.1:")
    assert Path(told["data"]).parent == tmp_path / "tmp"
    assert lives(told["pid"])
    assert not guards(told["pid"])

    assert json.loads(zbtrio("status", "--json").stdout) == told
    shown = zbtrio("status")
    assert shown.returncode == 0
    assert told["address"] in shown.stdout
    assert "zbtrio broker stop" in shown.stdout

    refused = zbtrio("start")
    assert refused.returncode == 1
    assert f"runs already, at {told['address']}" in refused.stderr

    assert zbtrio("logs").stdout.startswith(f"fake broker {told['pid']}")

    stopped = zbtrio("stop")
    assert (stopped.returncode, f"process {told['pid']}" in stopped.stdout) == (0, True)
    assert not lives(told["pid"])
    assert not Path(told["data"]).exists()
    assert zbtrio("stop").returncode == 0
    assert zbtrio("status").returncode == 1
    assert json.loads(zbtrio("status", "--json").stdout) == {"name": "default", "running": False}
    assert zbtrio("logs").returncode == 1


def test_data_is_kept_where_it_is_asked_for(zbtrio: Run, tmp_path: Path) -> None:
    data = tmp_path / "my data"
    assert zbtrio("start", "--data", str(data)).returncode == 0
    assert json.loads(zbtrio("status", "--json").stdout)["data"] == str(data)
    cluster = (data / "cluster-id").read_text()
    other = zbtrio("start", "--name", "other", "--data", str(data))
    assert (other.returncode, "Another broker uses the data" in other.stderr) == (1, True)
    assert zbtrio("stop").returncode == 0
    assert zbtrio("start", "--data", str(data)).returncode == 0
    assert (data / "cluster-id").read_text() == cluster


def test_brokers_of_several_names(zbtrio: Run) -> None:
    first = json.loads(zbtrio("start", "--json").stdout)
    second = json.loads(zbtrio("start", "--json", "--name", "second").stdout)
    assert first["address"] != second["address"]
    assert zbtrio("stop", "--name", "second").returncode == 0
    assert lives(first["pid"])
    assert not lives(second["pid"])
    assert "no name" in zbtrio("start", "--name", "../x").stderr


def test_one_that_was_killed_is_reported_and_replaced(zbtrio: Run) -> None:
    first = json.loads(zbtrio("start", "--json").stdout)
    os.kill(first["pid"], signal.SIGKILL)
    until(lambda: not lives(first["pid"]))
    status = zbtrio("status")
    assert (status.returncode, "has ended by itself" in status.stdout) == (1, True)
    assert f"fake broker {first['pid']}" in zbtrio("logs", "-n", "5").stdout
    second = json.loads(zbtrio("start", "--json").stdout)
    assert not Path(first["data"]).exists()
    assert lives(second["pid"])


def test_a_failed_start_is_one_clear_message(zbtrio: Run, tmp_path: Path) -> None:
    failed = zbtrio("start", FAKE="boom")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("zbtrio broker: Zeebe 8.6.0 ended with code 3")
    assert "something broke" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
    assert "Traceback" in zbtrio("start", "--debug", FAKE="boom").stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)]
)
def test_a_start_that_is_broken_off_leaves_nothing(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "zbtrio", "broker", "start"]
    with subprocess.Popen(command, env={**environment, "FAKE": "mute"}) as process:
        until(lambda: any((tmp_path / "tmp").glob("*/environment.json")))
        (log,) = (tmp_path / "tmp").glob("*/broker.log")
        until(lambda: log.read_text().endswith("\n"))
        pid = int(log.read_text().split()[-1])
        until(lambda: bool(guards(pid)))
        process.send_signal(number)
    assert process.returncode == code
    until(lambda: not lives(pid))
    until(lambda: not any((tmp_path / "tmp").iterdir()))
    assert list((tmp_path / "state" / "zbtrio" / "brokers").glob("*.json")) == []


def test_logs_are_followed_until_it_ends(zbtrio: Run, environment: dict[str, str]) -> None:
    told = json.loads(zbtrio("start", "--json").stdout)
    command = [sys.executable, "-m", "zbtrio", "broker", "logs", "-f", "-n", "1"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as logs:
        assert logs.stdout
        assert logs.stdout.readline() == f"fake broker {told['pid']}\n"
        with Path(told["log"]).open("a") as log:
            log.write("more\n")
        assert logs.stdout.readline() == "more\n"
        zbtrio("stop")
        assert logs.wait(20) == 0


def test_whoever_reads_may_go(zbtrio: Run, environment: dict[str, str]) -> None:
    told = json.loads(zbtrio("start", "--json").stdout)
    Path(told["log"]).write_text("line\n" * 100_000)
    command = [sys.executable, "-m", "zbtrio", "broker", "logs"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as logs:
        assert logs.stdout
        assert logs.stderr
        logs.stdout.readline()
        logs.stdout.close()
        assert logs.stderr.read() == b""


def test_two_starts_at_once_start_one(zbtrio: Run, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "zbtrio", "broker", "start"]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1]
    assert any(b"runs already" in error for error in errors)
