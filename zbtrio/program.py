"""A worker as a program: its logging, the signals that end it, the exit code that it ends with.

Exit codes, for supervisors and scripts:
    0    a signal or the program itself drained the worker
    1    an error that nobody expected; its traceback is in the log
    2    it could not start: arguments, module, settings, plugins or handlers are wrong
    3    it stopped by itself, because the gateway refuses what it asks for
    128+n  signal n ended it at once (n is 2 for SIGINT, 15 for SIGTERM)
After 2 and 3, starting it again changes nothing until somebody has corrected the cause.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

import trio

from zbtrio import logs
from zbtrio.errors import HandlerError, PluginError, SettingsError, WorkerStopped
from zbtrio.groups import unwrapped_if_single
from zbtrio.settings import SettingsFile, load

if TYPE_CHECKING:
    from zbtrio.worker.handle import WorkerHandle
    from zbtrio.worker.worker import Worker
    from zbtrio.worker.worker_run import WorkerRun

__all__ = ["run", "run_program", "serve"]

FAILED, WRONG, STOPPED, BY_SIGNAL = 1, 2, 3, 128

Prepare = Callable[[], "WorkerRun"]

_log = logging.getLogger("zbtrio.program")


def run(app: Worker) -> None:
    """Run a worker until a signal drains it: the last line of a program.

    SIGTERM or SIGINT drains (see `WorkerHandle.drain`), a second one ends at once. Sets up logging
    as `[log]` in zbtrio.toml says, unless the program has done so. Raises SystemExit when it ends
    with an exit code other than 0, see `zbtrio.program`.
    """
    code = run_program(app.prepare)
    if code:
        raise SystemExit(code)


def run_program(prepare: Prepare, log: Mapping[str, object] | None = None) -> int:
    """Set up logging (`log` goes before settings), do the run that `prepare` makes: the exit code.

    Raises SettingsError if logging can't be set up; other errors are logged.
    """
    logs.configure(load(logs.LogSettings, "log", arguments=log, file=SettingsFile.find()))
    try:
        return trio.run(serve, prepare)
    except (HandlerError, PluginError, SettingsError) as error:
        _log.critical("The worker can't start. %s", error)
        return WRONG
    except WorkerStopped as error:
        _log.critical("%s", error)
        return STOPPED
    except KeyboardInterrupt:  # before signals were heeded
        return BY_SIGNAL + signal.SIGINT
    except Exception:
        _log.critical("The worker has failed.", exc_info=True)
        return FAILED


async def serve(prepare: Prepare) -> int:
    """Do one run of a worker in the main task of a process, and heed signals: the exit code."""
    run = prepare()
    heard: list[int] = []
    with (
        trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
        unwrapped_if_single(),
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_heed, signals, run.handle, nursery.cancel_scope, heard)
            await run.run()
            nursery.cancel_scope.cancel()
            return 0
    return BY_SIGNAL + heard[-1]


async def _heed(
    signals: AsyncIterator[int],
    handle: WorkerHandle,
    everything: trio.CancelScope,
    heard: list[int],
) -> None:
    async for number in signals:
        name = signal.Signals(number).name
        heard.append(number)
        if len(heard) == 1:
            _log.info("%s: the worker drains; a second signal ends it at once.", name)
            handle.begin_drain()
        else:
            _log.warning("%s: the worker ends at once.", name)
            everything.cancel()
