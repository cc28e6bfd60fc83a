"""One subscription's poll: the task that asks the gateway for jobs.

There is a poll whenever there is room (capacity.py says when), and no pause between two that went
well: the gateway holds an unanswered one open. Two cases need a pause all the same: a poll style
that has one (poll=0.1), and a gateway that answers long polls at once with nothing.

Stopping an open poll loses nothing: its stream is read until the gateway has seen that it was
stopped, and the jobs that were on their way are given back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import trio

from zbtrio import gateway
from zbtrio._proto.gateway_protocol import ActivateJobsRequest, ActivateJobsResponse
from zbtrio.client import ZeebeClient
from zbtrio.errors import CredentialsError
from zbtrio.hooks import Observers
from zbtrio.rpc import Metadata, RpcError, ServerStream
from zbtrio.rpc.codec import DecodeError, decoder_for, encode
from zbtrio.worker.backoff import pause
from zbtrio.worker.dispatch import Dispatcher
from zbtrio.worker.limiter import ActiveLimiter
from zbtrio.worker.recovery import SOON, Recovery
from zbtrio.worker.subscription import Subscription
from zbtrio.worker.waits import Waits

__all__ = ["Poller"]

SLACK = 10.0
"""Seconds beyond its request timeout after which an unanswered poll counts as stuck."""

CLEAN_UP = 1.0
"""Seconds for taking in what a cancelled poll had on its way."""

_decode: Callable[[bytes], ActivateJobsResponse] = decoder_for(ActivateJobsResponse)


class Poller:
    """Asks for jobs while there is room, until it is stopped."""

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        client: ZeebeClient,
        observers: Observers,
        limiter: ActiveLimiter | None,
    ) -> None:
        self._subscription = subscription
        self._capacity = subscription.capacity
        self._dispatcher = dispatcher
        self._client = client
        self._observers = observers
        self._limiter = limiter
        self._waits = Waits()
        self._recovery = Recovery("ActivateJobs", subscription, client, self._waits)
        self._requests: dict[int, bytes] = {}
        self._stream: ServerStream | None = None
        self._room = trio.Event()
        self._stopping = False
        self._paused = False
        self._empty_at_once = 0

    async def run(self) -> None:
        """Poll until stopped. Raises ZbtrioError when there is no use in polling any more."""
        while not self._stopping:
            if self._paused:
                await self._waits.until(trio.sleep_forever)
            elif self._capacity.wanted() <= 0:
                await self._waits.until(self._until_room)
            elif self._limiter is not None and self._limiter.available() <= 0:
                await self._waits.until(self._limiter.until_available)
            else:
                await self._poll(self._count())

    def changed(self) -> None:
        """There may be room now."""
        if not self._room.is_set() and self._capacity.wanted() > 0:
            self._room.set()

    def stop(self) -> None:
        """Poll no more."""
        self._stopping = True
        self._interrupt()

    def pause(self) -> None:
        """Poll no more until resumed."""
        self._paused = True
        self._interrupt()

    def resume(self) -> None:
        """Poll again."""
        self._paused = False
        self._interrupt()

    def _interrupt(self) -> None:
        if self._stream is not None:
            self._stream.stop()
        self._waits.cut_short()

    async def _until_room(self) -> None:
        self._room = trio.Event()
        await self._room.wait()

    def _count(self) -> int:
        wanted = self._capacity.wanted()
        return wanted if self._limiter is None else min(wanted, self._limiter.available())

    async def _poll(self, count: int) -> None:
        began = trio.current_time()
        metadata: Metadata | None = None
        jobs = 0
        error: Exception | None = None
        try:
            if not await self._recovery.ready():
                return
            metadata = await self._recovery.metadata()
            if metadata is None:
                return
            jobs = await self._ask(count, metadata)
        except (RpcError, CredentialsError, DecodeError) as failure:
            error = failure
        took = trio.current_time() - began
        self._observers.poll_finished(self._subscription, jobs, took, error)
        if self._stopping or self._paused:
            return
        if error is not None:
            await self._recovery.after(error, metadata)
            return
        self._recovery.succeeded()
        self._subscription.change("polling")
        await self._rest(count, jobs, took)

    async def _ask(self, count: int, metadata: Metadata) -> int:
        """Make one poll; the number of jobs it brought. Raises RpcError, DecodeError."""
        capacity, accept = self._capacity, self._dispatcher.accept
        jobs = 0
        timeout = max(0.0, self._held()) + SLACK
        async with self._client.channel.stream(
            gateway.ACTIVATE_JOBS, self._request(count), timeout=timeout, metadata=metadata
        ) as stream:
            self._stream = stream
            capacity.reserved = count
            self._subscription.polled.set()
            try:
                async for data in stream:
                    messages = _decode(data).jobs
                    jobs += len(messages)
                    capacity.reserved = max(0, count - jobs)
                    accept(messages, stream.arrival)
            finally:
                self._stream = None
                capacity.reserved = 0
                if trio.current_effective_deadline() == -math.inf:
                    await self._take_in(stream)
        return jobs

    async def _take_in(self, stream: ServerStream) -> None:
        """The worker is cancelled: give back what the poll had on its way."""
        self._dispatcher.close("The worker was cancelled.")
        end = trio.current_time() + CLEAN_UP
        with suppress(RpcError, DecodeError), trio.CancelScope(deadline=end, shield=True):
            stream.stop()
            async for data in stream:
                self._dispatcher.accept(_decode(data).jobs, stream.arrival)

    def _request(self, count: int) -> bytes:
        """The request's bytes; there are as many different ones as counts."""
        if count not in self._requests:
            subscription = self._subscription
            self._requests[count] = encode(
                ActivateJobsRequest(
                    type=subscription.type,
                    worker=subscription.worker_name,
                    timeout=max(1, round(subscription.timeout * 1000)),
                    max_jobs_to_activate=count,
                    fetch_variable=list(subscription.fetch or ()),
                    request_timeout=round(self._held() * 1000),
                    tenant_ids=list(subscription.tenants),
                )
            )
        return self._requests[count]

    def _held(self) -> float:
        """Seconds for which the gateway shall hold an unanswered poll; below 0 for not at all."""
        return self._subscription.request_timeout if self._subscription.poll == "long" else -1.0

    async def _rest(self, count: int, jobs: int, took: float) -> None:
        """Pause before the next poll, where that is needed."""
        style = self._subscription.poll
        if isinstance(style, float | int):
            if jobs < count:
                await self._waits.sleep(style)
        elif jobs or took >= min(0.5, self._held() / 2):
            self._empty_at_once = 0
        else:
            self._empty_at_once += 1
            await self._waits.sleep(pause(self._empty_at_once, SOON))
