"""A subscription's push stream (StreamActivatedJobs), beside its poll and with the same capacity.

A pushed job saves the poll's way to the gateway and back, but HTTP/2 can't hold a push back: when
this worker is full, jobs that are on their way already still arrive. The first one beyond the limit
goes back at once, and the stream is closed with it; the poll, which asks for as many as there is
room for, then takes over. When the poll finds no more backlog the stream is opened again. So push
serves workers that have time, poll those that are busy, and a full worker isn't pushed at in vain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from zbtrio import gateway
from zbtrio._proto.gateway_protocol import ActivatedJob, StreamActivatedJobsRequest
from zbtrio.client import ZeebeClient
from zbtrio.errors import Unimplemented
from zbtrio.hooks import Observers
from zbtrio.rpc.codec import decoder_for, encode
from zbtrio.worker.backoff import pause
from zbtrio.worker.dispatch import Dispatcher
from zbtrio.worker.polling import Poller
from zbtrio.worker.source import Source
from zbtrio.worker.subscription import Subscription

__all__ = ["Pusher"]

_log = logging.getLogger("zbtrio.worker")

STEADY = 10.0
"""Seconds after which a stream that ends counts as one that went well."""

_decode: Callable[[bytes], ActivatedJob] = decoder_for(ActivatedJob)


class Pusher(Source):
    """Has jobs pushed while the worker keeps up with them."""

    method = gateway.STREAM_ACTIVATED_JOBS

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        client: ZeebeClient,
        observers: Observers,
        poller: Poller,
    ) -> None:
        super().__init__(subscription, dispatcher, client, observers)
        self._poller = poller
        self._room = trio.Event()
        self._overshot = False
        self._closed_in_a_row = 0

    def changed(self) -> None:
        """There may be room now."""
        if not self._room.is_set() and self._capacity.room > 0:
            self._room.set()

    async def _turn(self) -> None:
        if self._capacity.room <= 0:
            await self._waits.until(self._until_room)
            return
        self._overshot = False
        try:
            await self._request()
        except Unimplemented as error:
            self._do_without(error)
            return
        if not (self._stopping or self._paused):
            await self._rest()

    async def _until_room(self) -> None:
        self._room = trio.Event()
        await self._room.wait()

    def _question(self) -> tuple[bytes, float | None]:
        return self._payload(), None

    def _opened(self) -> None:
        self._poller.look()

    def _take(self, data: bytes, arrival: float) -> None:
        message = _decode(data)
        if self._capacity.room > self._capacity.reserved:
            self._dispatcher.accept([message], arrival)
            return
        self._subscription.counts["overshoot"] += 1
        self._dispatcher.refuse(message, arrival)
        if not self._overshot and self._stream is not None:
            self._overshot = True
            self._poller.look()
            self._stream.stop()

    async def _rest(self) -> None:
        """After the stream's end: until the worker has time again, and not too often."""
        if trio.current_time() - self._began > STEADY:
            self._closed_in_a_row = 0
        self._closed_in_a_row += 1
        if not self._overshot or await self._waits.until(self._poller.until_dry):
            await self._waits.sleep(pause(self._closed_in_a_row))

    def _do_without(self, error: Unimplemented) -> None:
        subscription = self._subscription
        _log.warning("Job type %r is long polled instead. %s", subscription.type, error)
        subscription.poll = "long"
        self._stopping = True
        self._poller.look()

    def _payload(self) -> bytes:
        subscription = self._subscription
        return encode(
            StreamActivatedJobsRequest(
                type=subscription.type,
                worker=subscription.worker_name,
                timeout=max(1, round(subscription.timeout * 1000)),
                fetch_variable=list(subscription.fetch or ()),
                tenant_ids=list(subscription.tenants),
            )
        )
