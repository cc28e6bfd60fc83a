"""Telling a person what a fetch is doing."""

import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Report(Protocol):
    """Hears what happens while a distribution is fetched."""

    def line(self, text: str) -> None:
        """Something happened."""
        ...

    def download(self, name: str, size: int) -> AbstractContextManager[Callable[[int], None]]:
        """A download of `size` bytes begins; the function it gives is told of bytes arrived."""
        ...


class Quiet:
    """Tells nobody."""

    def line(self, text: str) -> None:
        """Drop it."""

    @contextmanager
    def download(self, name: str, size: int) -> Generator[Callable[[int], None]]:
        """Count nothing."""
        yield lambda count: None


quiet = Quiet()


class Lines(Quiet):
    """One line for each thing that happens, on standard error."""

    def line(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def download(self, name: str, size: int) -> Generator[Callable[[int], None]]:
        """One line for the whole download."""
        if not _is_checksum(name):
            self.line(f"Fetching {name} ({size / 1e6:.0f} MB)")
        yield lambda count: None


class Bar(Lines):
    """A progress bar on the terminal that standard error is."""

    @contextmanager
    def download(self, name: str, size: int) -> Generator[Callable[[int], None]]:
        """Show the bar while it lasts."""
        if _is_checksum(name):
            yield lambda count: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

        columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(f"Fetching {name}", total=size)
            yield lambda count: progress.advance(task, count)


def on_terminal() -> Report:
    """A progress bar if standard error is a terminal, else one line for each thing."""
    return Bar() if sys.stderr.isatty() else Lines()


def _is_checksum(name: str) -> bool:
    return name.endswith(".sha1")
