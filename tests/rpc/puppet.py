"""A server that does what a test says, when it says it."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import memory_stream_pair

from tests.rpc.core import RESPONSE, TRAILERS
from zbtrio.rpc import Channel
from zbtrio.rpc.frames import (
    Event,
)
from zbtrio.rpc.grpc import frame_message
from zbtrio.rpc.http2 import Http2Connection, Stream


class Puppet:
    """A server of the core alone: it does what the test says, when the test says it."""

    def __init__(self, **options: int) -> None:
        self._options = options
        self._connected = trio.Event()
        self.silent = False
        self.connects: list[float] = []

    async def connect(self, target: str) -> trio.abc.Stream:
        """Connect a channel in memory."""
        self.core = Http2Connection(client=False, **self._options)
        self.transport, theirs = memory_stream_pair()
        self.connects.append(trio.current_time())
        self._connected.set()
        await self.flush()
        return theirs

    async def flush(self) -> None:
        """Send what the core has queued, unless the test wants silence."""
        await self.transport.send_all(b"" if self.silent else self.core.data_to_send())

    async def read(self) -> list[Event]:
        """Wait for bytes and return what they mean; their answers wait for `flush`."""
        await self._connected.wait()
        data = bytes(await self.transport.receive_some())
        if not data:
            raise trio.BrokenResourceError("the channel has closed the connection")
        return self.core.receive_data(data)

    async def expect(self, kind: type[Event]) -> Any:
        """Read until an event of this kind comes, and answer all."""
        while True:
            events = await self.read()
            await self.flush()
            for event in events:
                if isinstance(event, kind):
                    return event

    async def answer(self, stream: Stream, *messages: bytes) -> None:
        """Send a whole response."""
        self.core.send_headers(stream, RESPONSE)
        for message in messages:
            self.core.send_data(stream, frame_message(message))
        self.core.send_headers(stream, TRAILERS, end_stream=True)
        await self.flush()

    async def hang_up(self) -> None:
        """Close the connection."""
        await self.transport.aclose()


def channel_to(connect: Any, **options: Any) -> Channel:
    return Channel("memory:1", connector=connect, **{"keepalive": None, **options})
