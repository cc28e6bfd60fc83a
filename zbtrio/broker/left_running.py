"""A broker that outlives the command that starts it, and is ended by another one."""

import os
import shutil
import signal
from functools import partial
from pathlib import Path

import trio

from zbtrio.broker import record
from zbtrio.broker.environment import Options
from zbtrio.broker.errors import BrokerError
from zbtrio.broker.record import Record
from zbtrio.broker.report import Report
from zbtrio.broker.running import dispose, prepare

PAUSE = 0.05
"""Seconds between two looks at a process that is to end."""


async def leave_running(
    name: str,
    version: str | None = None,
    *,
    data: str | Path | None = None,
    options: Options | None = None,
    report: Report | None = None,
) -> Record:
    """Start a broker and let it live on. Until it is ready, it ends with this process.

    `name` is what `end` and `zbtrio broker` know it by (hold `record.lock_path(name)` meanwhile);
    the other arguments are those of `running()`.

    Raises:
        BrokerError: one of that name runs; or as `running()`.
    """
    before = record.read(name)
    if before and before.is_alive:
        raise BrokerError(
            f"A broker named {name!r} runs already, at {before.address} (process {before.pid}). "
            "Stop it with `zbtrio broker stop`, or give this one another --name."
        )
    if before:
        await forget(before)
    broker = await prepare(version, data=data, options=options, report=report)
    try:
        await broker.start()
        made = Record.of(name, broker)
        made.write()
        await broker.release()
    except BaseException:
        with trio.CancelScope(shield=True):
            await dispose(broker)
        raise
    return made


async def end(left: Record, *, timeout: float = 30.0) -> None:
    """End a broker that was left running, and all that it leaves. Nothing if it has ended.

    Data that was to be kept stays. It is asked to end, and killed after `timeout` seconds; one
    whose data goes with it is killed at once.
    """
    if not left.temporary:
        _signal(left, signal.SIGTERM)
        _signal(left, signal.SIGCONT)
        with trio.move_on_after(timeout):
            await _ended(left)
    _signal(left, signal.SIGKILL)
    await _ended(left)
    await forget(left)


async def forget(left: Record) -> None:
    """Remove what a broker that has ended left behind."""
    if left.temporary:
        await trio.to_thread.run_sync(partial(shutil.rmtree, left.data, ignore_errors=True))
    left.remove()


def _signal(left: Record, number: signal.Signals) -> None:
    if left.is_alive:
        os.killpg(left.pid, number)


async def _ended(left: Record) -> None:
    while left.is_alive:  # noqa: ASYNC110  (another process's child: nobody tells us)
        await trio.sleep(PAUSE)
