"""A broker must not outlive a command that dies while it holds it.

The guard is a shell that reads from a pipe whose other end only the command has. If the command
ends, however it ends, the read fails, and the guard kills the broker's process group and removes
its temporary folder. If the command writes a word, the guard just ends.
"""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import trio

_SCRIPT = """\
read -r word && exit
kill -s KILL -- "-$0"
[ -z "$1" ] && exit
for second in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf -- "$1" 2>/dev/null && exit
  sleep 1
done
"""


class Guard:
    """Watches over the process group `pid` until it is dismissed."""

    def __init__(self, process: trio.Process, pipe: int) -> None:
        self._process = process
        self._pipe = pipe

    @classmethod
    async def over(cls, pid: int, temporary: Path | None) -> "Guard":
        """Start one. `temporary` is a folder to remove with the group."""
        reading, writing = os.pipe()
        try:
            process = await trio.lowlevel.open_process(
                ["/bin/sh", "-c", _SCRIPT, str(pid), str(temporary or "")],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C on the terminal is not for it
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        return cls(process, writing)

    async def dismiss(self) -> None:
        """End it and leave the group alone."""
        with suppress(BrokenPipeError):  # somebody ended it before
            os.write(self._pipe, b"keep\n")
        os.close(self._pipe)
        await self._process.wait()
