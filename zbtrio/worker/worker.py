"""`Worker`: the registry of handlers that can be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypedDict, Unpack

import trio

from zbtrio.client import ZeebeClient
from zbtrio.client.client import ClientArguments
from zbtrio.hooks import PluginSet
from zbtrio.settings import SettingsFile, load
from zbtrio.worker.handle import WorkerHandle
from zbtrio.worker.names import Names
from zbtrio.worker.preparation import Preparation
from zbtrio.worker.settings import WorkerSettings
from zbtrio.worker.tasks import Poll, Tasks
from zbtrio.worker.worker_run import WorkerRun

__all__ = ["Worker", "WorkerArguments"]


class WorkerArguments(TypedDict, total=False):
    """What a worker can be given: the options of `WorkerSettings`, which explain them."""

    name: str
    concurrency: int
    max_jobs_active: int
    timeout: float
    poll: Poll
    request_timeout: float
    tenants: Sequence[str]
    grace: float
    report_grace: float
    stop_on_error: bool


class Worker(Tasks):
    """Handlers, and what is needed to run them against a gateway.

    Nothing happens before it runs: settings, plugins and annotations are read by each `run` anew,
    and one worker may run many times, also at once. What isn't given as an argument comes from the
    environment, from zbtrio.toml, and last from the defaults.

    Args:
        address: the gateway's, as for `ZeebeClient`.
        names: how Python names become names of variables: `zbtrio.camel_case`, or a function.
        client: further settings of the client, see `ClientSettings`.
        plugins: plugin instances by name, beside those that are installed.
        arguments: settings of the worker, see `WorkerSettings`.
    """

    def __init__(
        self,
        address: str | Sequence[str] | None = None,
        *,
        names: Names | None = None,
        client: ClientArguments | None = None,
        plugins: Mapping[str, object] | None = None,
        **arguments: Unpack[WorkerArguments],
    ) -> None:
        super().__init__()
        self.names = names
        self._address = address
        self._client = client
        self._plugins = plugins or {}
        self._arguments = arguments

    async def run(
        self,
        *,
        client: ZeebeClient | None = None,
        task_status: trio.TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Do jobs until drained or cancelled; signals are left alone.

        In a nursery of your own, `handle = await nursery.start(app.run)` comes back when each
        subscription has polled, or has stopped.

        Args:
            client: an open client to use, which stays its owner's.

        Raises:
            HandlerError: a handler can't be called as it is declared, or there is none.
            SettingsError, PluginError: what is configured can't be.
            WorkerStopped: no subscription is left, because the gateway refuses them.
        """
        await self.prepare(client=client).run(task_status=task_status)

    def prepare(
        self,
        *,
        address: str | Sequence[str] | None = None,
        client: ZeebeClient | None = None,
        arguments: Mapping[str, object] | None = None,
    ) -> WorkerRun:
        """Read settings and plugins for a run. `arguments` go before the worker's own."""

        def open_client() -> AbstractAsyncContextManager[ZeebeClient]:
            if client is not None:
                return nullcontext(client)
            return ZeebeClient(address or self._address, **(self._client or {}))

        return WorkerRun(self.made_of(arguments), open_client)

    def made_of(self, arguments: Mapping[str, object] | None = None) -> Preparation:
        """Settings, plugins and all handlers, those of plugins too, as they are now."""
        file = SettingsFile.find()
        given = {**self._arguments, **(arguments or {})}
        settings = load(WorkerSettings, "worker", arguments=given, file=file)
        plugins = PluginSet.load(file, extra=self._plugins)
        tasks = Tasks()
        tasks.include(self)
        for registry in plugins.tasks():
            tasks.include(registry)
        return Preparation(tasks, settings, plugins, self.names)
