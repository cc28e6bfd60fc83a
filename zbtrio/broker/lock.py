"""A lock between processes, held on a file. The system releases it when its holder dies."""

import fcntl
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PAUSE = 0.1
"""Seconds between two tries for a lock that another process holds."""


@contextmanager
def file_lock(path: Path, while_waiting: Callable[[], None] = lambda: None) -> Generator[None]:
    """Hold the lock on `path` (made if needed, and never removed: that would split the lock).

    Blocks the thread until it is free; `while_waiting` is called meanwhile and may raise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while not _taken(file):
            while_waiting()
            time.sleep(PAUSE)
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
