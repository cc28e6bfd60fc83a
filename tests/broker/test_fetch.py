"""Fetching a distribution, from a repository that misbehaves and from the real one."""

import gc
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.broker.mirror import VERSION, Mirror, archive, serving
from zbtrio.broker import BrokerError, distribution, fetch
from zbtrio.broker.report import Bar, on_terminal

# jgo leaves a response open when its download breaks off; it is closed when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Heard:
    """A report that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.arrived: dict[str, int] = {}
        self.sizes: dict[str, int] = {}

    def line(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def download(self, name: str, size: int) -> Iterator[Callable[[int], None]]:
        self.sizes[name] = size
        self.arrived[name] = 0

        def advance(count: int) -> None:
            self.arrived[name] += count

        yield advance


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(distribution, "PAUSE", 0.01)
    yield tmp_path / "cache" / "zbtrio" / "camunda-zeebe"
    gc.collect()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serving(Mirror(archive())) as mirror:
        yield mirror


def left_in(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


def test_fetches_once_and_keeps_only_what_was_unpacked(mirror: Mirror, cache: Path) -> None:
    heard = Heard()
    home = fetch(VERSION, repository=mirror.url, report=heard)
    assert home == cache / VERSION
    assert os.access(home / "bin" / "broker", os.X_OK)
    assert left_in(cache) == {VERSION, f"{VERSION}.lock"}
    name = f"camunda-zeebe-{VERSION}.tar.gz"
    assert heard.arrived[name] == heard.sizes[name] == len(mirror.content)
    assert any("SOME-LICENSE-1.0.txt" in line for line in heard.lines)

    again = Heard()
    assert fetch(VERSION, repository=mirror.url, report=again) == home
    assert mirror.downloads == 1
    assert again.lines == []


def test_a_wrong_checksum_is_tried_again_then_refused(mirror: Mirror, cache: Path) -> None:
    mirror.wrong = [True] * 3
    heard = Heard()
    with pytest.raises(BrokerError, match="does not have its checksum"):
        fetch(VERSION, repository=mirror.url, report=heard)
    assert mirror.downloads == 3
    assert left_in(cache) == {f"{VERSION}.lock"}
    assert fetch(VERSION, repository=mirror.url) == cache / VERSION


def test_a_download_that_breaks_off_is_tried_again(mirror: Mirror) -> None:
    mirror.cut = [True, True, False]
    heard = Heard()
    home = fetch(VERSION, repository=mirror.url, report=heard)
    assert (home / "lib" / "large.jar").stat().st_size == 300_000
    assert sum("Trying again" in line for line in heard.lines) == 2


def test_a_repository_without_checksum_is_refused(mirror: Mirror) -> None:
    mirror.checksum = None
    with pytest.raises(BrokerError, match=r"tar\.gz\.sha1"):
        fetch(VERSION, repository=mirror.url)
    assert mirror.downloads == 0


def test_an_unknown_version_is_named(mirror: Mirror) -> None:
    with pytest.raises(BrokerError, match=r"io\.camunda:camunda-zeebe:9\.9\.9"):
        fetch("9.9.9", repository=mirror.url)


@pytest.mark.parametrize("version", ["", "8", "8.6", "../8.6.0", "8.6.0/..", "latest"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(BrokerError, match="no version"):
        fetch(version)


def test_no_network_says_what_to_check_and_no_secret(mirror: Mirror) -> None:
    url = mirror.url.replace("//", "//user:hunter2@").rsplit(":", 1)[0] + ":1"
    with pytest.raises(BrokerError, match="HTTPS_PROXY") as failure:
        fetch(VERSION, repository=url)
    assert "hunter2" not in str(failure.value)
    with pytest.raises(BrokerError) as failure:
        fetch("9.9.9", repository=mirror.url.replace("//", "//user:hunter2@"))
    assert "hunter2" not in str(failure.value)


def symlink() -> tarfile.TarInfo:
    member = tarfile.TarInfo("camunda-zeebe/link")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    return member


@pytest.mark.parametrize(
    "member", [symlink(), tarfile.TarInfo("../evil"), tarfile.TarInfo("/evil")]
)
def test_an_archive_can_not_write_elsewhere(member: tarfile.TarInfo, cache: Path) -> None:
    with serving(Mirror(archive(extra=member))) as mirror:
        with pytest.raises(BrokerError, match="unsafe"):
            fetch(VERSION, repository=mirror.url)
        assert left_in(cache) == {f"{VERSION}.lock"}


def test_no_room_says_where(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(BrokerError, match="XDG_CACHE_HOME"):
        fetch(VERSION, repository=mirror.url)


async def test_a_cancelled_fetch_ends_and_cleans_up(mirror: Mirror, cache: Path) -> None:
    mirror.held.clear()
    heard = Heard()
    run = partial(
        fetch,
        VERSION,
        repository=mirror.url,
        report=heard,
        checkpoint=trio.from_thread.check_cancelled,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, run)
        await trio.to_thread.run_sync(mirror.halfway.wait, 10)
        nursery.cancel_scope.cancel()
        mirror.held.set()
    assert nursery.cancel_scope.cancelled_caught
    assert heard.lines == []  # not even unpacked
    assert left_in(cache) == {f"{VERSION}.lock"}


def fetching(mirror: Mirror) -> subprocess.Popen[str]:
    """A process that fetches. It says so when it is at work or waits for another."""
    code = f"""if True:
        from zbtrio.broker import fetch
        say = lambda: print("busy", flush=True)
        print(fetch({VERSION!r}, repository={mirror.url!r}, checkpoint=say))
    """
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_killed_download_leaves_nothing_in_the_way(mirror: Mirror, cache: Path) -> None:
    mirror.held.clear()
    with fetching(mirror) as process:
        assert mirror.halfway.wait(30)
        process.send_signal(signal.SIGKILL)
    assert len(left_in(cache)) == 2  # the lock, and a folder with half an archive
    mirror.held.set()
    fetch(VERSION, repository=mirror.url)
    assert left_in(cache) == {VERSION, f"{VERSION}.lock"}


def test_processes_that_fetch_at_once_download_once(mirror: Mirror, cache: Path) -> None:
    mirror.held.clear()
    with fetching(mirror) as first:
        assert mirror.halfway.wait(30)
        with fetching(mirror) as second:
            assert second.stdout
            assert second.stdout.readline() == "busy\n"
            mirror.held.set()
            outputs = [first.communicate(timeout=30)[0], second.communicate(timeout=30)[0]]
    assert [output.splitlines()[-1] for output in outputs] == [str(cache / VERSION)] * 2
    assert mirror.downloads == 1


def test_lines_where_there_is_no_terminal(
    mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(VERSION, repository=mirror.url, report=on_terminal())
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second, third = captured.err.splitlines()
    assert first.startswith(f"Fetching camunda-zeebe-{VERSION}.tar.gz")
    assert second.startswith("Unpacking")
    assert "licence" in third


def test_a_bar_on_a_terminal(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.openpty()
    with os.fdopen(writing, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        report = on_terminal()
        assert isinstance(report, Bar)
        fetch(VERSION, repository=mirror.url, report=report)
        terminal.flush()
        shown = os.read(reading, 100_000).decode()
    os.close(reading)
    assert f"Fetching camunda-zeebe-{VERSION}.tar.gz" in shown
    assert "━" in shown
