"""A worker as a process of its own: it ends cleanly on SIGTERM and SIGINT."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Callable

import trio

from zbtrio.worker.handle import WorkerHandle
from zbtrio.worker.worker import Worker
from zbtrio.worker.worker_run import WorkerRun

__all__ = ["run", "serve"]

_log = logging.getLogger("zbtrio.worker")


def run(app: Worker) -> None:
    """Run a worker until a signal drains it: the last line of a program.

    SIGTERM or SIGINT drains (see `WorkerHandle.drain`); a second one ends at once. Raises what
    `Worker.run` raises.
    """
    trio.run(serve, app.prepare)


async def serve(prepare: Callable[[], WorkerRun]) -> None:
    """Run one run of a worker in this process's main task, and heed signals."""
    run = prepare()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_heed, signals, run.handle, nursery.cancel_scope)
            await run.run()
            nursery.cancel_scope.cancel()


async def _heed(
    signals: AsyncIterator[int], handle: WorkerHandle, everything: trio.CancelScope
) -> None:
    number = await anext(signals)
    _log.info(
        "%s: the worker drains; a second signal ends it at once.", signal.Signals(number).name
    )
    handle.begin_drain()
    number = await anext(signals)
    _log.warning("%s again: the worker ends at once.", signal.Signals(number).name)
    everything.cancel()
