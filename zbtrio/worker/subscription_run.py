"""One job type at work: its poll, its jobs and their handlers, from the first poll to the end.

Two nurseries, one in the other. The inner one holds the handlers: it ends when the last of them
does. The outer one holds what serves them (the queue's watch, extensions), which is then cancelled.
"""

from __future__ import annotations

import trio

from zbtrio.client import ZeebeClient
from zbtrio.errors import ZbtrioError
from zbtrio.hooks import Observers
from zbtrio.worker.dispatch import Dispatcher
from zbtrio.worker.handle import SubscriptionState
from zbtrio.worker.keeping import Keeper
from zbtrio.worker.lease import LeaseClock
from zbtrio.worker.limiter import ActiveLimiter
from zbtrio.worker.polling import Poller
from zbtrio.worker.push import Pusher
from zbtrio.worker.reporting import Reporter
from zbtrio.worker.source import Source
from zbtrio.worker.subscription import Subscription

__all__ = ["SubscriptionRun"]

ENDING = "The worker is ending."


class SubscriptionRun:
    """Runs one subscription. Its handler (`dispatcher.handle`) is set before `run`."""

    def __init__(
        self,
        subscription: Subscription,
        client: ZeebeClient,
        reporter: Reporter,
        observers: Observers,
        limiter: ActiveLimiter | None,
        draining: trio.Event,
    ) -> None:
        margin = LeaseClock(subscription.timeout).margin
        keeper = Keeper(client, observers, draining, margin)
        self.subscription = subscription
        self.dispatcher = Dispatcher(
            subscription, keeper, reporter, observers, limiter, self._changed
        )
        self._poller = Poller(subscription, self.dispatcher, client, observers, limiter)
        self._pusher: Pusher | None = None
        if subscription.poll == "stream":
            self._pusher = Pusher(subscription, self.dispatcher, client, observers, self._poller)
        self._grace = trio.CancelScope()
        self._draining = False

    async def run(self) -> None:
        """Work until drained, or until the gateway refuses to give jobs: see subscription.error."""
        async with trio.open_nursery() as services:
            async with trio.open_nursery() as handlers:
                self.dispatcher.open(handlers, services)
                await self._take_jobs()
                await self._finish()
            services.cancel_scope.cancel()
        self.subscription.change("stopped", str(self.subscription.error or ""))

    @property
    def _sources(self) -> list[Source]:
        return [self._poller] if self._pusher is None else [self._poller, self._pusher]

    async def _take_jobs(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                for source in self._sources:
                    nursery.start_soon(self._take_from, source)
        finally:
            self.subscription.polled.set()

    async def _take_from(self, source: Source) -> None:
        try:
            await source.run()
        except ZbtrioError as error:
            self.subscription.error = error
            self.subscription.change("stopped", str(error))
            for other in self._sources:
                other.stop()

    async def _finish(self) -> None:
        """Let the handlers end, and those take back that don't within the grace of a drain."""
        with self._grace:
            await self.dispatcher.quiet()
        self.dispatcher.take_back(ENDING)

    def drain(self, deadline: float) -> None:
        """Take no more jobs; handlers have until `deadline` (trio time)."""
        self._grace.deadline = deadline
        if not self._draining and self.subscription.error is None:
            self._draining = True
            self.subscription.change("draining")
            self.dispatcher.close(ENDING)
            for source in self._sources:
                source.stop()

    def pause(self) -> None:
        """Take no more jobs until resumed."""
        if not self._draining and self.subscription.error is None:
            self.subscription.change("paused")
            self.dispatcher.close("The worker is paused.")
            for source in self._sources:
                source.pause()

    def resume(self) -> None:
        """Take jobs again."""
        if self.subscription.state == "paused":
            self.dispatcher.closed = False
            self.subscription.change("polling")
            for source in self._sources:
                source.resume()

    def state(self) -> SubscriptionState:
        """What the subscription does at this moment."""
        subscription, capacity = self.subscription, self.subscription.capacity
        return SubscriptionState(
            type=subscription.type,
            state=subscription.state,
            reason=subscription.reason,
            concurrency=subscription.concurrency,
            max_jobs_active=subscription.max_jobs_active,
            running=capacity.running,
            held=capacity.held,
            waiting=self.dispatcher.waiting,
            reserved=capacity.reserved,
            abandoned=tuple(job.key for job in self.dispatcher.threads.abandoned),
            counts=dict(subscription.counts),
        )

    def _changed(self) -> None:
        self._poller.changed()
        if self._pusher is not None:
            self._pusher.changed()
