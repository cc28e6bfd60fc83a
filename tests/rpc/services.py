"""Small services for tests, and a client that sends what no decent client would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, field
from grpclib.const import Cardinality, Handler
from trio.testing import memory_stream_pair

from zbtrio.rpc import Channel, Method, Server, ServerCall, UnaryCall
from zbtrio.rpc.frames import (
    ConnectionFailed,
    DataReceived,
    Event,
    GoAwayReceived,
    HeadersReceived,
    PingAcked,
    StreamReset,
)
from zbtrio.rpc.grpc import frame_message
from zbtrio.rpc.header_memo import FieldList, Fields
from zbtrio.rpc.http2 import Http2Connection, Stream

RpcHandler = Callable[[ServerCall], Awaitable[None]]

UNARY, PARTS = Cardinality.UNARY_UNARY, Cardinality.UNARY_STREAM
COLLECT, CHAT = Cardinality.STREAM_UNARY, Cardinality.STREAM_STREAM


class Service:
    """RPCs on raw bytes, by name: `Service(Echo=(UNARY, echo))` serves /test.Service/Echo."""

    def __init__(self, **rpcs: tuple[Cardinality, RpcHandler]) -> None:
        self._rpcs = rpcs

    def __mapping__(self) -> dict[str, Handler]:
        return {
            path(name): Handler(handler, cardinality, bytes, bytes)
            for name, (cardinality, handler) in self._rpcs.items()
        }


def path(name: str) -> str:
    return f"/test.Service/{name}"


def method(name: str) -> Method:
    """Return the method to call with bytes on a channel."""
    return Method(path(name), bytes, bytes)


async def ask(channel: Channel, name: str, body: bytes = b"", **options: Any) -> bytes:
    """Make a unary call with bytes and return the response's."""
    ended: list[UnaryCall] = []
    done = trio.Event()

    def on_done(call: UnaryCall) -> None:
        ended.append(call)
        done.set()

    options = {"timeout": None, **options}
    call = channel.start_unary(method(name), body, on_done=on_done, **options)
    try:
        await done.wait()
    finally:
        call.cancel()
    assert ended == [call]
    if call.error is not None:
        raise call.error
    return call.data


async def echo(call: ServerCall) -> None:
    """Answer with the request."""
    await call.send_message(await call.recv_message())


async def park(call: ServerCall) -> None:
    """Never answer."""
    await trio.sleep_forever()


@asynccontextmanager
async def serving(*services: Any, **options: Any) -> AsyncIterator[tuple[Server, Connect]]:
    """Serve in memory; gives the server and what makes a client's end of a new connection."""
    server = Server(services, **options)
    async with trio.open_nursery() as nursery:

        async def connect(target: str = "") -> trio.StapledStream[Any, Any]:
            ours, theirs = memory_stream_pair()
            nursery.start_soon(server.serve_stream, ours)
            await trio.lowlevel.checkpoint()
            return theirs

        yield server, connect
        nursery.cancel_scope.cancel()


Connect = Callable[..., Awaitable[trio.abc.Stream]]


@asynccontextmanager
async def serving_channel(*services: Any, **options: Any) -> AsyncIterator[Channel]:
    """Serve in memory and give a channel to it."""
    async with (
        serving(*services, **options) as (_, connect),
        Channel("memory:1", connector=connect, keepalive=None) as channel,
    ):
        yield channel


@define(eq=False)
class Answer:
    """What a server sent on one stream."""

    headers: list[Fields] = field(factory=list)
    body: bytearray = field(factory=bytearray)
    ended: bool = False
    reset: int | None = None

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of a field in any of its header blocks."""
        return next((v for block in self.headers for k, v in block if k == name), None)


class RawClient:
    """A client of the HTTP/2 core alone: it sends any header and body, and reads when told.

    Args:
        transport: its end of a connection.
    """

    def __init__(self, transport: trio.abc.Stream, **options: int) -> None:
        self.transport = transport
        self.core = Http2Connection(client=True, **options)
        self.answers: dict[int, Answer] = {}
        self.goaways: list[GoAwayReceived] = []
        self.pongs = 0
        self.over = False

    async def start(self) -> RawClient:
        """Shake hands."""
        await self.flush()
        while not self.core.settings_received:
            await self.read()
        return self

    async def request(
        self, name: str, body: bytes | None = b"", *extra: tuple[bytes, bytes], end: bool = True
    ) -> Stream:
        """Send a call with one message (None: headers only)."""
        headers = FieldList(
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path(name).encode()),
            (b":authority", b"test"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *extra,
        )
        return await self.request_with(headers, None if body is None else frame_message(body), end)

    async def request_with(self, headers: FieldList, body: bytes | None, end: bool) -> Stream:
        """Send any request."""
        stream = self.core.open_stream(headers)
        self.answers[stream.id] = Answer()
        if body is not None or end:
            self.core.send_data(stream, body or b"", end_stream=end)
        await self.flush()
        return stream

    async def send(self, stream: Stream, data: bytes, *, end: bool = False) -> None:
        """Send body bytes as they are."""
        self.core.send_data(stream, data, end_stream=end)
        await self.flush()

    async def flush(self) -> None:
        """Send what is queued."""
        await self.transport.send_all(self.core.data_to_send())

    async def read(self) -> None:
        """Read once."""
        data = bytes(await self.transport.receive_some())
        self.over = not data
        for event in self.core.receive_data(data):
            self._take(event)
        if self.core.has_data_to_send and not self.over:
            await self.flush()

    async def answer(self, stream: Stream) -> Answer:
        """Read until a stream has ended."""
        answer = self.answers[stream.id]
        while not (answer.ended or answer.reset is not None or self.over):
            await self.read()
        return answer

    async def read_to_end(self) -> None:
        """Read until the server hangs up."""
        while not self.over:
            await self.read()

    def _take(self, event: Event) -> None:
        assert not isinstance(event, ConnectionFailed), event.error
        if isinstance(event, GoAwayReceived):
            self.goaways.append(event)
        elif isinstance(event, PingAcked):
            self.pongs += 1
        elif isinstance(event, HeadersReceived):
            answer = self.answers[event.stream.id]
            answer.headers.append(event.headers.fields)
            answer.ended |= event.ended
        elif isinstance(event, DataReceived):
            answer = self.answers[event.stream.id]
            answer.body += event.data
            answer.ended |= event.ended
            self.core.give_credit(event.stream, event.size)
        elif isinstance(event, StreamReset):
            self.answers[event.stream.id].reset = event.code
