"""`call()`: one job through a worker's handler, with everything around it but a gateway."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import trio
from trio.testing import MockClock

from zbtrio._proto.gateway_protocol import ActivatedJob
from zbtrio.client import ZeebeClient
from zbtrio.errors import HandlerError
from zbtrio.groups import unwrapped_if_single
from zbtrio.suggest import suggest
from zbtrio.variables import dumps
from zbtrio.worker import Job, Outcome, Worker, WorkerHandle
from zbtrio.worker.dispatch import Dispatcher
from zbtrio.worker.keeping import Keeper
from zbtrio.worker.preparation import Preparation
from zbtrio.worker.reporting import Reporter, Settled
from zbtrio.worker.subscription import Subscription

__all__ = ["call"]

_JOB_FIELDS: dict[str, Any] = {
    "key": 1,
    "process_instance_key": 2,
    "process_definition_key": 3,
    "element_instance_key": 4,
    "process_definition_version": 1,
    "bpmn_process_id": "test",
    "tenant_id": "<default>",
    "retries": 3,
}


async def call(
    app: Worker,
    type: str,
    variables: Any = None,
    *,
    headers: Mapping[str, Any] | None = None,
    provide: Mapping[type, object] | None = None,
    **fields: Any,
) -> Outcome:
    """Have a worker's handler do one job, without a gateway; what came of it.

    The job takes the whole way: middlewares of plugins, binding, the handler, its deadline, the
    mapping of exceptions. What can't be sent as variables becomes the Fail that it would become in
    a running worker. Extending the job always succeeds.

    Args:
        app: the worker.
        type: the job type.
        variables: the job's variables, by their names in the process.
        headers: the task's custom headers.
        provide: values for the handler's parameters by their annotations, in place of those that
            plugins' lifespans give; `{zbtrio.ZeebeClient: fake}` for a handler that has a client.
        fields: fields of ActivatedJob, as in `retries=1`.

    Raises:
        HandlerError: there is no such task, or its handler can't be called as it is declared.
        SettingsError, PluginError: what is configured can't be.
    """
    made_of = app.made_of()
    made_of.check()
    if type not in made_of.tasks:
        known = suggest(type, [task.type for task in made_of.tasks])
        raise HandlerError(f"The worker has no task for job type {type!r}. {known}")
    given: dict[str, Any] = {**_JOB_FIELDS, "type": type, "element_id": type, **fields}
    given |= {"variables": dumps(variables), "custom_headers": dumps(headers)}
    message = ActivatedJob(**given)
    handle = cast("WorkerHandle", _NoWorker())
    with unwrapped_if_single():
        async with made_of.plugins.lifespans(handle) as provided:
            return await _do(made_of, message, {**provided, **(provide or {})})


async def _do(
    made_of: Preparation, message: ActivatedJob, provided: Mapping[type, object]
) -> Outcome:
    subscription = made_of.subscription(made_of.tasks[message.type])
    report = _Report(made_of)
    dispatcher = _dispatcher(made_of, subscription, report)
    dispatcher.handle = made_of.handler(subscription, provided, dispatcher.threads)
    with _clock_that_waits_for_threads() if subscription.task.is_sync else nullcontext():
        async with trio.open_nursery() as services:
            async with trio.open_nursery() as handlers:
                dispatcher.open(handlers, services)
                dispatcher.accept([message], trio.current_time())
            services.cancel_scope.cancel()
    assert report.outcome is not None
    return report.outcome


def _dispatcher(made_of: Preparation, subscription: Subscription, report: _Report) -> Dispatcher:
    observers = made_of.plugins.observers
    client = cast("ZeebeClient", _NoClient())
    return Dispatcher(
        subscription,
        Keeper(client, observers, trio.Event(), margin=0.0),
        cast("Reporter", report),
        observers,
        limiter=None,
        changed=lambda: None,
    )


@contextmanager
def _clock_that_waits_for_threads() -> Generator[None, None, None]:
    """Keep a clock that jumps from jumping over the deadline while a thread works."""
    clock = trio.lowlevel.current_clock()
    if not isinstance(clock, MockClock):
        yield
        return
    threshold, clock.autojump_threshold = clock.autojump_threshold, math.inf
    try:
        yield
    finally:
        clock.autojump_threshold = threshold


class _Report:
    """Stands where outcomes are reported."""

    def __init__(self, made_of: Preparation) -> None:
        self._requests = made_of.requests
        self.outcome: Outcome | None = None

    def send(self, job: Job, outcome: Outcome, settled: Settled) -> None:
        self.outcome, _, _ = self._requests.encoded(job, outcome)
        settled(job, self.outcome, None)


class _NoClient:
    """Grants every extension."""

    async def update_job_timeout(self, job_key: int, job_timeout: float) -> None:
        await trio.lowlevel.checkpoint()


class _NoWorker:
    """A handle for plugins that hold on to one: there is nothing to drain or pause."""

    async def drain(self, grace: float | None = None) -> None:
        await trio.lowlevel.checkpoint()

    def begin_drain(self, grace: float | None = None) -> None: ...

    def pause(self, type: str | None = None) -> None: ...

    def resume(self, type: str | None = None) -> None: ...
