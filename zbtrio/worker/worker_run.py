"""One run of a worker, from its settings to its last report.

The client and the reporter live in a task of their own that no cancellation from outside reaches:
when the run is cancelled, its jobs are still given back, for a second, and only then they end. What
does the work lives beside it and is cancelled as anything else in trio.

Nothing in here outlives the run; a worker that runs twice has two of everything.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import trio

from zbtrio.client import ZeebeClient
from zbtrio.errors import WorkerStopped
from zbtrio.groups import unwrapped_if_single
from zbtrio.worker.handle import WorkerHandle, WorkerState
from zbtrio.worker.limiter import ActiveLimiter, Limiter
from zbtrio.worker.preparation import Preparation
from zbtrio.worker.reporting import Reporter
from zbtrio.worker.subscription import Subscription
from zbtrio.worker.subscription_run import SubscriptionRun

__all__ = ["WorkerRun"]

_log = logging.getLogger("zbtrio.worker")

LAST_REPORTS = 1.0
"""Seconds for reports after the grace of a drain, or after a cancellation."""

OpenClient = Callable[[], AbstractAsyncContextManager[ZeebeClient]]


class WorkerRun:
    """Runs tasks until it is drained, cancelled, or has no subscription left.

    Attributes:
        handle: to be given to who started it.
        drained: set when the run has ended.
    """

    client: ZeebeClient

    def __init__(self, made_of: Preparation, open_client: OpenClient) -> None:
        self.handle = WorkerHandle(self)
        self.drained = trio.Event()
        self._made_of = made_of
        self._settings = made_of.settings
        self._observers = made_of.plugins.observers
        self._open_client = open_client
        self._draining = trio.Event()
        self._drain_deadline = math.inf
        self._drain_end = trio.CancelScope()
        self._over = trio.Event()
        self._state = "starting"
        self._subscriptions: dict[str, SubscriptionRun] = {}
        self._failed: list[Subscription] = []

    async def run(
        self, *, task_status: trio.TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Work. Raises WorkerStopped when the gateway refused what is needed to go on."""
        self._made_of.check()
        try:
            with unwrapped_if_single():
                async with trio.open_nursery() as nursery:
                    await nursery.start(self._shelter)
                    try:
                        await self._work(task_status)
                    finally:
                        self._over.set()
        finally:
            self._state = "stopped"
            self.drained.set()
        self._complain()

    async def _shelter(self, task_status: trio.TaskStatus[None]) -> None:
        """Keep the client and the reporter until the work is over."""
        with trio.CancelScope(shield=True):
            async with self._open_client() as self.client:
                self._reporter = Reporter(
                    self.client,
                    self._made_of.requests,
                    self._observers,
                    self._settings.report_grace,
                )
                async with trio.open_nursery() as nursery:
                    await nursery.start(self._reporter.run)
                    task_status.started()
                    await self._over.wait()
                    nursery.cancel_scope.cancel()

    async def _work(self, task_status: trio.TaskStatus[WorkerHandle]) -> None:
        unobserve = self.client.channel.add_state_listener(self._connection_changed)
        try:
            async with self._made_of.plugins.lifespans(self.handle) as provided:
                self._prepare({ZeebeClient: self.client, **provided})
                try:
                    await self._serve(task_status)
                    with self._drain_end:
                        await self._reporter.idle()
                finally:
                    await self._last_reports()
        finally:
            unobserve()

    def _connection_changed(self, state: str, reason: str) -> None:
        level = logging.WARNING if state == "reconnecting" else logging.INFO
        _log.log(level, "Connection to the gateway: %s (%s)", state, reason)
        self._observers.connection_changed(state, reason)

    async def _serve(self, task_status: trio.TaskStatus[WorkerHandle]) -> None:
        async with trio.open_nursery() as nursery:
            for each in self._subscriptions.values():
                nursery.start_soon(self._run_one, each)
            for each in self._subscriptions.values():
                await each.subscription.polled.wait()
            if self._state == "starting":
                self._state = "running"
            task_status.started(self.handle)

    async def _run_one(self, each: SubscriptionRun) -> None:
        await each.run()
        if each.subscription.error is not None:
            self._failed.append(each.subscription)
            if self._settings.stop_on_error:
                self.drain(None)

    async def _last_reports(self) -> None:
        """When the work was cut off: a moment for giving jobs back. Else nothing is open now."""
        if not self._drain_end.cancelled_caught:
            with trio.CancelScope(deadline=trio.current_time() + LAST_REPORTS, shield=True):
                await self._reporter.idle()
        self._reporter.close()

    def _complain(self) -> None:
        stopped = len(self._failed) == len(self._subscriptions)
        if self._failed and (stopped or self._settings.stop_on_error):
            reasons = "; ".join(f"{each.type!r}: {each.error}" for each in self._failed)
            raise WorkerStopped(f"The worker has stopped. {reasons}") from self._failed[0].error

    # Preparation

    def _prepare(self, provided: dict[type, object]) -> None:
        limiters: dict[Limiter, ActiveLimiter] = {}
        for task in self._made_of.tasks:
            if task.limit is not None and task.limit not in limiters:
                limiters[task.limit] = ActiveLimiter(task.limit)
            limiter = None if task.limit is None else limiters[task.limit]
            subscription = self._made_of.subscription(task)
            run = SubscriptionRun(
                subscription, self.client, self._reporter, self._observers, limiter, self._draining
            )
            threads = run.dispatcher.threads
            run.dispatcher.handle = self._made_of.handler(subscription, provided, threads)
            self._subscriptions[task.type] = run
        if self._draining.is_set():
            self.drain(math.inf)

    # What the handle asks for

    def drain(self, grace: float | None) -> None:
        """Begin to end the run; see WorkerHandle.drain."""
        deadline = trio.current_time() + (self._settings.grace if grace is None else grace)
        self._drain_deadline = min(self._drain_deadline, deadline)
        self._drain_end.deadline = self._drain_deadline + LAST_REPORTS
        self._state = "draining"
        self._draining.set()
        for each in self._subscriptions.values():
            each.drain(self._drain_deadline)

    def chosen(self, type: str | None) -> list[SubscriptionRun]:
        """The subscription of a job type, or all of them. KeyError for an unknown type."""
        return list(self._subscriptions.values()) if type is None else [self._subscriptions[type]]

    def state(self) -> WorkerState:
        """What the worker does at this moment."""
        subscriptions = {type: each.state() for type, each in self._subscriptions.items()}
        return WorkerState(
            name=self._settings.name,
            state=self._state,
            channel=self.client.channel.state,
            reported=self._reporter.reported,
            unreported=self._reporter.open,
            subscriptions=subscriptions,
        )
