"""Reading a broker's log while it is written."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import trio

_LINE = 500
"""Bytes that are read for each line wanted; few are longer."""
PAUSE = 0.2
"""Seconds between two looks at a log that is followed."""


def tail(file: Path, lines: int | None = None) -> str:
    """The text of a log, or its last lines; empty if there is no file."""
    try:
        with file.open("rb") as stream:
            return _last(stream, lines)
    except FileNotFoundError:
        return ""


async def follow(
    file: Path, lines: int | None, write: Callable[[str], object], is_written: Callable[[], bool]
) -> None:
    """Write the log (or its last lines), then what is added to it while `is_written()`."""
    with file.open("rb") as stream:
        write(_last(stream, lines))
        while is_written():
            write(stream.read().decode(errors="replace"))
            await trio.sleep(PAUSE)
        write(stream.read().decode(errors="replace"))


def _last(stream: BinaryIO, lines: int | None) -> str:
    if lines is None:
        return stream.read().decode(errors="replace")
    size = stream.seek(0, 2)
    stream.seek(max(0, size - lines * _LINE))
    text = stream.read().decode(errors="replace")
    return "".join(text.splitlines(keepends=True)[-lines:])
