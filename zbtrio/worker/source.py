"""Where a subscription's jobs come from: what its poll and its push stream have in common.

Stopping one loses nothing: its stream is read until the gateway has seen that it was stopped, and
jobs that were on their way are given back. That holds when the worker is cancelled, too, for as
long as `CLEAN_UP`.
"""

from __future__ import annotations

import math
from contextlib import suppress

import trio

from zbtrio.client import ZeebeClient
from zbtrio.errors import CredentialsError
from zbtrio.hooks import Observers
from zbtrio.rpc import Metadata, Method, RpcError, ServerStream
from zbtrio.rpc.codec import DecodeError
from zbtrio.worker.dispatch import Dispatcher
from zbtrio.worker.recovery import Recovery
from zbtrio.worker.subscription import Subscription
from zbtrio.worker.waits import Waits

__all__ = ["Source"]

CLEAN_UP = 1.0
"""Seconds for taking in what a cancelled request had on its way."""


class Source:
    """Asks for jobs until it is stopped. A subclass says when and how (`_turn`), and takes them."""

    method: Method

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        client: ZeebeClient,
        observers: Observers,
    ) -> None:
        self._subscription = subscription
        self._capacity = subscription.capacity
        self._dispatcher = dispatcher
        self._client = client
        self._observers = observers
        self._waits = Waits()
        self._recovery = Recovery(self.method.name, subscription, client, self._waits)
        self._stream: ServerStream | None = None
        self._stopping = False
        self._paused = False
        self._began = 0.0

    async def run(self) -> None:
        """Ask until stopped. Raises ZbtrioError when there is no use in asking any more."""
        while not self._stopping:
            if self._paused:
                await self._waits.until(trio.sleep_forever)
            else:
                await self._turn()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping = True
        self._interrupt()

    def pause(self) -> None:
        """Ask no more until resumed."""
        self._paused = True
        self._interrupt()

    def resume(self) -> None:
        """Ask again."""
        self._paused = False
        self._interrupt()

    def _interrupt(self) -> None:
        if self._stream is not None:
            self._stream.stop()
        self._waits.cut_short()

    # For subclasses

    async def _turn(self) -> None:
        """Wait until a request is due, make it, and heed what came of it."""
        raise AssertionError("a subclass has turns")

    def _take(self, data: bytes, arrival: float) -> None:
        """Take a message of the stream. Raises DecodeError."""
        raise AssertionError("a subclass takes messages")

    def _question(self) -> tuple[bytes, float | None]:
        """The request's bytes and its timeout in seconds, when it is about to leave."""
        raise AssertionError("a subclass asks")

    async def _request(self) -> bool:
        """Make a request and take all it brings; whether it went well, and to the end.

        Waits before it for the channel and credentials, and after a failure as that asks for.
        """
        if not await self._recovery.ready():
            return False
        metadata: Metadata | None = None
        try:
            metadata = await self._recovery.metadata()
            if metadata is None:
                return False
            await self._read(*self._question(), metadata)
        except (RpcError, CredentialsError, DecodeError) as error:
            self._failed(error)
            if not (self._stopping or self._paused):
                await self._recovery.after(error, metadata)
            return False
        self._recovery.succeeded()
        return True

    def _failed(self, error: Exception) -> None:
        """A request has failed; told before it is recovered from."""

    def _opened(self) -> None:
        """A request is on its way."""

    async def _read(self, payload: bytes, timeout: float | None, metadata: Metadata) -> None:
        self._began = trio.current_time()
        async with self._client.channel.stream(
            self.method, payload, timeout=timeout, metadata=metadata
        ) as stream:
            self._stream = stream
            self._subscription.asked()
            self._opened()
            try:
                async for data in stream:
                    self._take(data, stream.arrival)
            finally:
                self._stream = None
                if trio.current_effective_deadline() == -math.inf:
                    await self._take_in(stream)

    async def _take_in(self, stream: ServerStream) -> None:
        """The worker is cancelled: give back what was on its way."""
        self._dispatcher.close("The worker was cancelled.")
        end = trio.current_time() + CLEAN_UP
        with suppress(RpcError, DecodeError), trio.CancelScope(deadline=end, shield=True):
            stream.stop()
            async for data in stream:
                self._take(data, stream.arrival)
