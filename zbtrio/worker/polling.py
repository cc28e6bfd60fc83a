"""A subscription's poll.

There is a poll whenever there is room (capacity.py says when), and no pause between two that went
well: the gateway holds an unanswered one open. Other cases need a pause: a poll style that has one
(poll=0.1), and a gateway that answers long polls at once with nothing.

Beside a push stream, polls only fetch the backlog, since pushed are only jobs that come up while
the stream is open: one pass whenever there may be a backlog (`look`), and again until one brings
less than it asked for. What slips through waits for a pass that is made every `BACKLOG` seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import trio

from zbtrio import gateway
from zbtrio._proto.gateway_protocol import ActivateJobsRequest, ActivateJobsResponse
from zbtrio.client import ZeebeClient
from zbtrio.hooks import Observers
from zbtrio.rpc.codec import decoder_for, encode
from zbtrio.worker.backoff import pause
from zbtrio.worker.dispatch import Dispatcher
from zbtrio.worker.limiter import ActiveLimiter
from zbtrio.worker.recovery import GLANCING, SETTLING_ANSWER, SOON
from zbtrio.worker.source import Source
from zbtrio.worker.subscription import Subscription

__all__ = ["Poller"]

SLACK = 10.0
"""Seconds beyond its request timeout after which an unanswered poll counts as stuck."""

BACKLOG = 10.0
"""Seconds between two looks for a backlog beside a push stream."""

SLIP = 1.0
"""Seconds after a push stream was opened at which a look finds what came up meanwhile."""

_decode: Callable[[bytes], ActivateJobsResponse] = decoder_for(ActivateJobsResponse)


class Poller(Source):
    """Polls while there is room."""

    method = gateway.ACTIVATE_JOBS

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        client: ZeebeClient,
        observers: Observers,
        limiter: ActiveLimiter | None,
    ) -> None:
        super().__init__(subscription, dispatcher, client, observers)
        self._limiter = limiter
        self._requests: dict[tuple[int, float], bytes] = {}
        self._room = trio.Event()
        self._due = trio.Event()
        self._dry = trio.Event()
        self._look_again = BACKLOG
        self._brought = 0
        self._asked = 0
        self._empty_at_once = 0
        self._held = 0.0
        self._glance = False
        self._error: Exception | None = None

    def changed(self) -> None:
        """There may be room now."""
        if not self._room.is_set() and self._capacity.wanted() > 0:
            self._room.set()

    def look(self) -> None:
        """There may be a backlog now, and something may slip through until a moment later."""
        self._dry = trio.Event()
        self._due.set()
        self._look_again = SLIP

    async def until_dry(self) -> None:
        """Wait until a poll has found less than it asked for."""
        await self._dry.wait()

    async def _turn(self) -> None:
        if self._capacity.wanted() <= 0:
            await self._waits.until(self._until_room)
        elif self._limiter is not None and self._limiter.available() <= 0:
            await self._waits.until(self._limiter.until_available)
        elif self._subscription.poll == "stream" and not self._due.is_set():
            await self._waits.until(self._until_due)
        else:
            await self._poll(self._count())

    async def _until_room(self) -> None:
        self._room = trio.Event()
        await self._room.wait()

    async def _until_due(self) -> None:
        patience, self._look_again = self._look_again, BACKLOG
        with trio.move_on_after(patience * random.uniform(0.8, 1.2)):
            await self._due.wait()
        self._due.set()

    def _count(self) -> int:
        wanted = self._capacity.wanted()
        return wanted if self._limiter is None else min(wanted, self._limiter.available())

    async def _poll(self, count: int) -> None:
        self._error, self._asked, self._brought = None, count, 0
        try:
            well = await self._request()
        finally:
            self._capacity.reserved = 0
        took = trio.current_time() - self._began
        self._observers.poll_finished(self._subscription, self._brought, took, self._error)
        if well and not (self._stopping or self._paused):
            await self._rest(took)

    def _question(self) -> tuple[bytes, float | None]:
        settling = self._recovery.settling
        self._held = self._hold()
        slack = SETTLING_ANSWER if settling else SLACK
        return self._payload(self._asked, self._held), max(0.0, self._held) + slack

    def _opened(self) -> None:
        self._capacity.reserved = self._asked

    def _take(self, data: bytes, arrival: float) -> None:
        jobs = _decode(data).jobs
        self._brought += len(jobs)
        self._capacity.reserved = max(0, self._asked - self._brought)
        self._dispatcher.accept(jobs, arrival)

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._capacity.reserved = 0

    def _hold(self) -> float:
        """Seconds for which the gateway shall hold an unanswered poll; below 0 for not at all."""
        if self._subscription.poll != "long" or self._recovery.settling:
            return -1.0
        longest, back_for = self._subscription.request_timeout, self._recovery.back_for
        if back_for >= GLANCING:
            return longest
        self._glance = not self._glance
        return -1.0 if self._glance else min(longest, back_for / 6)

    def _payload(self, count: int, held: float) -> bytes:
        """The request's bytes; there are as many different ones as counts."""
        if (count, held) not in self._requests:
            subscription = self._subscription
            self._requests[count, held] = encode(
                ActivateJobsRequest(
                    type=subscription.type,
                    worker=subscription.worker_name,
                    timeout=max(1, round(subscription.timeout * 1000)),
                    max_jobs_to_activate=count,
                    fetch_variable=list(subscription.fetch or ()),
                    request_timeout=round(held * 1000),
                    tenant_ids=list(subscription.tenants),
                )
            )
        return self._requests[count, held]

    async def _rest(self, took: float) -> None:
        """Pause before the next poll, where that is needed."""
        style = self._subscription.poll
        if style == "stream":
            if self._brought < self._asked:
                self._due = trio.Event()
                self._dry.set()
        elif style != "long":
            if self._brought < self._asked:
                await self._waits.sleep(style)
        elif self._brought or took >= min(0.5, max(0.0, self._held) / 2) > 0:
            self._empty_at_once = 0
        elif self._held < 0:
            await self._waits.sleep(SOON / 2 * random.uniform(0.5, 1.0))
        else:
            self._empty_at_once += 1
            await self._waits.sleep(pause(self._empty_at_once, SOON))
