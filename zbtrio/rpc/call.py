"""One call on a channel, from the request's first byte to its status.

A call is a small state machine that the connection's reader drives; no task belongs to it. A
UnaryCall tells its end by a callback, so that a worker can report a thousand outcomes without a
task each. A ServerStream parks the one task that iterates over it.

Who ends a call: the server (trailers, reset), the connection (lost, GOAWAY), its deadline, or its
owner (`cancel`). Whoever comes first wins; `_finish` is the only door.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import trio
from grpclib.const import Status

from zbtrio.rpc.codec import decode
from zbtrio.rpc.grpc import (
    CallHeaders,
    MessageReader,
    Metadata,
    Method,
    RpcError,
    decode_metadata,
    error_of_reset,
    read_response,
    read_trailers,
)
from zbtrio.rpc.header_memo import HeaderSet

if TYPE_CHECKING:
    from zbtrio.rpc.channel import Channel
    from zbtrio.rpc.connection import Connection
    from zbtrio.rpc.http2 import Stream


class Call:
    """What unary and streaming calls share.

    Attributes:
        method: which RPC.
        done: the call has ended; `error` is None for status OK.
        deadline: trio time at which it ends by itself (infinite: never).
        initial_metadata, trailers: what the server sent before and after its messages.
    """

    __slots__ = (
        "_channel",
        "_reader",
        "connection",
        "deadline",
        "done",
        "error",
        "headers",
        "initial_metadata",
        "long_lived",
        "method",
        "payload",
        "refusals",
        "stream",
        "trailers",
        "written_mark",
    )

    def __init__(
        self,
        channel: Channel,
        method: Method,
        payload: bytes,
        deadline: float,
        headers: CallHeaders,
        long_lived: bool,
    ) -> None:
        self._channel = channel
        self._reader: MessageReader | None = None
        self.method = method
        self.payload = payload
        self.deadline = deadline
        self.headers = headers
        self.long_lived = long_lived
        self.connection: Connection | None = None
        self.stream: Stream | None = None
        self.written_mark = 0
        self.refusals = 0
        self.done = False
        self.error: RpcError | None = None
        self.initial_metadata: Metadata = ()
        self.trailers: Metadata = ()

    def cancel(self) -> None:
        """End the call from this side; nobody is told, the server gets RST_STREAM."""
        if not self.done:
            self._finish(RpcError(Status.CANCELLED, "cancelled on this side"), tell=False)

    # What the connection's reader tells

    def headers_received(self, headers: HeaderSet, ended: bool) -> None:
        """Take a header block: the response's first one, or the trailers."""
        if self._reader is None:
            head = read_response(headers)
            self._reader = MessageReader(self._channel.max_message_size)
            self._reader.encoding = head.encoding
            self.initial_metadata = head.metadata
            if head.error is not None:
                self._finish(head.error)
                return
        if ended:
            error = read_trailers(headers)
            if error is None and self._reader.incomplete:
                error = RpcError(Status.INTERNAL, "the server ended in the middle of a message")
            if error is not None:
                self.trailers = error.trailers
            elif len(headers.fields) > 1:
                self.trailers = decode_metadata(headers)
            self._finish(error)

    def data_received(self, data: bytes, size: int, ended: bool) -> None:
        """Take body bytes; `size` of them count against the stream's window."""
        reader = self._reader
        assert reader is not None  # the core lets no DATA pass before HEADERS
        try:
            messages = reader.feed(data)
        except RpcError as error:
            self._finish(error)
            return
        self._take(messages, size)
        if ended:
            text = "the server ended the call without a status"
            self._finish(RpcError(Status.UNKNOWN, text))

    def reset_received(self, code: int, fault: str | None) -> None:
        """Take a RST_STREAM."""
        self.stream = None
        self.fail(error_of_reset(code, fault))

    def fail(self, error: RpcError) -> None:
        """End with an error, or go back into the queue if no server has looked at the call."""
        if not error.unprocessed or self._reader is not None or not self._channel.requeue(self):
            self._finish(error)

    def _take(self, messages: list[bytes], size: int) -> None:
        raise AssertionError("a subclass takes messages")

    def _ended(self) -> None:
        raise AssertionError("a subclass tells its owner")

    def _finish(self, error: RpcError | None, *, tell: bool = True) -> None:
        if self.done:
            return
        self.done = True
        self.error = error
        connection, stream = self.connection, self.stream
        if connection is not None and stream is not None:
            connection.call_ended(stream)
        self._channel.call_ended(self)
        if tell:
            self._ended()


class UnaryCall(Call):
    """A call with one response. `on_done` was given it, or will be, exactly once.

    Attributes:
        data: the raw response message, b"" while there is none.
    """

    __slots__ = ("_messages", "data", "on_done")

    def __init__(
        self,
        channel: Channel,
        method: Method,
        payload: bytes,
        deadline: float,
        headers: CallHeaders,
        on_done: Callable[[UnaryCall], object],
    ) -> None:
        super().__init__(channel, method, payload, deadline, headers, False)
        self.on_done = on_done
        self.data = b""
        self._messages = 0

    def response(self) -> Any:
        """Return the decoded response; raise the call's RpcError if it has one."""
        if self.error is not None:
            raise self.error
        return decode(self.method.response_type, self.data)

    def _take(self, messages: list[bytes], size: int) -> None:
        assert self.connection is not None
        assert self.stream is not None
        self.connection.give_credit(self.stream, size)
        if messages:
            self.data = messages[0]
            self._messages += len(messages)

    def _finish(self, error: RpcError | None, *, tell: bool = True) -> None:
        if error is None and self._messages != 1:
            text = f"the server sent {self._messages} responses to a call that has one"
            error = RpcError(Status.INTERNAL, text)
        super()._finish(error, tell=tell)

    def _ended(self) -> None:
        self.on_done(self)


class ServerStream(Call):
    """A call with a stream of responses, used in `async with`; iterating gives raw messages.

    Iteration ends with the server's OK, else raises RpcError. Credit for a message goes back
    to the server when it is taken from here, so an unread stream stops its sender.

    Attributes:
        arrival: trio time at which the last message that was taken had come in.
    """

    __slots__ = ("_parked", "_withheld", "arrival", "stopping", "unread")

    def __init__(
        self,
        channel: Channel,
        method: Method,
        payload: bytes,
        deadline: float,
        headers: CallHeaders,
        long_lived: bool,
    ) -> None:
        super().__init__(channel, method, payload, deadline, headers, long_lived)
        self.unread: deque[tuple[bytes, float]] = deque()
        self.arrival = 0.0
        self.stopping = False
        self._withheld = 0
        self._parked: trio.lowlevel.Task | None = None

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._channel.submit(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next raw message. A checkpoint when it waits, a cancellation point always."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self.unread:
            if self.done:
                if self.error is not None:
                    raise self.error
                raise StopAsyncIteration
            await self._park()
        message, self.arrival = self.unread.popleft()
        self._return_credit(len(message) + 5)
        return message

    async def messages(self) -> AsyncIterator[Any]:
        """Iterate over decoded messages."""
        async for data in self:
            yield decode(self.method.response_type, data)

    def stop(self) -> None:
        """Ask for no more, without losing what is on its way.

        The server gets RST_STREAM and an empty SETTINGS frame; iteration goes on with what still
        arrives and ends when the server has acknowledged that frame. (A PING would do as barrier,
        but gRPC servers count pings as abuse.)
        """
        if self.done or self.stopping:
            return
        self.stopping = True
        if self.stream is None or self.connection is None:
            self._finish(None)
        else:
            self.connection.stop_stream(self)

    def stopped(self) -> None:
        """The server has read our RST_STREAM: nothing more comes."""
        self._finish(None)

    def fail(self, error: RpcError) -> None:
        if self.stopping:
            self._finish(None)
        else:
            super().fail(error)

    def _take(self, messages: list[bytes], size: int) -> None:
        if not messages and not self.unread:
            self._give_credit(size)  # there is nothing to read: the message must become whole
            return
        now = trio.current_time()
        self.unread.extend((message, now) for message in messages)
        self._withheld += size
        self._wake()

    def _return_credit(self, size: int) -> None:
        size = min(size, self._withheld) if self.unread else self._withheld
        self._withheld -= size
        self._give_credit(size)

    def _give_credit(self, size: int) -> None:
        if size and not self.done and self.stream is not None and self.connection is not None:
            self.connection.give_credit(self.stream, size)

    async def _park(self) -> None:
        if self._parked is not None:
            raise RuntimeError("two tasks iterate over one stream")
        self._parked = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def _wake(self) -> None:
        if self._parked is not None:
            task, self._parked = self._parked, None
            trio.lowlevel.reschedule(task)

    def _ended(self) -> None:
        self._wake()
